// The configured media, as a pass finds them: opened, and looked at.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/pass_media.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wait.h"
#include "unit/lane.h"
#include "unit/take.h"
#include <stdio.h>
#include <stdlib.h>

// More than a medium takes that is only slow: it has failed for want of any sign of life.
#define PATIENCE_MS 15000
// The same of the first pass, whose end all wait for: nobody knows yet what there is.
#define FIRST_MS 5000
// How long a pass waits for media that have not answered, all together; and for each of those that
// are asked once that is over.
#define GRACE_MS 1000
#define BRIEF_MS 100
#define SLICE_MS 500 // of what can go on later, so that other volumes need not wait for it

struct volume_path { // of a volume, as the medium told
    struct dv_uuid volume;
    char *path; // NULL: with the error
    struct dv_err err;
};

struct opener { // what of the order opening needs
    struct media_owner owner;
    bool has_volumes;
};

struct check;
struct asked;

struct slot {
    const struct unit_config *config;
    const struct medium_config *c;
    struct lane *lane;
    struct media *m;   // the lane's while that is at work; NULL while it cannot be opened
    bool full, copies; // as judged last; copies: not struct media_space's reserves

    // What the lane is at: one of them, or neither.
    struct check *check;
    struct asked *asked;
    bool given_up; // it was told that the medium does not answer that
    bool away;     // it has not answered in this pass

    struct asked *kept;         // what was asked last, in an earlier pass, and has ended since
    struct volume_path *places; // as the check of this pass found them
    size_t place_count;
};

struct pass_media {
    const struct unit_config *config;
    struct slot *slots; // as in the configuration
    uint32_t grace_ms;  // what is left of it in this pass
};

struct check {
    struct lane_job job;
    struct slot *slot;
    struct opener by;
    struct order_medium om;
    struct volume *volumes; // those that are served as they are
    size_t volume_count;
    struct volume_path *places;
};

struct asked {
    struct lane_job job;
    struct slot *slot;
    struct pass_ask ask;
    struct volume v;
    int64_t until; // or for as long as it takes: 0
    int rc;
    struct dv_err err;
};

struct pass_media *pass_media_new(const struct unit_config *config)
{
    struct pass_media *p = dv_calloc(1, sizeof(*p));
    p->config = config;
    p->slots = dv_calloc(config->media_count + 1, sizeof(*p->slots));
    for (size_t i = 0; i < config->media_count; i++)
        p->slots[i] = (struct slot){.config = config, .c = &config->media[i], .lane = lane_new()};
    return p;
}

static void drop_places(struct volume_path *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(places[i].path);
    free(places);
}

static void drop_check(struct check *c)
{
    if (!c)
        return;
    media_layout_clear(&c->om.layout);
    drop_places(c->places, c->volume_count);
    free(c->volumes);
    free(c);
}

static void drop_asked(struct asked *a)
{
    if (!a)
        return;
    free(a->ask.path);
    free(a);
}

