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

int request_place(struct cms *cms, const struct volume_request *request,
                  const struct pool_unit *only, uint64_t blocks, struct request_place *out,
                  struct dv_err *err)
{
    DV_FREE struct placement_medium *media = NULL;
    DV_FREE struct request_place *places = NULL;
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
            *DV_APPEND(places, places_n) = (struct request_place){u, m};
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
