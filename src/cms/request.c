// Requests about volumes: checked against the pool, then written as intent and task.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/station.h"

#include "base/mem.h"
#include "cms/request.h"
#include "logic/health.h"
#include "logic/placement.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define VOLUME_MAX_MIB UINT32_MAX // dvsanVolumeSize is an Unsigned32

struct pool_unit *request_unit(struct cms *cms, const char *name, struct dv_err *err)
{
    struct pool_unit *u = pool_find_unit(cms->pool, name);
    if (!u)
        dv_fail(err, DV_NOT_FOUND, "there is no unit %s", name);
    return u;
}

struct pool_volume *request_volume(struct cms *cms, const char *name, struct dv_err *err)
{
    struct pool_volume *v = pool_find_volume(cms->pool, name);
    if (!v)
        dv_fail(err, DV_NOT_FOUND, "there is no volume %s", name);
    return v;
}

struct pool_host *request_host(struct cms *cms, const char *name, struct dv_err *err)
{
    struct pool_host *h = pool_find_host(cms->pool, name);
    if (!h)
        dv_fail(err, DV_NOT_FOUND, "there is no host %s", name);
    return h;
}

int request_is_taken_back(const struct pool_task *t, struct dv_err *err)
{
    return dv_fail(err, DV_CONFLICT, "wait for task %" PRIu64 " (%s): %.300s", t->rec.id,
                   t->rec.summary, t->rec.waiting[0] ? t->rec.waiting : "it is being taken back");
}

int request_begin(struct cms *cms, struct changes *c, const struct task_record *t,
                  const struct pool_unit *unit, uint64_t *task, struct dv_err *err)
{
    char why[LEAD_WHY_ROOM * 2];
    changes_task(c, t);
    lead_why_not(cms, unit, why, sizeof(why));
    if (why[0]) {
        changes_free(c);
        return dv_fail(err, DV_CONFLICT, "%s", why);
    }
    ledger_commit(cms->ledger, c, LEDGER_KEPT);
    *task = t->id;
    return 0;
}

// ---- Creating ------------------------------------------------------------------------------

int request_size(uint64_t bytes, uint64_t *blocks, struct dv_err *err)
{
    const uint64_t mib = (uint64_t)BLOCK_SIZE * BLOCKS_PER_MIB;
    if (bytes < mib)
        return dv_fail(err, DV_INVALID,
                       "a volume of %" PRIu64 " bytes is too small: the least is 1M; give a size "
                       "such as 10G",
                       bytes);
    if (bytes > VOLUME_MAX_MIB * mib)
        return dv_fail(err, DV_INVALID,
                       "a volume of %" PRIu64 " bytes is too large: the most is "
                       "4P less 1M",
                       bytes);
    *blocks = (bytes + mib - 1) / mib * BLOCKS_PER_MIB;
    return 0;
}

// What a volume will take of its medium that the free blocks do not count as taken yet.
static uint64_t promised_to(const struct pool_volume *v)
{
    struct dv_err err;
    bool in_place = true;
    if (!v->rec.wanted)
        return 0;
    if (!v->rec.seen)
        return v->rec.blocks;
    if (v->actual.index == 0 || v->actual.target_blocks || v->rec.blocks <= v->actual.blocks)
        return 0;
    (void)request_room_to_resize(v, v->rec.blocks, &in_place, &err);
    return in_place ? v->rec.blocks - v->actual.blocks : v->rec.blocks;
}

// Blocks that are promised on the medium.
static uint64_t promised(const struct pool_unit *u, uint32_t medium)
{
    uint64_t blocks = 0;
    const struct pool_volume *v;
    DL_FOREACH2(u->volumes, v, unit_next)
    {
        if (v->rec.medium == medium)
            blocks += promised_to(v);
    }
    return blocks;
}

struct volume_place {
    struct pool_unit *unit;
    const struct medium *medium;
};

