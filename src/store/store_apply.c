// Writing a list of changes, in one transaction.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

static void bind_uuid(struct db_stmt *st, int n, const struct dv_uuid *u)
{
    db_bind_blob(st, n, u->b, sizeof(u->b));
}

static void bind_uuid_or_null(struct db_stmt *st, int n, const struct dv_uuid *u)
{
    if (uuid_is_zero(u))
        db_bind_null(st, n);
    else
        bind_uuid(st, n, u);
}

static void bind_bytes_or_null(struct db_stmt *st, int n, const uint8_t *data, size_t len)
{
    if (len == 0)
        db_bind_null(st, n);
    else
        db_bind_blob(st, n, data, len);
}

static int run_uuid(struct db_stmt *st, const struct dv_uuid *u, struct dv_err *err)
{
    bind_uuid(st, 1, u);
    return db_run(st, err);
}

static int put_unit(struct store *s, const struct unit_record *u, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_UNIT];
    bind_uuid(st, 1, &u->uuid);
    db_bind_text(st, 2, u->name);
    db_bind_text(st, 3, u->address);
    bind_bytes_or_null(st, 4, u->engine_id, u->engine_id_len);
    db_bind_text(st, 5, u->software);
    db_bind_int(st, 6, u->epoch);
    db_bind_int(st, 7, u->generation);
    db_bind_int(st, 8, u->state);
    db_bind_int(st, 9, u->last_seen);
    db_bind_text(st, 10, u->last_error);
    db_bind_int(st, 11, u->last_index);
    bind_uuid_or_null(st, 12, &u->accepted.station);
    db_bind_int(st, 13, u->accepted.number);
    db_bind_int(st, 14, u->accepted.mark);
    db_bind_int(st, 15, u->named);
    db_bind_int(st, 16, u->trust);
    db_bind_int(st, 17, u->key_number);
    db_bind_int(st, 18, u->key_wanted);
    db_bind_int(st, 19, u->key_before);
    db_bind_int(st, 20, u->key_alone);
    bind_uuid_or_null(st, 21, &u->enrolment);
    return db_run(st, err);
}

static int put_media(struct store *s, const struct change *c, struct dv_err *err)
{
    if (run_uuid(s->stmt[ST_DELETE_MEDIA], &c->id, err) < 0)
        return -1;
    struct db_stmt *st = s->stmt[ST_PUT_MEDIUM];
    for (size_t i = 0; i < c->count; i++) {
        const struct medium *m = &c->media[i];
        bind_uuid(st, 1, &c->id);
        db_bind_int(st, 2, m->index);
        db_bind_text(st, 3, m->name);
        db_bind_int(st, 4, m->kind);
        db_bind_int(st, 5, m->state);
        db_bind_int(st, 6, (int64_t)m->blocks);
        db_bind_int(st, 7, (int64_t)m->free_blocks);
        db_bind_int(st, 8, (int64_t)m->largest_free_blocks);
        db_bind_text(st, 9, m->last_error);
        db_bind_int(st, 10, (int64_t)m->storage_blocks);
        db_bind_int(st, 11, (int64_t)m->storage_free_blocks);
        db_bind_int(st, 12, (int64_t)m->overcommitted_blocks);
        db_bind_int(st, 13, m->reserves);
        if (db_run(st, err) < 0)
            return -1;
    }
    return 0;
}

static int put_free(struct store *s, const struct change *c, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_DELETE_FREE];
    bind_uuid(st, 1, &c->id);
    db_bind_int(st, 2, c->from.medium);
    db_bind_int(st, 3, (int64_t)c->from.start_lba);
    db_bind_int(st, 4, c->to.medium);
    db_bind_int(st, 5, (int64_t)c->to.start_lba);
    if (db_run(st, err) < 0)
        return -1;
    st = s->stmt[ST_PUT_FREE];
    for (size_t i = 0; i < c->count; i++) {
        bind_uuid(st, 1, &c->id);
        db_bind_int(st, 2, c->free_extents[i].medium);
        db_bind_int(st, 3, (int64_t)c->free_extents[i].start_lba);
        db_bind_int(st, 4, (int64_t)c->free_extents[i].blocks);
        if (db_run(st, err) < 0)
            return -1;
    }
    return 0;
}

