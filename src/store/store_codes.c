// One-time codes in the store.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

#include "base/mem.h"
#include <string.h>

int store_retired_keys(struct store *s, const struct dv_uuid *member, uint32_t *number,
                       struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_RETIRED_KEYS];
    db_bind_blob(st, 1, member->b, sizeof(member->b));
    int rc = db_step(st, err);
    int64_t value = rc == 1 ? db_int(st, 0) : 0;
    bool good = rc != 1 || (db_kind(st, 0) == DB_INT && value >= 1 && value <= UINT32_MAX);
    db_reset(st);
    *number = good ? (uint32_t)value : 0;
    if (!good)
        return db_damaged(s->db, err, "number of a row of retired_key cannot be what it is");
    return rc < 0 ? -1 : 0;
}

// All rows of a table as an array, which the caller frees.
static int read_all(struct store *s, enum store_table table, void **out, size_t *count,
                    struct dv_err *err)
{
    size_t size = store_kinds[table]->size;
    char *list = NULL;
    DV_FREE char *record = dv_calloc(1, size);
    int rc;
    *count = 0;
    while ((rc = rows_next(s->rows[table], NULL, record, err)) == 1) {
        list = dv_grow(list, *count, size);
        memcpy(list + (*count)++ * size, record, size);
    }
    *out = list;
    return rc;
}

int store_codes(struct store *s, struct code_record **codes, size_t *count, struct code_use **uses,
                size_t *use_count, struct dv_err *err)
{
    void *all = NULL, *all_uses = NULL;
    *count = *use_count = 0;
    int rc = read_all(s, TABLE_CODE, &all, count, err);
    if (rc == 0)
        rc = read_all(s, TABLE_CODE_USE, &all_uses, use_count, err);
    if (rc < 0) {
        free(all);
        free(all_uses);
        all = all_uses = NULL;
        *count = *use_count = 0;
    }
    *codes = all;
    *uses = all_uses;
    return rc;
}
