// Requests about who may use volumes, and taking requests back.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/station.h"

#include "base/mem.h"
#include "base/text.h"
#include "cms/reading.h"
#include "cms/rekey.h"
#include "cms/request.h"
#include "logic/health.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

// ---- Rights --------------------------------------------------------------------------------

// The lowest that neither a right nor a rule of the volume has.
static uint32_t free_rule_index(const struct pool_volume *v)
{
    size_t most = HASH_CNT(hh, v->hosts) + v->rule_count;
    DV_FREE bool *taken = dv_calloc(most + 2, sizeof(*taken));
    const struct pool_assignment *a;
    uint32_t index = 1;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->rec.index <= most)
            taken[a->rec.index] = true;
    }
    for (size_t i = 0; i < v->rule_count; i++)
        if (v->rules[i].index <= most)
            taken[v->rules[i].index] = true;
    while (taken[index])
        index++;
    return index;
}

static int check_assign(struct cms *cms, struct pool_volume *v, const struct pool_host *h,
                        struct dv_err *err)
{
    if (!v->rec.wanted)
        return dv_fail(err, DV_CONFLICT, "volume %s is being deleted", v->rec.name);
    if (v->rec.seen && v->actual.index == 0)
        return dv_fail(err, DV_CONFLICT, "volume %s has vanished from %s: bring its medium back",
                       v->rec.name, v->unit->rec.name);
    if (h->rec.sealed_len == 0)
        return dv_fail(err, DV_CONFLICT,
                       "the CHAP secret of host %s is not known here: add the host again with its "
                       "IQN %s and its secret",
                       h->rec.name, h->rec.iqn);
    const struct pool_assignment *a = pool_assignment_of(v, &h->rec.uuid);
    if (a && a->rec.wanted && !a->rec.found && !a->rec.unasked)
        return dv_fail(err, DV_EXISTS, "volume %s is assigned to host %s already", v->rec.name,
                       h->rec.name);
    if (!a && HASH_CNT(hh, v->hosts) >= READING_RULES_A_VOLUME)
        return dv_fail(
            err, DV_BUSY,
            "volume %s is assigned to %d hosts, which is the most: take it from one first",
            v->rec.name, READING_RULES_A_VOLUME);
    if (!a || a->rec.wanted)
        return request_check_user_on(cms, h, v->unit, err);
    const struct pool_task *t = tasks_open(cms, TASK_ASSIGN, &v->rec.uuid, &h->rec.uuid);
    if (t && t->rec.cancel == TASK_CANCEL_ASKED)
        return request_is_taken_back(t, err);
    t = tasks_open(cms, TASK_UNASSIGN, &v->rec.uuid, &h->rec.uuid);
    if (t)
        return dv_fail(err, DV_CONFLICT,
                       "volume %s is still being unassigned from host %s: wait for task %" PRIu64,
                       v->rec.name, h->rec.name, t->rec.id);
    return dv_fail(err, DV_CONFLICT,
                   "volume %s is still being unassigned from host %s: try again soon", v->rec.name,
                   h->rec.name);
}

int cms_assign(struct cms *cms, const char *volume, const char *host, uint64_t *task,
               struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    struct pool_host *h = v ? request_host(cms, host, err) : NULL;
    if (!h || check_assign(cms, v, h, err) < 0)
        return -1;
    const struct pool_assignment *found = pool_assignment_of(v, &h->rec.uuid);
    struct assignment_record rec = {
        .volume = v->rec.uuid,
        .host = h->rec.uuid,
        .index = found ? found->rec.index : free_rule_index(v),
        .wanted = true,
    };
    struct task_record t;
    tasks_new(cms, &t, TASK_ASSIGN);
    t.volume = rec.volume;
    t.host = rec.host;
    snprintf(t.summary, sizeof(t.summary), "assign volume %s to host %s", v->rec.name, h->rec.name);
    tasks_step(&t, STEP_WAITING, "access rule for %s on %s", h->rec.name, v->unit->rec.name);

    struct changes c = {0};
    changes_assignment(&c, &rec);
    return request_begin(cms, &c, &t, v->unit, task, err);
}

int cms_unassign(struct cms *cms, const char *volume, const char *host, uint64_t *task,
                 struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    struct pool_host *h = v ? request_host(cms, host, err) : NULL;
    if (!h)
        return -1;
    struct pool_assignment *a = pool_assignment_of(v, &h->rec.uuid);
    if (!a)
        return dv_fail(err, DV_NOT_FOUND, "volume %s is not assigned to host %s", v->rec.name,
                       h->rec.name);
    const struct pool_task *open = tasks_open(cms, TASK_UNASSIGN, &v->rec.uuid, &h->rec.uuid);
    if (open) { // asked for again: it is the same request
        *task = open->rec.id;
        return 0;
    }
    struct assignment_record rec = a->rec;
    rec.wanted = false;
    struct changes c = {0};
    request_end_task(cms, &c, TASK_ASSIGN, &rec.volume, &rec.host,
                     "the volume was unassigned again");
    struct task_record t;
    tasks_new(cms, &t, TASK_UNASSIGN);
    t.volume = rec.volume;
    t.host = rec.host;
    snprintf(t.summary, sizeof(t.summary), "unassign volume %s from host %s", v->rec.name,
             h->rec.name);
    tasks_step(&t, STEP_WAITING, "end access rule and sessions on %s", v->unit->rec.name);
    changes_assignment(&c, &rec);
    return request_begin(cms, &c, &t, v->unit, task, err);
}

