// Tasks: what became of a request, as the pool shows it.
// SPDX-License-Identifier: BSD-2-Clause
//
// A task holds no work of its own: the intent that was written with it drives the executor. So a
// task is judged by looking at the pool, after every look at its unit, and a restart needs nothing
// special.
#include "cms/judge.h"

#include "base/log.h"
#include "cms/request.h"
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

// What a turn of the loop has time for.
#define CHANGES_A_TURN 200  // and rows that go with them
#define LOOKED_A_TURN  2000 // volumes and rights, or tasks, that are looked at

// ---- Making and ending ---------------------------------------------------------------------

void tasks_new(struct cms *cms, struct task_record *t, enum task_kind kind)
{
    *t = (struct task_record){
        .id = ++cms->last.task,
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
    return j->c.count + j->rows < CHANGES_A_TURN && j->looked < LOOKED_A_TURN;
}

static void drop(struct judging *j, const struct pool_volume *v)
{
    const struct pool_assignment *a;
    j->looked += 1 + HASH_CNT(hh, v->hosts);
    if (link_order_is_out(v))
        return; // it would come back as a stranger when that is carried out
    if (!v->rec.wanted && v->actual.index == 0) {
        changes_volume_gone(&j->c, &v->rec.uuid);
        j->rows += HASH_CNT(hh, v->hosts);
        return;
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

// What was to go and is not shown any more is gone. It goes on at the place, and all over again
// when that volume went meanwhile, or has nothing to do any more. False when that is not all.
static bool drop_what_went(struct judging *j, struct settling *s)
{
    struct pool_volume *v = pool_volume_by_uuid(j->cms->pool, &s->volume);
    if (!v || v->unit != j->unit || !v->unsettled)
        v = j->unit->unsettled;
    for (; v && has_time(j); v = v->open_next)
        drop(j, v);
    s->volume = v ? v->rec.uuid : (struct dv_uuid){0};
    return !v;
}

// Likewise by the volumes that tasks are about.
static bool judge_all(struct judging *j, struct settling *s)
{
    struct pool_tasks_of *of = NULL;
    HASH_FIND(hh, j->cms->pool->tasks_of, &s->volume, sizeof(s->volume), of);
    if (!of)
        of = j->cms->pool->tasks_of;
    for (; of && has_time(j); of = of->hh.next) {
        struct pool_task *t;
        DL_FOREACH2(of->tasks, t, of_next)
        {
            judge_task(j, t);
            j->looked++;
        }
    }
    s->volume = of ? of->about : (struct dv_uuid){0};
    return !of;
}

static bool trim(struct judging *j)
{
    size_t over = 0;
    if (HASH_COUNT(j->cms->pool->tasks) <= FINISHED_KEPT)
        return true;
    for (struct pool_task *t = j->cms->pool->tasks; t; t = t->hh.next)
        over += task_is_over(&t->rec);
    int64_t recent = cms_now_ms() - FINISHED_KEPT_MS;
    for (struct pool_task *t = j->cms->pool->tasks; t && over > FINISHED_KEPT; t = t->hh.next) {
        if (!has_time(j))
            return false;
        if (task_is_over(&t->rec) && (over > FINISHED_MAX || t->rec.finished < recent)) {
            changes_task_gone(&j->c, t->rec.id);
            over--;
        }
    }
    return true;
}

static void flush(struct judging *j)
{
    ledger_commit(j->cms->ledger, &j->c, LEDGER_KEPT);
}

bool tasks_settle(struct cms *cms, struct pool_unit *unit, bool fresh, struct settling *s)
{
    struct judging j = {.cms = cms, .unit = unit, .fresh = fresh};
    bool ended = true;
    switch (s->step) {
    case SETTLE_DROP:
        ended = !fresh || drop_what_went(&j, s);
        break;
    case SETTLE_JUDGE:
        ended = judge_all(&j, s);
        break;
    case SETTLE_TRIM:
        ended = trim(&j);
        break;
    case SETTLE_END:
        break;
    }
    flush(&j); // what cannot be kept is tried again at the next look
    if (ended && s->step != SETTLE_END)
        s->step++;
    return s->step != SETTLE_END;
}

static void judge_about(struct cms *cms, struct pool_unit *unit, const struct dv_uuid *about)
{
    struct judging j = {.cms = cms, .unit = unit};
    const struct pool_task *t;
    DL_FOREACH2(pool_tasks_of(cms->pool, about), t, of_next)
    {
        judge_task(&j, t);
    }
    flush(&j);
}

void tasks_judge_about(void *owner, const void *arg)
{
    struct cms *cms = owner;
    const struct pool_volume *v = pool_volume_by_uuid(cms->pool, arg);
    struct pool_unit *unit = v ? v->unit : pool_unit_by_uuid(cms->pool, arg);
    if (unit)
        judge_about(cms, unit, arg);
}

// ---- Refusals ------------------------------------------------------------------------------

static void fail_task(struct judging *j, const struct pool_task *pt, enum dv_code code,
                      const char *why)
{
    struct task_record t = pt->rec;
    tasks_end(j->cms, &j->c, &t, TASK_FAILED, code, "%s refused: %s", j->unit->rec.name, why);
}

static void refused_new(struct judging *j, const struct orders_item *s, struct pool_volume *v,
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
            judge_withdraw_right(j, a);
        else
            judge_withdraw_volume(j, v);
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
    hold->told = true;
}

// A new size or name. Why a size was refused the volume's row tells, which is read next.
static void refused_change(struct judging *j, const struct orders_item *s, struct pool_volume *v,
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

void tasks_refused(void *owner, const void *arg)
{
    struct cms *cms = owner;
    const struct tasks_refusal *r = arg;
    const struct orders_item *step = &r->step;
    struct judging j = {.cms = cms, .unit = pool_unit_by_uuid(cms->pool, &r->unit)};
    struct pool_volume *v = pool_volume_by_uuid(cms->pool, &step->volume);
    if (!v || !j.unit || v->unit != j.unit)
        return;
    if (step->kind == ORDER_DELETE_VOLUME || step->kind == ORDER_REMOVE_RULE) {
        judge_about(cms, j.unit, &step->volume); // it waits: that says for what
    } else if (step->kind == ORDER_RESIZE_VOLUME || step->kind == ORDER_RENAME_VOLUME) {
        refused_change(&j, step, v, r->code, r->why);
    } else {
        refused_new(&j, step, v, r->code, r->why);
    }
    flush(&j);
}
