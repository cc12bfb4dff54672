// The pool in memory: walks that others may come between.
// SPDX-License-Identifier: BSD-2-Clause
//
// A walk keeps no pointer. It knows what is next by a UUID, and where that went, or came anew, by
// its number: all lists are in the order of these.
#include "cms/pool/pool.h"

static void note(struct pool_walk *w, uint64_t number, const struct dv_uuid *uuid)
{
    w->next = number;
    w->uuid = *uuid;
}

static void begin(const struct pool *p, struct pool_walk *w)
{
    if (!w->begun)
        w->end = p->numbers + 1;
    w->begun = true;
}

// at: what the UUID finds. It becomes what is next, NULL at the end, and what is behind is noted.
#define NEXT(p, w, at, first, behind, key)                                                         \
    do {                                                                                           \
        begin(p, w);                                                                               \
        if (!(at) || (at)->number != (w)->next)                                                    \
            for ((at) = (first); (at) && (at)->number < (w)->next;)                                \
                (at) = (at)->behind;                                                               \
        if ((at) && (at)->number >= (w)->end)                                                      \
            (at) = NULL;                                                                           \
        const __typeof__(at) then = (at) ? (at)->behind : NULL;                                    \
        if (then)                                                                                  \
            note(w, then->number, &then->key);                                                     \
        else                                                                                       \
            (w)->next = (w)->end;                                                                  \
    } while (0)

struct pool_unit *pool_next_unit(struct pool *p, struct pool_walk *w)
{
    struct pool_unit *u = pool_unit_by_uuid(p, &w->uuid);
    NEXT(p, w, u, p->units, hh.next, rec.uuid);
    return u;
}

struct pool_volume *pool_next_volume(struct pool *p, struct pool_walk *w)
{
    struct pool_volume *v = pool_volume_by_uuid(p, &w->uuid);
    NEXT(p, w, v, p->volumes, hh.next, rec.uuid);
    return v;
}

struct pool_host *pool_next_host(struct pool *p, struct pool_walk *w)
{
    struct pool_host *h = pool_host_by_uuid(p, &w->uuid);
    NEXT(p, w, h, p->hosts, hh.next, rec.uuid);
    return h;
}

struct pool_assignment *pool_next_right_of(struct pool *p, struct pool_walk *w,
                                           const struct pool_host *host)
{
    struct pool_volume *v = pool_volume_by_uuid(p, &w->uuid);
    struct pool_assignment *a = v ? pool_assignment_of(v, &host->rec.uuid) : NULL;
    NEXT(p, w, a, host->assignments, host_next, rec.volume);
    return a;
}