// When all that are up are led by others, that is why there is no place.
static void explain_leads(const struct cms *cms, struct dv_err *err)
{
    const struct pool_unit *other = NULL;
    char why[LEAD_WHY_ROOM * 2];
    for (const struct pool_unit *u = cms->pool->units; u; u = u->hh.next) {
        if (health_takes_orders(u->rec.state) && !lead_is_others(u))
            return;
        if (health_takes_orders(u->rec.state))
            other = u;
    }
    if (!other)
        return;
    lead_why_not(cms, other, why, sizeof(why));
    (void)dv_fail(err, DV_CONFLICT, "%s", why);
}

static int choose_place(struct cms *cms, const struct volume_request *request,
                        const struct pool_unit *only, uint64_t blocks, struct volume_place *out,
                        struct dv_err *err)
{
    DV_FREE struct placement_medium *media = NULL;
    DV_FREE struct volume_place *places = NULL;
    size_t n = 0, places_n = 0, chosen;
    for (struct pool_unit *u = cms->pool->units; u; u = u->hh.next) {
        for (size_t i = 0; i < u->media_count; i++) {
            const struct medium *m = &u->media[i];
            *DV_APPEND(media, n) = (struct placement_medium){
                .unit = u->rec.name,
                .unit_up = health_takes_orders(u->rec.state) && (!lead_is_others(u) || u == only),
                .degraded = u->rec.state == UNIT_DEGRADED,
                .medium = m,
                .promised_blocks = promised(u, m->index),
            };
            *DV_APPEND(places, places_n) = (struct volume_place){u, m};
        }
    }
    struct placement_request wanted = {blocks, only ? only->rec.name : NULL, request->medium};
    if (placement_choose(placement_policy_find(NULL), &wanted, media, n, &chosen, err) < 0) {
        explain_leads(cms, err);
        return -1;
    }
    *out = places[chosen];
    return 0;
}

// How many volumes there are in each portal group; returns how many groups there are.
static uint32_t count_groups(const struct pool_unit *u, uint32_t counts[UNIT_GROUPS_MAX])
{
    uint32_t groups = 1;
    const struct pool_volume *v;
    for (size_t i = 0; i < u->portal_count; i++)
        if (u->portals[i].group > groups)
            groups = u->portals[i].group;
    memset(counts, 0, UNIT_GROUPS_MAX * sizeof(*counts));
    DL_FOREACH2(u->volumes, v, unit_next)
    counts[volume_group(v->rec.index, groups) - 1]++;
    return groups;
}

// An index is not given twice, even after its volume was deleted: a login that was under way then
// would end at the new volume (tgtd knows targets by number). The unit's generation has passed the
// indexes that others gave, for giving one moves it.
static uint32_t free_volume_index(const struct pool_unit *u)
{
    uint32_t top = u->rec.generation > u->rec.last_index ? u->rec.generation : u->rec.last_index;
    uint32_t counts[UNIT_GROUPS_MAX], groups = count_groups(u, counts);
    const struct pool_volume *v;
    DL_FOREACH2(u->volumes, v, unit_next)
    {
        if (v->rec.index > top) // that of a displaced one is its own, what is shown is not
            top = v->rec.index;
    }
    if (top <= INDEX_MAX - groups)
        return placement_index(top, counts, groups);
    for (uint32_t i = 1;; i++) { // one more than there are volumes is enough
        bool taken = false;
        DL_FOREACH2(u->volumes, v, unit_next)
        {
            taken |= v->rec.index == i || v->actual.index == i;
        }
        if (!taken)
            return i;
    }
}

int request_new_volume_name(struct cms *cms, const char *name, const struct pool_volume *of,
                            struct dv_err *err)
{
    if (new_name_check("volume", name, err) < 0)
        return -1;
    const struct pool_volume *v = pool_find_volume(cms->pool, name);
    if (v && v != of)
        return dv_fail(err, DV_EXISTS, "there is a volume %s already: choose another name", name);
    return 0;
}

