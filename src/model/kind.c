// Records by the lists of their kinds.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/kind.h"

#include "base/uuid.h"
#include <string.h>

#define AT(type, f, record)     (*(const type *)((const char *)(record) + (f)->offset))
#define SET(type, f, record, v) (*(type *)((char *)(record) + (f)->offset) = (type)(v))

int64_t kind_number(const struct kind_field *f, const void *record)
{
    switch (f->type) {
    case KIND_BOOL:
        return AT(bool, f, record);
    case KIND_U16:
        return AT(uint16_t, f, record);
    case KIND_U32:
    case KIND_LABEL:
        return AT(uint32_t, f, record);
    case KIND_I32:
        return AT(int32_t, f, record);
    case KIND_U64:
        return (int64_t)AT(uint64_t, f, record);
    default:
        return AT(int64_t, f, record);
    }
}

void kind_set_number(const struct kind_field *f, void *record, int64_t value)
{
    switch (f->type) {
    case KIND_BOOL:
        SET(bool, f, record, value != 0);
        break;
    case KIND_U16:
        SET(uint16_t, f, record, value);
        break;
    case KIND_U32:
    case KIND_LABEL:
        SET(uint32_t, f, record, value);
        break;
    case KIND_I32:
        SET(int32_t, f, record, value);
        break;
    case KIND_U64:
        SET(uint64_t, f, record, value);
        break;
    default:
        SET(int64_t, f, record, value);
        break;
    }
}

static bool is_equal(const struct kind_field *f, const void *a, const void *b)
{
    const char *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
    uint8_t length = f->type == KIND_BLOB ? *((const uint8_t *)a + f->length) : 0;
    switch (f->type) {
    case KIND_UUID:
        return memcmp(x, y, sizeof(struct dv_uuid)) == 0;
    case KIND_TEXT:
        return strcmp(x, y) == 0;
    case KIND_BYTES:
        return memcmp(x, y, f->room) == 0;
    case KIND_BLOB:
        return length == *((const uint8_t *)b + f->length) && memcmp(x, y, length) == 0;
    default:
        return kind_number(f, a) == kind_number(f, b);
    }
}

bool kind_records_equal(const struct kind *k, const void *a, const void *b)
{
    for (size_t i = 0; i < k->field_count; i++)
        if (!is_equal(&k->fields[i], a, b))
            return false;
    return true;
}

bool kind_same(const struct kind *k, unsigned flag, const void *a, const void *b)
{
    for (size_t i = 0; i < k->field_count; i++)
        if ((k->fields[i].flags & flag) && !is_equal(&k->fields[i], a, b))
            return false;
    return true;
}

void kind_copy_field(const struct kind_field *f, void *to, const void *from)
{
    switch (f->type) {
    case KIND_BLOB:
        *((uint8_t *)to + f->length) = *((const uint8_t *)from + f->length);
        // fall through
    case KIND_UUID:
    case KIND_TEXT:
    case KIND_BYTES:
        memcpy((char *)to + f->offset, (const char *)from + f->offset, f->room);
        break;
    default:
        kind_set_number(f, to, kind_number(f, from));
    }
}

void kind_copy(const struct kind *k, unsigned flag, void *to, const void *from)
{
    for (size_t i = 0; i < k->field_count; i++)
        if (k->fields[i].flags & flag)
            kind_copy_field(&k->fields[i], to, from);
}

bool kind_lists_equal(const struct kind *k, const void *a, const void *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!kind_records_equal(k, (const char *)a + i * k->size, (const char *)b + i * k->size))
            return false;
    return true;
}

const char *kind_key(const struct kind_field *f)
{
    return f->key ? f->key : f->name;
}

const struct kind_field *kind_field(const struct kind *k, const char *key)
{
    for (size_t i = 0; i < k->field_count; i++)
        if (strcmp(kind_key(&k->fields[i]), key) == 0)
            return &k->fields[i];
    return NULL;
}

const struct kind_field *kind_column(const struct kind *k, uint32_t mib)
{
    for (size_t i = 0; i < k->field_count; i++)
        if (k->fields[i].mib == mib)
            return &k->fields[i];
    return NULL;
}

const struct kind_field *kind_named(const struct kind *k, const char *name)
{
    for (size_t i = 0; i < k->field_count; i++)
        if (strcmp(k->fields[i].name, name) == 0)
            return &k->fields[i];
    return NULL;
}

int kind_judge(const struct kind *k, unsigned flag, const void *record, struct dv_err *err)
{
    for (size_t i = 0; i < k->field_count; i++) {
        const struct kind_field *f = &k->fields[i];
        if ((f->flags & flag) && f->check &&
            f->check(k->name, (const char *)record + f->offset, err) < 0)
            return -1;
    }
    return 0;
}