static int put_portals(struct store *s, const struct change *c, struct dv_err *err)
{
    if (run_uuid(s->stmt[ST_DELETE_PORTALS], &c->id, err) < 0)
        return -1;
    struct db_stmt *st = s->stmt[ST_PUT_PORTAL];
    for (size_t i = 0; i < c->count; i++) {
        const struct portal *p = &c->portals[i];
        bind_uuid(st, 1, &c->id);
        db_bind_int(st, 2, p->index);
        db_bind_int(st, 3, p->group);
        db_bind_text(st, 4, p->address);
        db_bind_int(st, 5, p->port);
        db_bind_int(st, 6, p->if_index);
        db_bind_int(st, 7, p->up);
        if (db_run(st, err) < 0)
            return -1;
    }
    return 0;
}

// A right goes, or the volume moves: that its unit was told the host's secret stays known. Either
// of unit, from where it does not go, and host may be NULL.
static int remember_told(struct store *s, const struct dv_uuid *volume, const struct dv_uuid *unit,
                         const struct dv_uuid *host, struct dv_err *err)
{
    static const struct dv_uuid none;
    struct db_stmt *st = s->stmt[ST_REMEMBER_TOLD];
    bind_uuid(st, 1, volume);
    bind_uuid_or_null(st, 2, unit ? unit : &none);
    bind_uuid_or_null(st, 3, host ? host : &none);
    return db_run(st, err);
}

static int delete_volume(struct store *s, const struct dv_uuid *volume, struct dv_err *err)
{
    return remember_told(s, volume, NULL, NULL, err) < 0
               ? -1
               : run_uuid(s->stmt[ST_DELETE_VOLUME], volume, err);
}

static int put_volume(struct store *s, const struct volume_record *v, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_VOLUME];
    if (remember_told(s, &v->uuid, &v->unit, NULL, err) < 0)
        return -1;
    bind_uuid(st, 1, &v->uuid);
    db_bind_text(st, 2, v->name);
    bind_uuid(st, 3, &v->unit);
    db_bind_int(st, 4, v->medium);
    db_bind_int(st, 5, v->index);
    db_bind_int(st, 6, (int64_t)v->blocks);
    db_bind_int(st, 7, v->thin);
    db_bind_int(st, 8, v->thin_default);
    db_bind_int(st, 9, v->wanted);
    db_bind_int(st, 10, v->seen);
    db_bind_int(st, 11, v->forced);
    db_bind_blob(st, 12, v->proof, sizeof(v->proof));
    if (uuid_is_zero(&v->left))
        db_bind_null(st, 13);
    else
        bind_uuid(st, 13, &v->left);
    return db_run(st, err);
}

static int put_rule(struct store *s, const struct dv_uuid *volume, const struct access_rule *r,
                    struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_RULE];
    bind_uuid(st, 1, volume);
    db_bind_int(st, 2, r->index);
    db_bind_text(st, 3, r->initiator);
    db_bind_text(st, 4, r->chap_user);
    db_bind_int(st, 5, r->secret_is_set);
    db_bind_int(st, 6, r->state);
    db_bind_text(st, 7, r->last_error);
    db_bind_int(st, 8, r->secret_mark);
    db_bind_text(st, 9, r->previous_user);
    return db_run(st, err);
}

static int put_shown(struct store *s, const struct change *c, struct dv_err *err)
{
    const struct volume *v = c->shown;
    if (run_uuid(s->stmt[ST_DELETE_SHOWN], &c->id, err) < 0)
        return -1;
    struct db_stmt *st = s->stmt[ST_PUT_SHOWN];
    bind_uuid(st, 1, &c->id);
    db_bind_int(st, 2, v->index);
    db_bind_text(st, 3, v->name);
    db_bind_int(st, 4, v->medium);
    db_bind_int(st, 5, (int64_t)v->start_lba);
    db_bind_int(st, 6, (int64_t)v->blocks);
    db_bind_int(st, 7, v->thin);
    db_bind_text(st, 8, v->iqn);
    db_bind_int(st, 9, v->lun);
    db_bind_int(st, 10, v->admin_online);
    db_bind_int(st, 11, v->state);
    db_bind_int(st, 12, v->progress);
    db_bind_int(st, 13, v->generation);
    db_bind_text(st, 14, v->last_error);
    db_bind_int(st, 15, (int64_t)v->target_blocks);
    db_bind_int(st, 16, v->group);
    if (db_run(st, err) < 0)
        return -1;
    for (size_t i = 0; i < c->rule_count; i++) {
        if (put_rule(s, &c->id, &c->rules[i], err) < 0)
            return -1;
    }
    return 0;
}

