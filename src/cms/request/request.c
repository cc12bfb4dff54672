// What requests share: they are checked against the pool, then written as intent and task.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/request/request.h"

#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/lead.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "logic/orders.h"
#include <inttypes.h>
#include <utlist.h>

#define VOLUME_MAX_MIB UINT32_MAX // dvsanVolumeSize is an Unsigned32

struct pool_unit *request_unit(struct cms *cms, const char *name, struct dv_err *err)
{
    struct pool_unit *u = pool_find_unit(cms->pool, name);
    if (!u)
        dv_fail(err, DV_NOT_FOUND, "there is no unit %s", name);
    return u;
}

struct pool_volume *request_volume(struct cms *cms, const char *name, struct dv_err *err)
{
    struct pool_volume *v = pool_find_volume(cms->pool, name);
    if (!v)
        dv_fail(err, DV_NOT_FOUND, "there is no volume %s", name);
    return v;
}

struct pool_host *request_host(struct cms *cms, const char *name, struct dv_err *err)
{
    struct pool_host *h = pool_find_host(cms->pool, name);
    if (!h)
        dv_fail(err, DV_NOT_FOUND, "there is no host %s", name);
    return h;
}

int request_is_taken_back(const struct pool_task *t, struct dv_err *err)
{
    return dv_fail(err, DV_CONFLICT, "wait for task %" PRIu64 " (%s): %.300s", t->rec.id,
                   t->rec.summary, t->rec.waiting[0] ? t->rec.waiting : "it is being taken back");
}

int request_begin(struct cms *cms, struct changes *c, const struct task_record *t,
                  const struct pool_unit *unit, uint64_t *task, struct dv_err *err)
{
    char why[LEAD_WHY_ROOM * 2];
    changes_task(c, t);
    lead_why_not(cms, unit, why, sizeof(why));
    if (why[0]) {
        changes_free(c);
        return dv_fail(err, DV_CONFLICT, "%s", why);
    }
    ledger_commit(cms->ledger, c, LEDGER_KEPT);
    *task = t->id;
    return 0;
}

void request_end_task(struct cms *cms, struct changes *c, enum task_kind kind,
                      const struct dv_uuid *volume, const struct dv_uuid *host, const char *why)
{
    const struct pool_task *open = tasks_open(cms, kind, volume, host);
    if (!open)
        return;
    struct task_record t = open->rec;
    tasks_end(cms, c, &t, TASK_CANCELLED, DV_CANCELLED, "%s", why);
}

// ---- Volumes -------------------------------------------------------------------------------

int request_size(uint64_t bytes, uint64_t *blocks, struct dv_err *err)
{
    const uint64_t mib = (uint64_t)BLOCK_SIZE * BLOCKS_PER_MIB;
    if (bytes < mib)
        return dv_fail(err, DV_INVALID,
                       "a volume of %" PRIu64 " bytes is too small: the least is 1M; give a size "
                       "such as 10G",
                       bytes);
    if (bytes > VOLUME_MAX_MIB * mib)
        return dv_fail(err, DV_INVALID,
                       "a volume of %" PRIu64 " bytes is too large: the most is "
                       "4P less 1M",
                       bytes);
    *blocks = (bytes + mib - 1) / mib * BLOCKS_PER_MIB;
    return 0;
}

int request_new_volume_name(struct cms *cms, const char *name, const struct pool_volume *of,
                            struct dv_err *err)
{
    if (new_name_check("volume", name, err) < 0)
        return -1;
    const struct pool_volume *v = pool_find_volume(cms->pool, name);
    if (v && v != of)
        return dv_fail(err, DV_EXISTS, "there is a volume %s already: choose another name", name);
    return 0;
}

int request_is_free(struct cms *cms, const struct pool_volume *v, struct dv_err *err)
{
    const struct pool_task *t;
    DL_FOREACH2(pool_tasks_of(cms->pool, &v->rec.uuid), t, of_next)
    {
        const char *doing = tasks_way(cms, t->rec.kind)->doing;
        if (doing && t->rec.cancel == TASK_CANCEL_ASKED)
            return request_is_taken_back(t, err);
        if (doing)
            return dv_fail(err, DV_CONFLICT,
                           "volume %s is being %s by task %" PRIu64 ": wait for it%s", v->rec.name,
                           doing, t->rec.id,
                           tasks_can_cancel(cms, v, &t->rec) ? ", or cancel it" : "");
    }
    if (!v->rec.wanted)
        return dv_fail(err, DV_CONFLICT, "volume %s is being deleted", v->rec.name);
    if (v->actual.index == 0)
        return dv_fail(err, DV_CONFLICT, "volume %s has vanished from %s: bring its medium back",
                       v->rec.name, v->unit->rec.name);
    return 0;
}

void request_tell_refused(struct judging *j, const struct tasks_refusal *r,
                          const struct pool_volume *v, struct pool_hold *hold)
{
    struct log_limit none = {0};
    struct unit_link *link = j->unit->link;
    if (!hold->told)
        events_add_limited(link ? &link->told : &none, j->cms, &j->c, EVENT_WARNING, "volume",
                           v->rec.name, "%s refuses to %s: %s", j->unit->rec.name,
                           order_kind_name(r->step.kind), r->why);
    hold->told = true;
}
