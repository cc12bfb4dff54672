// Checking JSON bodies and queries against a table of fields.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/request.h"

#include "base/text.h"
#include <string.h>

#define DEPTH_MAX 8u // of objects and arrays in one another; nothing we take has more than 2

static const struct field *find_field(const struct field *fields, const char *name)
{
    for (const struct field *f = fields; f && f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static void list_fields(const struct field *fields, struct strbuf *out)
{
    for (const struct field *f = fields; f && f->name; f++)
        strbuf_add(out, "%s%s", f == fields ? "" : ", ", f->name);
}

// what is "field" or "query parameter".
static int unknown_field(const char *what, const char *name, const struct field *fields,
                         struct dv_err *err)
{
    if (!fields || !fields->name)
        return dv_fail(err, DV_INVALID, "unknown %s \"%.64s\"; none is allowed here", what, name);
    struct strbuf known = {0};
    list_fields(fields, &known);
    dv_fail(err, DV_INVALID, "unknown %s \"%.64s\"; known are: %s", what, name, known.text);
    strbuf_free(&known);
    return -1;
}

static int check_length(const char *name, const char *text, uint64_t max, struct dv_err *err)
{
    if (*text == '\0')
        return dv_fail(err, DV_INVALID, "\"%s\" is empty; give it 1 to %llu bytes", name,
                       (unsigned long long)max);
    if (strlen(text) > max)
        return dv_fail(err, DV_INVALID, "\"%s\" has %zu bytes; %llu is the most", name,
                       strlen(text), (unsigned long long)max);
    return 0;
}

static int check_text(const struct field *f, const char *text, struct dv_err *err)
{
    switch (f->kind) {
    case FIELD_NAME:
        return name_check(f->what ? f->what : f->name, text, err);
    case FIELD_SECRET:
        return chap_secret_check(text, err);
    default:
        return check_length(f->name, text, f->max, err);
    }
}

static int check_number(const struct field *f, json_int_t value, struct dv_err *err)
{
    if (value < 0 || (uint64_t)value < f->min || (uint64_t)value > f->max)
        return dv_fail(err, DV_INVALID, "\"%s\" is %lld; it must be a number from %llu to %llu",
                       f->name, (long long)value, (unsigned long long)f->min,
                       (unsigned long long)f->max);
    return 0;
}

// A size becomes a number of bytes in object.
static int check_size(const struct field *f, const json_t *value, json_t *object,
                      struct dv_err *err)
{
    uint64_t bytes;
    if (json_is_integer(value)) {
        if (json_integer_value(value) > 0)
            return 0;
        return dv_fail(err, DV_INVALID, "\"%s\" is %lld; a size is more than zero", f->name,
                       (long long)json_integer_value(value));
    }
    if (!json_is_string(value))
        return dv_fail(err, DV_INVALID,
                       "\"%s\" must be text such as \"10G\" or a whole number of bytes", f->name);
    if (size_parse(json_string_value(value), &bytes, err) < 0)
        return -1;
    json_object_set_new(object, f->name, json_integer((json_int_t)bytes));
    return 0;
}

static int not_a(const struct field *f, const char *what, struct dv_err *err)
{
    return dv_fail(err, DV_INVALID, "\"%s\" must be %s", f->name, what);
}

// Texts and flags; numbers of records are nothing that a person gives.
static int check_of_kind(const struct field *f, const json_t *value, struct dv_err *err)
{
    const struct kind_field *k = kind_field(f->of, f->name);
    if (k->type == KIND_BOOL)
        return json_is_boolean(value) ? 0 : not_a(f, "true or false", err);
    const char *text = json_string_value(value);
    if (!text)
        return not_a(f, "text", err);
    return k->check ? k->check(f->of->name, text, err)
                    : check_length(f->name, text, k->room - 1, err);
}

static int check_value(const struct field *f, const json_t *value, json_t *object,
                       struct dv_err *err)
{
    switch (f->kind) {
    case FIELD_OF_KIND:
        return check_of_kind(f, value, err);
    case FIELD_SIZE:
        return check_size(f, value, object, err);
    case FIELD_NUMBER:
        if (!json_is_integer(value))
            return not_a(f, "a whole number", err);
        return check_number(f, json_integer_value(value), err);
    case FIELD_BOOL:
        return json_is_boolean(value) ? 0 : not_a(f, "true or false", err);
    default:
        if (!json_is_string(value))
            return not_a(f, "text", err);
        return check_text(f, json_string_value(value), err);
    }
}

static int check_object(json_t *object, const struct field *fields, struct dv_err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const struct field *f = find_field(fields, name);
        if (!f)
            return unknown_field("field", name, fields, err);
    }
    for (const struct field *f = fields; f && f->name; f++) {
        value = json_object_get(object, f->name);
        if (!value && f->required)
            return dv_fail(err, DV_INVALID, "the field \"%s\" is missing", f->name);
        if (value && check_value(f, value, object, err) < 0)
            return -1;
    }
    return 0;
}

// jansson's sentence ends with " near '...'", which may quote a secret: leave that off.
static int not_json(const json_error_t *e, struct dv_err *err)
{
    if (json_error_code(e) == json_error_numeric_overflow)
        return dv_fail(err, DV_INVALID,
                       "line %d, column %d of the body: the number is too large; 2^63-1 "
                       "(9223372036854775807) is the most",
                       e->line, e->column);
    if (json_error_code(e) == json_error_null_character ||
        json_error_code(e) == json_error_null_byte_in_key)
        return dv_fail(err, DV_INVALID,
                       "line %d, column %d of the body: \\u0000 cannot be in a text", e->line,
                       e->column);
    const char *near = strstr(e->text, " near ");
    int len = near ? (int)(near - e->text) : (int)strlen(e->text);
    return dv_fail(err, DV_INVALID, "the body is not JSON: line %d, column %d: %.*s", e->line,
                   e->column, len, e->text);
}

// jansson recurses up to 2,048 deep, for which the server's threads have not the stack.
static bool too_deep(const char *text, size_t len)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < len && depth <= DEPTH_MAX; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!quoted && (text[i] == '}' || text[i] == ']') && depth > 0)
            depth--;
    }
    return depth > DEPTH_MAX;
}

