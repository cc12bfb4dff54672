// The rows of a table, by the list of fields of their kind.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SQLITE_ROWS_H
#define DVSAN_SQLITE_ROWS_H

#include "base/uuid.h"
#include "model/kind.h"
#include "sqlite/db.h"

struct kind_rows;

// The statements for a table that is there. NULL, with the reason, when it has other columns.
struct kind_rows *rows_new(struct db *db, const struct kind *k, struct dv_err *err);
void rows_free(struct kind_rows *r); // NULL is fine

// owner is NULL exactly for kinds without one, in all of these.
// Makes the row, or gives it other values.
int rows_put(struct kind_rows *r, const struct dv_uuid *owner, const void *record,
             struct dv_err *err);
// Takes away the row with the keys of this record, and all of an owner.
int rows_drop(struct kind_rows *r, const struct dv_uuid *owner, const void *record,
              struct dv_err *err);
int rows_clear(struct kind_rows *r, const struct dv_uuid *owner, struct dv_err *err);

// Reads all rows, in the kind's order: 1, and the next one is in *record (and *owner); 0 behind the
// last one. What is in the file was written by this program, or was changed by somebody, or a disk:
// so each value is judged as if it came from outside, DV_DAMAGED.
int rows_next(struct kind_rows *r, struct dv_uuid *owner, void *record, struct dv_err *err);
// Ends that early.
void rows_stop(struct kind_rows *r);

// For statements of other forms: binds the kind's fields from parameter n on, and reads them from
// the column on; false, with the field that cannot be what it is in *bad.
void rows_bind(const struct kind *k, struct db_stmt *st, int n, const void *record);
bool rows_read(const struct kind *k, struct db_stmt *st, int column, void *record,
               const char **bad);

// The SQL that makes the table. The caller frees it.
char *rows_ddl(const struct kind *k);

#endif
