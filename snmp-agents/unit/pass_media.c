// The configured media, as a pass finds them: opened, and looked at.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/pass_media.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wait.h"
#include "snmp-agents/unit/lane.h"
#include "snmp-agents/unit/take.h"
#include <stdio.h>
#include <stdlib.h>

// More than a medium takes that is only slow: it is given up for want of any sign of life.
#define PATIENCE_MS 15000
#define SLICE_MS    500 // of what can go on later, so that other volumes need not wait for it

struct slot {
    const struct unit_config *config;
    const struct medium_config *c;
    struct lane *lane;
    struct media *m;   // the lane's while that is at work; NULL while it cannot be opened
    bool full, copies; // as judged last; copies: not struct media_space's reserves
    bool hung;         // it was given up in this pass
};

struct pass_media {
    const struct unit_config *config;
    struct slot *slots; // as in the configuration
};

struct pass_media *pass_media_new(const struct unit_config *config)
{
    struct pass_media *p = dv_calloc(1, sizeof(*p));
    p->config = config;
    p->slots = dv_calloc(config->media_count + 1, sizeof(*p->slots));
    for (size_t i = 0; i < config->media_count; i++)
        p->slots[i] =
            (struct slot){.config = config, .c = &config->media[i], .lane = lane_new(PATIENCE_MS)};
    return p;
}

bool pass_media_free(struct pass_media *p)
{
    bool all = true;
    for (size_t i = 0; p && i < p->config->media_count; i++) {
        if (lane_free(p->slots[i].lane)) {
            media_close(p->slots[i].m);
            continue;
        }
        log_warning("unit", "medium %s does not answer: what was asked of it is left to itself",
                    p->slots[i].c->name);
        all = false;
    }
    if (!p || !all)
        return all;
    free(p->slots);
    free(p);
    return true;
}

void pass_media_hurry(struct pass_media *p)
{
    for (size_t i = 0; i < p->config->media_count; i++)
        lane_hurry(p->slots[i].lane);
}

static void note_hung(struct slot *s, struct order_medium *om)
{
    char trouble[LANE_TROUBLE_ROOM];
    lane_trouble(s->lane, trouble);
    s->hung = true;
    om->hung = true;
    om->state = MEDIUM_FAILED;
    snprintf(om->error, sizeof(om->error),
             "it has not answered %s: see to its disk, mount or server", trouble);
}

static bool has_volumes(const struct order *o, uint32_t medium)
{
    for (size_t i = 0; i < o->volume_count; i++)
        if (o->volumes[i].v.medium == medium)
            return true;
    return false;
}

struct opener { // what of the order opening needs
    struct media_owner owner;
    bool has_volumes;
};

// A folder whose file system is not mounted is there, but it is not the medium; whoever wrote to
// it would lose what he wrote from sight later.
static int open_medium(const struct unit_config *config, const struct medium_config *c,
                       struct order_medium *om, const struct opener *by, struct media **out,
                       struct dv_err *err)
{
    DV_FREE char *take = take_mark(config, c->index);
    const struct media_spec spec = {.kind = c->kind,
                                    .path = c->path,
                                    .blocks = c->bytes / BLOCK_SIZE,
                                    .initialise = c->initialise,
                                    .uuid = om->uuid,
                                    .ceph_conf = c->ceph_conf,
                                    .ceph_user = c->ceph_user,
                                    .owner = by->owner,
                                    .identity = om->identity,
                                    .take = take};
    struct media *m = media_open(&spec, err);
    if (!m)
        return -1;
    // A person's word is enough where no volume counts on the one that was there.
    if (!uuid_is_zero(&om->uuid) && !uuid_equal(&om->uuid, media_uuid(m)) &&
        (!take || by->has_volumes)) {
        media_close(m);
        return dv_fail(err, DV_CONFLICT,
                       c->kind == MEDIUM_DIR
                           ? "%s is not the medium that was there before; see whether its file "
                             "system is mounted%s"
                           : "%s is not the medium that was there before; give this one an index "
                             "of its own in the configuration%s",
                       c->path, by->has_volumes ? "" : ", or say that it is (dvsan-unit --take)");
    }
    if (!uuid_is_zero(&by->owner.unit) && media_tell_owner(m, &by->owner, err) != 0) {
        media_close(m);
        return -1;
    }
    om->taken = take != NULL;
    *out = m;
    return 0;
}

