// What the files of the SQLite store share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_STORE_STORE_INTERNAL_H
#define DVSAN_STORE_STORE_INTERNAL_H

#include "store/db.h"
#include "store/store.h"

// Of the column assignment.found.
enum { ASSIGNMENT_FOUND = 1, ASSIGNMENT_UNASKED = 2 };

enum store_stmt {
    ST_PUT_UNIT,
    ST_DELETE_UNIT,
    ST_DELETE_MEDIA,
    ST_PUT_MEDIUM,
    ST_DELETE_FREE,
    ST_PUT_FREE,
    ST_DELETE_PORTALS,
    ST_PUT_PORTAL,
    ST_PUT_VOLUME,
    ST_DELETE_VOLUME,
    ST_DELETE_SHOWN,
    ST_RENUMBER_SHOWN,
    ST_PUT_SHOWN,
    ST_PUT_RULE,
    ST_PUT_HOST,
    ST_DELETE_HOST,
    ST_ENDS_SECRET,
    ST_PUT_ASSIGNMENT,
    ST_DELETE_ASSIGNMENT,
    ST_PUT_TASK,
    ST_DELETE_STEPS,
    ST_PUT_STEP,
    ST_DELETE_TASK,
    ST_PUT_EVENT,
    ST_TRIM_EVENTS,
    ST_UNITS,
    ST_MEDIA,
    ST_FREE,
    ST_PORTALS,
    ST_VOLUMES,
    ST_SHOWN,
    ST_RULES,
    ST_HOSTS,
    ST_ASSIGNMENTS,
    ST_TOLD,
    ST_REMEMBER_TOLD,
    ST_FORGET_TOLD,
    ST_TASKS,
    ST_STEPS,
    ST_EVENTS,
    ST_LAST_EVENT,
    ST_LAST_TASK,
    ST_PUT_CODE,
    ST_DELETE_CODE,
    ST_CODES,
    ST_PUT_CODE_USE,
    ST_RETIRE_KEYS,
    ST_RETIRED_KEYS,
    ST_CODE_USES,
    ST_ADD_TOKEN,
    ST_DELETE_TOKEN,
    ST_TOKENS,
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
    struct db_stmt *stmt[STORE_STMTS];
    struct lead_run *runs; // all that are kept; the last one is this
    size_t run_count;
    int64_t run_id; // of the last one
};

// Whether what was loaded is one whole: each thing there once, whatever must be its own its own,
// and all that something belongs to there. Nothing of this is left to the file's constraints and
// indexes, which may be damaged themselves. DV_DAMAGED.
int store_relate(const struct db *db, const struct changes *all, struct dv_err *err);

// Writes the number of the run, within a transaction, when it is another one.
int store_number_run(struct store *s, uint32_t number, struct dv_err *err);

extern const char *const store_schema[];
extern const size_t store_schema_steps;
extern const char *const store_sql[STORE_STMTS];

#endif