bool pass_media_free(struct pass_media *p)
{
    bool all = true;
    for (size_t i = 0; p && i < p->config->media_count; i++) {
        struct slot *s = &p->slots[i];
        if (lane_free(s->lane)) {
            drop_check(s->check);
            drop_asked(s->asked);
            drop_asked(s->kept);
            drop_places(s->places, s->place_count);
            media_close(s->m);
            continue;
        }
        log_warning("unit", "medium %s does not answer: what was asked of it is left to itself",
                    s->c->name);
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

// What it was asked goes on, and nothing else is asked of it in this pass. Only when it was silent
// for long has it failed.
static void note_away(struct slot *s, struct order_medium *om, bool failed)
{
    char trouble[LANE_TROUBLE_ROOM];
    lane_trouble(s->lane, trouble);
    s->away = true;
    s->given_up = s->given_up || failed || lane_silence(s->lane) >= PATIENCE_MS;
    om->waits = !s->given_up;
    om->hung = s->given_up;
    if (om->hung)
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

static char *path_of(struct media *m, const struct volume *v, struct dv_err *err)
{
    struct dv_err why; // its partition's name is for people only
    if (media_volume_rename(m, v, &why) != 0)
        log_debug("unit", "volume %s has another name on its medium: %s", v->name, why.text);
    return media_volume_path(m, v, err);
}

static void do_check(struct lane_job *j)
{
    struct check *c = (struct check *)j;
    check_medium(c->slot->config, c->slot->c, &c->by, &c->slot->m, &c->om);
    for (size_t i = 0; c->slot->m && i < c->volume_count; i++) {
        struct volume_path *at = &c->places[i];
        (void)lane_tell(c->slot->lane, 0);
        at->volume = c->volumes[i].uuid;
        at->path = path_of(c->slot->m, &c->volumes[i], &at->err);
    }
}

// NULL where the configuration names it no more.
static struct slot *slot_of(const struct pass_media *p, uint32_t index)
{
    for (size_t i = 0; i < p->config->media_count; i++)
        if (p->config->media[i].index == index)
            return &p->slots[i];
    return NULL;
}

static void start_check(struct slot *s, const struct order *o, const struct order_medium *om)
{
    struct check *c = dv_calloc(1, sizeof(*c));
    *c = (struct check){.job = {.work = do_check, .doing = "it was looked at"},
                        .slot = s,
                        .by = {o->owner, has_volumes(o, om->index)},
                        .om = *om};
    for (size_t i = 0; i < o->volume_count; i++) {
        const struct order_volume *ov = &o->volumes[i];
        if (ov->v.medium == om->index && ov->task == ORDER_SERVE && ov->tgtd == ov->v.group &&
            ov->v.target_blocks == 0)
            *DV_APPEND(c->volumes, c->volume_count) = ov->v;
    }
    c->places = dv_calloc(c->volume_count + 1, sizeof(*c->places));
    s->check = c;
    s->given_up = false;
    lane_start(s->lane, &c->job);
}

// What it was asked before it may have answered meanwhile. True when it is asked how it is now.
static bool begin_check(struct slot *s, const struct order *o, const struct order_medium *om)
{
    const struct lane_patience none = {0};
    s->away = false;
    drop_places(s->places, s->place_count);
    s->places = NULL;
    s->place_count = 0;
    if (s->asked && lane_wait(s->lane, none, NULL, NULL)) {
        drop_asked(s->kept);
        s->kept = s->asked;
        s->asked = NULL;
    }
    if (s->check || s->asked)
        return false;
    start_check(s, o, om);
    return true;
}

// The volumes' places are asked for at the same time, so that a slow medium tells of them all.
static void take_check(struct slot *s, struct order_medium *om)
{
    struct check *c = s->check;
    s->check = NULL;
    s->given_up = false;
    if (c->om.misfit == om->misfit) {
        *om = c->om;
        c->om.layout = (struct media_layout){0};
        s->places = c->places;
        s->place_count = c->volume_count;
        c->places = NULL;
        c->volume_count = 0;
    } else { // that changed while it was asked
        s->away = true;
        om->waits = true;
    }
    drop_check(c);
}

// False when it did not answer in time.
static bool end_check(struct slot *s, struct lane_patience patience, bool first,
                      struct order_medium *om)
{
    bool ended = s->check && lane_wait(s->lane, patience, NULL, NULL);
    if (ended)
        take_check(s, om);
    else
        note_away(s, om, first);
    if (om->unjudged || s->away) {
        om->full = s->full;
        om->reserves = !s->copies;
    }
    s->full = om->full;
    s->copies = !om->reserves;
    return ended;
}

// All at once, so that those that do not answer cost the others one time-out together, and that
// once: what was waited for is only looked after from then on.
void pass_media_check(struct pass_media *p, struct order *o)
{
    DV_FREE bool *fresh = dv_calloc(o->medium_count + 1, sizeof(*fresh));
    const struct lane_patience none = {0};
    struct lane_patience patience = {.until_ms = wait_now_ms() + GRACE_MS,
                                     .silence_ms = PATIENCE_MS};
    if (o->first)
        patience = (struct lane_patience){.until_ms = INT64_MAX, .silence_ms = FIRST_MS};
    p->grace_ms = GRACE_MS;
    for (size_t i = 0; i < o->medium_count; i++) {
        struct slot *s = slot_of(p, o->media[i].index);
        fresh[i] = s && begin_check(s, o, &o->media[i]);
    }
    for (size_t i = 0; i < o->medium_count; i++) {
        struct slot *s = slot_of(p, o->media[i].index);
        if (s && !end_check(s, fresh[i] ? patience : none, o->first, &o->media[i]) && fresh[i])
            p->grace_ms = BRIEF_MS;
    }
}

struct media *pass_media_at(const struct pass_media *p, uint32_t index)
{
    const struct slot *s = slot_of(p, index);
    return s && !s->away ? s->m : NULL;
}

// ---- Volumes ------------------------------------------------------------------------------------

static bool report(void *arg, uint32_t percent)
{
    struct asked *a = arg;
    a->ask.expired = a->until != 0 && wait_now_ms() >= a->until;
    a->ask.percent = percent;
    return lane_tell(a->slot->lane, percent) && !a->ask.expired;
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

static const char *const doing[] = {
    [PASS_CREATE] = "created",      [PASS_GROW] = "made larger", [PASS_LENGTH] = "measured",
    [PASS_SHRINK] = "made smaller", [PASS_MOVE] = "copied",      [PASS_DELETE] = "deleted",
    [PASS_PATH] = "looked for",
};

static bool is_same(const struct asked *a, const struct pass_ask *ask)
{
    return a && a->ask.act == ask->act && uuid_equal(&a->v.uuid, &ask->v->uuid) &&
           a->v.start_lba == ask->v->start_lba && a->v.blocks == ask->v->blocks &&
           a->v.target_start_lba == ask->v->target_start_lba &&
           a->v.target_blocks == ask->v->target_blocks;
}

static int give(struct asked *a, struct pass_ask *ask, struct dv_err *err)
{
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

static const struct volume_path *place_of(const struct slot *s, const struct pass_ask *ask)
{
    for (size_t i = 0; ask->act == PASS_PATH && i < s->place_count; i++)
        if (uuid_equal(&s->places[i].volume, &ask->v->uuid))
            return &s->places[i];
    return NULL;
}

int pass_media_ask(struct pass_media *p, struct order *o, struct pass_ask *ask, struct dv_err *err)
{
    struct slot *s = slot_of(p, ask->v->medium);
    const struct volume_path *place = place_of(s, ask);
    if (place) {
        ask->path = place->path ? dv_strdup(place->path) : NULL;
        if (!place->path && err)
            *err = place->err;
        return place->path ? 0 : -1;
    }
    struct asked *a = s->kept;
    s->kept = NULL;
    if (is_same(a, ask))
        return give(a, ask, err);
    drop_asked(a);
    a = dv_calloc(1, sizeof(*a));
    *a = (struct asked){.job = {.work = do_ask}, .slot = s, .ask = *ask, .v = *ask->v};
    snprintf(a->job.doing, sizeof(a->job.doing), "volume %.*s was %s", NAME_MAX_LEN,
             a->v.name[0] ? a->v.name : "without a name", doing[ask->act]);
    int64_t began = wait_now_ms();
    const struct lane_patience patience = {.until_ms = began + p->grace_ms,
                                           .silence_ms = PATIENCE_MS};
    s->given_up = false;
    lane_start(s->lane, &a->job);
    if (lane_wait(s->lane, patience, ask->tell, ask->arg))
        return give(a, ask, err);
    struct order_medium *om = order_medium(o, ask->v->medium);
    s->asked = a;
    note_away(s, om, false);
    p->grace_ms = BRIEF_MS;
    ask->away = true;
    return dv_fail(err, DV_IO, "its medium cannot be used: %s", om->error);
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
