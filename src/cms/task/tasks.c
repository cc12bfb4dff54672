// Tasks: what became of a request, as the pool shows it.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/task/tasks.h"

#include "base/log.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/pool/pool.h"
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

void tasks_reach(struct task_record *t, size_t place)
{
    for (size_t i = 0; i < t->step_count; i++)
        t->steps[i].state = i < place ? STEP_DONE : i == place ? STEP_RUNNING : STEP_WAITING;
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

void tasks_end_well(struct judging *j, struct task_record *t)
{
    tasks_end(j->cms, &j->c, t, TASK_DONE, DV_OK, "%s", "");
}

struct pool_task *tasks_open(struct cms *cms, enum task_kind kind, const struct dv_uuid *about,
                             const struct dv_uuid *host)
{
    struct pool_task *t;
    DL_FOREACH2(pool_tasks_of(cms->pool, about), t, of_next)
    {
        if ((kind == 0 || t->rec.kind == kind) && (!host || uuid_equal(&t->rec.host, host)))
            return t;
    }
    return NULL;
}

const struct task_way *tasks_way(const struct cms *cms, enum task_kind kind)
{
    return cms->task_ways[kind];
}

bool tasks_can_cancel(const struct cms *cms, const struct pool_volume *v,
                      const struct task_record *t)
{
    const struct task_way *way = tasks_way(cms, t->kind);
    return t->cancel == TASK_CANCEL_NO && way->can_cancel && way->can_cancel(v, t);
}

// ---- Judging -------------------------------------------------------------------------------

static void judge_cancel(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    const struct task_way *way = tasks_way(j->cms, t->kind);
    const struct cancel_look look = {
        .out = v && pool_order_is_out(v, &j->cms->uuid),
        .fresh = j->fresh || !v, // without its volume it ends as that did
        .done = v && way->is_done(v, t),
        .stays = way->carried_out != NULL,
    };
    switch (cancel_ends(&look)) {
    case CANCEL_WAITS:
        return;
    case CANCEL_TAKEN_BACK:
        tasks_end(j->cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED, "it was taken back");
        return;
    case CANCEL_UNDONE:
        tasks_end(j->cms, &j->c, t, TASK_CANCELLED, DV_CANCELLED, "%s", way->undone);
        return;
    case CANCEL_CARRIED_OUT:
        t->cancel = TASK_CANCEL_LATE;
        way->carried_out(j, t, v);
        return;
    }
}

// Adds what is to change about a task that is not over. A task about another unit, or a volume
// there, is left alone.
static void judge(struct judging *j, const struct pool_task *pt)
{
    const struct task_way *way = tasks_way(j->cms, pt->rec.kind);
    struct pool_volume *v = pool_volume_by_uuid(j->cms->pool, &pt->rec.volume);
    if ((v && v->unit != j->unit) ||
        (way->of_unit && !uuid_equal(&pt->rec.unit, &j->unit->rec.uuid)))
        return;
    struct task_record t = pt->rec;
    if (t.state == TASK_QUEUED) {
        t.state = TASK_RUNNING;
        t.started = cms_now_ms();
    }
    if (t.cancel == TASK_CANCEL_ASKED)
        judge_cancel(j, &t, v);
    else
        way->judge(j, &t, v);
    if (!task_records_equal(&t, &pt->rec))
        t.moved = 0; // it went on just now
    if (!task_is_over(&t) && (v || way->of_unit))
        way->wait(j, &t, v);
    if (!task_is_over(&t) && !task_records_equal(&t, &pt->rec))
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
    return j->c.count + j->rows < CHANGES_A_TURN && j->looked < LOOKED_A_TURN;
}

static void drop(struct judging *j, const struct pool_volume *v)
{
    const struct pool_assignment *a;
    j->looked += 1 + HASH_CNT(hh, v->hosts);
    if (pool_order_is_out(v, &j->cms->uuid))
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
        if (!a->rec.wanted && a->actual.index == 0 && !a->former)
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

static void judge_of(struct judging *j, const struct pool_tasks_of *of)
{
    const struct pool_task *t;
    DL_FOREACH2(of->tasks, t, of_next)
    {
        judge(j, t);
        j->looked++;
    }
}

// Likewise by what tasks are about: this unit, its volumes, and behind these what is gone.
static bool judge_all(struct judging *j, struct settling *s)
{
    struct pool *p = j->cms->pool;
    struct pool_tasks_of *of = NULL;
    HASH_FIND(hh, p->tasks_of, &s->volume, sizeof(s->volume), of);
    if (!of || (of->unit && of->unit != j->unit))
        of = j->unit->tasks ? j->unit->tasks : p->lone_tasks;
    while (of && has_time(j)) {
        judge_of(j, of);
        of = of->home_next || !of->unit ? of->home_next : p->lone_tasks;
    }
    s->volume = of ? of->about : (struct dv_uuid){0};
    return !of;
}

// The oldest go first.
static bool trim(struct judging *j)
{
    const struct pool *p = j->cms->pool;
    size_t over = p->over_count;
    int64_t recent = cms_now_ms() - FINISHED_KEPT_MS;
    for (const struct pool_task *t = p->over; t && over > FINISHED_KEPT; t = t->over_next) {
        if (over <= FINISHED_MAX && t->rec.finished >= recent)
            return true;
        if (!has_time(j))
            return false;
        changes_task_gone(&j->c, t->rec.id);
        over--;
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
        judge(&j, t);
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

bool tasks_fail_refused(struct judging *j, const struct tasks_refusal *r, enum task_kind kind,
                        const struct dv_uuid *host)
{
    const struct pool_task *open = tasks_open(j->cms, kind, &r->step.volume, host);
    if (!open || open->rec.cancel != TASK_CANCEL_NO)
        return false;
    struct task_record t = open->rec;
    tasks_end(j->cms, &j->c, &t, TASK_FAILED, r->code, "%s refused: %s", j->unit->rec.name, r->why);
    return true;
}

// That an order serves.
static enum task_kind kind_of(enum order_kind order)
{
    switch (order) {
    case ORDER_CREATE_VOLUME:
        return TASK_VOLUME_CREATE;
    case ORDER_DELETE_VOLUME:
        return TASK_VOLUME_DELETE;
    case ORDER_RESIZE_VOLUME:
        return TASK_VOLUME_RESIZE;
    case ORDER_RENAME_VOLUME:
        return TASK_VOLUME_RENAME;
    case ORDER_ADD_RULE:
    case ORDER_SET_ACCOUNT:
        return TASK_ASSIGN;
    case ORDER_REMOVE_RULE:
    case ORDER_END_RULE:
        return TASK_UNASSIGN;
    case ORDER_ONLINE_VOLUME: // nobody asks for it
        break;
    }
    return 0;
}

void tasks_refused(void *owner, const void *arg)
{
    struct cms *cms = owner;
    const struct tasks_refusal *r = arg;
    enum task_kind kind = kind_of(r->step.kind);
    struct judging j = {.cms = cms, .unit = pool_unit_by_uuid(cms->pool, &r->unit)};
    struct pool_volume *v = pool_volume_by_uuid(cms->pool, &r->step.volume);
    if (!v || !j.unit || v->unit != j.unit || kind == 0)
        return;
    if (!tasks_way(cms, kind)->refused) {
        judge_about(cms, j.unit, &r->step.volume);
        return;
    }
    tasks_way(cms, kind)->refused(&j, r, v);
    flush(&j);
}
