// Reading the rows of the store.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_STORE_STORE_ROW_H
#define DVSAN_STORE_STORE_ROW_H

#include "base/text.h"
#include "store/store_internal.h"

#define TIME_MAX_S (INT64_MAX / 1000) // so that milliseconds can be counted
#define ID_MAX     (INT64_MAX / 2)    // more can follow
#define SEALED_MIN 40                 // a nonce and a tag, see cms/seal.c

// A row that is being read. What is in the file was written by this program, or was changed by
// somebody, or a disk: so each value is judged as if it came from outside.
struct row {
    struct store *s;
    struct db_stmt *st;
    const char *table;
    const char *bad; // the first column with a value that cannot be; NULL: none
};

// column may be NULL: then there is nothing to blame.
void row_blame(struct row *r, const char *column);
// Whether all that was read of the row is good; else the sentence that other damage has.
int row_judge(const struct row *r, struct dv_err *err);

// Each returns the value of a column, or some good one and blames the column.
int64_t row_num(struct row *r, int column, const char *name, int64_t min, int64_t max);
bool row_flag(struct row *r, int column, const char *name);
uint32_t row_u32(struct row *r, int column, const char *name);
uint32_t row_index(struct row *r, int column, const char *name);
// Whether they can be is asked of the whole row, by model/check.h.
uint64_t row_blocks(struct row *r, int column, const char *name);
int row_label(struct row *r, int column, const char *name);
struct dv_uuid row_uuid(struct row *r, int column, const char *name, bool optional);
uint8_t row_bytes(struct row *r, int column, const char *name, bool optional, uint8_t *out,
                  size_t min, size_t max);
// Free text: what a log and JSON can take.
void row_text(struct row *r, int column, const char *name, char *out, size_t room);
#define ROW_TEXT(r, column, name, field) row_text(r, column, name, field, sizeof(field))
void row_name(struct row *r, int column, const char *name, char out[NAME_MAX_LEN + 1]);
void row_iqn(struct row *r, int column, const char *name, char out[IQN_MAX_LEN + 1]);
void row_chap_user(struct row *r, int column, const char *name, char out[CHAP_USER_MAX + 1]);

#endif