static int check_new_volume(struct cms *cms, const struct volume_request *request,
                            struct pool_unit **unit, struct dv_err *err)
{
    *unit = NULL;
    if (request_new_volume_name(cms, request->name, NULL, err) < 0)
        return -1;
    if (!request->unit)
        return 0;
    *unit = request_unit(cms, request->unit, err);
    if (!*unit)
        return -1;
    char untrusted[TRUST_WHY_ROOM];
    trust_why_not(&(*unit)->rec, untrusted);
    if (untrusted[0])
        return dv_fail(err, DV_UNREACHABLE, "%s; or choose another unit", untrusted);
    if ((*unit)->rec.state == UNIT_CONFLICT)
        return dv_fail(err, DV_UNREACHABLE,
                       "unit %s is in conflict with another engine that uses its UUID: end that "
                       "one, or choose another unit",
                       (*unit)->rec.name);
    if (!health_takes_orders((*unit)->rec.state))
        return dv_fail(err, DV_UNREACHABLE, "unit %s is %s: start it, or choose another unit",
                       (*unit)->rec.name, unit_state_name((*unit)->rec.state));
    return 0;
}

int cms_create_volume(struct cms *cms, const struct volume_request *request, uint64_t *task,
                      struct dv_err *err)
{
    struct pool_unit *unit;
    struct volume_place place;
    uint64_t blocks = 0;
    if (check_new_volume(cms, request, &unit, err) < 0 ||
        request_size(request->bytes, &blocks, err) < 0 ||
        choose_place(cms, request, unit, blocks, &place, err) < 0)
        return -1;
    struct volume_record rec = {
        .uuid = uuid_random(),
        .unit = place.unit->rec.uuid,
        .medium = place.medium->index,
        .index = free_volume_index(place.unit),
        .blocks = blocks,
        .thin = request->thin == 1,
        .thin_default = request->thin < 0,
        .wanted = true,
    };
    dv_copy(rec.name, sizeof(rec.name), request->name);
    struct task_record t;
    char size[SIZE_TEXT_ROOM];
    tasks_new(cms, &t, TASK_VOLUME_CREATE);
    t.volume = rec.uuid;
    snprintf(t.summary, sizeof(t.summary), "create volume %s (%s)", rec.name,
             size_format(blocks * BLOCK_SIZE, size, sizeof(size)));
    tasks_step(&t, STEP_DONE, "place on %s", place.unit->rec.name);
    tasks_step(&t, STEP_WAITING, "create on %s", place.unit->rec.name);
    tasks_step(&t, STEP_WAITING, "serve");

    struct changes c = {0};
    struct unit_record given = place.unit->rec;
    given.last_index = rec.index;
    changes_unit(&c, &given);
    changes_volume(&c, &rec);
    return request_begin(cms, &c, &t, place.unit, task, err);
}

// ---- Deleting ------------------------------------------------------------------------------

static int check_unassigned(const struct pool_volume *v, struct dv_err *err)
{
    const struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->rec.wanted)
            return dv_fail(err, DV_CONFLICT, "volume %s is assigned to host %s: unassign it first",
                           v->rec.name, a->host->rec.name);
    }
    return 0;
}

static int check_delete(struct cms *cms, const struct pool_volume *v, struct dv_err *err)
{
    if (check_unassigned(v, err) < 0)
        return -1;
    const struct medium *m = pool_medium(v->unit, v->actual.medium);
    if (pool_medium_is_away(v) && m)
        return dv_fail(err, DV_CONFLICT,
                       "medium %s of unit %s, which holds volume %s, has failed (%s): bring it "
                       "back, or forget the volume (dvsan volume delete --forget)",
                       m->name, v->unit->rec.name, v->rec.name, m->last_error);
    if (pool_medium_is_away(v))
        return dv_fail(err, DV_CONFLICT,
                       "the medium that holds volume %s is not in the configuration of unit %s: "
                       "put it back there and start the unit again, or forget the volume (dvsan "
                       "volume delete --forget)",
                       v->rec.name, v->unit->rec.name);
    const struct pool_task *t = tasks_open(cms, TASK_VOLUME_CREATE, &v->rec.uuid, NULL);
    if (t && t->rec.cancel == TASK_CANCEL_ASKED)
        return request_is_taken_back(t, err);
    if (t)
        return dv_fail(err, DV_CONFLICT,
                       "volume %s is still being created: cancel task %" PRIu64 " instead",
                       v->rec.name, t->rec.id);
    t = tasks_open(cms, TASK_VOLUME_DELETE, &v->rec.uuid, NULL);
    if (t)
        return dv_fail(err, DV_CONFLICT, "volume %s is being deleted already by task %" PRIu64,
                       v->rec.name, t->rec.id);
    return 0;
}