static int renumber_shown(struct store *s, const struct change *c, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_RENUMBER_SHOWN];
    bind_uuid(st, 1, &c->id);
    db_bind_int(st, 2, c->index);
    return db_run(st, err);
}

static int put_host(struct store *s, const struct host_record *h, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_HOST];
    bind_uuid(st, 1, &h->uuid);
    db_bind_text(st, 2, h->name);
    db_bind_text(st, 3, h->iqn);
    db_bind_text(st, 4, h->chap_user);
    bind_bytes_or_null(st, 5, h->sealed_secret, h->sealed_len);
    db_bind_int(st, 6, h->secret_mark);
    db_bind_int(st, 7, h->one_secret);
    db_bind_text(st, 8, h->previous.user);
    bind_bytes_or_null(st, 9, h->previous.sealed_secret, h->previous.sealed_len);
    db_bind_int(st, 10, h->previous.mark);
    db_bind_int(st, 11, h->previous.one_secret);
    db_bind_int(st, 12, h->previous.since);
    if (db_run(st, err) < 0)
        return -1;
    st = s->stmt[ST_FORGET_TOLD];
    bind_uuid(st, 1, &h->uuid);
    db_bind_int(st, 2, h->secret_mark);
    db_bind_int(st, 3, h->previous.mark);
    return db_run(st, err);
}

static int put_assignment(struct store *s, const struct assignment_record *a, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_ASSIGNMENT];
    if (remember_told(s, &a->volume, NULL, &a->host, err) < 0)
        return -1;
    bind_uuid(st, 1, &a->volume);
    bind_uuid(st, 2, &a->host);
    db_bind_int(st, 3, a->index);
    db_bind_int(st, 4, a->wanted);
    db_bind_int(st, 5, (a->found ? ASSIGNMENT_FOUND : 0) | (a->unasked ? ASSIGNMENT_UNASKED : 0));
    return db_run(st, err);
}

static int delete_assignment(struct store *s, const struct change *c, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_DELETE_ASSIGNMENT];
    if (remember_told(s, &c->id, NULL, &c->host, err) < 0)
        return -1;
    bind_uuid(st, 1, &c->id);
    bind_uuid(st, 2, &c->host);
    return db_run(st, err);
}

static int put_steps(struct store *s, const struct task_record *t, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_DELETE_STEPS];
    db_bind_int(st, 1, (int64_t)t->id);
    if (db_run(st, err) < 0)
        return -1;
    st = s->stmt[ST_PUT_STEP];
    for (size_t i = 0; i < t->step_count; i++) {
        db_bind_int(st, 1, (int64_t)t->id);
        db_bind_int(st, 2, (int64_t)i);
        db_bind_text(st, 3, t->steps[i].text);
        db_bind_int(st, 4, t->steps[i].state);
        if (db_run(st, err) < 0)
            return -1;
    }
    return 0;
}

static int put_task(struct store *s, const struct task_record *t, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_TASK];
    db_bind_int(st, 1, (int64_t)t->id);
    db_bind_int(st, 2, t->kind);
    db_bind_int(st, 3, t->state);
    db_bind_int(st, 4, t->progress);
    db_bind_text(st, 5, t->summary);
    bind_uuid_or_null(st, 6, &t->volume);
    bind_uuid_or_null(st, 7, &t->host);
    db_bind_int(st, 8, t->error_code);
    db_bind_text(st, 9, t->error);
    db_bind_text(st, 10, t->waiting);
    db_bind_int(st, 11, t->created);
    db_bind_int(st, 12, t->started);
    db_bind_int(st, 13, t->finished);
    db_bind_int(st, 14, t->cancel);
    bind_uuid_or_null(st, 15, &t->unit);
    if (db_run(st, err) < 0)
        return -1;
    return put_steps(s, t, err);
}

static int delete_task(struct store *s, uint64_t id, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_DELETE_TASK];
    db_bind_int(st, 1, (int64_t)id);
    return db_run(st, err);
}

static int put_event(struct store *s, const struct event_record *e, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_EVENT];
    db_bind_int(st, 1, (int64_t)e->id);
    db_bind_int(st, 2, e->time);
    db_bind_int(st, 3, e->severity);
    db_bind_text(st, 4, e->subject);
    db_bind_text(st, 5, e->text);
    if (db_run(st, err) < 0)
        return -1;
    if (e->id <= STORE_EVENTS_KEPT)
        return 0;
    st = s->stmt[ST_TRIM_EVENTS];
    db_bind_int(st, 1, (int64_t)(e->id - STORE_EVENTS_KEPT));
    return db_run(st, err);
}

