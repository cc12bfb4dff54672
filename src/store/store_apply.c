// Writing a list of changes, in one transaction.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

static void bind_uuid(struct db_stmt *st, int n, const struct dv_uuid *u)
{
    db_bind_blob(st, n, u->b, sizeof(u->b));
}

static void bind_uuid_or_null(struct db_stmt *st, int n, const struct dv_uuid *u)
{
    if (u)
        bind_uuid(st, n, u);
    else
        db_bind_null(st, n);
}

static void bind_bytes_or_null(struct db_stmt *st, int n, const uint8_t *data, size_t len)
{
    if (len == 0)
        db_bind_null(st, n);
    else
        db_bind_blob(st, n, data, len);
}

static int put(struct store *s, const struct kind *k, const void *record, struct dv_err *err)
{
    return rows_put(store_rows(s, k), NULL, record, err);
}

static int drop(struct store *s, const struct kind *k, const void *record, struct dv_err *err)
{
    return rows_drop(store_rows(s, k), NULL, record, err);
}

static int clear_free(struct store *s, const struct change *c, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_DELETE_FREE];
    bind_uuid(st, 1, &c->owner);
    db_bind_int(st, 2, c->from.medium);
    db_bind_int(st, 3, (int64_t)c->from.start_lba);
    db_bind_int(st, 4, c->to.medium);
    db_bind_int(st, 5, (int64_t)c->to.start_lba);
    return db_run(st, err);
}

static int replace(struct store *s, const struct change *c, struct dv_err *err)
{
    struct kind_rows *rows = store_rows(s, c->kind);
    if ((c->kind == &kind_free_extent ? clear_free(s, c, err) : rows_clear(rows, &c->owner, err)) <
        0)
        return -1;
    for (size_t i = 0; i < c->count; i++)
        if (rows_put(rows, &c->owner, (const char *)c->records + i * c->kind->size, err) < 0)
            return -1;
    return 0;
}

// A right goes, or the volume moves: that its unit was told the host's secret stays known. Either
// of unit, from where it does not go, and host may be NULL.
static int remember_told(struct store *s, const struct dv_uuid *volume, const struct dv_uuid *unit,
                         const struct dv_uuid *host, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_REMEMBER_TOLD];
    bind_uuid(st, 1, volume);
    bind_uuid_or_null(st, 2, unit);
    bind_uuid_or_null(st, 3, host);
    return db_run(st, err);
}

static int put_host(struct store *s, const struct host_record *h, struct dv_err *err)
{
    if (put(s, &kind_host, h, err) < 0)
        return -1;
    struct db_stmt *st = s->stmt[ST_FORGET_TOLD];
    bind_uuid(st, 1, &h->uuid);
    db_bind_int(st, 2, h->secret_mark);
    db_bind_int(st, 3, h->previous.mark);
    return db_run(st, err);
}

static int put_task(struct store *s, const struct task_record *t, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_DELETE_STEPS];
    if (put(s, &kind_task, t, err) < 0)
        return -1;
    db_bind_int(st, 1, (int64_t)t->id);
    if (db_run(st, err) < 0)
        return -1;
    st = s->stmt[ST_PUT_STEP];
    for (size_t i = 0; i < t->step_count; i++) {
        db_bind_int(st, 1, (int64_t)t->id);
        db_bind_int(st, 2, (int64_t)i);
        rows_bind(&kind_task_step, st, 3, &t->steps[i]);
        if (db_run(st, err) < 0)
            return -1;
    }
    return 0;
}

static int put_event(struct store *s, const struct event_record *e, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_TRIM_EVENTS];
    if (put(s, &kind_event, e, err) < 0)
        return -1;
    if (e->id <= STORE_EVENTS_KEPT)
        return 0;
    db_bind_int(st, 1, (int64_t)(e->id - STORE_EVENTS_KEPT));
    return db_run(st, err);
}

