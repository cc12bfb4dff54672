// Deleting a volume, and forgetting one whose medium is away: requests, and how their task stands.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/core/events.h"
#include "cms/core/station.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/request/waits.h"
#include "cms/task/tasks.h"
#include "logic/health.h"
#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

static int check_unassigned(const struct pool_volume *v, struct dv_err *err)
{
    const struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->rec.wanted)
            return dv_fail(err, DV_CONFLICT, "volume %s is assigned to host %s: unassign it first",
                           v->rec.name, a->host->rec.name);
    }
    return 0;
}

static int check_delete(struct cms *cms, const struct pool_volume *v, struct dv_err *err)
{
    if (check_unassigned(v, err) < 0)
        return -1;
    const struct medium *m = pool_medium(v->unit, v->actual.medium);
    if (pool_medium_is_away(v) && m)
        return dv_fail(err, DV_CONFLICT,
                       "medium %s of unit %s, which holds volume %s, has failed (%s): bring it "
                       "back, or forget the volume (dvsan volume delete --forget)",
                       m->name, v->unit->rec.name, v->rec.name, m->last_error);
    if (pool_medium_is_away(v))
        return dv_fail(err, DV_CONFLICT,
                       "the medium that holds volume %s is not in the configuration of unit %s: "
                       "put it back there and start the unit again, or forget the volume (dvsan "
                       "volume delete --forget)",
                       v->rec.name, v->unit->rec.name);
    const struct pool_task *t = tasks_open(cms, TASK_VOLUME_CREATE, &v->rec.uuid, NULL);
    if (t && t->rec.cancel == TASK_CANCEL_ASKED)
        return request_is_taken_back(t, err);
    if (t)
        return dv_fail(err, DV_CONFLICT,
                       "volume %s is still being created: cancel task %" PRIu64 " instead",
                       v->rec.name, t->rec.id);
    t = tasks_open(cms, TASK_VOLUME_DELETE, &v->rec.uuid, NULL);
    if (t)
        return dv_fail(err, DV_CONFLICT, "volume %s is being deleted already by task %" PRIu64,
                       v->rec.name, t->rec.id);
    return 0;
}

// forget: its medium is away, and what that holds of it is left alone. What else was to become of
// it is taken back, however long that waits.
static int end_volume(struct cms *cms, struct pool_volume *v, bool forget, uint64_t *task,
                      struct dv_err *err)
{
    const char *verb = forget ? "forget" : "delete", *unit = v->unit->rec.name;
    struct volume_record rec = v->rec;
    rec.wanted = false;
    rec.forced = forget;
    struct task_record t;
    tasks_new(cms, &t, TASK_VOLUME_DELETE);
    t.volume = rec.uuid;
    snprintf(t.summary, sizeof(t.summary), "%s volume %s", verb, rec.name);
    tasks_step(&t, STEP_WAITING, "end access rules on %s", unit);
    tasks_step(&t, STEP_WAITING, forget ? "forget it on %s" : "delete on %s", unit);

    const char *why = forget ? "the volume is being forgotten" : "the volume is being deleted";
    struct changes c = {0};
    request_end_task(cms, &c, TASK_VOLUME_RESIZE, &rec.uuid, NULL, why);
    request_end_task(cms, &c, TASK_VOLUME_RENAME, &rec.uuid, NULL, why);
    if (forget && (v->rec.wanted || !v->rec.forced)) // it was to be deleted, and is not
        request_end_task(cms, &c, TASK_VOLUME_DELETE, &rec.uuid, NULL,
                         "the volume is forgotten instead: its medium keeps what it has of it");
    changes_volume(&c, &rec);
    if (forget)
        events_add(
            cms, &c, EVENT_WARNING, "volume", rec.name,
            "is forgotten; what its medium, which is away from %s, holds of it is left alone",
            unit);
    return request_begin(cms, &c, &t, v->unit, task, err);
}

int cms_delete_volume(struct cms *cms, const char *volume, uint64_t *task, struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    if (!v || check_delete(cms, v, err) < 0)
        return -1;
    return end_volume(cms, v, false, task, err);
}

// Also while a task to delete it waits for the medium, which is then cancelled.
int cms_forget_volume(struct cms *cms, const char *volume, uint64_t *task, struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    if (!v || check_unassigned(v, err) < 0)
        return -1;
    if (v->actual.index != 0 && !pool_medium_is_away(v) && !health_takes_orders(v->unit->rec.state))
        return dv_fail(err, DV_CONFLICT,
                       "the medium of volume %s was there when unit %s answered last: start the "
                       "unit, or forget it with all its volumes (dvsan unit forget %s)",
                       v->rec.name, v->unit->rec.name, v->unit->rec.name);
    if (v->actual.index != 0 && !pool_medium_is_away(v))
        return dv_fail(err, DV_CONFLICT,
                       "the medium of volume %s is there, and would bring it back: delete it",
                       v->rec.name);
    return end_volume(cms, v, true, task, err);
}

// ---- Its task ------------------------------------------------------------------------------

static void judge_delete(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    if (!v) {
        tasks_end_well(j, t);
        return;
    }
    if (v->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_CONFLICT,
                  "its medium is back on %s, and the volume with it: use it, or delete it",
                  v->unit->rec.name);
        return;
    }
    tasks_reach(t, v->rule_count > 0 ? 0 : 1);
    if (v->actual.state == VOLUME_DELETING)
        t->progress = 5 + v->actual.progress * 9 / 10;
}

const struct task_way task_way_delete = {
    .doing = "deleted",
    .judge = judge_delete,
    .wait = waits_tell,
};
