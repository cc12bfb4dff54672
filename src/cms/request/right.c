// Who may use volumes: the requests, and how their tasks stand.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/cms.h"
#include "cms/core/station.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/request/waits.h"
#include "cms/task/tasks.h"
#include "logic/health.h"
#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

// The lowest that neither a right nor a rule of the volume has.
static uint32_t free_rule_index(const struct pool_volume *v)
{
    size_t most = HASH_CNT(hh, v->hosts) + v->rule_count;
    DV_FREE bool *taken = dv_calloc(most + 2, sizeof(*taken));
    const struct pool_assignment *a;
    uint32_t index = 1;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->rec.index <= most)
            taken[a->rec.index] = true;
    }
    for (size_t i = 0; i < v->rule_count; i++)
        if (v->rules[i].index <= most)
            taken[v->rules[i].index] = true;
    while (taken[index])
        index++;
    return index;
}

static int check_assign(struct cms *cms, struct pool_volume *v, const struct pool_host *h,
                        struct dv_err *err)
{
    if (!v->rec.wanted)
        return dv_fail(err, DV_CONFLICT, "volume %s is being deleted", v->rec.name);
    if (v->rec.seen && v->actual.index == 0)
        return dv_fail(err, DV_CONFLICT, "volume %s has vanished from %s: bring its medium back",
                       v->rec.name, v->unit->rec.name);
    if (h->rec.sealed_len == 0)
        return dv_fail(err, DV_CONFLICT,
                       "the CHAP secret of host %s is not known here: add the host again with its "
                       "IQN %s and its secret",
                       h->rec.name, h->rec.iqn);
    const struct pool_assignment *a = pool_assignment_of(v, &h->rec.uuid);
    if (a && a->rec.wanted && !a->rec.found && !a->rec.unasked)
        return dv_fail(err, DV_EXISTS, "volume %s is assigned to host %s already", v->rec.name,
                       h->rec.name);
    if (!a && pool_rules_wanted(v) + (h->previous_iqn[0] ? 2 : 1) > READING_RULES_A_VOLUME)
        return dv_fail(err, DV_BUSY,
                       "volume %s has %zu access rules for %u hosts, and %d are the most: take it "
                       "from one first",
                       v->rec.name, pool_rules_wanted(v), HASH_CNT(hh, v->hosts),
                       READING_RULES_A_VOLUME);
    if (!a || a->rec.wanted)
        return request_check_user_on(cms, h, v->unit, err);
    const struct pool_task *t = tasks_open(cms, TASK_ASSIGN, &v->rec.uuid, &h->rec.uuid);
    if (t && t->rec.cancel == TASK_CANCEL_ASKED)
        return request_is_taken_back(t, err);
    t = tasks_open(cms, TASK_UNASSIGN, &v->rec.uuid, &h->rec.uuid);
    if (t)
        return dv_fail(err, DV_CONFLICT,
                       "volume %s is still being unassigned from host %s: wait for task %" PRIu64,
                       v->rec.name, h->rec.name, t->rec.id);
    return dv_fail(err, DV_CONFLICT,
                   "volume %s is still being unassigned from host %s: try again soon", v->rec.name,
                   h->rec.name);
}

int cms_assign(struct cms *cms, const char *volume, const char *host, uint64_t *task,
               struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    struct pool_host *h = v ? request_host(cms, host, err) : NULL;
    if (!h || check_assign(cms, v, h, err) < 0)
        return -1;
    const struct pool_assignment *found = pool_assignment_of(v, &h->rec.uuid);
    struct assignment_record rec = {
        .volume = v->rec.uuid,
        .host = h->rec.uuid,
        .index = found ? found->rec.index : free_rule_index(v),
        .wanted = true,
    };
    struct task_record t;
    tasks_new(cms, &t, TASK_ASSIGN);
    t.volume = rec.volume;
    t.host = rec.host;
    snprintf(t.summary, sizeof(t.summary), "assign volume %s to host %s", v->rec.name, h->rec.name);
    tasks_step(&t, STEP_WAITING, "access rule for %s on %s", h->rec.name, v->unit->rec.name);

    struct changes c = {0};
    changes_assignment(&c, &rec);
    return request_begin(cms, &c, &t, v->unit, task, err);
}

