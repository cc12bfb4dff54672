// Media: an existing block device or file as it is, which is one volume.
// SPDX-License-Identifier: BSD-2-Clause
//
// What it holds is somebody's: it is never written to here, neither when its volume is made nor
// when that is deleted.
#include "base/mem.h"
#include "media/identity.h"
#include "media/kind.h"
#include "media/storage.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

static uint64_t whole_blocks(const struct storage *s)
{
    return s->bytes / BLOCK_SIZE / ALLOC_BLOCKS * ALLOC_BLOCKS;
}

// A name may be another device's after a restart, and what that holds is somebody else's.
static int identify(struct media *m, const struct storage *s, struct dv_err *err)
{
    char *now = identity_of(s->fd);
    if (m->identity && strcmp(m->identity, now) != 0 && !(m->take && strcmp(m->take, now) == 0)) {
        (void)dv_fail(err, DV_CONFLICT,
                      "another device is at %s now: %s, and it was %s; name the right one, or take "
                      "this one by dvsan-unit --take",
                      m->path, now[0] ? now : "one that tells nothing of itself", m->identity);
        free(now);
        return -1;
    }
    free(m->identity);
    m->identity = now;
    return 0;
}

static int device_open(struct media *m, struct dv_err *err)
{
    struct storage *s = m->own = dv_calloc(1, sizeof(*s));
    s->fd = s->below = -1;
    if (storage_open(s, m->path, HOLD_WHOLE, err) != 0 || identify(m, s, err) != 0)
        return -1;
    m->blocks = whole_blocks(s);
    return 0;
}

static char *device_ask_identity(const char *path, struct dv_err *err)
{
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return identity_of(fd);
    (void)dv_fail_errno(err, errno, "cannot open %s", path);
    return NULL;
}

static void device_close(struct media *m)
{
    struct storage *s = m->own;
    if (s)
        storage_close(s);
    free(s);
}

static int device_probe(struct media *m, struct media_space *space, struct dv_err *err)
{
    struct storage *s = m->own;
    if (storage_probe(s, space, err) != 0 || storage_size(s->fd, m->path, &s->bytes, err) != 0)
        return -1;
    m->blocks = whole_blocks(s); // it may have grown
    return 0;
}

static int device_layout(struct media *m, struct media_layout *out, struct dv_err *err)
{
    (void)err;
    out->blocks = m->blocks;
    out->unwritten_blocks = storage_unwritten(m->own);
    return 0;
}

// What is on record is served, also when the device is larger by now.
static int check_fits(const struct media *m, uint64_t start, uint64_t blocks, struct dv_err *err)
{
    if (start == 0 && blocks > 0 && blocks <= m->blocks)
        return 0;
    return dv_fail(err, DV_INVALID, "%s has %" PRIu64 " MiB, and the volume should have %" PRIu64,
                   m->path, m->blocks / BLOCKS_PER_MIB, blocks / BLOCKS_PER_MIB);
}

static char *device_path(struct media *m, const struct volume *v, struct dv_err *err)
{
    return check_fits(m, v->start_lba, v->blocks, err) == 0 ? dv_strdup(m->path) : NULL;
}

static int device_create(struct media *m, const struct volume *v,
                         const struct media_progress *progress, struct dv_err *err)
{
    (void)progress;
    if (v->start_lba == 0 && v->blocks == m->blocks)
        return 0;
    return dv_fail(err, DV_INVALID,
                   "a device is one volume: the one of %s must have %" PRIu64 " MiB", m->path,
                   m->blocks / BLOCKS_PER_MIB);
}

static int device_grow(struct media *m, const struct volume *v, uint64_t blocks,
                       const struct media_progress *progress, struct dv_err *err)
{
    (void)progress;
    return check_fits(m, v->start_lba, blocks, err);
}

static int device_shrink(struct media *m, const struct volume *v, uint64_t blocks,
                         struct dv_err *err)
{
    if (blocks == v->blocks)
        return 0;
    return dv_fail(err, DV_INVALID, "%s is served as it is, so its volume is not made shorter",
                   m->path);
}

static int device_remove(struct media *m, const struct volume *v,
                         const struct media_progress *progress, struct dv_err *err)
{
    (void)m;
    (void)v;
    (void)progress;
    (void)err;
    return 0;
}

const struct media_kind media_device = {
    .open = device_open,
    .close = device_close,
    .probe = device_probe,
    .read_layout = device_layout,
    .path = device_path,
    .create = device_create,
    .grow = device_grow,
    .shrink = device_shrink,
    .grows_open = true,
    .remove = device_remove,
    .ask_identity = device_ask_identity,
};