int request_parse_body(const char *text, size_t len, const struct field *fields, json_t **out,
                       struct dv_err *err)
{
    json_error_t e;
    if (too_deep(text, len))
        return dv_fail(err, DV_INVALID, "the body is nested more than %u deep", DEPTH_MAX);
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!object)
        return not_json(&e, err);
    int result = json_is_object(object)
                     ? check_object(object, fields, err)
                     : dv_fail(err, DV_INVALID, "the body must be a JSON object: {...}");
    if (result < 0)
        json_decref(object);
    else
        *out = object;
    return result;
}

static int query_value(const struct field *f, const char *text, json_t *object, struct dv_err *err)
{
    uint64_t number;
    switch (f->kind) {
    case FIELD_NUMBER:
        if (number_parse(f->name, text, f->min, f->max, &number, err) < 0)
            return -1;
        json_object_set_new(object, f->name, json_integer((json_int_t)number));
        return 0;
    case FIELD_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return dv_fail(err, DV_INVALID, "%s \"%.40s\" is neither true nor false", f->name,
                           text);
        json_object_set_new(object, f->name, json_boolean(strcmp(text, "true") == 0));
        return 0;
    default:
        if (check_text(f, text, err) < 0)
            return -1;
        if (json_object_set_new(object, f->name, json_string(text)) < 0)
            return dv_fail(err, DV_INVALID, "%s is not text in UTF-8", f->name);
        return 0;
    }
}

// One "name=value", not decoded yet.
static int query_pair(const char *pair, size_t len, const struct field *fields, json_t *object,
                      struct dv_err *err)
{
    char name[64], value[512];
    const char *equals = memchr(pair, '=', len);
    size_t name_len = equals ? (size_t)(equals - pair) : len;
    if (!request_decode(pair, name_len, true, name, sizeof(name)) ||
        !request_decode(equals ? equals + 1 : "", equals ? len - name_len - 1 : 0, true, value,
                        sizeof(value)))
        return dv_fail(err, DV_INVALID, "the query is too long or not well percent-encoded");
    const struct field *f = find_field(fields, name);
    if (!f)
        return unknown_field("query parameter", name, fields, err);
    if (json_object_get(object, name))
        return dv_fail(err, DV_INVALID, "the query has \"%s\" twice", name);
    return query_value(f, value, object, err);
}

int request_parse_query(const char *query, const struct field *fields, json_t **out,
                        struct dv_err *err)
{
    json_t *object = json_object();
    while (query && *query) {
        size_t len = strcspn(query, "&");
        if (len > 0 && query_pair(query, len, fields, object, err) < 0) {
            json_decref(object);
            return -1;
        }
        query += len + (query[len] == '&');
    }
    *out = object;
    return 0;
}
