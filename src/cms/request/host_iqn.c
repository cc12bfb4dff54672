// Another initiator name for a host, while the one that it had stays valid.
// SPDX-License-Identifier: BSD-2-Clause
//
// While a host has two, each of its volumes has an access rule for each, with the same accounts.
// What is in the store is all there is of the change: after a crash it goes on by the rules that
// units show.
#include "cms/cms.h"
#include "cms/core/events.h"
#include "cms/core/station.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include <string.h>
#include <utlist.h>

static int iqn_taken(const struct pool_host *by, const char *iqn, struct dv_err *err)
{
    const char *name = by->rec.name;
    if (!iqn_equal(by->rec.iqn, iqn))
        return dv_fail(
            err, DV_EXISTS,
            "host %s may still log in as %s, its previous IQN: end that first (dvsan host "
            "change %s --finish)",
            name, iqn, name);
    if (by->rec.sealed_len == 0)
        return dv_fail(
            err, DV_EXISTS,
            "%s is the IQN of host %s, which was found on a unit: unassign its volumes and "
            "delete it first, or choose another IQN",
            iqn, name);
    return dv_fail(err, DV_EXISTS, "host %s has the IQN %s already: choose another", name, iqn);
}

static int check_room(const struct pool_host *h, struct dv_err *err)
{
    const struct pool_assignment *a;
    DL_FOREACH2(h->assignments, a, host_next)
    {
        if (pool_rules_wanted(a->volume) >= READING_RULES_A_VOLUME)
            return dv_fail(
                err, DV_BUSY,
                "volume %s has %d access rules, which is the most, so host %s can have no "
                "second one there: take the volume from another host first, or change the "
                "IQN at once (--now)",
                a->volume->rec.name, READING_RULES_A_VOLUME, h->rec.name);
    }
    return 0;
}

static int check_change(struct cms *cms, const struct pool_host *h, const char *iqn, bool now,
                        struct dv_err *err)
{
    const struct host_record *rec = &h->rec;
    const struct pool_host *other = pool_host_by_iqn(cms->pool, iqn);
    if (iqn_check(iqn, err) < 0 || request_is_no_target(cms->pool, iqn, err) < 0)
        return -1;
    if (other && other != h)
        return iqn_taken(other, iqn, err);
    if (rec->sealed_len == 0)
        return request_secret_unknown(rec, err);
    if (strcmp(rec->iqn, iqn) == 0)
        return dv_fail(err, DV_EXISTS, "host %s has the IQN %s already", rec->name, iqn);
    if (now)
        return 0;
    if (iqn_equal(rec->iqn, iqn))
        return dv_fail(
            err, DV_CONFLICT,
            "%s is the IQN of host %s in another spelling, and no unit takes two of these: "
            "with --now its access rules are made anew, and its sessions end",
            iqn, rec->name);
    if (rec->previous_iqn[0] && !iqn_equal(rec->previous_iqn, iqn))
        return dv_fail(err, DV_CONFLICT,
                       "the IQN %s of host %s is still valid beside %s: end it first (dvsan host "
                       "change %s --finish), or end both at once (--now)",
                       rec->previous_iqn, rec->name, rec->iqn, rec->name);
    return rec->previous_iqn[0] ? 0 : check_room(h, err);
}

static void commit(struct cms *cms, struct changes *c, const struct pool_host *h,
                   const struct host_record *rec)
{
    changes_host(c, rec);
    request_tell_untold(cms, c, h, rec);
    ledger_commit(cms->ledger, c, LEDGER_KEPT);
}

int cms_change_iqn(struct cms *cms, const char *host, const char *iqn, bool now, struct dv_err *err)
{
    const struct pool_host *h = request_host(cms, host, err);
    if (!h || check_change(cms, h, iqn, now, err) < 0)
        return -1;
    struct host_record rec = h->rec;
    struct changes c = {0};
    memset(rec.iqn, 0, sizeof(rec.iqn));
    memset(rec.previous_iqn, 0, sizeof(rec.previous_iqn));
    dv_copy(rec.iqn, sizeof(rec.iqn), iqn);
    if (!now)
        dv_copy(rec.previous_iqn, sizeof(rec.previous_iqn), h->rec.iqn);
    rec.previous_iqn_since = now ? 0 : cms_now_ms();
    events_add(cms, &c, EVENT_INFO, "host", rec.name,
               now ? "has the IQN %s; %s ends on each unit when that takes it"
                   : "has the IQN %s; %s stays valid until that is ended",
               rec.iqn, h->rec.iqn);
    commit(cms, &c, h, &rec);
    return 0;
}

int cms_finish_iqn(struct cms *cms, const char *host, bool now, struct dv_err *err)
{
    const struct pool_host *h = request_host(cms, host, err);
    const struct pool_assignment *a;
    if (!h)
        return -1;
    struct host_record rec = h->rec;
    if (!rec.previous_iqn[0])
        return dv_fail(err, DV_CONFLICT, "host %s has one IQN, %s: there is nothing to end",
                       rec.name, rec.iqn);
    DL_FOREACH2(h->assignments, a, host_next)
    {
        if (!now && pool_awaits_iqn(a))
            return dv_fail(
                err, DV_CONFLICT,
                "unit %s does not let host %s in as %s for volume %s yet, see dvsan host "
                "show %s: wait, or bring the unit back; with --now %s ends all the same",
                a->volume->unit->rec.name, rec.name, rec.iqn, a->volume->rec.name, rec.name,
                rec.previous_iqn);
    }
    struct changes c = {0};
    memset(rec.previous_iqn, 0, sizeof(rec.previous_iqn));
    rec.previous_iqn_since = 0;
    events_add(cms, &c, EVENT_INFO, "host", rec.name,
               "has the IQN %s alone; %s ends on each unit when that takes it, with its sessions",
               rec.iqn, h->rec.previous_iqn);
    commit(cms, &c, h, &rec);
    return 0;
}