static void check_medium(const struct unit_config *config, const struct medium_config *c,
                         const struct opener *by, struct media **m, struct order_medium *om)
{
    struct media_space space;
    struct dv_err err;
    if (om->misfit)
        dv_fail(&err, DV_CONFLICT, "%s", om->error);
    om->error[0] = '\0';
    if (!om->misfit && (*m || open_medium(config, c, om, by, m, &err) == 0) &&
        media_probe(*m, &space, &err) == 0 && media_read_layout(*m, &om->layout, &err) == 0) {
        om->state = space.state;
        om->full = space.full;
        om->reserves = space.reserves;
        om->storage_blocks = space.total_bytes / BLOCK_SIZE;
        om->storage_free_blocks = space.total_bytes ? space.free_bytes / BLOCK_SIZE : 0;
        om->uuid = *media_uuid(*m);
        om->proof = *media_proof(*m);
        dv_copy(om->identity, sizeof(om->identity), media_identity(*m));
        om->has_layout = true;
        if (om->state == MEDIUM_LOW)
            dv_copy(om->error, sizeof(om->error),
                    om->reserves
                        ? "what lies below the medium is nearly full"
                        : "what lies below the medium is nearly full, and also volumes that "
                          "are not thin take room there when they are overwritten");
        return;
    }
    dv_copy(om->error, sizeof(om->error), err.text);
    om->unjudged = dv_is_shortage(&err);
    if (om->unjudged)
        return;
    // Opened anew next time, when another file system may be there.
    media_close(*m);
    *m = NULL;
    om->taken = false; // a person's word is needed again when it is opened next
    om->state = MEDIUM_FAILED;
}

struct check {
    struct lane_job job;
    struct slot *slot;
    struct opener by;
    struct order_medium om;
};

static void do_check(struct lane_job *j)
{
    struct check *c = (struct check *)j;
    check_medium(c->slot->config, c->slot->c, &c->by, &c->slot->m, &c->om);
}

static void drop_check(struct lane_job *j)
{
    struct check *c = (struct check *)j;
    media_layout_clear(&c->om.layout);
    free(c);
}

// NULL where the configuration names it no more.
static struct slot *slot_of(const struct pass_media *p, uint32_t index)
{
    for (size_t i = 0; i < p->config->media_count; i++)
        if (p->config->media[i].index == index)
            return &p->slots[i];
    return NULL;
}

// NULL when it still has not answered what it was asked before.
static struct check *start_check(struct slot *s, const struct order *o,
                                 const struct order_medium *om)
{
    s->hung = !lane_is_free(s->lane);
    if (s->hung)
        return NULL;
    struct check *c = dv_calloc(1, sizeof(*c));
    *c = (struct check){.job = {.work = do_check, .drop = drop_check, .doing = "it was looked at"},
                        .slot = s,
                        .by = {o->owner, has_volumes(o, om->index)},
                        .om = *om};
    lane_start(s->lane, &c->job);
    return c;
}

static void end_check(struct slot *s, struct check *c, struct order_medium *om)
{
    if (c && lane_wait(s->lane, NULL, NULL)) {
        *om = c->om;
        free(c);
    } else {
        note_hung(s, om);
    }
    if (om->unjudged || om->hung) {
        om->full = s->full;
        om->reserves = !s->copies;
    }
    s->full = om->full;
    s->copies = !om->reserves;
}

// All at once, so that those that do not answer cost the others one time-out together.
void pass_media_check(struct pass_media *p, struct order *o)
{
    DV_FREE struct check **checks = dv_calloc(o->medium_count + 1, sizeof(struct check *));
    for (size_t i = 0; i < o->medium_count; i++) {
        struct slot *s = slot_of(p, o->media[i].index);
        checks[i] = s ? start_check(s, o, &o->media[i]) : NULL;
    }
    for (size_t i = 0; i < o->medium_count; i++) {
        struct slot *s = slot_of(p, o->media[i].index);
        if (s)
            end_check(s, checks[i], &o->media[i]);
    }
}

struct media *pass_media_at(const struct pass_media *p, uint32_t index)
{
    const struct slot *s = slot_of(p, index);
    return s && !s->hung ? s->m : NULL;
}

// ---- Volumes ------------------------------------------------------------------------------------

struct asked {
    struct lane_job job;
    struct slot *slot;
    struct pass_ask ask;
    struct volume v;
    int64_t until; // or for as long as it takes: 0
    int rc;
    struct dv_err err;
};

