// Values of a row, each judged as it is read.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_row.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/check.h"
#include <string.h>

void row_blame(struct row *r, const char *column)
{
    if (!r->bad)
        r->bad = column;
}

int row_judge(const struct row *r, struct dv_err *err)
{
    return r->bad ? db_damaged(r->s->db, err, "%s of a row of %s cannot be what it is", r->bad,
                               r->table)
                  : 0;
}

int64_t row_num(struct row *r, int column, const char *name, int64_t min, int64_t max)
{
    int64_t value = db_int(r->st, column);
    if (db_kind(r->st, column) == DB_INT && value >= min && value <= max)
        return value;
    row_blame(r, name);
    return min;
}

bool row_flag(struct row *r, int column, const char *name)
{
    return row_num(r, column, name, 0, 1) == 1;
}

uint32_t row_u32(struct row *r, int column, const char *name)
{
    return (uint32_t)row_num(r, column, name, 0, UINT32_MAX);
}

uint32_t row_index(struct row *r, int column, const char *name)
{
    return (uint32_t)row_num(r, column, name, 1, INDEX_MAX);
}

uint64_t row_blocks(struct row *r, int column, const char *name)
{
    return (uint64_t)row_num(r, column, name, 0, INT64_MAX);
}

int row_label(struct row *r, int column, const char *name)
{
    return (int)row_num(r, column, name, 1, INT32_MAX);
}

struct dv_uuid row_uuid(struct row *r, int column, const char *name, bool optional)
{
    struct dv_uuid u = {0};
    size_t len = 0;
    const void *data = db_blob(r->st, column, &len);
    if (optional && db_kind(r->st, column) == DB_NULL)
        return u;
    if (db_kind(r->st, column) == DB_BLOB && data && len == sizeof(u.b))
        memcpy(u.b, data, len);
    if (uuid_is_zero(&u))
        row_blame(r, name);
    return u;
}

uint8_t row_bytes(struct row *r, int column, const char *name, bool optional, uint8_t *out,
                  size_t min, size_t max)
{
    size_t len = 0;
    const void *data = db_blob(r->st, column, &len);
    if (optional && db_kind(r->st, column) == DB_NULL)
        return 0;
    if (db_kind(r->st, column) != DB_BLOB || !data || len < min || len > max) {
        row_blame(r, name);
        return 0;
    }
    memcpy(out, data, len);
    return (uint8_t)len;
}

// No control character was ever written; the first bytes of a character that had no room may have
// been.
static bool has_control(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return true;
    return false;
}

void row_text(struct row *r, int column, const char *name, char *out, size_t room)
{
    const char *text = db_text(r->st, column);
    out[0] = '\0';
    if (db_kind(r->st, column) != DB_TEXT || !text || !dv_copy(out, room, text))
        row_blame(r, name);
    if (has_control(out))
        row_blame(r, name);
    text_make_printable(out);
}

void row_name(struct row *r, int column, const char *name, char out[NAME_MAX_LEN + 1])
{
    row_text(r, column, name, out, NAME_MAX_LEN + 1);
    if (new_name_check("thing", out, NULL) < 0)
        row_blame(r, name);
}

void row_iqn(struct row *r, int column, const char *name, char out[IQN_MAX_LEN + 1])
{
    row_text(r, column, name, out, IQN_MAX_LEN + 1);
    if (iqn_check(out, NULL) < 0)
        row_blame(r, name);
}

void row_chap_user(struct row *r, int column, const char *name, char out[CHAP_USER_MAX + 1])
{
    row_text(r, column, name, out, CHAP_USER_MAX + 1);
    if (chap_user_check(out, NULL) < 0)
        row_blame(r, name);
}