void request_end_task(struct cms *cms, struct changes *c, enum task_kind kind,
                      const struct dv_uuid *volume, const struct dv_uuid *host, const char *why)
{
    const struct pool_task *open = tasks_open(cms, kind, volume, host);
    if (!open)
        return;
    struct task_record t = open->rec;
    tasks_end(cms, c, &t, TASK_CANCELLED, DV_CANCELLED, "%s", why);
}

// forget: its medium is away, and what that holds of it is left alone. What else was to become of
// it is taken back, however long that waits.
static int end_volume(struct cms *cms, struct pool_volume *v, bool forget, uint64_t *task,
                      struct dv_err *err)
{
    const char *verb = forget ? "forget" : "delete", *unit = v->unit->rec.name;
    struct volume_record rec = v->rec;
    rec.wanted = false;
    rec.forced = forget;
    struct task_record t;
    tasks_new(cms, &t, TASK_VOLUME_DELETE);
    t.volume = rec.uuid;
    snprintf(t.summary, sizeof(t.summary), "%s volume %s", verb, rec.name);
    tasks_step(&t, STEP_WAITING, "end access rules on %s", unit);
    tasks_step(&t, STEP_WAITING, forget ? "forget it on %s" : "delete on %s", unit);

    const char *why = forget ? "the volume is being forgotten" : "the volume is being deleted";
    struct changes c = {0};
    request_end_task(cms, &c, TASK_VOLUME_RESIZE, &rec.uuid, NULL, why);
    request_end_task(cms, &c, TASK_VOLUME_RENAME, &rec.uuid, NULL, why);
    if (forget && (v->rec.wanted || !v->rec.forced)) // it was to be deleted, and is not
        request_end_task(cms, &c, TASK_VOLUME_DELETE, &rec.uuid, NULL,
                         "the volume is forgotten instead: its medium keeps what it has of it");
    changes_volume(&c, &rec);
    if (forget)
        events_add(
            cms, &c, EVENT_WARNING, "volume", rec.name,
            "is forgotten; what its medium, which is away from %s, holds of it is left alone",
            unit);
    return request_begin(cms, &c, &t, v->unit, task, err);
}

int cms_delete_volume(struct cms *cms, const char *volume, uint64_t *task, struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    if (!v || check_delete(cms, v, err) < 0)
        return -1;
    return end_volume(cms, v, false, task, err);
}

// Also while a task to delete it waits for the medium, which is then cancelled.
int cms_forget_volume(struct cms *cms, const char *volume, uint64_t *task, struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    if (!v || check_unassigned(v, err) < 0)
        return -1;
    if (v->actual.index != 0 && !pool_medium_is_away(v) && !health_takes_orders(v->unit->rec.state))
        return dv_fail(err, DV_CONFLICT,
                       "the medium of volume %s was there when unit %s answered last: start the "
                       "unit, or forget it with all its volumes (dvsan unit forget %s)",
                       v->rec.name, v->unit->rec.name, v->unit->rec.name);
    if (v->actual.index != 0 && !pool_medium_is_away(v))
        return dv_fail(err, DV_CONFLICT,
                       "the medium of volume %s is there, and would bring it back: delete it",
                       v->rec.name);
    return end_volume(cms, v, true, task, err);
}
