// The portals that a unit shows become the pool's, but for those that are another unit's.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/unit/portals.h"

#include "base/mem.h"
#include "cms/core/events.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/observe.h"
#include "logic/portals.h"
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static bool is_same(const struct portal *a, const struct portal *b)
{
    return a->port == b->port && strcmp(a->address, b->address) == 0;
}

static const struct portal *find(const struct portal *list, size_t count, const struct portal *p)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(&list[i], p))
            return &list[i];
    return NULL;
}

// Whether a unit with that management address answers at the portal's address.
static bool is_managed(const char *management, const struct portal *p)
{
    char at[PORTAL_TEXT_ROOM];
    return pool_place_of(management, at) && strcmp(at, p->address) == 0;
}

struct claim {
    struct portal_facts facts;
    const struct pool_unit *other; // whose it is, if it is another unit's
};

// What is known of a portal, shown by the unit that answers at the address now.
static struct claim claim_of(const struct pool *pool, const struct dv_uuid *unit,
                             const char *address, const struct portal *p)
{
    char name[PORTAL_TEXT_ROOM];
    struct claim c = {.facts = {.managed_here = is_managed(address, p)}};
    const struct pool_placed *at;
    DL_FOREACH(pool_placed_at(pool, portal_format(p, name)), at)
    {
        bool self = uuid_equal(&at->unit->rec.uuid, unit);
        if (!self && at->unit->rec.trust == TRUST_REVOKED)
            continue;
        c.facts.had |= self;
        c.facts.had_there |= !self;
        c.other = self ? c.other : at->unit;
    }
    DL_FOREACH(pool_placed_at(pool, p->address), at)
    {
        if (uuid_equal(&at->unit->rec.uuid, unit))
            continue;
        c.facts.managed_there = true;
        c.other = at->unit;
        break;
    }
    return c;
}

// ---- What another unit loses -------------------------------------------------------------------

static void leave_out(struct unit_link *link, const struct portal *p)
{
    if (link->left_portal_count++ < LEFT_PORTALS_MAX)
        link->left_portals[link->left_portal_count - 1] = *p;
}

static void tell_left(struct observation *o, struct unit_link *link, const char *unit,
                      const struct portal *p, const char *owner, size_t count)
{
    char text[PORTAL_TEXT_ROOM];
    struct strbuf more = {0};
    struct log_limit none = {0};
    if (count > 1)
        strbuf_add(&more, ", and %zu more that are others'", count - 1);
    events_add_limited(link ? &link->told : &none, o->cms, &o->c, EVENT_ERROR, "unit", unit,
                       "shows the portal %s, which is of %s%s: no host is sent there for what is "
                       "on %s",
                       portal_format(p, text), owner, more.text ? more.text : "", unit);
    strbuf_free(&more);
}

static bool has_any(const struct pool_unit *u, const struct portal *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (find(u->portals, u->portal_count, &list[i]))
            return true;
    return false;
}

// Portals of the unit of the observation, which is managed there, that another one had first.
static void take_from(struct observation *o, struct pool_unit *u, const struct portal *list,
                      size_t count)
{
    DV_FREE struct portal *kept = NULL;
    const struct portal *lost = NULL;
    size_t n = 0;
    for (size_t i = 0; i < u->portal_count; i++) {
        const struct portal *p = &u->portals[i];
        const struct portal_facts facts = {.managed_here = is_managed(u->rec.address, p),
                                           .had = true,
                                           .managed_there = is_managed(o->rec.address, p)};
        if (portal_is_own(&facts) || !find(list, count, p)) {
            *DV_APPEND(kept, n) = *p;
            continue;
        }
        lost = p;
        if (u->link)
            leave_out(u->link, p);
    }
    if (!lost)
        return;
    changes_portals(&o->c, &u->rec.uuid, kept, n);
    tell_left(o, u->link, u->rec.name, lost, o->rec.name, u->portal_count - n);
}

// Each unit that has one of them comes once, with the first.
static void take_from_others(struct observation *o, const struct portal *list, size_t count)
{
    char name[PORTAL_TEXT_ROOM];
    const struct pool_placed *at;
    for (size_t i = 0; i < count; i++)
        DL_FOREACH(pool_placed_at(o->pool, portal_format(&list[i], name)), at)
        {
            struct pool_unit *u = at->unit;
            if (u != o->unit && !has_any(u, list, i))
                take_from(o, u, list, count);
        }
}

// ---- Those of a reading ------------------------------------------------------------------------

void portals_observe(struct observation *o)
{
    struct reading own = *o->r;
    struct unit_link *link = o->link;
    const struct portal *list = o->r->portals, *first = NULL;
    const char *owner = NULL;
    struct portal before = link->left_portals[0];
    size_t count_before = link->left_portal_count;
    own.portals = NULL;
    own.portal_count = link->left_portal_count = 0;
    for (size_t i = 0; i < o->r->portal_count; i++) {
        const struct claim c = claim_of(o->pool, &o->rec.uuid, o->rec.address, &list[i]);
        if (portal_is_own(&c.facts)) {
            *DV_APPEND(own.portals, own.portal_count) = list[i];
            continue;
        }
        if (!first)
            owner = c.other->rec.name;
        first = first ? first : &list[i];
        leave_out(link, &list[i]);
    }
    if (first && (link->left_portal_count != count_before || !is_same(first, &before)))
        tell_left(o, link, o->rec.name, first, owner, link->left_portal_count);
    take_from_others(o, own.portals, own.portal_count);
    if (o->unit && o->unit->rec.last_seen != 0)
        moves_tell(o->cms, &o->c, o->unit, &own);
    changes_portals(&o->c, &o->rec.uuid, own.portals, own.portal_count);
    free(own.portals);
}

bool portals_are_wanted(const struct unit_link *link)
{
    size_t count =
        link->left_portal_count < LEFT_PORTALS_MAX ? link->left_portal_count : LEFT_PORTALS_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct claim c =
            claim_of(link->cms->pool, &link->uuid, link->address, &link->left_portals[i]);
        if (portal_is_own(&c.facts))
            return true;
    }
    return false;
}
