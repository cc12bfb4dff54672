// Media: a pool of a Ceph cluster; each volume is an RBD image, <uuid>.
// SPDX-License-Identifier: BSD-2-Clause
//
// Images are made and removed by Ceph's own command, rbd(8), and served by tgtd's backing store
// rbd (Debian's package tgt-rbd), so neither this program nor the machine needs more of Ceph.
#include "base/mem.h"
#include "media/command.h"
#include "media/kind.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_MS     20000
#define PROBE_INTERVAL 5   // seconds; every pass of the unit asks
#define LOOK_MS        100 // at a command that runs
#define ARGS_MAX       16

// To remove an image takes as long as it is large.
struct removal {
    struct dv_uuid volume;
    struct media_command command;
};

struct rbd {
    char *options;            // of tgtd's backing store
    time_t probed;            // monotonic
    struct removal *removals; // under way
    size_t removal_count;
};

static char *image_of(const struct media *m, const struct volume *v)
{
    char uuid[UUID_TEXT_LEN];
    return dv_printf("%s/%s", m->path, uuid_format(&v->uuid, uuid));
}

// The command line with the arguments up to a NULL.
static void line_of(const struct media *m, const char *const *args, const char *argv[ARGS_MAX])
{
    size_t n = 0;
    argv[n++] = "rbd";
    if (m->ceph_conf) {
        argv[n++] = "--conf";
        argv[n++] = m->ceph_conf;
    }
    if (m->ceph_user) {
        argv[n++] = "--id";
        argv[n++] = m->ceph_user;
    }
    for (size_t i = 0; args[i]; i++)
        argv[n++] = args[i];
    argv[n] = NULL;
}

// Runs rbd so. Returns its exit code, an errno, or -1.
static int run(const struct media *m, const char *const *args, struct dv_err *err)
{
    const char *argv[ARGS_MAX];
    line_of(m, args, argv);
    return command_run(argv, TIMEOUT_MS, err);
}
#define RUN(m, err, ...) run(m, (const char *const[]){__VA_ARGS__, NULL}, err)

static int good(int code)
{
    return code == 0 ? 0 : -1;
}

// A cluster that does not answer is noticed here, before a volume waits for it.
static int look(const struct media *m, struct dv_err *err)
{
    return good(RUN(m, err, "ls", m->path));
}

static int rbd_open(struct media *m, struct dv_err *err)
{
    struct rbd *r = m->own = dv_calloc(1, sizeof(*r));
    r->options =
        dv_printf("%s%s%s%s%s", m->ceph_conf ? "conf=" : "", m->ceph_conf ? m->ceph_conf : "",
                  m->ceph_conf && m->ceph_user ? ";" : "", m->ceph_user ? "id=" : "",
                  m->ceph_user ? m->ceph_user : "");
    return look(m, err);
}

static void rbd_close(struct media *m)
{
    struct rbd *r = m->own;
    if (!r)
        return;
    // Begun again, it goes on with what is left.
    for (size_t i = 0; i < r->removal_count; i++)
        command_kill(&r->removals[i].command);
    free(r->removals);
    free(r->options);
    free(r);
}

static int rbd_probe(struct media *m, struct media_space *space, struct dv_err *err)
{
    struct rbd *r = m->own;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *space = (struct media_space){.state = MEDIUM_ONLINE, .reserves = false}; // images are thin
    if (r->probed != 0 && now.tv_sec < r->probed + PROBE_INTERVAL)
        return 0;
    if (look(m, err) != 0)
        return -1;
    r->probed = now.tv_sec;
    return 0;
}

static int rbd_layout(struct media *m, struct media_layout *out, struct dv_err *err)
{
    (void)err;
    out->blocks = m->blocks;
    return 0;
}

static char *rbd_path(struct media *m, const struct volume *v, struct dv_err *err)
{
    (void)err; // tgtd says when the image is not there
    return image_of(m, v);
}

static const char *rbd_store(const struct media *m, const char **options)
{
    const struct rbd *r = m->own;
    *options = r->options;
    return "rbd";
}

static int resize(const struct media *m, const char *image, uint64_t blocks, struct dv_err *err)
{
    DV_FREE char *size = dv_printf("%" PRIu64, blocks / BLOCKS_PER_MIB);
    return good(RUN(m, err, "resize", "--no-progress", "--size", size, image));
}

// An image that is there was made by a create that was broken off, or longer ago; rbd refuses to
// cut one that is longer.
static int rbd_create(struct media *m, const struct volume *v,
                      const struct media_progress *progress, struct dv_err *err)
{
    DV_FREE char *image = image_of(m, v);
    DV_FREE char *size = dv_printf("%" PRIu64, v->blocks / BLOCKS_PER_MIB);
    (void)progress;
    int code = RUN(m, err, "create", "--size", size, image);
    return code == EEXIST ? resize(m, image, v->blocks, err) : good(code);
}

static int rbd_grow(struct media *m, const struct volume *v, uint64_t blocks,
                    const struct media_progress *progress, struct dv_err *err)
{
    DV_FREE char *image = image_of(m, v);
    (void)progress;
    return resize(m, image, blocks, err);
}

static struct removal *find_removal(const struct rbd *r, const struct dv_uuid *volume)
{
    for (size_t i = 0; i < r->removal_count; i++)
        if (uuid_equal(&r->removals[i].volume, volume))
            return &r->removals[i];
    return NULL;
}

static struct removal *start_removal(const struct media *m, const struct volume *v,
                                     struct dv_err *err)
{
    struct rbd *r = m->own;
    DV_FREE char *image = image_of(m, v);
    const char *argv[ARGS_MAX];
    struct media_command command;
    line_of(m, (const char *const[]){"rm", image, NULL}, argv);
    if (command_start(argv, &command, err) != 0)
        return NULL;
    struct removal *removal = DV_APPEND(r->removals, r->removal_count);
    *removal = (struct removal){.volume = v->uuid, .command = command};
    return removal;
}

// "Removing image: 45% complete...": the last number before a sign.
static uint32_t percent_in(const char *said)
{
    const char *sign = strrchr(said, '%');
    const char *start = sign;
    while (sign && start > said && start[-1] >= '0' && start[-1] <= '9')
        start--;
    unsigned long percent = sign ? strtoul(start, NULL, 10) : 0;
    return percent < 100 ? (uint32_t)percent : 99;
}

// Its progress, not its time, tells whether it goes on; the pass goes on with other things
// meanwhile.
static int rbd_remove(struct media *m, const struct volume *v,
                      const struct media_progress *progress, struct dv_err *err)
{
    struct rbd *r = m->own;
    int code;
    struct removal *removal = find_removal(r, &v->uuid);
    if (!removal && !(removal = start_removal(m, v, err)))
        return -1;
    while (!command_wait(&removal->command, LOOK_MS, &code, err))
        if (progress && !progress->report(progress->arg, percent_in(removal->command.said)))
            return dv_fail(err, DV_CANCELLED, "the image is being removed");
    *removal = r->removals[--r->removal_count];
    return code == ENOENT ? 0 : good(code);
}

const struct media_kind media_rbd = {
    .open = rbd_open,
    .close = rbd_close,
    .probe = rbd_probe,
    .read_layout = rbd_layout,
    .path = rbd_path,
    .store = rbd_store,
    .create = rbd_create,
    .grow = rbd_grow,
    .remove = rbd_remove,
    .resumes = true,
};