static bool report(void *arg, uint32_t percent)
{
    struct asked *a = arg;
    a->ask.expired = a->until != 0 && wait_now_ms() >= a->until;
    a->ask.percent = percent;
    return lane_tell(a->slot->lane, percent) && !a->ask.expired;
}

static char *path_of(struct media *m, const struct volume *v, struct dv_err *err)
{
    struct dv_err why; // its partition's name is for people only
    if (media_volume_rename(m, v, &why) != 0)
        log_debug("unit", "volume %s has another name on its medium: %s", v->name, why.text);
    return media_volume_path(m, v, err);
}

static void do_ask(struct lane_job *j)
{
    struct asked *a = (struct asked *)j;
    struct media *m = a->slot->m;
    const struct media_progress progress = {.report = report, .arg = a};
    a->until = media_resumes(m) ? wait_now_ms() + SLICE_MS : 0;
    switch (a->ask.act) {
    case PASS_CREATE:
        a->rc = media_volume_create(m, &a->v, &progress, &a->err);
        break;
    case PASS_GROW:
        a->rc = media_volume_grow(m, &a->v, a->ask.blocks, &progress, &a->err);
        break;
    case PASS_LENGTH:
        a->rc = media_volume_length(m, &a->v, &a->ask.blocks, &a->err);
        break;
    case PASS_SHRINK:
        a->rc = media_volume_shrink(m, &a->v, a->ask.blocks, &a->err);
        break;
    case PASS_MOVE:
        a->rc = media_volume_move(m, &a->v, &progress, &a->err);
        break;
    case PASS_DELETE:
        a->rc = media_volume_delete(m, &a->v, &progress, &a->err);
        break;
    case PASS_PATH:
        a->ask.path = path_of(m, &a->v, &a->err);
        a->rc = a->ask.path ? 0 : -1;
        break;
    }
}

static void drop_ask(struct lane_job *j)
{
    struct asked *a = (struct asked *)j;
    free(a->ask.path);
    free(a);
}

static const char *const doing[] = {
    [PASS_CREATE] = "created",      [PASS_GROW] = "made larger", [PASS_LENGTH] = "measured",
    [PASS_SHRINK] = "made smaller", [PASS_MOVE] = "copied",      [PASS_DELETE] = "deleted",
    [PASS_PATH] = "looked for",
};

int pass_media_ask(struct pass_media *p, struct order *o, struct pass_ask *ask, struct dv_err *err)
{
    struct slot *s = slot_of(p, ask->v->medium);
    struct asked *a = dv_calloc(1, sizeof(*a));
    *a = (struct asked){
        .job = {.work = do_ask, .drop = drop_ask}, .slot = s, .ask = *ask, .v = *ask->v};
    snprintf(a->job.doing, sizeof(a->job.doing), "volume %.*s was %s", NAME_MAX_LEN,
             a->v.name[0] ? a->v.name : "without a name", doing[ask->act]);
    lane_start(s->lane, &a->job);
    if (!lane_wait(s->lane, ask->tell, ask->arg)) {
        struct order_medium *om = order_medium(o, ask->v->medium);
        note_hung(s, om);
        ask->hung = true;
        return dv_fail(err, DV_IO, "its medium cannot be used: %s", om->error);
    }
    int rc = a->rc;
    if (rc != 0 && err)
        *err = a->err;
    ask->path = a->ask.path;
    ask->blocks = a->ask.blocks;
    ask->expired = a->ask.expired;
    ask->percent = a->ask.percent;
    free(a);
    return rc;
}

bool pass_media_is_device(const struct pass_media *p, uint32_t index)
{
    const struct slot *s = slot_of(p, index);
    return s && s->c->kind == MEDIUM_DEVICE;
}

struct media *pass_media_of(const struct pass_media *p, const struct order *o,
                            const struct order_volume *ov, struct dv_err *err)
{
    struct media *m = pass_media_at(p, ov->v.medium);
    if (m)
        return m;
    const struct order_medium *om = order_medium(o, ov->v.medium);
    const char *why = om ? om->error : MEDIUM_GONE;
    if (ov->task == ORDER_DELETE)
        (void)dv_fail(err, DV_IO,
                      "it is deleted when its medium can be used again, unless it is forgotten "
                      "before: %s",
                      why);
    else
        (void)dv_fail(err, DV_IO, "its medium cannot be used: %s", why);
    return NULL;
}
