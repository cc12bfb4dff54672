// What the files of the SQLite store share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_STORE_STORE_INTERNAL_H
#define DVSAN_STORE_STORE_INTERNAL_H

#include "sqlite/db.h"
#include "sqlite/rows.h"
#include "store/store.h"

// The tables whose rows are records of a kind, and their kinds.
enum store_table {
    TABLE_UNIT,
    TABLE_MEDIUM,
    TABLE_FREE,
    TABLE_PORTAL,
    TABLE_HOST,
    TABLE_VOLUME,
    TABLE_ASSIGNMENT,
    TABLE_SHOWN,
    TABLE_RULE,
    TABLE_TASK,
    TABLE_EVENT,
    TABLE_TOKEN,
    TABLE_CODE,
    TABLE_CODE_USE,
    STORE_TABLES
};
extern const struct kind *const store_kinds[STORE_TABLES];

// What is asked in other words.
enum store_stmt {
    ST_DELETE_FREE,
    ST_ENDS_SECRET,
    ST_DELETE_STEPS,
    ST_PUT_STEP,
    ST_TRIM_EVENTS,
    ST_TOLD,
    ST_REMEMBER_TOLD,
    ST_FORGET_TOLD,
    ST_STEPS,
    ST_EVENTS,
    ST_LAST_IDS,
    ST_RETIRE_KEYS,
    ST_RETIRED_KEYS,
    ST_SET,
    ST_GET,
    ST_IN_USE,
    ST_ADD_RUN,
    ST_TRIM_RUNS,
    ST_NUMBER_RUN,
    ST_RUNS,
    ST_ODD,
    STORE_STMTS
};

struct store {
    struct db *db;
    struct db *beside; // read while another thread writes
    struct kind_rows *rows[STORE_TABLES];
    struct db_stmt *stmt[STORE_STMTS];
    struct lead_run *runs; // all that are kept; the last one is this
    size_t run_count;
    int64_t run_id; // of the last one
};

// Of a kind that has a table.
struct kind_rows *store_rows(const struct store *s, const struct kind *k);

// Whether what is loaded, part by part, is one whole: each thing there once, whatever must be its
// own its own, and all that something belongs to there before it. Nothing of this is left to the
// file's constraints and indexes, which may be damaged themselves. DV_DAMAGED.
struct relations;
struct relations *store_relations_new(const struct db *db);
void store_relations_free(struct relations *r);
int store_relate(struct relations *r, const struct changes *part, struct dv_err *err);

// Writes the number of the run, within a transaction, when it is another one.
int store_number_run(struct store *s, uint32_t number, struct dv_err *err);

// SQL that makes the newest schema; the steps lead to the same. The caller frees it.
char *store_fresh_schema(void);
extern const char *const store_schema[];
extern const size_t store_schema_steps;
extern const char *const store_sql[STORE_STMTS];

#endif