int cms_unassign(struct cms *cms, const char *volume, const char *host, uint64_t *task,
                 struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    struct pool_host *h = v ? request_host(cms, host, err) : NULL;
    if (!h)
        return -1;
    struct pool_assignment *a = pool_assignment_of(v, &h->rec.uuid);
    if (!a)
        return dv_fail(err, DV_NOT_FOUND, "volume %s is not assigned to host %s", v->rec.name,
                       h->rec.name);
    const struct pool_task *open = tasks_open(cms, TASK_UNASSIGN, &v->rec.uuid, &h->rec.uuid);
    if (open) { // asked for again: it is the same request
        *task = open->rec.id;
        return 0;
    }
    struct assignment_record rec = a->rec;
    rec.wanted = false;
    struct changes c = {0};
    request_end_task(cms, &c, TASK_ASSIGN, &rec.volume, &rec.host,
                     "the volume was unassigned again");
    struct task_record t;
    tasks_new(cms, &t, TASK_UNASSIGN);
    t.volume = rec.volume;
    t.host = rec.host;
    snprintf(t.summary, sizeof(t.summary), "unassign volume %s from host %s", v->rec.name,
             h->rec.name);
    tasks_step(&t, STEP_WAITING, "end access rule and sessions on %s", v->unit->rec.name);
    changes_assignment(&c, &rec);
    return request_begin(cms, &c, &t, v->unit, task, err);
}

// ---- Their tasks ---------------------------------------------------------------------------

// The right is not wanted any more: what there is of it goes.
static void withdraw(const struct pool_assignment *a, struct changes *c)
{
    struct assignment_record rec = a->rec;
    rec.wanted = false;
    changes_assignment(c, &rec);
}

static void judge_assign(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    struct pool_assignment *a = v ? pool_assignment_of(v, &t->host) : NULL;
    if (!v || !v->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_CONFLICT, "the volume is gone");
        if (a && a->rec.wanted)
            withdraw(a, &j->c);
        return;
    }
    if (!a || !a->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED,
                  "the volume was unassigned again");
        return;
    }
    tasks_reach(t, 0);
    if (a->actual.index == 0)
        return;
    if (a->actual.state == ACCESS_FAILED) {
        // While the volume cannot be served, its rules cannot be in force.
        if (v->actual.state == VOLUME_FAILED || !health_takes_orders(v->unit->rec.state))
            return;
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_IO,
                  "%s could not put the access rule in force: %s", v->unit->rec.name,
                  a->actual.last_error[0] ? a->actual.last_error : "it does not say why");
        withdraw(a, &j->c);
    } else if (a->actual.state == ACCESS_ACTIVE &&
               (a->host->rec.sealed_len == 0 ||
                a->actual.secret_mark == a->host->rec.secret_mark)) {
        tasks_end_well(j, t);
    }
}

static void refused_assign(struct judging *j, const struct tasks_refusal *r, struct pool_volume *v)
{
    struct pool_assignment *a = pool_assignment_of(v, &r->step.host);
    if (a && tasks_fail_refused(j, r, TASK_ASSIGN, &r->step.host))
        withdraw(a, &j->c);
    else if (a && !tasks_open(j->cms, TASK_ASSIGN, &v->rec.uuid, &r->step.host))
        request_tell_refused(j, r, v, &a->hold);
}

static bool can_cancel_assign(const struct pool_volume *v, const struct task_record *t)
{
    return v && pool_assignment_of((struct pool_volume *)v, &t->host) != NULL;
}

static void take_back_assign(struct cms *cms, const struct task_record *t, struct pool_volume *v,
                             struct changes *c)
{
    (void)cms;
    withdraw(pool_assignment_of(v, &t->host), c);
}

static bool is_assigned(const struct pool_volume *v, const struct task_record *t)
{
    const struct pool_assignment *a = pool_assignment_of((struct pool_volume *)v, &t->host);
    return a && a->actual.index != 0;
}

const struct task_way task_way_assign = {
    .judge = judge_assign,
    .wait = waits_tell,
    .refused = refused_assign,
    .can_cancel = can_cancel_assign,
    .take_back = take_back_assign,
    .is_done = is_assigned,
    .undone = "it was carried out before it could be taken back: the access rule ends again",
};

static void judge_unassign(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    struct pool_assignment *a = v ? pool_assignment_of(v, &t->host) : NULL;
    if (!a) {
        tasks_end_well(j, t);
        return;
    }
    tasks_reach(t, 0);
}

const struct task_way task_way_unassign = {
    .judge = judge_unassign,
    .wait = waits_tell,
};
