// Rows of a unit that do not follow the MIB: what was known of them is kept.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/unit/unread.h"
#include "base/mem.h"

#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "model/check.h"
#include <stdlib.h>

static void keep_medium(struct reading *r, const struct pool_unit *u, uint32_t index)
{
    const struct medium *m = pool_medium(u, index);
    if (m)
        *DV_APPEND(r->media, r->media_count) = *m;
}

static void keep_portal(struct reading *r, const struct pool_unit *u, const uint32_t index[2])
{
    for (size_t i = 0; i < u->portal_count; i++)
        if (u->portals[i].index == index[0] && u->portals[i].group == index[1])
            *DV_APPEND(r->portals, r->portal_count) = u->portals[i];
}

static int by_index(const void *x, const void *y)
{
    const struct access_rule *a = x, *b = y;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void keep_rule(struct reading *r, struct pool_unit *u, const uint32_t index[2])
{
    const struct pool_volume *v = pool_volume_by_index(u, index[0]);
    const struct access_rule key = {.index = index[1]}, *rule = NULL;
    if (v && v->rule_count > 0)
        rule = bsearch(&key, v->rules, v->rule_count, sizeof(key), by_index);
    if (rule)
        *DV_APPEND(r->rules, r->rule_count) = *rule;
}

// The rules of its volumes were read by themselves.
static void keep_volume(struct reading *r, struct pool_unit *u, uint32_t index)
{
    const struct pool_volume *v = pool_volume_by_index(u, index);
    if (v && volume_has_own_target(&v->actual)) // else it was taken in before this was judged
        *DV_APPEND(r->volumes, r->volume_count) = v->actual;
}

void unread_keep(struct reading *r, struct pool_unit *unit)
{
    for (size_t i = 0; unit && i < r->unread_count; i++) {
        const struct reading_unread *row = &r->unread[i];
        switch (row->table) {
        case READING_MEDIA:
            keep_medium(r, unit, row->index[0]);
            break;
        case READING_PORTALS:
            keep_portal(r, unit, row->index);
            break;
        case READING_VOLUMES:
            keep_volume(r, unit, row->index[0]);
            break;
        case READING_RULES:
            keep_rule(r, unit, row->index);
            break;
        case READING_FREE: // the others tell enough: it is room alone
            break;
        }
    }
}
