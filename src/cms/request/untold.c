// Units that cannot be told now that an account of a host has ended: there it opens volumes on.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/text.h"
#include "cms/cms.h"
#include "cms/core/events.h"
#include "cms/core/station.h"
#include "cms/member/lead.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "logic/accounts.h"
#include <stdlib.h>
#include <utlist.h>

#define NAMED_UNITS 4 // in an event

static bool is_among(const struct pool_unit *const *units, size_t count, const struct pool_unit *u)
{
    for (size_t i = 0; i < count; i++)
        if (units[i] == u)
            return true;
    return false;
}

static bool can_be_told(const struct pool_unit *u)
{
    return u->link && pool_is_current(u) && lead_takes_orders(u->link);
}

static bool has_ended(const struct host_record *rec, const struct access_rule *rule)
{
    return account_has_ended(rec, rule) || (!iqn_equal(rule->initiator, rec->iqn) &&
                                            !iqn_equal(rule->initiator, rec->previous_iqn));
}

static bool admits_ended(const struct pool_assignment *a, const struct host_record *rec)
{
    const struct access_rule *former = pool_former_rule(a);
    return (a->actual.index != 0 && has_ended(rec, &a->actual)) ||
           (former && has_ended(rec, former));
}

static const struct pool_unit **untold_units(const struct pool_host *h,
                                             const struct host_record *rec, size_t *count)
{
    const struct pool_unit **units = NULL;
    const struct pool_assignment *a;
    *count = 0;
    DL_FOREACH2(h->assignments, a, host_next)
    {
        const struct pool_unit *u = a->volume->unit;
        if (admits_ended(a, rec) && !can_be_told(u) && !is_among(units, *count, u))
            *DV_APPEND(units, *count) = u;
    }
    return units;
}

const struct pool_unit **cms_untold_units(const struct pool_host *h, size_t *count)
{
    return untold_units(h, &h->rec, count);
}

void request_tell_untold(struct cms *cms, struct changes *c, const struct pool_host *h,
                         const struct host_record *rec)
{
    size_t count;
    DV_FREE const struct pool_unit **units = untold_units(h, rec, &count);
    struct strbuf names = {0};
    for (size_t i = 0; i < count && i < NAMED_UNITS; i++)
        strbuf_add(&names, "%s%s", i ? ", " : "", units[i]->rec.name);
    if (count > NAMED_UNITS)
        strbuf_add(&names, " and %zu more", count - NAMED_UNITS);
    if (count > 0)
        events_add(cms, c, EVENT_WARNING, "host", rec->name,
                   "may log in on %s by what has ended, until %s: %s cannot be told now",
                   names.text, count == 1 ? "that unit is back" : "these units are back",
                   count == 1 ? "it" : "they");
    strbuf_free(&names);
}
