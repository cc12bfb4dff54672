// One-time codes in the store.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_row.h"

#include "base/address.h"
#include "base/mem.h"
#include <string.h>

int store_put_code(struct store *s, const struct code_record *c, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_CODE];
    db_bind_text(st, 1, c->id);
    db_bind_int(st, 2, c->kind);
    db_bind_text(st, 3, c->name);
    if (uuid_is_zero(&c->member))
        db_bind_null(st, 4);
    else
        db_bind_blob(st, 4, c->member.b, sizeof(c->member.b));
    db_bind_text(st, 5, c->range);
    db_bind_int(st, 6, c->count);
    db_bind_int(st, 7, c->tries);
    db_bind_int(st, 8, c->created);
    db_bind_int(st, 9, c->expires);
    db_bind_blob(st, 10, c->sealed_key, sizeof(c->sealed_key));
    return db_run(st, err);
}

int store_delete_code(struct store *s, const char *id, struct dv_err *err)
{
    db_bind_text(s->stmt[ST_DELETE_CODE], 1, id);
    return db_run(s->stmt[ST_DELETE_CODE], err);
}

int store_put_code_use(struct store *s, const struct code_use *u, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PUT_CODE_USE];
    db_bind_text(st, 1, u->code);
    db_bind_blob(st, 2, u->member.b, sizeof(u->member.b));
    db_bind_blob(st, 3, u->engine.b, u->engine.len);
    db_bind_text(st, 4, u->name);
    db_bind_int(st, 5, u->number);
    db_bind_text(st, 6, u->from);
    db_bind_int(st, 7, u->time);
    db_bind_int(st, 8, u->kept);
    return db_run(st, err);
}

int store_retired_keys(struct store *s, const struct dv_uuid *member, uint32_t *number,
                       struct dv_err *err)
{
    struct row row = {.s = s, .st = s->stmt[ST_RETIRED_KEYS], .table = "retired_key"};
    db_bind_blob(row.st, 1, member->b, sizeof(member->b));
    int rc = db_step(row.st, err);
    *number = rc == 1 ? (uint32_t)row_num(&row, 0, "number", 1, UINT32_MAX) : 0;
    db_reset(row.st);
    return rc < 0 ? -1 : row_judge(&row, err);
}

static void read_code(struct row *row, struct code_record *c)
{
    ROW_TEXT(row, 0, "id", c->id);
    if (strlen(c->id) != CODE_ID_LEN)
        row_blame(row, "id");
    c->kind = (enum member_kind)row_num(row, 1, "kind", MEMBER_UNIT, MEMBER_HOST);
    ROW_TEXT(row, 2, "name", c->name);
    if (*c->name && new_name_check("member", c->name, NULL) < 0)
        row_blame(row, "name");
    c->member = row_uuid(row, 3, "member", true);
    ROW_TEXT(row, 4, "range", c->range);
    if (*c->range && address_range_check(c->range, NULL) < 0)
        row_blame(row, "range");
    c->count = (uint32_t)row_num(row, 5, "count", 1, CODE_COUNT_MAX);
    c->tries = (uint32_t)row_num(row, 6, "tries", 0, CODE_TRIES);
    c->created = row_num(row, 7, "created", 0, TIME_MAX_S);
    c->expires = row_num(row, 8, "expires", 0, TIME_MAX_S);
    row_bytes(row, 9, "sealed_key", false, c->sealed_key, sizeof(c->sealed_key),
              sizeof(c->sealed_key));
}

static void read_use(struct row *row, struct code_use *u)
{
    ROW_TEXT(row, 0, "code", u->code);
    u->member = row_uuid(row, 1, "member", false);
    u->engine.len = row_bytes(row, 2, "engine", false, u->engine.b, 5, sizeof(u->engine.b));
    row_name(row, 3, "name", u->name);
    u->number = (uint32_t)row_num(row, 4, "number", 1, UINT32_MAX);
    ROW_TEXT(row, 5, "source", u->from);
    u->time = row_num(row, 6, "time", 0, TIME_MAX_S);
    u->kept = row_flag(row, 7, "kept");
}

static int read_codes(struct store *s, struct code_record **out, size_t *count, struct dv_err *err)
{
    struct row row = {.s = s, .st = s->stmt[ST_CODES], .table = "code"};
    int rc;
    while ((rc = db_step(row.st, err)) == 1) {
        struct code_record *c = DV_APPEND(*out, *count);
        memset(c, 0, sizeof(*c));
        read_code(&row, c);
        if (row_judge(&row, err) < 0) {
            db_reset(row.st);
            return -1;
        }
    }
    return rc;
}

static int read_uses(struct store *s, struct code_use **out, size_t *count, struct dv_err *err)
{
    struct row row = {.s = s, .st = s->stmt[ST_CODE_USES], .table = "code_use"};
    int rc;
    while ((rc = db_step(row.st, err)) == 1) {
        struct code_use *u = DV_APPEND(*out, *count);
        memset(u, 0, sizeof(*u));
        read_use(&row, u);
        if (row_judge(&row, err) < 0) {
            db_reset(row.st);
            return -1;
        }
    }
    return rc;
}

int store_codes(struct store *s, struct code_record **codes, size_t *count, struct code_use **uses,
                size_t *use_count, struct dv_err *err)
{
    *codes = NULL;
    *uses = NULL;
    *count = *use_count = 0;
    if (read_codes(s, codes, count, err) == 0 && read_uses(s, uses, use_count, err) == 0)
        return 0;
    free(*codes);
    free(*uses);
    *codes = NULL;
    *uses = NULL;
    return -1;
}
