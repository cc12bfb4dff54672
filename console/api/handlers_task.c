// Tasks: listed, waited for, cancelled.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "console/api/handlers.h"
#include "console/api/view.h"
#include "loop/loop.h"

#define WAITERS_MAX 16  // of the server's threads; the others are for all else
#define SLICE_MS    200 // how long a stopping server waits for a waiting request

int list_tasks(struct api_call *call, struct dv_err *err)
{
    (void)err;
    struct pool *pool = cms_pool(call->cms);
    unsigned limit = (unsigned)call_number(call->query, "limit", 1000);
    unsigned older = HASH_COUNT(pool->tasks) > limit ? HASH_COUNT(pool->tasks) - limit : 0;
    call->answer = json_array();
    call->sort_key = "id";
    for (struct pool_task *t = pool->tasks; t; t = t->hh.next) // as they came: ids ascend
        if (older > 0)
            older--;
        else
            json_array_append_new(call->answer, view_task(pool, &t->rec));
    return 0;
}

// "?seen=VERSION&timeout_ms=N" waits until the task is past that version; without it there is
// nothing to wait for.
int wait_task(struct api_call *call, struct dv_err *err)
{
    uint64_t id, timeout = (uint64_t)call_number(call->query, "timeout_ms", 0);
    if (call_id("task", call->params[0], &id, err) < 0)
        return -1;
    if (timeout == 0)
        return 0;
    if (atomic_fetch_add(call->waiters, 1) >= WAITERS_MAX) {
        atomic_fetch_sub(call->waiters, 1);
        return dv_fail(err, DV_BUSY, "too many requests wait for tasks; ask without timeout_ms");
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
        return dv_fail(err, DV_NOT_FOUND, "there is no task %llu", (unsigned long long)id);
    call->answer = view_task(pool, &t->rec);
    return 0;
}

int cancel_task(struct api_call *call, struct dv_err *err)
{
    uint64_t id;
    if (call_id("task", call->params[0], &id, err) < 0 || cms_cancel_task(call->cms, id, err) < 0)
        return -1;
    return call_accepted(call, id, err);
}
