// What follows of itself once changes are written.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/follow.h"

#include "base/log.h"
#include "cms/core/auth.h"
#include "cms/core/codes.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/member/link_run.h"
#include "cms/member/trust.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "cms/unit/left_out.h"
#include "logic/trust.h"
#include <string.h>
#include <utlist.h>

// ---- Before the pool has them -------------------------------------------------------------------

static void new_orders(const struct pool_unit *u)
{
    if (u->link)
        link_new_orders(u->link);
}

// One without keys of its own is told apart by its trust alone.
static bool keys_differ(const struct unit_record *a, const struct unit_record *b)
{
    bool other = a->key_number != b->key_number || a->key_wanted != b->key_wanted ||
                 a->key_before != b->key_before || !uuid_equal(&a->enrolment, &b->enrolment) ||
                 a->engine_id_len != b->engine_id_len ||
                 memcmp(a->engine_id, b->engine_id, sizeof(a->engine_id)) != 0;
    return a->trust != b->trust || (b->key_number > 0 && other);
}

static void listen_to(struct cms *cms, const struct unit_record *rec)
{
    struct dv_err err;
    if (cms->listener && trust_listen(cms, rec, &err) < 0)
        log_error("trust", "%s: %s", rec->name, err.text);
}

// It is believed by its present keys alone, and one whose keys are to change is looked at.
static void before_unit(struct cms *cms, const struct unit_record *rec)
{
    const struct pool_unit *u = pool_unit_by_uuid(cms->pool, &rec->uuid);
    struct unit_link *link = u ? u->link : NULL;
    if (link)
        dv_copy(link->name, sizeof(link->name), rec->name);
    if (u ? !keys_differ(&u->rec, rec) : rec->key_number == 0)
        return;
    listen_to(cms, rec);
    if (link && rec->key_wanted != u->rec.key_wanted)
        link_look(link);
}

static void before_unit_gone(struct cms *cms, const struct dv_uuid *uuid)
{
    const struct pool_unit *u = pool_unit_by_uuid(cms->pool, uuid);
    if (!u)
        return;
    struct unit_record gone = u->rec;
    gone.trust = TRUST_REVOKED; // nothing that its keys sign is heard
    if (gone.key_number > 0)
        listen_to(cms, &gone);
    link_free(u->link);
}

// One that is another unit's now is read there, since it was left out, and ends where it was.
static void before_volume(struct cms *cms, const struct volume_record *rec)
{
    const struct pool_volume *v = pool_volume_by_uuid(cms->pool, &rec->uuid);
    const struct pool_unit *u = pool_unit_by_uuid(cms->pool, &rec->unit);
    if (!v || !u || v->unit == u)
        return;
    if (v->unit->link && uuid_equal(&rec->left, &v->unit->rec.uuid))
        left_out_leave(v->unit->link, v);
    new_orders(v->unit);
    if (u->link)
        link_look(u->link);
}

// What a task waits for is told as soon as there is one, or somebody takes it back.
static void before_task(struct cms *cms, const struct task_record *t)
{
    const struct pool_task *known = pool_find_task(cms->pool, t->id);
    if (!task_is_over(t) && (!known || known->rec.cancel != t->cancel))
        ledger_turn_first(cms->ledger, tasks_judge_about, task_about(t), sizeof(struct dv_uuid));
}

static void before(struct cms *cms, const struct change *c)
{
    const struct unit_record *u = c->records;
    if (c->kind == &kind_unit && c->op == CHANGE_PUT)
        before_unit(cms, u);
    else if (c->kind == &kind_unit && c->op == CHANGE_GONE)
        before_unit_gone(cms, &u->uuid);
    else if (c->kind == &kind_volume && c->op == CHANGE_PUT)
        before_volume(cms, c->records);
    else if (c->kind == &kind_task && c->op == CHANGE_PUT)
        before_task(cms, c->records);
}

// ---- Behind that --------------------------------------------------------------------------------

// One that joins is no stranger any more.
static void attach(struct cms *cms, const struct dv_uuid *uuid)
{
    struct pool_unit *u = pool_unit_by_uuid(cms->pool, uuid);
    struct unit_link *link = link_find(cms, uuid);
    if (u->link || !link)
        return;
    if (!trust_is_taken(u->rec.trust)) { // it announced itself once more meanwhile
        link_free(link);
        return;
    }
    u->link = link;
    cms->strangers -= link->stranger;
    link->stranger = false;
    dv_copy(link->name, sizeof(link->name), u->rec.name);
}

// What is wanted is another thing than before: it is ordered, also where a unit refused what was
// wanted before.
static void behind(struct cms *cms, const struct change *c)
{
    const struct unit_record *unit = c->records;
    const struct volume_record *volume = c->records;
    const struct assignment_record *right = c->records;
    const struct host_record *host = c->records;
    struct pool_volume *v = NULL;
    struct pool_assignment *a = NULL;
    struct pool_host *h = NULL;
    if (c->kind == &kind_token)
        auth_follow(cms->auth, c);
    if (c->kind == &kind_code || c->kind == &kind_code_use)
        codes_follow(&cms->codes, c);
    if (c->kind == &kind_event) {
        events_follow(cms, c->records);
        events_log(c->records);
    }
    if (c->op != CHANGE_PUT)
        return;
    if (c->kind == &kind_unit)
        attach(cms, &unit->uuid);
    if (c->kind == &kind_volume && (v = pool_volume_by_uuid(cms->pool, &volume->uuid))) {
        v->hold = (struct pool_hold){0};
        new_orders(v->unit);
    }
    if (c->kind == &kind_assignment && (v = pool_volume_by_uuid(cms->pool, &right->volume)) &&
        (a = pool_assignment_of(v, &right->host))) {
        a->hold = (struct pool_hold){0};
        new_orders(v->unit);
    }
    if (c->kind == &kind_host && (h = pool_host_by_uuid(cms->pool, &host->uuid)))
        DL_FOREACH2(h->assignments, a, host_next)
        {
            a->hold = (struct pool_hold){0};
            new_orders(a->volume->unit);
        }
}

void follow_changes(void *arg, const struct changes *c)
{
    struct cms *cms = arg;
    size_t count; // no changes are being written just now
    cms->runs[cms->run_count - 1] = store_runs(cms->store, &count)[cms->run_count - 1];
    for (size_t i = 0; i < c->count; i++)
        before(cms, &c->items[i]);
    pthread_mutex_lock(&cms->tasks_lock);
    pool_apply(cms->pool, c);
    pthread_cond_broadcast(&cms->tasks_changed);
    pthread_mutex_unlock(&cms->tasks_lock);
    for (size_t i = 0; i < c->count; i++)
        behind(cms, &c->items[i]);
}