// ---- Cancelling ----------------------------------------------------------------------------

bool request_can_cancel(const struct pool_volume *v, const struct task_record *t)
{
    if (t->cancel != TASK_CANCEL_NO)
        return false;
    switch (t->kind) {
    case TASK_VOLUME_CREATE:
        return true;
    case TASK_ASSIGN:
        return pool_assignment_of((struct pool_volume *)v, &t->host) != NULL;
    case TASK_VOLUME_RESIZE:
        return !v->actual.target_blocks &&
               (!v->resize_answered || v->actual.blocks == v->rec.blocks);
    case TASK_VOLUME_RENAME:
        return strcmp(v->rec.name, v->actual.name) != 0;
    case TASK_VOLUME_DELETE:
    case TASK_UNASSIGN:
    case TASK_UNIT_REKEY:
        break;
    }
    return false;
}

static int cannot_cancel(const struct pool_volume *v, const struct task_record *t,
                         struct dv_err *err)
{
    if (v && (t->kind == TASK_VOLUME_RESIZE || t->kind == TASK_VOLUME_RENAME))
        return dv_fail(
            err, DV_CONFLICT, "task %" PRIu64 " (%s) cannot be taken back: %s is at it already%s%s",
            t->id, t->summary, v->unit->rec.name, t->waiting[0] ? ". It waits: " : "", t->waiting);
    return dv_fail(err, DV_CONFLICT, "task %" PRIu64 " (%s) cannot be taken back%s%s", t->id,
                   t->summary, t->waiting[0] ? ". It waits: " : "", t->waiting);
}

static bool has_its_size(const struct pool_volume *v, const struct task_record *t)
{
    return t->kind == TASK_VOLUME_RESIZE && v->actual.index != 0 &&
           v->actual.blocks == v->rec.blocks;
}

// A size that the unit has is not given back: that would have to cut.
static void end_cancelled(struct cms *cms, struct changes *c, const struct pool_volume *v,
                          struct task_record *t)
{
    char size[SIZE_TEXT_ROOM];
    if (has_its_size(v, t))
        tasks_end(cms, c, t, TASK_CANCELLED, DV_CANCELLED,
                  "the size is %s already and stays so; the volume is served with it as soon as %s "
                  "can",
                  size_format(v->rec.blocks * BLOCK_SIZE, size, sizeof(size)), v->unit->rec.name);
    else
        tasks_end(cms, c, t, TASK_CANCELLED, DV_CANCELLED, "it was taken back");
}

int cms_cancel_task(struct cms *cms, uint64_t task, struct dv_err *err)
{
    const struct pool_task *pt = pool_find_task(cms->pool, task);
    if (!pt)
        return dv_fail(err, DV_NOT_FOUND, "there is no task %" PRIu64, task);
    if (task_is_over(&pt->rec))
        return dv_fail(err, DV_CONFLICT, "task %" PRIu64 " is over: it is %s", task,
                       task_state_name(pt->rec.state));
    if (pt->rec.kind == TASK_UNIT_REKEY)
        return rekey_cancel(cms, &pt->rec, err);
    struct task_record t = pt->rec;
    struct pool_volume *v = pool_volume_by_uuid(cms->pool, &t.volume);
    struct pool_assignment *a = v ? pool_assignment_of(v, &t.host) : NULL;
    struct changes c = {0};
    if (t.cancel == TASK_CANCEL_ASKED) // asked for again: it is the same request
        return 0;
    if (!v || !request_can_cancel(v, &t))
        return cannot_cancel(v, &t, err);
    if (t.kind == TASK_VOLUME_CREATE) {
        struct volume_record rec = v->rec;
        rec.wanted = false;
        changes_volume(&c, &rec);
    } else if (t.kind == TASK_ASSIGN) {
        struct assignment_record rec = a->rec;
        rec.wanted = false;
        changes_assignment(&c, &rec);
    } else if (t.kind == TASK_VOLUME_RESIZE) {
        request_take_back_size(v, &c);
    } else {
        request_take_back_name(cms, v, &c);
    }
    if (link_order_is_out(v) && !has_its_size(v, &t)) {
        t.cancel = TASK_CANCEL_ASKED;
        changes_task(&c, &t);
    } else {
        end_cancelled(cms, &c, v, &t);
    }
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}
