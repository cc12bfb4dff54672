// Tasks: listed, waited for, cancelled.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/pool/pool.h"
#include "console/api/handlers.h"
#include "console/api/view.h"
#include "loop/loop.h"
#include <string.h>

#define WAITERS_MAX 16  // of the server's threads; the others are for all else
#define SLICE_MS    200 // how long a stopping server waits for a waiting request

static int parse_state(const char *text, enum task_state *state, struct dv_err *err)
{
    for (*state = TASK_QUEUED; *state <= TASK_CANCELLED; (*state)++)
        if (strcmp(task_state_name(*state), text) == 0)
            return 0;
    return dv_fail(err, DV_INVALID,
                   "state \"%s\" is none of queued, running, done, failed, cancelled", text);
}

// The newest task below the id; 0: of all. The hash keeps them as they came, and ids ascend.
static const struct pool_task *newest(struct pool *pool, uint64_t below)
{
    const struct pool_task *t = below ? pool_find_task(pool, below) : NULL;
    if (t)
        return t->hh.prev;
    t = pool->tasks ? ELMT_FROM_HH(pool->tasks->hh.tbl, pool->tasks->hh.tbl->tail) : NULL;
    while (t && below && t->rec.id >= below)
        t = t->hh.prev;
    return t;
}

// The newest of those wanted.
int list_tasks(struct api_call *call, struct dv_err *err)
{
    struct pool *pool = cms_pool(call->cms);
    const char *text = call_text(call->query, "state");
    int64_t limit = call_number(call->query, "limit", 1000);
    enum task_state state = 0;
    if (text && parse_state(text, &state, err) < 0)
        return -1;
    call_lists(call, "id", NULL);
    const struct pool_task *t;
    while (call_has_time(call) && (int64_t)json_array_size(call->answer) < limit &&
           (t = newest(pool, call->last_task))) {
        if (!text || t->rec.state == state)
            json_array_append_new(call->answer, view_task(pool, &t->rec));
        call->last_task = t->rec.id;
    }
    return 0;
}

// "?wait=SECONDS&seen=VERSION" waits until the task is past that version; without it there is
// nothing to wait for.
int wait_task(struct api_call *call, struct dv_err *err)
{
    uint64_t id, timeout = (uint64_t)call_number(call->query, "wait", 0) * 1000;
    if (call_id("task", call->params[0], &id, err) < 0)
        return -1;
    if (timeout == 0)
        return 0;
    if (atomic_fetch_add(call->waiters, 1) >= WAITERS_MAX) {
        atomic_fetch_sub(call->waiters, 1);
        return dv_fail(err, DV_BUSY, "too many requests wait for tasks; ask without wait");
    }
    uint64_t seen = (uint64_t)call_number(call->query, "seen", 0);
    uint64_t deadline = loop_now_ms() + timeout;
    struct task_record task;
    int result;
    do {
        uint64_t now = loop_now_ms();
        uint64_t left = deadline > now ? deadline - now : 0;
        result = cms_wait_task(call->cms, id, seen, left < SLICE_MS ? (uint32_t)left : SLICE_MS,
                               &task, err);
    } while (result == 0 && task.version <= seen && !task_is_over(&task) &&
             loop_now_ms() < deadline && !atomic_load(call->stopping));
    atomic_fetch_sub(call->waiters, 1);
    return result;
}

int get_task(struct api_call *call, struct dv_err *err)
{
    uint64_t id;
    if (call_id("task", call->params[0], &id, err) < 0)
        return -1;
    struct pool *pool = cms_pool(call->cms);
    const struct pool_task *t = pool_find_task(pool, id);
    if (!t)
        return cms_no_task(call->cms, id, err);
    call->answer = view_task(pool, &t->rec);
    return 0;
}

int cancel_task(struct api_call *call, struct dv_err *err)
{
    uint64_t id;
    if (call_id("task", call->params[0], &id, err) < 0 || cms_cancel_task(call->cms, id, err) < 0)
        return -1;
    call->then = get_task;
    return 0;
}
