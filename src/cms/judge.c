// How a task stands: done, failed, taken back, or at which step it is.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/judge.h"

#include "cms/rekey.h"
#include "cms/request.h"
#include "logic/cancel.h"
#include "logic/health.h"
#include <string.h>
#include <utlist.h>

// The step at this place is running, those before it are done.
static void reach_step(struct task_record *t, size_t place)
{
    for (size_t i = 0; i < t->step_count; i++)
        t->steps[i].state = i < place ? STEP_DONE : i == place ? STEP_RUNNING : STEP_WAITING;
}

static void end_well(struct judging *j, struct task_record *t)
{
    tasks_end(j->cms, &j->c, t, TASK_DONE, DV_OK, "%s", "");
}

void judge_withdraw_volume(struct judging *j, const struct pool_volume *v)
{
    struct volume_record rec = v->rec;
    rec.wanted = rec.forced = false;
    changes_volume(&j->c, &rec);
}

void judge_withdraw_right(struct judging *j, const struct pool_assignment *a)
{
    struct assignment_record rec = a->rec;
    rec.wanted = false;
    changes_assignment(&j->c, &rec);
}

static void judge_create(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    struct cms *cms = j->cms;
    if (!v || !v->rec.wanted) {
        tasks_end(cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED, "the volume was taken back");
        return;
    }
    if (v->actual.index == 0) {
        if (v->rec.seen) {
            tasks_end(cms, &j->c, t, TASK_FAILED, DV_IO, "the volume has vanished from %s",
                      v->unit->rec.name);
            judge_withdraw_volume(j, v);
            return;
        }
        reach_step(t, 1);
        return;
    }
    switch (v->actual.state) {
    case VOLUME_ONLINE:
    case VOLUME_OFFLINE:
        end_well(j, t);
        break;
    case VOLUME_FAILED:
        reach_step(t, v->actual.progress < 100 ? 1 : 2);
        if (!j->fresh || !health_takes_orders(v->unit->rec.state) || v->actual.progress == 100)
            break; // it is made, and its unit goes on trying to serve it
        tasks_end(cms, &j->c, t, TASK_FAILED, DV_IO,
                  "%s could not make it: %s; what there is of "
                  "it is deleted",
                  v->unit->rec.name,
                  v->actual.last_error[0] ? v->actual.last_error : "it does not say why");
        judge_withdraw_volume(j, v);
        break;
    case VOLUME_CREATING:
    case VOLUME_DELETING:
        reach_step(t, v->actual.progress < 100 ? 1 : 2);
        t->progress = 5 + v->actual.progress * 9 / 10;
        break;
    }
}

static void judge_delete(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    if (!v) {
        end_well(j, t);
        return;
    }
    if (v->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_CONFLICT,
                  "its medium is back on %s, and the volume with it: use it, or delete it",
                  v->unit->rec.name);
        return;
    }
    reach_step(t, v->rule_count > 0 ? 0 : 1);
    if (v->actual.state == VOLUME_DELETING)
        t->progress = 5 + v->actual.progress * 9 / 10;
}

static void judge_assign(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    struct pool_assignment *a = v ? pool_assignment_of(v, &t->host) : NULL;
    if (!v || !v->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_CONFLICT, "the volume is gone");
        if (a && a->rec.wanted)
            judge_withdraw_right(j, a);
        return;
    }
    if (!a || !a->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED,
                  "the volume was unassigned again");
        return;
    }
    reach_step(t, 0);
    if (a->actual.index == 0)
        return;
    if (a->actual.state == ACCESS_FAILED) {
        // While the volume cannot be served, its rules cannot be in force.
        if (v->actual.state == VOLUME_FAILED || !health_takes_orders(v->unit->rec.state))
            return;
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_IO,
                  "%s could not put the access rule in force: %s", v->unit->rec.name,
                  a->actual.last_error[0] ? a->actual.last_error : "it does not say why");
        judge_withdraw_right(j, a);
    } else if (a->actual.state == ACCESS_ACTIVE &&
               (a->host->rec.sealed_len == 0 ||
                a->actual.secret_mark == a->host->rec.secret_mark)) {
        end_well(j, t);
    }
}

static void judge_unassign(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    struct pool_assignment *a = v ? pool_assignment_of(v, &t->host) : NULL;
    if (!a) {
        end_well(j, t);
        return;
    }
    reach_step(t, 0);
}

static void end_done(struct judging *j, struct task_record *t)
{
    if (t->cancel == TASK_CANCEL_LATE)
        tasks_end(j->cms, &j->c, t, TASK_DONE, DV_CONFLICT,
                  "it was carried out before it could be taken back");
    else
        end_well(j, t);
}

