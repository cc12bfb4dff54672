// What a unit shows no longer.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/observe.h"
// What a turn of the loop has time for.
#define PART_GONE   120  // volumes, and rules of them
#define PART_LOOKED 4000 // volumes that are looked at for that

// A search for what the reading shows no longer: in its list of what is gone; or of a whole one,
// which has not shown them, among the unit's volumes.
struct search {
    const struct observation *o;
    size_t at;
    struct pool_volume *next;
    size_t looked, rows; // at so many, and what of them is gone
};

// It goes on where the part before it ended; all over again when that volume has left the unit.
static struct search search_on(const struct observation *o)
{
    struct search s = {.o = o, .at = o->link->gone_at};
    if (!o->unit)
        return s;
    s.next = pool_volume_by_uuid(o->pool, &o->link->gone_from);
    if (!s.next || s.next->unit != o->unit)
        s.next = o->unit->volumes;
    return s;
}

// The next volume, or NULL when it is not gone. False behind the last.
static bool search(struct search *s, struct pool_volume **gone)
{
    const struct reading *r = s->o->link->reading;
    struct pool_volume *pv = s->next;
    if (!s->o->unit || (r->whole ? !pv : s->at == r->gone_count))
        return false;
    if (r->whole)
        s->next = pv->unit_next;
    else
        pv = pool_volume_by_index(s->o->unit, r->gone[s->at++]);
    *gone = pv && pv->actual.index != 0 && pv->mark != s->o->link->mark ? pv : NULL;
    s->looked++;
    s->rows += *gone ? 1 + pv->rule_count : 0;
    return true;
}

bool observe_much_is_gone(const struct observation *o, size_t to_come)
{
    struct search s = search_on(o);
    struct pool_volume *gone;
    while (s.looked <= PART_LOOKED && s.rows <= PART_GONE + to_come)
        if (!search(&s, &gone))
            return false;
    return true;
}

void observe_absence(struct observation *o)
{
    bool all = o->r->part == READING_REST;
    struct search s = search_on(o);
    struct pool_volume *gone;
    while ((all || (s.looked < PART_LOOKED && s.rows <= PART_GONE)) && search(&s, &gone))
        if (gone)
            observe_hide(o, gone);
    o->link->gone_at = s.at;
    o->link->gone_from = s.next ? s.next->rec.uuid : (struct dv_uuid){0};
}
