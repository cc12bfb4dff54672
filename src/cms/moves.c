// Tells whose volumes are reached at other portals than before.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/station.h"

#include "base/mem.h"
#include <string.h>
#include <utlist.h>

static bool has(const struct portal *list, size_t count, const struct portal *p)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].port == p->port && strcmp(list[i].address, p->address) == 0)
            return true;
    return false;
}

static bool has_all(const struct portal *list, size_t count, const struct portal *of,
                    size_t of_count)
{
    for (size_t i = 0; i < of_count; i++)
        if (!has(list, count, &of[i]))
            return false;
    return true;
}

static char *list_of(const struct portal *list, size_t count)
{
    struct strbuf text = {0};
    char one[PORTAL_TEXT_ROOM];
    for (size_t i = 0; i < count; i++)
        strbuf_add(&text, "%s%s", i == 0 ? "" : ", ", portal_format(&list[i], one));
    if (count == 0)
        strbuf_add(&text, "nowhere");
    return text.text;
}

void moves_tell(struct cms *cms, struct changes *c, const struct pool_unit *unit,
                const struct portal *now, size_t count)
{
    const struct portal *before = unit->portals;
    if (has_all(now, count, before, unit->portal_count) &&
        has_all(before, unit->portal_count, now, count))
        return;
    DV_FREE char *is = list_of(now, count), *was = list_of(before, unit->portal_count);
    const struct pool_volume *v;
    const struct pool_assignment *a;
    events_add(cms, c, EVENT_INFO, "unit", unit->rec.name, "serves at %s; before at %s", is, was);
    DL_FOREACH2(unit->volumes, v, unit_next)
    {
        DL_FOREACH2(v->assignments, a, volume_next)
        {
            if (a->rec.wanted)
                events_add(cms, c, EVENT_WARNING, "host", a->host->rec.name,
                           "reaches its volume %s at %s now; before at %s", v->rec.name, is, was);
        }
    }
}
