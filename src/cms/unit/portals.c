// The portals that a unit shows become the pool's, but for those that are another unit's.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/unit/portals.h"

#include "base/address.h"
#include "base/mem.h"
#include "cms/core/events.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/observe.h"
#include "logic/portals.h"
#include <stdlib.h>
#include <string.h>

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

// The host of a management address in its usual form; "": a name, or none is known.
static void managed_at(const char *management, char out[INET6_ADDRSTRLEN])
{
    struct transport at;
    out[0] = '\0';
    if (!management[0])
        return;
    transport_split(management, &at);
    if (address_check(at.host, ADDRESS_OF_HOST, out, NULL) < 0)
        out[0] = '\0';
}

struct claim {
    struct portal_facts facts;
    const struct pool_unit *other; // whose it is, if it is another unit's
};

// What is known of these portals, shown by the unit that answers at the address now. The caller
// frees the list.
static struct claim *claims_of(const struct pool *pool, const struct dv_uuid *unit,
                               const char *address, const struct portal *list, size_t count)
{
    struct claim *claims = dv_calloc(count + 1, sizeof(*claims));
    char here[INET6_ADDRSTRLEN], there[INET6_ADDRSTRLEN];
    managed_at(address, here);
    for (size_t i = 0; i < count; i++)
        claims[i].facts.managed_here = strcmp(here, list[i].address) == 0;
    for (const struct pool_unit *u = pool->units; u; u = u->hh.next) {
        bool self = uuid_equal(&u->rec.uuid, unit);
        if (u->rec.trust == TRUST_REVOKED && !self)
            continue;
        managed_at(u->rec.last_seen ? u->rec.address : "", there); // it answered there
        for (size_t i = 0; i < count; i++) {
            struct portal_facts *f = &claims[i].facts;
            bool has = find(u->portals, u->portal_count, &list[i]) != NULL;
            bool managed = !self && strcmp(there, list[i].address) == 0;
            if (!self && (managed || (has && !f->managed_there)))
                claims[i].other = u;
            f->had |= self && has;
            f->had_there |= !self && has;
            f->managed_there |= managed;
        }
    }
    return claims;
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

// Portals of the unit of the observation, which is managed there, that another one had first.
static void take_from(struct observation *o, struct pool_unit *u, const struct portal *list,
                      size_t count)
{
    DV_FREE struct portal *kept = NULL;
    const struct portal *lost = NULL;
    char here[INET6_ADDRSTRLEN], there[INET6_ADDRSTRLEN];
    size_t n = 0;
    managed_at(o->rec.address, here);
    managed_at(u->rec.address, there);
    for (size_t i = 0; i < u->portal_count; i++) {
        const struct portal *p = &u->portals[i];
        const struct portal_facts facts = {.managed_here = strcmp(there, p->address) == 0,
                                           .had = true,
                                           .managed_there = strcmp(here, p->address) == 0};
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

// ---- Those of a reading ------------------------------------------------------------------------

void portals_observe(struct observation *o)
{
    struct reading own = *o->r;
    struct unit_link *link = o->link;
    const struct portal *list = o->r->portals, *first = NULL;
    const char *owner = NULL;
    struct portal before = link->left_portals[0];
    size_t count_before = link->left_portal_count;
    DV_FREE struct claim *claims =
        claims_of(o->pool, &o->rec.uuid, o->rec.address, list, o->r->portal_count);
    own.portals = NULL;
    own.portal_count = link->left_portal_count = 0;
    for (size_t i = 0; i < o->r->portal_count; i++) {
        if (portal_is_own(&claims[i].facts)) {
            *DV_APPEND(own.portals, own.portal_count) = list[i];
            continue;
        }
        if (!first)
            owner = claims[i].other->rec.name;
        first = first ? first : &list[i];
        leave_out(link, &list[i]);
    }
    if (first && (link->left_portal_count != count_before || !is_same(first, &before)))
        tell_left(o, link, o->rec.name, first, owner, link->left_portal_count);
    for (struct pool_unit *u = o->pool->units; u; u = u->hh.next)
        if (u != o->unit)
            take_from(o, u, own.portals, own.portal_count);
    if (o->unit && o->unit->rec.last_seen != 0)
        moves_tell(o->cms, &o->c, o->unit, &own);
    changes_portals(&o->c, &o->rec.uuid, own.portals, own.portal_count);
    free(own.portals);
}

bool portals_are_wanted(const struct unit_link *link)
{
    size_t count =
        link->left_portal_count < LEFT_PORTALS_MAX ? link->left_portal_count : LEFT_PORTALS_MAX;
    if (count == 0)
        return false;
    DV_FREE struct claim *claims =
        claims_of(link->cms->pool, &link->uuid, link->address, link->left_portals, count);
    for (size_t i = 0; i < count; i++)
        if (portal_is_own(&claims[i].facts))
            return true;
    return false;
}
