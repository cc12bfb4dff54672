// The table of kinds of tasks, and taking a task back.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/task/tasks.h"
#include <inttypes.h>

const struct task_way *const task_ways[] = {
    [TASK_VOLUME_CREATE] = &task_way_create, [TASK_VOLUME_DELETE] = &task_way_delete,
    [TASK_ASSIGN] = &task_way_assign,        [TASK_UNASSIGN] = &task_way_unassign,
    [TASK_VOLUME_RESIZE] = &task_way_resize, [TASK_VOLUME_RENAME] = &task_way_rename,
    [TASK_UNIT_REKEY] = &task_way_rekey,
};

static int cannot_cancel(const struct task_way *way, const struct pool_volume *v,
                         const struct task_record *t, struct dv_err *err)
{
    const char *at_it = v && way->carried_out ? v->unit->rec.name : NULL;
    return dv_fail(err, DV_CONFLICT, "task %" PRIu64 " (%s) cannot be taken back%s%s%s%s%s", t->id,
                   t->summary, at_it ? ": " : "", at_it ? at_it : "",
                   at_it ? " is at it already" : "", t->waiting[0] ? ". It waits: " : "",
                   t->waiting);
}

int cms_cancel_task(struct cms *cms, uint64_t task, struct dv_err *err)
{
    const struct pool_task *pt = pool_find_task(cms->pool, task);
    if (!pt)
        return dv_fail(err, DV_NOT_FOUND, "there is no task %" PRIu64, task);
    if (task_is_over(&pt->rec))
        return dv_fail(err, DV_CONFLICT, "task %" PRIu64 " is over: it is %s", task,
                       task_state_name(pt->rec.state));
    const struct task_way *way = tasks_way(cms, pt->rec.kind);
    struct task_record t = pt->rec;
    struct pool_volume *v = pool_volume_by_uuid(cms->pool, &t.volume);
    struct changes c = {0};
    if (t.cancel == TASK_CANCEL_ASKED) // asked for again: it is the same request
        return 0;
    if (!tasks_can_cancel(cms, v, &t))
        return cannot_cancel(way, v, &t, err);
    way->take_back(cms, &t, v, &c);
    if (way->ends_at_once && way->ends_at_once(cms, &t, v, &c)) {
        // it has said why
    } else if (v && pool_order_is_out(v, &cms->uuid)) {
        t.cancel = TASK_CANCEL_ASKED;
        changes_task(&c, &t);
    } else {
        tasks_end(cms, &c, &t, TASK_CANCELLED, DV_CANCELLED, "it was taken back");
    }
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}
