// Tasks: what became of a request, as the pool shows it.
// SPDX-License-Identifier: BSD-2-Clause
//
// A task holds no work of its own: the intent that was written with it drives the executor. So a
// task is judged by looking at the pool, after every look at its unit, and a restart needs nothing
// special.
#include "cms/station.h"

#include "base/log.h"
#include "cms/request.h"
#include "logic/cancel.h"
#include "logic/health.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

// Of finished tasks so many are kept, and those that ended a moment ago, whose requesters may not
// have asked for them yet; but never more than are told in one answer.
#define FINISHED_KEPT    1000
#define FINISHED_KEPT_MS (600 * 1000)
#define FINISHED_MAX     10000

#define CHANGES_A_TURN 200 // that a turn of the loop has time for

struct judging {
    struct cms *cms;
    struct pool_unit *unit;
    bool fresh; // the unit was looked at just now
    struct changes c;
};

// ---- Making and ending ---------------------------------------------------------------------

void tasks_new(struct cms *cms, struct task_record *t, enum task_kind kind)
{
    *t = (struct task_record){
        .id = ++cms->last_task,
        .kind = kind,
        .state = TASK_QUEUED,
        .created = cms_now_ms(),
    };
}

void tasks_step(struct task_record *t, enum step_state state, const char *fmt, ...)
{
    struct task_step *s = &t->steps[t->step_count++];
    s->state = state;
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->text, sizeof(s->text), fmt, args);
    va_end(args);
}

static void end_steps(struct task_record *t, enum task_state state)
{
    for (size_t i = 0; i < t->step_count; i++) {
        struct task_step *s = &t->steps[i];
        if (state == TASK_DONE)
            s->state = STEP_DONE;
        else if (state == TASK_FAILED && s->state == STEP_RUNNING)
            s->state = STEP_FAILED;
        else if (s->state == STEP_RUNNING)
            s->state = STEP_WAITING;
    }
}

void tasks_end(struct cms *cms, struct changes *c, struct task_record *t, enum task_state state,
               enum dv_code code, const char *fmt, ...)
{
    t->state = state;
    t->finished = cms_now_ms();
    t->waiting[0] = '\0';
    t->error_code = (int)code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(t->error, sizeof(t->error), fmt, args);
    va_end(args);
    text_make_printable(t->error);
    end_steps(t, state);
    char id[24];
    snprintf(id, sizeof(id), "%llu", (unsigned long long)t->id);
    if (state == TASK_DONE)
        t->progress = 100;
    if (state == TASK_FAILED)
        events_add(cms, c, EVENT_ERROR, "task", id, "%s: failed: %s", t->summary, t->error);
    else
        events_add(cms, c, EVENT_INFO, "task", id, "%s: %s%s%s", t->summary, task_state_name(state),
                   t->error[0] ? ": " : "", t->error);
    changes_task(c, t);
}

struct pool_task *tasks_open(struct cms *cms, enum task_kind kind, const struct dv_uuid *volume,
                             const struct dv_uuid *host)
{
    struct pool_task *t;
    DL_FOREACH2(pool_tasks_of(cms->pool, volume), t, of_next)
    {
        if ((kind == 0 || t->rec.kind == kind) && (!host || uuid_equal(&t->rec.host, host)))
            return t;
    }
    return NULL;
}

// ---- Judging -------------------------------------------------------------------------------

// The step at this place is running, those before it are done.
static void reach_step(struct task_record *t, size_t place)
{
    for (size_t i = 0; i < t->step_count; i++)
        t->steps[i].state = i < place ? STEP_DONE : i == place ? STEP_RUNNING : STEP_WAITING;
}

// The volume, or its right, is not wanted any more: what there is of it goes.
static void withdraw_volume(struct judging *j, const struct pool_volume *v)
{
    struct volume_record rec = v->rec;
    rec.wanted = rec.forced = false;
    changes_volume(&j->c, &rec);
}