static int apply_one(struct store *s, const struct change *c, struct dv_err *err)
{
    switch (c->kind) {
    case CHANGE_UNIT:
        return put_unit(s, c->unit, err);
    case CHANGE_UNIT_GONE:
        if (run_uuid(s->stmt[ST_RETIRE_KEYS], &c->id, err) < 0)
            return -1;
        return run_uuid(s->stmt[ST_DELETE_UNIT], &c->id, err);
    case CHANGE_MEDIA:
        return put_media(s, c, err);
    case CHANGE_FREE:
        return put_free(s, c, err);
    case CHANGE_PORTALS:
        return put_portals(s, c, err);
    case CHANGE_VOLUME:
        return put_volume(s, c->volume, err);
    case CHANGE_VOLUME_GONE:
        return delete_volume(s, &c->id, err);
    case CHANGE_SHOWN:
        return put_shown(s, c, err);
    case CHANGE_RENUMBERED:
        return renumber_shown(s, c, err);
    case CHANGE_HIDDEN:
        return run_uuid(s->stmt[ST_DELETE_SHOWN], &c->id, err);
    case CHANGE_HOST:
        return put_host(s, c->host_record, err);
    case CHANGE_HOST_GONE:
        return run_uuid(s->stmt[ST_DELETE_HOST], &c->id, err);
    case CHANGE_ASSIGNMENT:
        return put_assignment(s, c->assignment, err);
    case CHANGE_ASSIGNMENT_GONE:
        return delete_assignment(s, c, err);
    case CHANGE_TASK:
        return put_task(s, c->task_record, err);
    case CHANGE_TASK_GONE:
        return delete_task(s, c->task, err);
    case CHANGE_EVENT:
        return put_event(s, c->event, err);
    }
    return dv_fail(err, DV_INTERNAL, "the store was given an unknown change %d", (int)c->kind);
}

static bool is_intent(const struct change *c)
{
    switch (c->kind) {
    case CHANGE_VOLUME:
    case CHANGE_VOLUME_GONE:
    case CHANGE_HOST:
    case CHANGE_HOST_GONE:
    case CHANGE_ASSIGNMENT:
    case CHANGE_ASSIGNMENT_GONE:
        return true;
    default:
        return false;
    }
}

// The number of intent that the changes take; the present one when they change none.
static uint32_t number_for(const struct store *s, const struct changes *changes)
{
    uint32_t now = s->run_count > 0 ? s->runs[s->run_count - 1].number : 0;
    for (size_t i = 0; s->run_count > 0 && i < changes->count; i++)
        if (is_intent(&changes->items[i]))
            return now + 1;
    return now;
}

// Whether the change ends a secret that is stored: 1 or 0, -1 where that cannot be read.
static int ends_secret(struct store *s, const struct change *c, struct dv_err *err)
{
    if (c->kind != CHANGE_HOST && c->kind != CHANGE_HOST_GONE)
        return 0;
    struct db_stmt *st = s->stmt[ST_ENDS_SECRET];
    const struct host_record *h = c->kind == CHANGE_HOST ? c->host_record : NULL;
    bind_uuid(st, 1, h ? &h->uuid : &c->id);
    bind_bytes_or_null(st, 2, h ? h->sealed_secret : NULL, h ? h->sealed_len : 0);
    bind_bytes_or_null(st, 3, h ? h->previous.sealed_secret : NULL, h ? h->previous.sealed_len : 0);
    int rc = db_step(st, err);
    db_reset(st);
    return rc;
}

int store_apply(struct store *s, const struct changes *changes, struct dv_err *err)
{
    if (changes->count == 0)
        return 0;
    uint32_t number = number_for(s, changes);
    if (db_begin(s->db, err) < 0)
        return -1;
    bool ended = false;
    for (size_t i = 0; i < changes->count; i++) {
        int ends = ends_secret(s, &changes->items[i], err);
        if (ends < 0 || apply_one(s, &changes->items[i], err) < 0) {
            db_rollback(s->db);
            return -1;
        }
        ended |= ends == 1;
    }
    if (store_number_run(s, number, err) < 0) {
        db_rollback(s->db);
        return -1;
    }
    if (db_commit(s->db, err) < 0)
        return -1;
    if (s->run_count > 0)
        s->runs[s->run_count - 1].number = number;
    if (ended) // what it was is in the log, too
        db_empty_log(s->db);
    return 0;
}
