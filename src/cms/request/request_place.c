// Where a new volume goes, and what room a volume has that grows.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/cms.h"
#include "cms/core/station.h"
#include "cms/member/lead.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "logic/extent.h"
#include "logic/health.h"
#include "logic/placement.h"
#include <string.h>
#include <utlist.h>

int request_room_to_resize(const struct pool_volume *v, uint64_t blocks, bool *in_place,
                           struct dv_err *err)
{
    const struct pool_unit *u = v->unit;
    const struct medium *m = pool_medium(u, v->actual.medium);
    const struct extent now = {v->actual.start_lba, v->actual.blocks};
    DV_FREE struct extent *list = NULL;
    struct extent out = {0};
    size_t n = 0;
    for (size_t i = 0; i < u->free_count; i++)
        if (u->free_extents[i].medium == v->actual.medium)
            *DV_APPEND(list, n) =
                (struct extent){u->free_extents[i].start_lba, u->free_extents[i].blocks};
    int rc =
        extent_resize(list, n, &now, blocks, m ? medium_kind_moves(m->kind) : MOVES_NOT, &out, err);
    *in_place = out.start == now.start;
    return rc;
}

// What a volume that grows will take of its medium, and the free blocks do not count as taken yet.
static uint64_t will_take(const struct pool_volume *v)
{
    struct dv_err err;
    bool in_place = true;
    if (v->actual.target_blocks)
        return 0;
    (void)request_room_to_resize(v, v->rec.blocks, &in_place, &err);
    return in_place ? v->rec.blocks - v->actual.blocks : v->rec.blocks;
}

// Blocks that are promised on the medium.
static uint64_t promised(const struct pool_unit *u, uint32_t medium)
{
    uint64_t blocks = pool_promised(u, medium);
    const struct pool_volume *v;
    DL_FOREACH2(u->growing, v, grow_next)
    {
        if (v->rec.medium == medium)
            blocks += will_take(v);
    }
    return blocks;
}

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

struct choice {
    struct placement_medium *media;
    struct request_place *places;
    size_t count;
};

static void add_media(struct choice *c, struct pool_unit *u, bool takes_orders)
{
    for (size_t i = 0; i < u->media_count; i++) {
        const struct medium *m = &u->media[i];
        size_t n = c->count++, places = n;
        *DV_APPEND(c->media, n) = (struct placement_medium){
            .unit = u->rec.name,
            .unit_up = takes_orders,
            .degraded = u->rec.state == UNIT_DEGRADED,
            .medium = m,
            .promised_blocks = promised(u, m->index),
        };
        *DV_APPEND(c->places, places) = (struct request_place){u, m};
    }
}

int request_place(struct cms *cms, const struct volume_request *request, struct pool_unit *only,
                  uint64_t blocks, struct request_place *out, struct dv_err *err)
{
    struct choice c = {.count = 0};
    struct placement_request wanted = {blocks, only ? only->rec.name : NULL, request->medium};
    size_t chosen;
    if (only)
        add_media(&c, only, health_takes_orders(only->rec.state));
    for (struct pool_unit *u = only ? NULL : cms->pool->units; u; u = u->hh.next)
        add_media(&c, u, health_takes_orders(u->rec.state) && !lead_is_others(u));
    int rc = placement_choose(placement_policy_find(NULL), &wanted, c.media, c.count, &chosen, err);
    if (rc < 0)
        explain_leads(cms, err);
    else
        *out = c.places[chosen];
    free(c.media);
    free(c.places);
    return rc;
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

// The lowest that no volume has: with two each, one of the first so many.
static uint32_t lowest_free(const struct pool_unit *u)
{
    const struct pool_volume *v;
    size_t room = 2 * u->volume_count + 2;
    DV_FREE bool *taken = dv_calloc(room, sizeof(*taken));
    uint32_t i = 1;
    DL_FOREACH2(u->volumes, v, unit_next)
    {
        taken[v->rec.index < room ? v->rec.index : 0] = true;
        taken[v->actual.index < room ? v->actual.index : 0] = true;
    }
    while (taken[i])
        i++;
    return i;
}

// An index is not given twice, even after its volume was deleted: a login that was under way then
// would end at the new volume (tgtd knows targets by number). The unit's generation has passed the
// indexes that others gave, for giving one moves it.
uint32_t request_volume_index(const struct pool_unit *u)
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
    return lowest_free(u);
}
