// Members of JSON objects, as the API writes values of each kind.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/put.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/pool.h"
#include <stdio.h>
#include <time.h>

json_t *put_text_value(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    DV_FREE char *printable = dv_strdup(text);
    text_make_printable(printable);
    return json_string(printable);
}

void put_text(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, put_text_value(text));
}

void put_text_or_null(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, text && *text ? put_text_value(text) : json_null());
}

void put_number(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name,
                        json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX));
}

void put_bool(json_t *object, const char *name, bool value)
{
    json_object_set_new(object, name, json_boolean(value));
}

void put_uuid(json_t *object, const char *name, const struct dv_uuid *uuid)
{
    char text[UUID_TEXT_LEN];
    put_text_or_null(object, name, uuid_is_zero(uuid) ? "" : uuid_format(uuid, text));
}

void put_time(json_t *object, const char *name, int64_t ms)
{
    char text[40] = "";
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    if (ms > 0 && gmtime_r(&seconds, &tm)) {
        size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(text + len, sizeof(text) - len, ".%03dZ", (int)(ms % 1000));
    }
    put_text_or_null(object, name, text);
}

void put_hex(json_t *object, const char *name, const uint8_t *bytes, size_t len)
{
    char text[2 * ENGINE_ID_MAX_LEN + 1] = "";
    for (size_t i = 0; i < len && i < ENGINE_ID_MAX_LEN; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    put_text_or_null(object, name, text);
}

static void put_field(json_t *object, const struct kind_field *f, const void *record)
{
    const char *name = kind_key(f), *at = (const char *)record + f->offset;
    switch (f->type) {
    case KIND_UUID:
        put_uuid(object, name, (const struct dv_uuid *)at);
        break;
    case KIND_TEXT:
        put_text_or_null(object, name, at);
        break;
    case KIND_BYTES:
        put_hex(object, name, (const uint8_t *)at, f->room);
        break;
    case KIND_BLOB:
        put_hex(object, name, (const uint8_t *)at, *((const uint8_t *)record + f->length));
        break;
    case KIND_BOOL:
        put_bool(object, name, kind_number(f, record));
        break;
    case KIND_LABEL:
        put_text(object, name, f->label((unsigned)kind_number(f, record)));
        break;
    case KIND_SECONDS:
        put_time(object, name, kind_number(f, record) * 1000);
        break;
    case KIND_MILLISECONDS:
        put_time(object, name, kind_number(f, record));
        break;
    default:
        json_object_set_new(object, name, json_integer(kind_number(f, record)));
    }
}

void put_record(json_t *object, const struct kind *k, const void *record)
{
    for (size_t i = 0; i < k->field_count; i++)
        if (k->fields[i].flags & KIND_SHOWN)
            put_field(object, &k->fields[i], record);
}
