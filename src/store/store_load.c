// Reading everything back, as the changes that would make it.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

#include "base/mem.h"
#include <string.h>

#define PART 256 // changes, each of some records

struct loading {
    struct store *s;
    struct relations *relations;
    store_take_fn *take;
    void *arg;
    struct changes part; // not given yet
};

static int give(struct loading *l, struct dv_err *err)
{
    if (store_relate(l->relations, &l->part, err) < 0)
        return -1;
    l->take(l->arg, &l->part);
    changes_free(&l->part);
    return 0;
}

// In the middle of a table.
static int give_some(struct loading *l, enum store_table table, struct dv_err *err)
{
    if (l->part.count < PART || give(l, err) == 0)
        return 0;
    rows_stop(l->s->rows[table]);
    return -1;
}

// All records that are read are taken one by one.
typedef void take_fn(struct changes *out, const void *record);

static int load_each(struct loading *l, enum store_table table, void *record, take_fn *take,
                     struct dv_err *err)
{
    int rc;
    while ((rc = rows_next(l->s->rows[table], NULL, record, err)) == 1) {
        take(&l->part, record);
        if (give_some(l, table, err) < 0)
            return -1;
    }
    return rc;
}

// Rows come by their owners: one change for each of these.
typedef void take_all_fn(struct changes *out, const struct dv_uuid *owner, const void *records,
                         size_t count);

static int load_owned(struct loading *l, enum store_table table, take_all_fn *take,
                      struct dv_err *err)
{
    size_t size = store_kinds[table]->size, count = 0;
    struct dv_uuid owner = {0}, of = {0};
    DV_FREE char *record = dv_calloc(1, size), *records = NULL;
    int rc;
    while ((rc = rows_next(l->s->rows[table], &of, record, err)) == 1) {
        if (count > 0 && !uuid_equal(&of, &owner)) {
            take(&l->part, &owner, records, count);
            count = 0;
            free(records);
            records = NULL;
            if (give_some(l, table, err) < 0)
                return -1;
        }
        owner = of;
        records = dv_grow(records, count, size);
        memcpy(records + count++ * size, record, size);
    }
    if (rc == 0 && count > 0)
        take(&l->part, &owner, records, count);
    return rc;
}

static void take_unit(struct changes *out, const void *record)
{
    changes_unit(out, record);
}

static void take_host(struct changes *out, const void *record)
{
    changes_host(out, record);
}

static void take_volume(struct changes *out, const void *record)
{
    changes_volume(out, record);
}

static void take_assignment(struct changes *out, const void *record)
{
    changes_assignment(out, record);
}

static void take_media(struct changes *out, const struct dv_uuid *unit, const void *list, size_t n)
{
    changes_media(out, unit, list, n);
}

static void take_free(struct changes *out, const struct dv_uuid *unit, const void *list, size_t n)
{
    changes_free_extents(out, unit, (struct free_place){0}, FREE_PLACE_END, list, n);
}

static void take_portals(struct changes *out, const struct dv_uuid *unit, const void *list,
                         size_t n)
{
    changes_portals(out, unit, list, n);
}

// ---- What units show ----------------------------------------------------------------------------

// Both tables come by their volumes, so one rule is read ahead.
struct rules {
    struct kind_rows *rows;
    struct dv_uuid of;
    struct access_rule next;
    bool there;
};

static int read_ahead(struct rules *r, struct dv_err *err)
{
    int rc = rows_next(r->rows, &r->of, &r->next, err);
    r->there = rc == 1;
    return rc < 0 ? -1 : 0;
}

static int load_shown_with(struct loading *l, struct rules *rules, struct dv_err *err)
{
    struct kind_rows *rows = l->s->rows[TABLE_SHOWN];
    struct volume v;
    int rc;
    while ((rc = rows_next(rows, NULL, &v, err)) == 1) {
        DV_FREE struct access_rule *list = NULL;
        size_t count = 0;
        while (rules->there && uuid_equal(&rules->of, &v.uuid)) {
            struct access_rule *r = DV_APPEND(list, count);
            *r = rules->next;
            r->volume = v.index;
            if (read_ahead(rules, err) < 0) {
                rows_stop(rows);
                return -1;
            }
        }
        changes_shown(&l->part, &v, list, count);
        if (give_some(l, TABLE_SHOWN, err) < 0)
            return -1;
    }
    if (rc == 0 && rules->there)
        rc = db_damaged(l->s->db, err, "what a row of rule belongs to is not there");
    return rc;
}

