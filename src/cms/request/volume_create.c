// Creating a volume: the request, and how its task stands.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/core/station.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/request/waits.h"
#include "cms/task/tasks.h"
#include "logic/health.h"
#include "logic/trust.h"
#include "model/kind.h"
#include <stdio.h>
#include <string.h>

static int check_new_volume(struct cms *cms, const struct volume_request *request,
                            struct pool_unit **unit, struct dv_err *err)
{
    *unit = NULL;
    if (request_new_volume_name(cms, request->label->name, NULL, err) < 0 ||
        kind_judge(&kind_volume, KIND_CHANGEABLE, request->label, err) < 0)
        return -1;
    if (!request->unit)
        return 0;
    *unit = request_unit(cms, request->unit, err);
    if (!*unit)
        return -1;
    char untrusted[TRUST_WHY_ROOM];
    trust_why_not(&(*unit)->rec, untrusted);
    if (untrusted[0])
        return dv_fail(err, DV_UNREACHABLE, "%s; or choose another unit", untrusted);
    if ((*unit)->rec.state == UNIT_CONFLICT)
        return dv_fail(err, DV_UNREACHABLE,
                       "unit %s is in conflict with another engine that uses its UUID: end that "
                       "one, or choose another unit",
                       (*unit)->rec.name);
    if (!health_takes_orders((*unit)->rec.state))
        return dv_fail(err, DV_UNREACHABLE, "unit %s is %s: start it, or choose another unit",
                       (*unit)->rec.name, unit_state_name((*unit)->rec.state));
    return 0;
}

int cms_create_volume(struct cms *cms, const struct volume_request *request, uint64_t *task,
                      struct dv_err *err)
{
    struct pool_unit *unit;
    struct request_place place;
    uint64_t blocks = 0;
    if (check_new_volume(cms, request, &unit, err) < 0 ||
        request_size(request->bytes, &blocks, err) < 0 ||
        request_place(cms, request, unit, blocks, &place, err) < 0)
        return -1;
    struct volume_record rec = {
        .uuid = uuid_random(),
        .unit = place.unit->rec.uuid,
        .medium = place.medium->index,
        .index = request_volume_index(place.unit),
        .blocks = blocks,
        .thin = request->thin == 1,
        .thin_default = request->thin < 0,
        .wanted = true,
    };
    kind_copy(&kind_volume, KIND_CHANGEABLE, &rec, request->label);
    struct task_record t;
    char size[SIZE_TEXT_ROOM];
    tasks_new(cms, &t, TASK_VOLUME_CREATE);
    t.volume = rec.uuid;
    snprintf(t.summary, sizeof(t.summary), "create volume %s (%s)", rec.name,
             size_format(blocks * BLOCK_SIZE, size, sizeof(size)));
    tasks_step(&t, STEP_DONE, "place on %s", place.unit->rec.name);
    tasks_step(&t, STEP_WAITING, "create on %s", place.unit->rec.name);
    tasks_step(&t, STEP_WAITING, "serve");

    struct changes c = {0};
    struct unit_record given = place.unit->rec;
    given.last_index = rec.index;
    changes_unit(&c, &given);
    changes_volume(&c, &rec);
    return request_begin(cms, &c, &t, place.unit, task, err);
}

// ---- Its task ------------------------------------------------------------------------------

// The volume is not wanted any more: what there is of it goes.
static void withdraw(const struct pool_volume *v, struct changes *c)
{
    struct volume_record rec = v->rec;
    rec.wanted = rec.forced = false;
    changes_volume(c, &rec);
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
            withdraw(v, &j->c);
            return;
        }
        tasks_reach(t, 1);
        return;
    }
    switch (v->actual.state) {
    case VOLUME_ONLINE:
    case VOLUME_OFFLINE:
        tasks_end_well(j, t);
        break;
    case VOLUME_FAILED:
        tasks_reach(t, v->actual.progress < 100 ? 1 : 2);
        if (!j->fresh || !health_takes_orders(v->unit->rec.state) || v->actual.progress == 100)
            break; // it is made, and its unit goes on trying to serve it
        tasks_end(cms, &j->c, t, TASK_FAILED, DV_IO,
                  "%s could not make it: %s; what there is of "
                  "it is deleted",
                  v->unit->rec.name,
                  v->actual.last_error[0] ? v->actual.last_error : "it does not say why");
        withdraw(v, &j->c);
        break;
    case VOLUME_CREATING:
    case VOLUME_DELETING:
        tasks_reach(t, v->actual.progress < 100 ? 1 : 2);
        t->progress = 5 + v->actual.progress * 9 / 10;
        break;
    }
}

static void refused_create(struct judging *j, const struct tasks_refusal *r, struct pool_volume *v)
{
    if (tasks_fail_refused(j, r, TASK_VOLUME_CREATE, NULL))
        withdraw(v, &j->c);
    else if (!tasks_open(j->cms, TASK_VOLUME_CREATE, &v->rec.uuid, NULL))
        request_tell_refused(j, r, v, &v->hold);
}

static bool can_cancel_create(const struct pool_volume *v, const struct task_record *t)
{
    (void)t;
    return v != NULL;
}

static void take_back_create(struct cms *cms, const struct task_record *t, struct pool_volume *v,
                             struct changes *c)
{
    (void)cms;
    (void)t;
    withdraw(v, c);
}

static bool is_created(const struct pool_volume *v, const struct task_record *t)
{
    (void)t;
    return v->actual.index != 0;
}

const struct task_way task_way_create = {
    .doing = "created",
    .judge = judge_create,
    .wait = waits_tell,
    .refused = refused_create,
    .can_cancel = can_cancel_create,
    .take_back = take_back_create,
    .is_done = is_created,
    .undone = "it was carried out before it could be taken back: the volume is deleted",
};
