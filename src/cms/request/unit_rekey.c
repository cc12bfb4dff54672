// Rotations that people ask for: the request, how its task stands, and taking it back.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/core/station.h"
#include "cms/member/lead.h"
#include "cms/member/link.h"
#include "cms/member/rekey.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/task/tasks.h"
#include "logic/trust.h"
#include "logic/waiting.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check(struct cms *cms, const struct unit_record *rec, struct dv_err *err)
{
    char why[TRUST_WHY_ROOM];
    const struct pool_task *t = tasks_open(cms, TASK_UNIT_REKEY, &rec->uuid, NULL);
    trust_why_not(rec, why);
    if (why[0])
        return dv_fail(err, DV_CONFLICT, "%s", why);
    if (rec->key_number == 0)
        return dv_fail(err, DV_CONFLICT,
                       "unit %s has no keys of its own: give it some by a code (dvsan unit add %s "
                       "--again)",
                       rec->name, rec->name);
    if (t)
        return dv_fail(err, DV_CONFLICT,
                       "the keys of unit %s are being changed by task %" PRIu64
                       ": wait for it, or cancel it",
                       rec->name, t->rec.id);
    if (rekey_is_open(rec))
        return dv_fail(err, DV_CONFLICT,
                       "unit %s is being given the present keys just now: try again when it has "
                       "them",
                       rec->name);
    if (rec->key_number >= REKEY_LAST)
        return dv_fail(err, DV_CONFLICT, "unit %s has had too many keys", rec->name);
    return 0;
}

int cms_rekey_unit(struct cms *cms, const char *unit, bool now, uint64_t *task, struct dv_err *err)
{
    struct pool_unit *u = request_unit(cms, unit, err);
    struct task_record t;
    struct changes c = {0};
    if (!u || check(cms, &u->rec, err) < 0)
        return -1;
    struct unit_record rec = u->rec;
    rec.key_wanted = rec.key_number + 1;
    rec.key_alone = now;
    changes_unit(&c, &rec);
    tasks_new(cms, &t, TASK_UNIT_REKEY);
    t.unit = rec.uuid;
    snprintf(t.summary, sizeof(t.summary), "change the keys of unit %s", rec.name);
    tasks_step(&t, STEP_WAITING, "give %s other keys", rec.name);
    if (now)
        tasks_step(&t, STEP_WAITING, "end the keys of before");
    return request_begin(cms, &c, &t, u, task, err);
}

// ---- Its task --------------------------------------------------------------------------------

static void tell_wait(struct judging *j, struct task_record *t, const struct pool_volume *none)
{
    (void)none;
    const struct pool_unit *u = j->unit;
    char not_led[WAITING_ROOM] = "", untrusted[TRUST_WHY_ROOM];
    const struct unit_link *link = u->link;
    lead_why_not(j->cms, u, not_led, sizeof(not_led));
    trust_why_not(&u->rec, untrusted);
    const struct waiting_case c = {.task = t->id,
                                   .kind = t->kind,
                                   .can_cancel = true,
                                   .unit = u->rec.name,
                                   .unit_state = u->rec.state,
                                   .untrusted = untrusted,
                                   .not_led = not_led,
                                   .refusal = link ? link->rekey_trouble : ""};
    waiting_text(&c, t->waiting);
}

static void judge_rekey(struct judging *j, struct task_record *t, struct pool_volume *none)
{
    (void)none;
    const struct unit_record *rec = &j->unit->rec;
    if (rec->trust == TRUST_REVOKED) {
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_CONFLICT, "unit %s was revoked", rec->name);
        return;
    }
    if (!rekey_is_open(rec)) {
        tasks_end_well(j, t);
        return;
    }
    for (size_t i = 0; i < t->step_count; i++)
        t->steps[i].state = rec->key_wanted == 0 && i == 0       ? STEP_DONE
                            : (rec->key_wanted != 0) == (i == 0) ? STEP_RUNNING
                                                                 : STEP_WAITING;
}

static bool can_cancel_rekey(const struct pool_volume *none, const struct task_record *t)
{
    (void)none;
    (void)t;
    return true;
}

static void take_back(struct cms *cms, const struct task_record *t, struct pool_volume *none,
                      struct changes *c)
{
    (void)none;
    const struct pool_unit *u = pool_unit_by_uuid(cms->pool, &t->unit);
    if (!u)
        return;
    struct unit_record rec = u->rec;
    rekey_take_back(&rec);
    changes_unit(c, &rec);
}

static bool end_at_once(struct cms *cms, struct task_record *t, const struct pool_volume *none,
                        struct changes *c)
{
    (void)none;
    const struct pool_unit *u = pool_unit_by_uuid(cms->pool, &t->unit);
    struct unit_link *link = u ? u->link : NULL;
    if (link) { // else it would go on beside this
        rekey_free(link->rekey);
        link->rekey = NULL;
    }
    tasks_end(cms, c, t, TASK_CANCELLED, DV_CANCELLED,
              "it was taken back; what %s has got of it stays", u ? u->rec.name : "the unit");
    return true;
}

const struct task_way task_way_rekey = {
    .of_unit = true,
    .judge = judge_rekey,
    .wait = tell_wait,
    .can_cancel = can_cancel_rekey,
    .take_back = take_back,
    .ends_at_once = end_at_once,
};
