// Events about what a unit shows changed, and nobody here asked for.
// SPDX-License-Identifier: BSD-2-Clause
//
// Somebody else has the unit's keys, its journal was changed or restored, or its agent does as it
// likes. What the station wants it orders again as soon as it leads the unit, see logic/orders.h.
#include "logic/foreign.h"
#include "cms/core/events.h"
#include "cms/member/lead.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "cms/unit/observe.h"
#include <string.h>

static const char *end_of(const struct observation *o)
{
    return lead_takes_orders(o->link) ? ", and is put right" : "";
}

// A unit gives up what was put into its journal by others, and a person what was sealed with a key
// that is lost.
static void tell_no_secret(struct observation *o, const struct pool_volume *pv,
                           const struct pool_assignment *a, const char *initiator)
{
    bool known = a->host->rec.sealed_len > 0 && !a->rec.found;
    events_add(
        o->cms, &o->c, EVENT_WARNING, "volume", pv->rec.name,
        "for %s there is no CHAP secret any more on %s, since its journal was changed or the "
        "key of that is lost: %s",
        initiator, o->rec.name,
        known ? "it is sent again" : "it is not known here, so add the host with it");
}

static void tell_rule(struct observation *o, const struct pool_volume *pv, enum foreign what,
                      const char *initiator)
{
    static const char *const texts[] = {
        [FOREIGN_ADDED] = "an access rule was added",
        [FOREIGN_REMOVED] = "the access rule was removed",
        [FOREIGN_SECRET] = "the CHAP secret was changed",
        [FOREIGN_USER] = "the CHAP user was changed",
    };
    if (what != FOREIGN_NOTHING && observe_is_told(o, &o->link->foreign))
        events_add(o->cms, &o->c, EVENT_WARNING, "volume", pv->rec.name,
                   "for %s %s on %s by no request%s", initiator, texts[what], o->rec.name,
                   end_of(o));
}

static void judge(struct observation *o, const struct pool_volume *pv,
                  const struct access_rule *before, const struct access_rule *now)
{
    const char *initiator = (before ? before : now)->initiator;
    const struct pool_host *host = pool_host_by_iqn(o->pool, initiator);
    const struct pool_assignment *a =
        host ? pool_assignment_of((struct pool_volume *)pv, &host->rec.uuid) : NULL;
    enum foreign what = foreign_rule(before, now, a ? &a->rec : NULL, a ? &a->host->rec : NULL);
    if (what == FOREIGN_NO_SECRET && observe_is_told(o, &o->link->foreign))
        tell_no_secret(o, pv, a, initiator);
    else if (what != FOREIGN_NO_SECRET)
        tell_rule(o, pv, what, initiator);
}

static bool is_same(const struct access_rule *a, const struct access_rule *b)
{
    return a->index == b->index && iqn_equal(a->initiator, b->initiator);
}

static void tell_shape(struct observation *o, struct pool_volume *pv, const struct volume *v)
{
    // Online is what all are to be: the station's own order, or as good.
    if (!v->admin_online && pv->actual.admin_online && observe_is_told(o, &o->link->foreign))
        events_add(o->cms, &o->c, EVENT_WARNING, "volume", pv->rec.name,
                   "was set offline on %s by no request%s", o->rec.name, end_of(o));
    if (strcmp(v->name, pv->actual.name) == 0 || strcmp(v->name, pv->rec.name) == 0 ||
        tasks_open(o->cms, TASK_VOLUME_RENAME, &pv->rec.uuid, NULL))
        return;
    pv->renamed = true;
    if (observe_is_told(o, &o->link->foreign))
        events_add(o->cms, &o->c, EVENT_WARNING, "volume", pv->rec.name,
                   "was renamed to %s on %s by no request%s", v->name, o->rec.name, end_of(o));
}

void foreign_tell(struct observation *o, struct pool_volume *pv, const struct volume *v,
                  const struct access_rule *rules, size_t count)
{
    if (!pv->rec.wanted || pv->actual.index == 0 || v->state == VOLUME_DELETING)
        return;
    tell_shape(o, pv, v);
    size_t i = 0, k = 0; // both lists go by their indexes
    while (i < pv->rule_count || k < count) {
        const struct access_rule *before = i < pv->rule_count ? &pv->rules[i] : NULL;
        const struct access_rule *now = k < count ? &rules[k] : NULL;
        bool same = before && now && is_same(before, now);
        if (before && (same || !now || before->index <= now->index)) {
            judge(o, pv, before, same ? now : NULL);
            i++;
            k += same;
        } else {
            judge(o, pv, NULL, now);
            k++;
        }
    }
}