static void withdraw_right(struct judging *j, const struct pool_assignment *a)
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
            withdraw_volume(j, v);
            return;
        }
        reach_step(t, 1);
        return;
    }
    switch (v->actual.state) {
    case VOLUME_ONLINE:
    case VOLUME_OFFLINE:
        tasks_end(cms, &j->c, t, TASK_DONE, DV_OK, "%s", "");
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
        withdraw_volume(j, v);
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
        tasks_end(j->cms, &j->c, t, TASK_DONE, DV_OK, "%s", "");
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
            withdraw_right(j, a);
        return;
    }
    if (!a || !a->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED, "the right was taken back");
        return;
    }
    reach_step(t, 0);
    if (a->actual.index == 0)
        return;
    if (a->actual.state == ACCESS_FAILED) {
        // While the volume cannot be served, its rules cannot be in force.
        if (v->actual.state == VOLUME_FAILED || !health_takes_orders(v->unit->rec.state))
            return;
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_IO, "%s could not admit the host: %s",
                  v->unit->rec.name,
                  a->actual.last_error[0] ? a->actual.last_error : "it does not say why");
        withdraw_right(j, a);
    } else if (a->actual.state == ACCESS_ACTIVE &&
               (a->host->rec.sealed_len == 0 ||
                a->actual.secret_mark == a->host->rec.secret_mark)) {
        tasks_end(j->cms, &j->c, t, TASK_DONE, DV_OK, "%s", "");
    }
}

static void judge_unassign(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    struct pool_assignment *a = v ? pool_assignment_of(v, &t->host) : NULL;
    if (!a) {
        tasks_end(j->cms, &j->c, t, TASK_DONE, DV_OK, "%s", "");
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
        tasks_end(j->cms, &j->c, t, TASK_DONE, DV_OK, "%s", "");
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
        tasks_end(j->cms, &j->c, t, TASK_DONE, DV_OK, "%s", "");
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
    look.out = lead_order_is_out(v);
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
        tasks_end(j->cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED,
                  t->kind == TASK_VOLUME_CREATE
                      ? "it was carried out before it could be taken back: the volume is deleted"
                      : "it was carried out before it could be taken back: the access ends again");
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
    }
}

static void judge(struct judging *j, struct pool_task *pt)
{
    struct pool_volume *v = pool_volume_by_uuid(j->cms->pool, &pt->rec.volume);
    if (v && v->unit != j->unit)
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
    if (!task_is_over(&t) && v)
        waits_tell(&t, v);
    if (!task_is_over(&t) && memcmp(&t, &pt->rec, sizeof(t)) != 0)
        changes_task(&j->c, &t);
}

// ---- Settling ------------------------------------------------------------------------------

// A medium that came back brings what was to be forgotten along: it is kept, unless it was to be
// deleted before.
static void keep_what_came_back(struct judging *j, const struct pool_volume *v)
{
    struct volume_record rec = v->rec;
    rec.forced = false;
    rec.wanted = v->actual.state != VOLUME_DELETING;
    changes_volume(&j->c, &rec);
}

static bool has_time(const struct judging *j)
{
    return j->c.count < CHANGES_A_TURN;
}

// What was to go and is not shown any more is gone.
static void drop_what_went(struct judging *j)
{
    for (struct pool_volume *v = j->unit->unsettled; v && has_time(j); v = v->open_next) {
        struct pool_assignment *a;
        if (lead_order_is_out(v))
            continue; // it would come back as a stranger when that is carried out
        if (!v->rec.wanted && v->actual.index == 0) {
            changes_volume_gone(&j->c, &v->rec.uuid);
            continue;
        }
        if (!v->rec.wanted && v->rec.forced && !pool_medium_is_away(v) &&
            health_takes_orders(j->unit->rec.state))
            keep_what_came_back(j, v);
        DL_FOREACH2(v->assignments, a, volume_next)
        {
            if (!a->rec.wanted && a->actual.index == 0)
                changes_assignment_gone(&j->c, &a->rec.volume, &a->rec.host);
        }
    }
}

static void trim(struct judging *j)
{
    size_t over = 0;
    if (HASH_COUNT(j->cms->pool->tasks) <= FINISHED_KEPT)
        return;
    for (struct pool_task *t = j->cms->pool->tasks; t; t = t->hh.next)
        over += task_is_over(&t->rec);
    int64_t recent = cms_now_ms() - FINISHED_KEPT_MS;
    for (struct pool_task *t = j->cms->pool->tasks; t && over > FINISHED_KEPT && has_time(j);
         t = t->hh.next) {
        if (task_is_over(&t->rec) && (over > FINISHED_MAX || t->rec.finished < recent)) {
            changes_task_gone(&j->c, t->rec.id);
            over--;
        }
    }
}

