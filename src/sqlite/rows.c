// The rows of a table, by the list of fields of their kind.
// SPDX-License-Identifier: BSD-2-Clause
#include "sqlite/rows.h"

#include "base/mem.h"
#include "base/text.h"
#include <string.h>

struct kind_rows {
    struct db *db;
    const struct kind *kind;
    struct db_stmt *put, *drop, *clear, *all;
};

static bool is_stored(const struct kind_field *f)
{
    return !(f->flags & KIND_UNSTORED);
}

static bool is_key(const struct kind_field *f)
{
    return f->flags & KIND_KEY;
}

// ---- SQL ----------------------------------------------------------------------------------------

// The names of the owner and of fields, with a text between and behind them.
static void list(struct strbuf *out, const struct kind *k,
                 bool (*wanted)(const struct kind_field *f), const char *between,
                 const char *behind)
{
    bool first = true;
    if (k->owner) {
        strbuf_add(out, "%s%s", k->owner, behind);
        first = false;
    }
    for (size_t i = 0; i < k->field_count; i++) {
        if (!wanted(&k->fields[i]) || !is_stored(&k->fields[i]))
            continue;
        strbuf_add(out, "%s%s%s", first ? "" : between, k->fields[i].name, behind);
        first = false;
    }
}

static void put_sql(struct strbuf *out, const struct kind *k)
{
    bool first = true;
    strbuf_add(out, "INSERT INTO %s (", k->name);
    list(out, k, is_stored, ", ", "");
    strbuf_add(out, ") VALUES (%s", k->owner ? "?," : "");
    for (size_t i = 0; i < k->field_count; i++)
        if (is_stored(&k->fields[i])) {
            strbuf_add(out, first ? "?" : ",?");
            first = false;
        }
    strbuf_add(out, ") ON CONFLICT (");
    list(out, k, is_key, ", ", "");
    strbuf_add(out, ") DO UPDATE SET ");
    first = true;
    for (size_t i = 0; i < k->field_count; i++) {
        const struct kind_field *f = &k->fields[i];
        if (is_key(f) || !is_stored(f))
            continue;
        strbuf_add(out, "%s%s=excluded.%s", first ? "" : ", ", f->name, f->name);
        first = false;
    }
}

static void drop_sql(struct strbuf *out, const struct kind *k)
{
    strbuf_add(out, "DELETE FROM %s WHERE ", k->name);
    list(out, k, is_key, " AND ", " = ?");
}

static void all_sql(struct strbuf *out, const struct kind *k)
{
    strbuf_add(out, "SELECT ");
    list(out, k, is_stored, ", ", "");
    strbuf_add(out, " FROM %s ORDER BY ", k->name);
    if (k->order)
        strbuf_add(out, "%s", k->order);
    else
        list(out, k, is_key, ", ", "");
}

static const char *sql_type(const struct kind_field *f)
{
    switch (f->type) {
    case KIND_UUID:
    case KIND_BYTES:
    case KIND_BLOB:
        return "BLOB";
    case KIND_TEXT:
        return "TEXT";
    default:
        return "INTEGER";
    }
}

static void add_column(struct strbuf *out, const struct kind_field *f, bool counted)
{
    // No bytes are stored as none.
    bool null =
        f->type == KIND_BLOB ? !is_key(f) : f->type != KIND_TEXT && (f->flags & KIND_OPTIONAL);
    strbuf_add(out, "%s %s", f->name, sql_type(f));
    strbuf_add(out, "%s", counted ? " PRIMARY KEY AUTOINCREMENT" : null ? "" : " NOT NULL");
    if (f->flags & KIND_UNIQUE)
        strbuf_add(out, " UNIQUE");
    if (f->refers)
        strbuf_add(out, " REFERENCES %s", f->refers);
}

