// The store over SQLite: opening, events, tokens, settings.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

#include "base/mem.h"
#include "base/random.h"
#include <string.h>

static bool is_read_beside(enum store_stmt st)
{
    return st == ST_TOLD || st == ST_RETIRED_KEYS;
}

struct store *store_open(const char *path, struct dv_err *err)
{
    struct store *s = dv_calloc(1, sizeof(*s));
    DV_FREE char *fresh = store_fresh_schema();
    s->db = db_open(path, DB_AHEAD, err);
    if (!s->db || db_migrate(s->db, fresh, store_schema, store_schema_steps, err) < 0)
        goto fail;
    for (int i = 0; i < STORE_TABLES; i++) {
        s->rows[i] = rows_new(s->db, store_kinds[i], err);
        if (!s->rows[i])
            goto fail;
    }
    s->beside = db_open_beside(path, err);
    for (int i = 0; i < STORE_STMTS; i++) {
        s->stmt[i] =
            s->beside ? db_prepare(is_read_beside(i) ? s->beside : s->db, store_sql[i], err) : NULL;
        if (!s->stmt[i])
            goto fail;
    }
    return s;
fail:
    store_free(s);
    return NULL;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < STORE_TABLES; i++)
        rows_free(s->rows[i]);
    for (int i = 0; i < STORE_STMTS; i++)
        db_finalize(s->stmt[i]);
    db_close(s->beside);
    db_close(s->db);
    free(s->runs);
    free(s);
}

struct kind_rows *store_rows(const struct store *s, const struct kind *k)
{
    int i = 0;
    while (store_kinds[i] != k)
        i++;
    return s->rows[i];
}

// ---- Runs ----------------------------------------------------------------------------------

static int load_runs(struct store *s, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_RUNS];
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        s->run_id = db_int(st, 0);
        *DV_APPEND(s->runs, s->run_count) =
            (struct lead_run){(uint32_t)db_int(st, 1), (uint32_t)db_int(st, 2)};
    }
    return rc;
}

int store_begin_run(struct store *s, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_ADD_RUN];
    struct lead_run run;
    if (load_runs(s, err) < 0)
        return -1;
    random_fill(&run.mark, sizeof(run.mark));
    run.number = s->run_count > 0 ? s->runs[s->run_count - 1].number + 1 : 1;
    db_bind_int(st, 1, run.mark);
    db_bind_int(st, 2, run.number);
    if (db_run(st, err) < 0)
        return -1;
    s->run_id = db_last_id(s->db);
    *DV_APPEND(s->runs, s->run_count) = run;
    st = s->stmt[ST_TRIM_RUNS];
    db_bind_int(st, 1, s->run_id - STORE_RUNS_KEPT);
    return db_run(st, err);
}

const struct lead_run *store_runs(const struct store *s, size_t *count)
{
    *count = s->run_count;
    return s->runs;
}

int store_number_run(struct store *s, uint32_t number, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_NUMBER_RUN];
    if (s->run_count == 0 || s->runs[s->run_count - 1].number == number)
        return 0;
    db_bind_int(st, 1, number);
    db_bind_int(st, 2, s->run_id);
    return db_run(st, err);
}

// ---- Events, tokens, settings ----------------------------------------------------------------

int store_events(struct store *s, uint64_t after, size_t limit, struct event_record **events,
                 size_t *count, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_EVENTS];
    struct event_record *list = NULL;
    size_t n = 0;
    db_bind_int(st, 1, (int64_t)after);
    db_bind_int(st, 2, limit < STORE_EVENTS_KEPT ? (int64_t)limit : STORE_EVENTS_KEPT);
    const char *bad;
    int rc;
    while ((rc = db_step(st, err)) == 1) // all were judged at the start
        (void)rows_read(&kind_event, st, 0, DV_APPEND(list, n), &bad);
    if (rc < 0) {
        free(list);
        return -1;
    }
    *events = list;
    *count = n;
    return 0;
}

int store_last_ids(struct store *s, struct store_ids *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_LAST_IDS];
    if (db_step(st, err) < 0)
        return -1;
    *out = (struct store_ids){(uint64_t)db_int(st, 0), (uint64_t)db_int(st, 1),
                              (uint64_t)db_int(st, 2)};
    db_reset(st);
    return 0;
}

int store_tokens(struct store *s, struct token_record **tokens, size_t *count, struct dv_err *err)
{
    struct token_record *list = NULL, token;
    size_t n = 0;
    int rc;
    while ((rc = rows_next(s->rows[TABLE_TOKEN], NULL, &token, err)) == 1)
        *DV_APPEND(list, n) = token;
    if (rc < 0) {
        free(list);
        return -1;
    }
    *tokens = list;
    *count = n;
    return 0;
}

int store_set(struct store *s, const char *key, const void *data, size_t len, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_SET];
    db_bind_text(st, 1, key);
    db_bind_blob(st, 2, data, len);
    return db_run(st, err);
}

// All settings are written at the first start, before anything else is.
static int judge_absence(struct store *s, const char *key, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_IN_USE];
    int rc = db_step(st, err);
    db_reset(st);
    if (rc == 1)
        return db_damaged(s->db, err, "the setting %s is not there", key);
    return rc < 0 ? -1 : 0;
}

int store_get(struct store *s, const char *key, void **data, size_t *len, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_GET];
    *data = NULL;
    *len = 0;
    db_bind_text(st, 1, key);
    int rc = db_step(st, err);
    if (rc <= 0)
        return rc < 0 ? -1 : judge_absence(s, key, err);
    const void *value = db_blob(st, 0, len);
    *data = dv_calloc(1, *len + 1); // so that a text ends with a NUL
    if (value)
        memcpy(*data, value, *len);
    db_reset(st);
    return 0;
}
