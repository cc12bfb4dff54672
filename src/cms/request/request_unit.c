// Requests about units: what they are called, and forgetting them.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/cms.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/lead.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/task/tasks.h"
#include "logic/health.h"
#include <string.h>
#include <utlist.h>

static void end_tasks_of(struct cms *cms, struct changes *c, const struct pool_unit *u)
{
    const struct pool_tasks_of *of;
    const struct pool_task *t;
    DL_FOREACH2(u->tasks, of, home_next)
    DL_FOREACH2(of->tasks, t, of_next)
    {
        struct task_record rec = t->rec;
        tasks_end(cms, c, &rec, TASK_FAILED, DV_CONFLICT, "unit %s was forgotten", u->rec.name);
    }
}

int cms_rename_unit(struct cms *cms, const char *unit, const char *name, struct dv_err *err)
{
    struct pool_unit *u = request_unit(cms, unit, err);
    if (!u || new_name_check("unit", name, err) < 0)
        return -1;
    const struct pool_unit *taken = pool_find_unit(cms->pool, name);
    if (taken && taken != u)
        return dv_fail(err, DV_EXISTS, "there is a unit %s already: choose another name", name);
    struct unit_record rec = u->rec;
    struct changes c = {0};
    dv_copy(rec.name, sizeof(rec.name), name);
    rec.named = true;
    changes_unit(&c, &rec);
    if (strcmp(u->rec.name, name) != 0)
        events_add(cms, &c, EVENT_INFO, "unit", name, "was called %s before", u->rec.name);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

int cms_describe_unit(struct cms *cms, const char *unit, const char *text, struct dv_err *err)
{
    const struct pool_unit *u = request_unit(cms, unit, err);
    struct changes c = {0};
    if (!u || description_check("unit", text, err) < 0)
        return -1;
    struct unit_record rec = u->rec;
    dv_copy(rec.description, sizeof(rec.description), text);
    changes_unit(&c, &rec);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

// Refuses while hosts may use its volumes, and names some of them.
static int check_unused(const struct pool_unit *u, struct dv_err *err)
{
    enum { LISTED = 4 };
    const struct pool_volume *v;
    struct strbuf names = {0};
    size_t n = 0;
    DL_FOREACH2(u->volumes, v, unit_next)
    {
        const struct pool_assignment *a;
        DL_FOREACH2(v->assignments, a, volume_next)
        {
            if (n++ < LISTED)
                strbuf_add(&names, "%s%s (%s%s)", n > 1 ? ", " : "", v->rec.name, a->host->rec.name,
                           a->rec.wanted ? "" : ", which was to lose it");
        }
    }
    DV_FREE char *list = names.text;
    if (n == 0)
        return 0;
    return dv_fail(
        err, DV_CONFLICT,
        "hosts use volumes of unit %s: %.200s%s. They lose their records here, and are taken in "
        "again, with all access rules that the unit has, only if the unit comes back; to forget it "
        "all the same, force it",
        u->rec.name, list, n > LISTED ? " and more" : "");
}

// The unit was not told of these revocations, and nobody will remember to tell it.
static void tell_rights_that_stay(struct cms *cms, struct changes *c, const struct pool_volume *v)
{
    const struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (!a->rec.wanted)
            events_add(cms, c, EVENT_WARNING, "volume", v->rec.name,
                       "was to be unassigned from host %s, which unit %s was not told: if the unit "
                       "comes back, the host has it again until you unassign it",
                       a->host->rec.name, v->unit->rec.name);
    }
}

static bool is_on_alone(const struct pool_host *h, const struct pool_unit *u)
{
    const struct pool_assignment *a = h->assignments;
    while (a && a->volume->unit == u)
        a = a->host_next;
    return !a;
}

// Hosts that the unit alone named, and nobody added, go with it.
static size_t forget_found_hosts(struct changes *c, const struct pool_unit *u)
{
    const uint64_t mark = pool_next_mark();
    const struct pool_volume *v;
    const struct pool_assignment *a;
    size_t n = 0;
    DL_FOREACH2(u->volumes, v, unit_next)
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->host->mark == mark || !request_is_found(a->host) || !is_on_alone(a->host, u))
            continue;
        a->host->mark = mark;
        changes_host_gone(c, &a->host->rec.uuid);
        n++;
    }
    return n;
}

int cms_forget_unit(struct cms *cms, const char *unit, bool force, struct dv_err *err)
{
    struct pool_unit *u = request_unit(cms, unit, err);
    if (!u)
        return -1;
    if (health_takes_orders(u->rec.state) || u->rec.state == UNIT_JOINING)
        return dv_fail(err, DV_CONFLICT, "unit %s is %s: stop it first", u->rec.name,
                       unit_state_name(u->rec.state));
    if (!force && check_unused(u, err) < 0)
        return -1;
    struct changes c = {0};
    const struct pool_volume *v;
    end_tasks_of(cms, &c, u);
    DL_FOREACH2(u->volumes, v, unit_next)
    {
        tell_rights_that_stay(cms, &c, v);
        changes_volume_gone(&c, &v->rec.uuid);
    }
    size_t hosts = forget_found_hosts(&c, u);
    changes_unit_gone(&c, &u->rec.uuid);
    events_add(
        cms, &c, EVENT_WARNING, "unit", u->rec.name,
        "was forgotten, with %zu %s and %zu %s that nobody but it named%s%s", u->volume_count,
        u->volume_count == 1 ? "volume" : "volumes", hosts, hosts == 1 ? "host" : "hosts",
        u->rec.key_number > 0 ? ": should it come back, a new code brings it in again, dvsan "
                                "unit add "
                              : "",
        u->rec.key_number > 0 ? u->rec.name : "");
    lead_forget(cms, u); // until it is seen again, if this fails
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}