char *rows_ddl(const struct kind *k)
{
    struct strbuf out = {0};
    // SQLite gives numbers by itself, each once.
    bool counted = !k->owner && is_key(&k->fields[0]) && k->fields[0].type == KIND_U64;
    strbuf_add(&out, "CREATE TABLE %s (", k->name);
    if (k->owner)
        strbuf_add(&out, "%s BLOB NOT NULL REFERENCES %s ON DELETE CASCADE, ", k->owner, k->refers);
    for (size_t i = 0; i < k->field_count; i++)
        if (is_stored(&k->fields[i])) {
            strbuf_add(&out, i > 0 ? ", " : "");
            add_column(&out, &k->fields[i], counted && i == 0);
        }
    if (!counted) {
        strbuf_add(&out, ", PRIMARY KEY (");
        list(&out, k, is_key, ", ", "");
        strbuf_add(&out, ")");
    }
    strbuf_add(&out, counted ? ");" : ") WITHOUT ROWID;");
    return out.text;
}

static struct db_stmt *prepare(struct db *db, void (*make)(struct strbuf *, const struct kind *),
                               const struct kind *k, struct dv_err *err)
{
    struct strbuf sql = {0};
    make(&sql, k);
    struct db_stmt *st = db_prepare(db, sql.text, err);
    strbuf_free(&sql);
    return st;
}

static void clear_sql(struct strbuf *out, const struct kind *k)
{
    strbuf_add(out, "DELETE FROM %s WHERE %s = ?", k->name, k->owner);
}

struct kind_rows *rows_new(struct db *db, const struct kind *k, struct dv_err *err)
{
    struct kind_rows *r = dv_calloc(1, sizeof(*r));
    r->db = db;
    r->kind = k;
    if ((r->put = prepare(db, put_sql, k, err)) && (r->drop = prepare(db, drop_sql, k, err)) &&
        (r->all = prepare(db, all_sql, k, err)) &&
        (!k->owner || (r->clear = prepare(db, clear_sql, k, err))))
        return r;
    rows_free(r);
    return NULL;
}

void rows_free(struct kind_rows *r)
{
    if (!r)
        return;
    db_finalize(r->put);
    db_finalize(r->drop);
    db_finalize(r->clear);
    db_finalize(r->all);
    free(r);
}

// ---- Writing ------------------------------------------------------------------------------------

static bool is_zero(const uint8_t *bytes, size_t len)
{
    while (len > 0 && bytes[len - 1] == 0)
        len--;
    return len == 0;
}

static void bind(const struct kind_field *f, struct db_stmt *st, int n, const void *record)
{
    const uint8_t *at = (const uint8_t *)record + f->offset;
    size_t len = f->room;
    switch (f->type) {
    case KIND_TEXT:
        db_bind_text(st, n, (const char *)at);
        break;
    case KIND_BLOB:
        len = *((const uint8_t *)record + f->length);
        if (len == 0)
            db_bind_null(st, n);
        else
            db_bind_blob(st, n, at, len);
        break;
    case KIND_UUID:
    case KIND_BYTES:
        if ((f->flags & KIND_OPTIONAL) && is_zero(at, len))
            db_bind_null(st, n);
        else
            db_bind_blob(st, n, at, len);
        break;
    default:
        db_bind_int(st, n, kind_number(f, record));
    }
}

static void bind_owner(struct db_stmt *st, int *n, const struct dv_uuid *owner)
{
    if (owner)
        db_bind_blob(st, (*n)++, owner->b, sizeof(owner->b));
}

void rows_bind(const struct kind *k, struct db_stmt *st, int n, const void *record)
{
    for (size_t i = 0; i < k->field_count; i++)
        if (is_stored(&k->fields[i]))
            bind(&k->fields[i], st, n++, record);
}

int rows_put(struct kind_rows *r, const struct dv_uuid *owner, const void *record,
             struct dv_err *err)
{
    int n = 1;
    bind_owner(r->put, &n, owner);
    rows_bind(r->kind, r->put, n, record);
    return db_run(r->put, err);
}