static int load_shown(struct loading *l, struct dv_err *err)
{
    struct rules rules = {.rows = l->s->rows[TABLE_RULE]};
    if (read_ahead(&rules, err) < 0)
        return -1;
    int rc = load_shown_with(l, &rules, err);
    rows_stop(rules.rows);
    return rc;
}

// ---- Tasks --------------------------------------------------------------------------------------

static int load_steps(struct store *s, struct task_record *t, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_STEPS];
    const char *bad = NULL;
    struct task_step step;
    int rc;
    db_bind_int(st, 1, (int64_t)t->id);
    while ((rc = db_step(st, err)) == 1) {
        if (!rows_read(&kind_task_step, st, 0, &step, &bad) || t->step_count == TASK_STEPS_MAX) {
            rc = db_damaged(s->db, err, "%s of a row of task_step cannot be what it is",
                            bad ? bad : "n");
            db_reset(st);
            return rc;
        }
        t->steps[t->step_count++] = step;
    }
    return rc;
}

static int load_tasks(struct loading *l, struct dv_err *err)
{
    struct kind_rows *rows = l->s->rows[TABLE_TASK];
    struct task_record t;
    int rc;
    while ((rc = rows_next(rows, NULL, &t, err)) == 1) {
        if (load_steps(l->s, &t, err) < 0) {
            rows_stop(rows);
            return -1;
        }
        changes_task(&l->part, &t);
        if (give_some(l, TABLE_TASK, err) < 0)
            return -1;
    }
    return rc;
}

// ---- All ----------------------------------------------------------------------------------------

static int load_records(struct loading *l, struct dv_err *err)
{
    struct unit_record u;
    struct host_record h;
    struct volume_record v;
    struct assignment_record a;
    if (load_each(l, TABLE_UNIT, &u, take_unit, err) < 0 ||
        load_owned(l, TABLE_MEDIUM, take_media, err) < 0 ||
        load_owned(l, TABLE_FREE, take_free, err) < 0 ||
        load_owned(l, TABLE_PORTAL, take_portals, err) < 0 ||
        load_each(l, TABLE_HOST, &h, take_host, err) < 0 ||
        load_each(l, TABLE_VOLUME, &v, take_volume, err) < 0 ||
        load_each(l, TABLE_ASSIGNMENT, &a, take_assignment, err) < 0 || load_shown(l, err) < 0 ||
        load_tasks(l, err) < 0)
        return -1;
    return give(l, err);
}

static void take_nothing(struct changes *out, const void *record)
{
    (void)out;
    (void)record;
}

// What is read when it is needed is judged here.
static int check_rest(struct loading *l, struct dv_err *err)
{
    struct event_record event;
    struct token_record token;
    struct db_stmt *st = l->s->stmt[ST_ODD];
    if (load_each(l, TABLE_EVENT, &event, take_nothing, err) < 0 ||
        load_each(l, TABLE_TOKEN, &token, take_nothing, err) < 0)
        return -1;
    int rc = db_step(st, err);
    if (rc == 1)
        rc = db_damaged(l->s->db, err, "a row of %s cannot be what it is", db_text(st, 0));
    db_reset(st);
    return rc < 0 ? -1 : 0;
}

int store_load(struct store *s, store_take_fn *take, void *arg, struct dv_err *err)
{
    struct loading l = {.s = s, .relations = store_relations_new(s->db), .take = take, .arg = arg};
    DV_FREE struct code_record *codes = NULL;
    DV_FREE struct code_use *uses = NULL;
    size_t count, use_count;
    int rc = load_records(&l, err);
    store_relations_free(l.relations);
    changes_free(&l.part);
    if (rc < 0 || check_rest(&l, err) < 0)
        return -1;
    return store_codes(s, &codes, &count, &uses, &use_count, err);
}
