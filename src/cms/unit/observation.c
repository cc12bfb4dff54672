// A reading on its way into the pool: what of it is found, hidden and told.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "base/search.h"
#include "cms/core/events.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/unit/observe.h"
#include <stdlib.h>

// A volume that is taken in.
struct new_volume {
    struct dv_uuid uuid;
    UT_hash_handle hh;
};

static int by_volume(const void *x, const void *y)
{
    const struct access_rule *a = x, *b = y;
    if (a->volume != b->volume)
        return a->volume < b->volume ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

// A walk brings them sorted.
void observe_sort_rules(struct access_rule *rules, size_t count)
{
    size_t i = 1;
    while (i < count && by_volume(&rules[i - 1], &rules[i]) <= 0)
        i++;
    if (i < count)
        qsort(rules, count, sizeof(*rules), by_volume);
}

const struct access_rule *observe_rules_of(const struct observation *o, uint32_t volume,
                                           size_t *count)
{
    size_t first;
    DV_SEARCH(first, o->r->rule_count, o->rules[first].volume < volume);
    *count = 0;
    while (first + *count < o->r->rule_count && o->rules[first + *count].volume == volume)
        ++*count;
    return o->rules + first;
}

bool observe_is_adopted(const struct observation *o, const struct dv_uuid *uuid)
{
    struct new_volume *n = NULL;
    HASH_FIND(hh, o->adopted_ones, uuid, sizeof(*uuid), n);
    return n != NULL;
}

bool observe_may_tell(struct observation *o)
{
    struct unit_link *link = o->link;
    uint64_t silent = 0;
    if (link->tells != TELLS_UNDECIDED)
        return link->tells == TELLS;
    link->tells = log_limit_passes(&link->readings, loop_now_ms(), &silent) ? TELLS : TELLS_NOT;
    if (silent > 0)
        events_add(o->cms, &o->c, EVENT_WARNING, "unit", o->rec.name,
                   "has shown other volumes so often that %llu times it was not told what changed",
                   (unsigned long long)silent);
    return link->tells == TELLS;
}

bool observe_is_told(struct observation *o, size_t *count)
{
    return ++*count <= OBSERVE_TOLD && observe_may_tell(o);
}

void observe_note_adopted(struct observation *o, const struct dv_uuid *uuid)
{
    struct new_volume *n = dv_calloc(1, sizeof(*n));
    n->uuid = *uuid;
    HASH_ADD(hh, o->adopted_ones, uuid, sizeof(n->uuid), n);
}

void observe_end_adopted(struct observation *o, bool applied)
{
    struct new_volume *n, *next;
    if (applied && o->not_adopted_told) {
        o->link->full_told = o->link->full;
        o->link->crowded_told = o->link->crowded;
    }
    HASH_ITER(hh, o->adopted_ones, n, next)
    {
        if (applied)
            pool_volume_by_uuid(o->pool, &n->uuid)->mark = o->link->mark;
        HASH_DEL(o->adopted_ones, n);
        free(n);
    }
}

const struct medium_proof *observe_proof(const struct observation *o, uint32_t medium)
{
    static const struct medium_proof none;
    for (size_t i = 0; i < o->r->media_count; i++)
        if (o->r->media[i].index == medium)
            return &o->r->media[i].proof;
    const struct medium *m = o->unit ? pool_medium(o->unit, medium) : NULL;
    return m ? &m->proof : &none;
}

void observe_hide(struct observation *o, struct pool_volume *pv)
{
    pv->mark = o->link->mark; // once
    changes_hidden(&o->c, &pv->rec.uuid);
    pool_release_holds(pv);
    if (pv->rec.wanted && observe_is_told(o, &o->link->vanished))
        events_add(o->cms, &o->c, EVENT_ERROR, "volume", pv->rec.name,
                   "has vanished from %s and is not made again: bring its medium back, or delete "
                   "the volume",
                   o->rec.name);
}
