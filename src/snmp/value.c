// Object identifiers, values, and the checks on what a peer sent.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp/value.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct sn_oid sn_oid_join(const struct sn_oid *base, const uint32_t *suffix, size_t len)
{
    assert(base->len + len <= SN_OID_MAX);
    struct sn_oid out;
    out.len = base->len + (uint32_t)len;
    memcpy(out.id, base->id, base->len * sizeof(out.id[0]));
    if (len)
        memcpy(out.id + base->len, suffix, len * sizeof(out.id[0]));
    return out;
}

struct sn_oid sn_oid_append(const struct sn_oid *base, uint32_t sub)
{
    return sn_oid_join(base, &sub, 1);
}

int sn_oid_compare(const struct sn_oid *a, const struct sn_oid *b)
{
    return sn_subids_compare(a->id, a->len, b->id, b->len);
}

int sn_subids_compare(const uint32_t *a, size_t a_len, const uint32_t *b, size_t b_len)
{
    size_t shorter = a_len < b_len ? a_len : b_len;
    for (size_t i = 0; i < shorter; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return (a_len > b_len) - (a_len < b_len);
}

bool sn_oid_under(const struct sn_oid *oid, const struct sn_oid *base, const uint32_t **suffix,
                  size_t *len)
{
    if (oid->len <= base->len || memcmp(oid->id, base->id, base->len * sizeof(oid->id[0])) != 0)
        return false;
    *suffix = oid->id + base->len;
    *len = oid->len - base->len;
    return true;
}

bool sn_oid_parse(const char *dotted, struct sn_oid *out)
{
    struct sn_oid oid = {.len = 0};
    const char *p = dotted;
    if (*p == '.')
        p++;
    do {
        uint64_t sub = 0;
        if (*p < '0' || *p > '9' || oid.len == SN_OID_MAX)
            return false;
        for (; *p >= '0' && *p <= '9'; p++) {
            sub = sub * 10 + (uint64_t)(*p - '0');
            if (sub > UINT32_MAX)
                return false;
        }
        oid.id[oid.len++] = (uint32_t)sub;
    } while (*p++ == '.');
    if (p[-1] != '\0')
        return false;
    *out = oid;
    return true;
}

const char *sn_oid_format(const struct sn_oid *oid, char *out, size_t room)
{
    size_t used = 0;
    if (room)
        out[0] = '\0';
    for (uint32_t i = 0; i < oid->len && used < room; i++) {
        int n = snprintf(out + used, room - used, i ? ".%u" : "%u", oid->id[i]);
        used += (size_t)n;
    }
    return out;
}

struct sn_oid sn_scalar_oid(const struct sn_oid *object)
{
    return sn_oid_append(object, 0);
}

struct sn_var sn_scalar(const struct sn_oid *object, struct sn_value value)
{
    return (struct sn_var){sn_scalar_oid(object), value};
}

struct sn_value sn_int(int32_t i)
{
    return (struct sn_value){.type = SN_INT, .i = i};
}

struct sn_value sn_uint(uint32_t u)
{
    return (struct sn_value){.type = SN_UINT, .u = u};
}

struct sn_value sn_counter64(uint64_t u)
{
    return (struct sn_value){.type = SN_COUNTER64, .u64 = u};
}

struct sn_value sn_text(const char *text)
{
    return sn_octets(text, strlen(text));
}

struct sn_value sn_octets(const void *data, size_t len)
{
    return (struct sn_value){.type = SN_OCTETS, .octets = {.data = data, .len = len}};
}

struct sn_value sn_objid(const struct sn_oid *oid)
{
    return (struct sn_value){.type = SN_OBJID, .oid = oid};
}

bool sn_get_int(const struct sn_value *v, int32_t min, int32_t max, int32_t *out)
{
    if (v->type != SN_INT || v->i < min || v->i > max)
        return false;
    *out = v->i;
    return true;
}

bool sn_get_uint(const struct sn_value *v, uint32_t *out)
{
    if (v->type != SN_UINT)
        return false;
    *out = v->u;
    return true;
}

bool sn_get_u64(const struct sn_value *v, uint64_t *out)
{
    if (v->type != SN_COUNTER64)
        return false;
    *out = v->u64;
    return true;
}

bool sn_get_text(const struct sn_value *v, char *out, size_t room)
{
    if (v->type != SN_OCTETS || v->octets.len >= room)
        return false;
    if (v->octets.len && memchr(v->octets.data, '\0', v->octets.len))
        return false;
    if (v->octets.len)
        memcpy(out, v->octets.data, v->octets.len);
    out[v->octets.len] = '\0';
    return true;
}

bool sn_get_octets(const struct sn_value *v, void *out, size_t len)
{
    if (v->type != SN_OCTETS || v->octets.len != len)
        return false;
    if (len)
        memcpy(out, v->octets.data, len);
    return true;
}

bool sn_is_exception(const struct sn_value *v)
{
    return v->type == SN_NO_OBJECT || v->type == SN_NO_INSTANCE || v->type == SN_END;
}

const char *sn_status_name(int error_status)
{
    static const char *const names[] = {"noError",
                                        "tooBig",
                                        "noSuchName",
                                        "badValue",
                                        "readOnly",
                                        "genErr",
                                        "noAccess",
                                        "wrongType",
                                        "wrongLength",
                                        "wrongEncoding",
                                        "wrongValue",
                                        "noCreation",
                                        "inconsistentValue",
                                        "resourceUnavailable",
                                        "commitFailed",
                                        "undoFailed",
                                        "authorizationError",
                                        "notWritable",
                                        "inconsistentName"};
    if (error_status < 0 || (size_t)error_status >= sizeof(names) / sizeof(names[0]))
        return "unknown error-status";
    return names[error_status];
}
