// SNMP's own data: object identifiers, values, variable bindings (RFC 3416).
// SPDX-License-Identifier: BSD-2-Clause
//
// This folder is the only user of Net-SNMP, and its types stay inside: everything here has the
// prefix sn_ so that both can be seen in one file.
#ifndef DVSAN_SNMP_VALUE_H
#define DVSAN_SNMP_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SN_OID_MAX 128 // sub-identifiers, RFC 3416 section 4.1

struct sn_oid {
    uint32_t len;
    uint32_t id[SN_OID_MAX];
};

enum sn_type {
    SN_NULL,
    SN_INT,  // INTEGER, Integer32
    SN_UINT, // Unsigned32, Gauge32
    SN_COUNTER32,
    SN_COUNTER64, // also CounterBasedGauge64 (RFC 2856)
    SN_TICKS,     // TimeTicks, hundredths of a second
    SN_OCTETS,
    SN_OBJID,
    SN_NO_OBJECT, // the exceptions of RFC 3416 section 3
    SN_NO_INSTANCE,
    SN_END
};

struct sn_value {
    enum sn_type type;
    union {
        int32_t i;
        uint32_t u;   // SN_UINT, SN_COUNTER32, SN_TICKS
        uint64_t u64; // SN_COUNTER64
        struct {
            const void *data; // borrowed; not NUL-terminated
            size_t len;
        } octets;
        const struct sn_oid *oid; // borrowed
    };
};

struct sn_var {
    struct sn_oid oid;
    struct sn_value value;
};

// sn_oid_of({1,3,6,1}) style initialisers come from the generated header; these build on them.
// Programming errors if the result would have more than SN_OID_MAX sub-identifiers.
struct sn_oid sn_oid_join(const struct sn_oid *base, const uint32_t *suffix, size_t len);
struct sn_oid sn_oid_append(const struct sn_oid *base, uint32_t sub);
int sn_oid_compare(const struct sn_oid *a, const struct sn_oid *b); // lexicographic: <0, 0, >0
int sn_subids_compare(const uint32_t *a, size_t a_len, const uint32_t *b, size_t b_len); // same
// True when oid is below base; then *suffix points into oid behind base.
bool sn_oid_under(const struct sn_oid *oid, const struct sn_oid *base, const uint32_t **suffix,
                  size_t *len);
bool sn_oid_parse(const char *dotted, struct sn_oid *out); // "1.3.6" or ".1.3.6"
// Cuts what does not fit; 11 bytes a sub-identifier are always enough.
const char *sn_oid_format(const struct sn_oid *oid, char *out, size_t room);

// A scalar's instance: the one below 0.
struct sn_oid sn_scalar_oid(const struct sn_oid *object);
struct sn_var sn_scalar(const struct sn_oid *object, struct sn_value value);

struct sn_value sn_int(int32_t i);
struct sn_value sn_uint(uint32_t u);
struct sn_value sn_counter64(uint64_t u);
struct sn_value sn_text(const char *text);               // borrows text
struct sn_value sn_octets(const void *data, size_t len); // borrows data
struct sn_value sn_objid(const struct sn_oid *oid);      // borrows oid

// Reading what a peer sent: each returns false when the type, the length or the range is not
// what was asked for, and then leaves *out alone.
bool sn_get_int(const struct sn_value *v, int32_t min, int32_t max, int32_t *out);
bool sn_get_uint(const struct sn_value *v, uint32_t *out);
bool sn_get_u64(const struct sn_value *v, uint64_t *out);            // Counter64
bool sn_get_text(const struct sn_value *v, char *out, size_t room);  // no NUL bytes inside
bool sn_get_octets(const struct sn_value *v, void *out, size_t len); // exactly len bytes
bool sn_is_exception(const struct sn_value *v);

// error-status of a response (RFC 3416 section 3).
enum sn_status {
    SN_NO_ERROR = 0,
    SN_GEN_ERR = 5,
    SN_NO_ACCESS = 6,
    SN_WRONG_TYPE = 7,
    SN_WRONG_LENGTH = 8,
    SN_WRONG_VALUE = 10,
    SN_NO_CREATION = 11,
    SN_INCONSISTENT_VALUE = 12,
    SN_RESOURCE_UNAVAILABLE = 13,
    SN_COMMIT_FAILED = 14,
    SN_UNDO_FAILED = 15,
    SN_AUTHORIZATION_ERROR = 16,
    SN_NOT_WRITABLE = 17,
    SN_INCONSISTENT_NAME = 18
};
const char *sn_status_name(int error_status); // "inconsistentValue"

#endif