int rows_drop(struct kind_rows *r, const struct dv_uuid *owner, const void *record,
              struct dv_err *err)
{
    int n = 1;
    bind_owner(r->drop, &n, owner);
    for (size_t i = 0; i < r->kind->field_count; i++)
        if (is_key(&r->kind->fields[i]))
            bind(&r->kind->fields[i], r->drop, n++, record);
    return db_run(r->drop, err);
}

int rows_clear(struct kind_rows *r, const struct dv_uuid *owner, struct dv_err *err)
{
    int n = 1;
    bind_owner(r->clear, &n, owner);
    return db_run(r->clear, err);
}

// ---- Reading ------------------------------------------------------------------------------------

// No control character was ever written; the first bytes of a character that had no room may have
// been.
static bool has_control(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return true;
    return false;
}

static bool read_text(const struct kind_field *f, struct db_stmt *st, int column, char *out)
{
    const char *text = db_text(st, column);
    out[0] = '\0';
    bool good = db_kind(st, column) == DB_TEXT && text && dv_copy(out, f->room, text);
    good = good && !has_control(out);
    text_make_printable(out);
    if ((f->flags & KIND_OPTIONAL) && !out[0])
        return good;
    return good && (!f->check || f->check("", out, NULL) == 0);
}

static bool read_bytes(const struct kind_field *f, struct db_stmt *st, int column, uint8_t *record)
{
    size_t len = 0, least = f->type == KIND_BLOB ? f->least : f->room;
    const void *data = db_blob(st, column, &len);
    uint8_t *out = record + f->offset;
    memset(out, 0, f->room);
    if (f->type == KIND_BLOB)
        record[f->length] = 0;
    if ((f->flags & KIND_OPTIONAL) && db_kind(st, column) == DB_NULL)
        return true;
    if (db_kind(st, column) != DB_BLOB || !data || len < least || len > f->room)
        return false;
    memcpy(out, data, len);
    if (f->type == KIND_BLOB)
        record[f->length] = (uint8_t)len;
    return f->type != KIND_UUID || !is_zero(out, len);
}

static bool read_field(const struct kind_field *f, struct db_stmt *st, int column, void *record)
{
    int64_t value = db_int(st, column);
    switch (f->type) {
    case KIND_TEXT:
        return read_text(f, st, column, (char *)record + f->offset);
    case KIND_UUID:
    case KIND_BYTES:
    case KIND_BLOB:
        return read_bytes(f, st, column, record);
    default:
        kind_set_number(f, record, value);
        return db_kind(st, column) == DB_INT && value >= f->min && value <= f->max;
    }
}

bool rows_read(const struct kind *k, struct db_stmt *st, int column, void *record, const char **bad)
{
    *bad = NULL;
    memset(record, 0, k->size);
    for (size_t i = 0; i < k->field_count; i++)
        if (is_stored(&k->fields[i]) && !read_field(&k->fields[i], st, column++, record) && !*bad)
            *bad = k->fields[i].name;
    if (!*bad && k->wrong)
        *bad = k->wrong(record);
    return !*bad;
}

int rows_next(struct kind_rows *r, struct dv_uuid *owner, void *record, struct dv_err *err)
{
    size_t len = 0;
    const char *bad;
    int rc = db_step(r->all, err);
    if (rc != 1)
        return rc;
    const void *of = r->kind->owner ? db_blob(r->all, 0, &len) : NULL;
    bool belongs = !r->kind->owner || (of && len == sizeof(owner->b));
    if (of && belongs)
        memcpy(owner->b, of, len);
    if (rows_read(r->kind, r->all, r->kind->owner != NULL, record, &bad) && belongs)
        return 1;
    rc = db_damaged(r->db, err, "%s of a row of %s cannot be what it is",
                    bad ? bad : r->kind->owner, r->kind->name);
    db_reset(r->all);
    return rc;
}

void rows_stop(struct kind_rows *r)
{
    db_reset(r->all);
}
