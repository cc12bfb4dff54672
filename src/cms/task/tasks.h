// Tasks: what people asked for, and how it stands.
// SPDX-License-Identifier: BSD-2-Clause
//
// A task holds no work of its own: the intent that was written with it drives the executor. So a
// task is judged by looking at the pool, and a restart needs nothing special. What is special to
// one kind of task is a row of a table (task_ways.c), to which each kind's file gives its part.
#ifndef DVSAN_CMS_TASKS_H
#define DVSAN_CMS_TASKS_H

#include "cms/core/station.h"
#include "logic/orders.h"

// Where the tasks and volumes that are settled behind a look go on.
struct settling {
    enum { SETTLE_DROP, SETTLE_JUDGE, SETTLE_TRIM, SETTLE_END } step;
    struct dv_uuid volume; // the next; zero: the first
};

struct judging {
    struct cms *cms;
    struct pool_unit *unit;
    bool fresh; // the unit was looked at just now
    struct changes c;
    size_t rows, looked; // that go, and what was looked at, in this turn of the loop
};

// An order was refused for good.
struct tasks_refusal {
    struct dv_uuid unit;
    struct orders_item step;
    enum dv_code code;
    char why[LAST_ERROR_ROOM];
};

// One kind of task. v is the volume that the task is about: NULL when there is none any more, or
// when the task is about its unit. All but judge may be NULL, where it says so.
struct task_way {
    bool of_unit; // it is about its unit
    // What is being done to the volume, which cannot be changed meanwhile: "created". NULL: it can.
    const char *doing;
    // Adds to j->c what is to change about a task that is not over: its end; or sets in t how far
    // it is.
    void (*judge)(struct judging *j, struct task_record *t, struct pool_volume *v);
    // Fills in for what a task waits that is not over.
    void (*wait)(struct judging *j, struct task_record *t, const struct pool_volume *v);
    // Its order was refused. NULL: the task waits, and says for what.
    void (*refused)(struct judging *j, const struct tasks_refusal *r, struct pool_volume *v);
    // Whether it can be taken back now. NULL: never, and what follows is NULL, too.
    bool (*can_cancel)(const struct pool_volume *v, const struct task_record *t);
    // What it asked for is not wanted any more.
    void (*take_back)(struct cms *cms, const struct task_record *t, struct pool_volume *v,
                      struct changes *c);
    // Ends a task that was taken back, whatever order may be on its way. False, or NULL: it waits
    // until no order can be carried out any more.
    bool (*ends_at_once)(struct cms *cms, struct task_record *t, const struct pool_volume *v,
                         struct changes *c);
    // What was taken back is there: it was carried out before.
    bool (*is_done)(const struct pool_volume *v, const struct task_record *t);
    // What becomes of it then: it ends again, as the sentence says; or NULL, and stays.
    const char *undone;
    void (*carried_out)(struct judging *j, struct task_record *t, struct pool_volume *v);
};

void tasks_new(struct cms *cms, struct task_record *t, enum task_kind kind);
void tasks_step(struct task_record *t, enum step_state state, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// The step at this place is running, those before it are done.
void tasks_reach(struct task_record *t, size_t place);
void tasks_end(struct cms *cms, struct changes *c, struct task_record *t, enum task_state state,
               enum dv_code code, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void tasks_end_well(struct judging *j, struct task_record *t);
// The task about this volume, or unit (and host, unless NULL), that is not over; 0 as kind: any.
struct pool_task *tasks_open(struct cms *cms, enum task_kind kind, const struct dv_uuid *about,
                             const struct dv_uuid *host);
const struct task_way *tasks_way(const struct cms *cms, enum task_kind kind);
// Whether what a task that is not over asked for can be taken back.
bool tasks_can_cancel(const struct cms *cms, const struct pool_volume *v,
                      const struct task_record *t);

// In a turn. Does what there is time for, and moves the place on. True when there is more.
// fresh: the unit was looked at just now.
bool tasks_settle(struct cms *cms, struct pool_unit *unit, bool fresh, struct settling *s);
// A turn: judges the tasks about one volume, or unit, by its UUID, without a look at the unit.
void tasks_judge_about(void *cms, const void *uuid);
// A turn: struct tasks_refusal.
void tasks_refused(void *cms, const void *refusal);
// For struct task_way.refused: the open task of that kind fails. False: there is none, or it is
// being taken back, which the look that follows ends.
bool tasks_fail_refused(struct judging *j, const struct tasks_refusal *r, enum task_kind kind,
                        const struct dv_uuid *host);

#endif