static int apply_put(struct store *s, const struct change *c, struct dv_err *err)
{
    const struct volume_record *v = c->records;
    const struct assignment_record *a = c->records;
    if (c->kind == &kind_host)
        return put_host(s, c->records, err);
    if (c->kind == &kind_task)
        return put_task(s, c->records, err);
    if (c->kind == &kind_event)
        return put_event(s, c->records, err);
    if (c->kind == &kind_volume && remember_told(s, &v->uuid, &v->unit, NULL, err) < 0)
        return -1;
    if (c->kind == &kind_assignment && remember_told(s, &a->volume, NULL, &a->host, err) < 0)
        return -1;
    return put(s, c->kind, c->records, err);
}

static int retire_keys(struct store *s, const struct unit_record *u, struct dv_err *err)
{
    bind_uuid(s->stmt[ST_RETIRE_KEYS], 1, &u->uuid);
    return db_run(s->stmt[ST_RETIRE_KEYS], err);
}

static int apply_gone(struct store *s, const struct change *c, struct dv_err *err)
{
    const struct volume_record *v = c->records;
    const struct assignment_record *a = c->records;
    if (c->kind == &kind_unit && retire_keys(s, c->records, err) < 0)
        return -1;
    if (c->kind == &kind_volume && remember_told(s, &v->uuid, NULL, NULL, err) < 0)
        return -1;
    if (c->kind == &kind_assignment && remember_told(s, &a->volume, NULL, &a->host, err) < 0)
        return -1;
    return drop(s, c->kind, c->records, err);
}

static int apply_one(struct store *s, const struct change *c, struct dv_err *err)
{
    switch (c->op) {
    case CHANGE_PUT:
        return apply_put(s, c, err);
    case CHANGE_GONE:
        return apply_gone(s, c, err);
    case CHANGE_REPLACE:
        return replace(s, c, err);
    }
    return dv_fail(err, DV_INTERNAL, "the store was given an unknown change %d", (int)c->op);
}

static bool is_intent(const struct change *c)
{
    return c->kind == &kind_volume || c->kind == &kind_host || c->kind == &kind_assignment;
}

// The number of intent that the changes take; the present one when they change none.
static uint32_t number_for(const struct store *s, const struct changes *changes)
{
    uint32_t now = s->run_count > 0 ? s->runs[s->run_count - 1].number : 0;
    if (changes->above > 0)
        return (changes->above > now ? changes->above : now) + 1;
    for (size_t i = 0; s->run_count > 0 && i < changes->count; i++)
        if (is_intent(&changes->items[i]))
            return now + 1;
    return now;
}

// Whether the change ends a secret that is stored: 1 or 0, -1 where that cannot be read.
static int ends_secret(struct store *s, const struct change *c, struct dv_err *err)
{
    if (c->kind != &kind_host)
        return 0;
    struct db_stmt *st = s->stmt[ST_ENDS_SECRET];
    const struct host_record *h = c->records; // of one that goes, with keys alone: no secret
    bind_uuid(st, 1, &h->uuid);
    bind_bytes_or_null(st, 2, h->sealed_secret, h->sealed_len);
    bind_bytes_or_null(st, 3, h->previous.sealed_secret, h->previous.sealed_len);
    int rc = db_step(st, err);
    db_reset(st);
    return rc;
}

int store_apply(struct store *s, const struct changes *changes, bool durable, struct dv_err *err)
{
    if (changes->count == 0 && changes->above == 0)
        return 0;
    if (changes->above > LEAD_NUMBER_MAX)
        return dv_fail(err, DV_CONFLICT,
                       "state %u of the station's intent was told, and no station gets that far",
                       (unsigned)changes->above);
    uint32_t number = number_for(s, changes);
    bool told = s->run_count > 0 && number != s->runs[s->run_count - 1].number; // to units
    if (db_sync(s->db, durable || told, err) < 0 || db_begin(s->db, err) < 0)
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
