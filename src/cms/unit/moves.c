// Tells whose volumes are reached at other portals than before.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/core/events.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/portals.h"
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

// The portals of one group, or of all: group 0.
struct portal_group {
    const struct portal *list;
    size_t count;
    uint32_t group;
};

static bool is_in(const struct portal_group *place, const struct portal *p)
{
    return place->group == 0 || p->group == place->group;
}

static bool has(const struct portal_group *place, const struct portal *p)
{
    for (size_t i = 0; i < place->count; i++)
        if (is_in(place, &place->list[i]) && place->list[i].port == p->port &&
            strcmp(place->list[i].address, p->address) == 0)
            return true;
    return false;
}

static bool has_all(const struct portal_group *place, const struct portal_group *of)
{
    for (size_t i = 0; i < of->count; i++)
        if (is_in(of, &of->list[i]) && !has(place, &of->list[i]))
            return false;
    return true;
}

static bool same(const struct portal_group *a, const struct portal_group *b)
{
    return has_all(a, b) && has_all(b, a);
}

static char *list_of(const struct portal_group *place)
{
    struct strbuf text = {0};
    char one[PORTAL_TEXT_ROOM];
    for (size_t i = 0; i < place->count; i++)
        if (is_in(place, &place->list[i]))
            strbuf_add(&text, "%s%s", text.text ? ", " : "", portal_format(&place->list[i], one));
    if (!text.text)
        strbuf_add(&text, "nowhere");
    return text.text;
}

static int by_uuid(const void *a, const void *b)
{
    const struct volume *const *x = a, *const *y = b;
    return memcmp((*x)->uuid.b, (*y)->uuid.b, sizeof((*x)->uuid.b));
}

// The volumes that the reading shows, sorted. The caller frees the list.
static const struct volume **sorted_volumes(const struct reading *r)
{
    const struct volume **list = dv_calloc(r->volume_count + 1, sizeof(struct volume *));
    for (size_t i = 0; i < r->volume_count; i++)
        list[i] = &r->volumes[i];
    qsort(list, r->volume_count, sizeof(struct volume *), by_uuid);
    return list;
}

// The group that a volume is in now; one that the reading does not show is where it was.
static uint32_t group_now(const struct volume **list, size_t count, const struct pool_volume *v)
{
    const struct volume key = {.uuid = v->rec.uuid}, *wanted = &key;
    const struct volume **found = bsearch(&wanted, list, count, sizeof(struct volume *), by_uuid);
    return found ? (*found)->group : v->actual.group;
}

// What became of a group that another one was before. Volumes are many and groups few, so each pair
// is compared once.
struct pair {
    bool known, same;
    char *is, *was;
};
#define GROUPS (UNIT_GROUPS_MAX + 1)

static const struct pair *compare(struct pair *pairs, const struct portal_group *now,
                                  const struct portal_group *before)
{
    struct pair *p = &pairs[now->group * GROUPS + before->group];
    if (p->known)
        return p;
    p->known = true;
    p->same = same(now, before);
    p->is = p->same ? NULL : list_of(now);
    p->was = p->same ? NULL : list_of(before);
    return p;
}

static void tell_hosts(struct cms *cms, struct changes *c, struct log_limit *limit,
                       const struct pool_volume *v, const struct pair *p)
{
    const struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->rec.wanted)
            events_add_limited(limit, cms, c, EVENT_WARNING, "host", a->host->rec.name,
                               "reaches its volume %s at %s now; before at %s", v->rec.name, p->is,
                               p->was);
    }
}

static void tell_volumes(struct cms *cms, struct changes *c, struct log_limit *limit,
                         const struct pool_unit *unit, const struct reading *r)
{
    struct portal_group now = {r->portals, r->portal_count, 0};
    struct portal_group before = {unit->portals, unit->portal_count, 0};
    struct pair pairs[GROUPS * GROUPS] = {{.known = false}};
    DV_FREE const struct volume **volumes = sorted_volumes(r);
    const struct pool_volume *v;
    DL_FOREACH2(unit->volumes, v, unit_next)
    {
        now.group = group_now(volumes, r->volume_count, v);
        before.group = v->actual.group;
        // One that was never shown nobody was told of.
        if (before.group == 0 || before.group >= GROUPS || now.group >= GROUPS)
            continue;
        const struct pair *p = compare(pairs, &now, &before);
        if (!p->same)
            tell_hosts(cms, c, limit, v, p);
    }
    for (size_t i = 0; i < DV_COUNT(pairs); i++) {
        free(pairs[i].is);
        free(pairs[i].was);
    }
}

void moves_tell(struct cms *cms, struct changes *c, const struct pool_unit *unit,
                const struct reading *r)
{
    struct portal_group now = {r->portals, r->portal_count, 0};
    struct portal_group before = {unit->portals, unit->portal_count, 0};
    if (same(&now, &before))
        return;
    DV_FREE char *is = list_of(&now), *was = list_of(&before);
    struct unit_link *link = unit->link;
    struct log_limit first = {0};
    events_add_limited(link ? &link->told : &first, cms, c, EVENT_INFO, "unit", unit->rec.name,
                       "serves at %s; before at %s", is, was);
    tell_volumes(cms, c, link ? &link->moves : &first, unit, r);
}