// Whether there is still a volume to change. While it is not shown it is waited for.
static bool is_there(struct judging *j, struct task_record *t, const struct pool_volume *v)
{
    if (!v || !v->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_CONFLICT, "the volume is gone");
        return false;
    }
    return v->actual.index != 0;
}

static void judge_resize(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    if (!is_there(j, t, v))
        return;
    const struct volume *shown = &v->actual;
    if (shown->blocks == v->rec.blocks && !shown->target_blocks) {
        if (shown->progress == 100 && shown->state != VOLUME_FAILED)
            end_done(j, t);
        else // hosts cannot use it at its new size yet
            reach_step(t, 1);
    } else if (shown->target_blocks == v->rec.blocks) {
        reach_step(t, 1);
        t->progress = 5 + shown->progress * 9 / 10;
    } else if (j->fresh && v->resize_answered && !shown->target_blocks) {
        const char *why = shown->last_error[0] ? shown->last_error : v->refusal;
        tasks_end(j->cms, &j->c, t, TASK_FAILED, v->refusal[0] ? v->refusal_code : DV_IO, "%s: %s",
                  v->unit->rec.name, why[0] ? why : "it does not say why");
        request_take_back_size(v, &j->c);
    } else {
        reach_step(t, 0);
    }
}

static void judge_rename(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    if (!is_there(j, t, v))
        return;
    if (strcmp(v->actual.name, v->rec.name) == 0)
        end_well(j, t);
    else
        reach_step(t, 0);
}

// ---- Taking back ---------------------------------------------------------------------------

static enum cancel_end look_at_cancel(const struct judging *j, const struct task_record *t,
                                      struct pool_volume *v)
{
    const struct pool_assignment *a = v ? pool_assignment_of(v, &t->host) : NULL;
    struct cancel_look look = {.kind = t->kind, .fresh = j->fresh};
    if (!v)
        return CANCEL_TAKEN_BACK; // with its volume, when that was not there any more
    look.out = link_order_is_out(v);
    look.volume = v->actual.index != 0;
    look.right = a && a->actual.index != 0;
    look.other_size = v->actual.target_blocks != 0 || v->actual.blocks != v->rec.blocks;
    look.other_name = strcmp(v->actual.name, v->rec.name) != 0;
    return cancel_ends(&look);
}

// A resize goes on to its end: the unit is at it.
static void carried_out(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    t->cancel = TASK_CANCEL_LATE;
    if (t->kind == TASK_VOLUME_RESIZE) {
        request_take_back_size(v, &j->c);
        reach_step(t, 1);
        return;
    }
    request_take_back_name(j->cms, v, &j->c);
    end_done(j, t);
}

static void judge_cancel(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    switch (look_at_cancel(j, t, v)) {
    case CANCEL_WAITS:
        return;
    case CANCEL_TAKEN_BACK:
        tasks_end(j->cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED, "it was taken back");
        return;
    case CANCEL_UNDONE:
        tasks_end(
            j->cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED,
            t->kind == TASK_VOLUME_CREATE
                ? "it was carried out before it could be taken back: the volume is deleted"
                : "it was carried out before it could be taken back: the access rule ends again");
        return;
    case CANCEL_CARRIED_OUT:
        carried_out(j, t, v);
        return;
    }
}

static void judge_kind(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    switch (t->kind) {
    case TASK_VOLUME_CREATE:
        judge_create(j, t, v);
        break;
    case TASK_VOLUME_DELETE:
        judge_delete(j, t, v);
        break;
    case TASK_ASSIGN:
        judge_assign(j, t, v);
        break;
    case TASK_UNASSIGN:
        judge_unassign(j, t, v);
        break;
    case TASK_VOLUME_RESIZE:
        judge_resize(j, t, v);
        break;
    case TASK_VOLUME_RENAME:
        judge_rename(j, t, v);
        break;
    case TASK_UNIT_REKEY:
        rekey_judge(j, t);
        break;
    }
}

void judge_task(struct judging *j, const struct pool_task *pt)
{
    struct pool_volume *v = pool_volume_by_uuid(j->cms->pool, &pt->rec.volume);
    if ((v && v->unit != j->unit) ||
        (pt->rec.kind == TASK_UNIT_REKEY && !uuid_equal(&pt->rec.unit, &j->unit->rec.uuid)))
        return;
    struct task_record t = pt->rec;
    if (t.state == TASK_QUEUED) {
        t.state = TASK_RUNNING;
        t.started = cms_now_ms();
    }
    if (t.cancel == TASK_CANCEL_ASKED)
        judge_cancel(j, &t, v);
    else
        judge_kind(j, &t, v);
    if (!task_records_equal(&t, &pt->rec))
        t.moved = 0; // it went on just now
    if (!task_is_over(&t) && v)
        waits_tell(&t, v);
    if (!task_is_over(&t) && !task_records_equal(&t, &pt->rec))
        changes_task(&j->c, &t);
}
