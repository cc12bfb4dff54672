// Enrolment: what a member says of itself, and the codes that let it in.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MODEL_ENROLMENT_H
#define DVSAN_MODEL_ENROLMENT_H

#include "model/pool.h"
#include <string.h>

#define CODE_ID_LEN 5
// One-time codes are limited; these are what is taken when a person does not say.
#define CODE_TRIES        1000 // wrong ones, from everywhere
#define CODE_TRIES_FROM   5    // and from one network, so that a stranger ends none for its owner
#define CODE_LIFE_S       3600
#define CODE_LIFE_MAX_S   (30 * 86400)
#define CODE_COUNT_MAX    10000
#define ADDRESS_RANGE_MAX 63 // characters of "2001:db8::/32"

struct engine_id { // snmpEngineID, RFC 3411 section 5; 5 to 32 bytes
    uint8_t len;
    uint8_t b[ENGINE_ID_MAX_LEN];
};

static inline bool engine_id_equal(const struct engine_id *a, const struct engine_id *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

struct enrol_request {
    enum member_kind kind;
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1];       // what it would be called
    struct engine_id engine;           // of its snmpd
    char address[ADDRESS_MAX_LEN + 1]; // its management address; "": it changes, and is announced
    char software[64];
};

// A code as the station keeps it: not the code itself.
struct code_record {
    char id[CODE_ID_LEN + 1];
    enum member_kind kind;
    char name[NAME_MAX_LEN + 1];       // what the member is to be called; "": what it says
    struct dv_uuid member;             // which one alone may use it; zero: any that is not enrolled
    char range[ADDRESS_RANGE_MAX + 1]; // whence it may be used; "": from anywhere
    uint32_t count;                    // how many members it lets in
    uint32_t tries;                    // how many more wrong ones are borne
    int64_t created, expires;          // seconds since 1970
    uint8_t sealed_key[72];            // what both sides make of the code, sealed
};

// Who was let in by it.
struct code_use {
    char code[CODE_ID_LEN + 1];
    struct dv_uuid member;
    char name[NAME_MAX_LEN + 1];
    struct engine_id engine;
    uint32_t number; // of the keys that it got
    char from[64];   // the network address that it came from
    int64_t time;    // seconds since 1970
    bool kept;       // it has them on disk, and will not need them again
};

// Who tries a code: one IPv4 address, or one network of IPv6.
#define TRY_SOURCE_ROOM 56
struct code_source {
    char network[TRY_SOURCE_ROOM];
    uint32_t wrong;
    uint32_t open; // not known yet which they are
};

#endif
