// Rows of a table as records.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp/record.h"

#include "base/text.h"
#include "snmp/smi.h"
#include <string.h>

size_t sn_record_columns(const struct kind *k, const struct sn_oid *entry, struct sn_oid *out)
{
    size_t n = 0;
    for (size_t i = 0; i < k->field_count; i++)
        if (k->fields[i].mib)
            out[n++] = sn_oid_append(entry, k->fields[i].mib);
    return n;
}

static bool read_number(const struct kind_field *f, const struct sn_value *v, void *record)
{
    int32_t i;
    uint32_t u;
    uint64_t u64;
    int64_t number;
    switch (f->type) {
    case KIND_BOOL:
        if (!sn_get_int(v, TRUTH_TRUE, TRUTH_FALSE, &i))
            return false;
        number = i == TRUTH_TRUE;
        break;
    case KIND_LABEL:
    case KIND_I32:
        if (!sn_get_int(v, INT32_MIN, INT32_MAX, &i))
            return false;
        number = i;
        break;
    case KIND_U64:
        if (!sn_get_u64(v, &u64) || u64 > INT64_MAX)
            return false;
        number = (int64_t)u64;
        break;
    default:
        if (!sn_get_uint(v, &u))
            return false;
        number = u;
    }
    kind_set_number(f, record, number);
    return number >= f->min && number <= f->max;
}

bool sn_record_field(const struct kind_field *f, const struct sn_value *v, void *record)
{
    char *at = (char *)record + f->offset;
    switch (f->type) {
    case KIND_UUID:
    case KIND_BYTES:
        return sn_get_octets(v, at, f->room);
    case KIND_TEXT:
        return sn_get_text(v, at, f->room);
    default:
        return read_number(f, v, record);
    }
}

bool sn_record_read(const struct kind *k, const struct sn_value *values, void *record)
{
    memset(record, 0, k->size);
    for (size_t i = 0; i < k->field_count; i++) {
        const struct kind_field *f = &k->fields[i];
        const struct sn_value *v = values;
        if (!f->mib)
            continue;
        values++;
        bool none = sn_is_exception(v) && (f->flags & KIND_OPTIONAL);
        if (!none && !sn_record_field(f, v, record))
            return false;
        if (f->flags & KIND_PROSE)
            text_make_printable((char *)record + f->offset);
    }
    return true;
}

uint64_t sn_record_lacks(const struct kind *k, const struct sn_value *values)
{
    uint64_t lacks = 0;
    for (size_t i = 0; i < k->field_count; i++) {
        const struct kind_field *f = &k->fields[i];
        if (f->mib && sn_is_exception(values++))
            lacks |= UINT64_C(1) << f->mib;
    }
    return lacks;
}