static bool flush(struct judging *j)
{
    bool good = cms_apply_or_log(j->cms, &j->c);
    changes_free(&j->c);
    return good;
}

bool tasks_settle(struct cms *cms, struct pool_unit *unit, bool fresh)
{
    struct judging j = {.cms = cms, .unit = unit, .fresh = fresh};
    if (fresh)
        drop_what_went(&j);
    bool all = has_time(&j);
    flush(&j);
    for (struct pool_tasks_of *of = cms->pool->tasks_of; of; of = of->hh.next) {
        struct pool_task *t;
        DL_FOREACH2(of->tasks, t, of_next)
        {
            if (has_time(&j))
                judge(&j, t);
        }
    }
    trim(&j);
    all &= has_time(&j);
    flush(&j);
    return !all;
}

// ---- Refusals ------------------------------------------------------------------------------

static void fail_task(struct judging *j, const struct pool_task *pt, enum dv_code code,
                      const char *why)
{
    struct task_record t = pt->rec;
    tasks_end(j->cms, &j->c, &t, TASK_FAILED, code, "%s refused: %s", j->unit->rec.name, why);
}

static void refused_new(struct judging *j, const struct order *s, struct pool_volume *v,
                        enum dv_code code, const char *why)
{
    bool creating = s->kind == ORDER_CREATE_VOLUME;
    struct pool_assignment *a = creating ? NULL : pool_assignment_of(v, &s->host);
    if (!creating && !a)
        return;
    struct pool_task *t = tasks_open(j->cms, creating ? TASK_VOLUME_CREATE : TASK_ASSIGN,
                                     &s->volume, a ? &s->host : NULL);
    if (t && t->rec.cancel != TASK_CANCEL_NO)
        return; // the look that follows ends it
    if (t) {
        fail_task(j, t, code, why);
        if (a)
            withdraw_right(j, a);
        else
            withdraw_volume(j, v);
        return;
    }
    // Healing, not a request: it is tried again, ever more seldom; said once.
    struct pool_hold *hold = a ? &a->hold : &v->hold;
    struct log_limit none = {0};
    struct unit_link *link = j->unit->link;
    if (!hold->told)
        events_add_limited(link ? &link->told : &none, j->cms, &j->c, EVENT_WARNING, "volume",
                           v->rec.name, "%s refuses to %s: %s", j->unit->rec.name,
                           order_kind_name(s->kind), why);
    if (flush(j))
        hold->told = true;
}

// A new size or name. Why a size was refused the volume's row tells, which is read next.
static void refused_change(struct judging *j, const struct order *s, struct pool_volume *v,
                           enum dv_code code, const char *why)
{
    if (s->kind == ORDER_RESIZE_VOLUME) {
        v->resize_answered = true;
        dv_copy(v->refusal, sizeof(v->refusal), why);
        v->refusal_code = code;
        return;
    }
    struct pool_task *t = tasks_open(j->cms, TASK_VOLUME_RENAME, &s->volume, NULL);
    if (!t || t->rec.cancel != TASK_CANCEL_NO)
        return;
    fail_task(j, t, code, why);
    request_take_back_name(j->cms, v, &j->c);
}

void tasks_refused(struct cms *cms, struct pool_unit *unit, const struct order *step,
                   enum dv_code code, const char *why)
{
    struct judging j = {.cms = cms, .unit = unit};
    struct pool_volume *v = pool_volume_by_uuid(cms->pool, &step->volume);
    if (!v)
        return;
    if (step->kind == ORDER_DELETE_VOLUME || step->kind == ORDER_REMOVE_RULE) {
        tasks_settle(cms, unit, false); // it waits: that says for what
    } else if (step->kind == ORDER_RESIZE_VOLUME || step->kind == ORDER_RENAME_VOLUME) {
        refused_change(&j, step, v, code, why);
    } else {
        refused_new(&j, step, v, code, why);
    }
    flush(&j);
}
