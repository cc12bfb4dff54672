// UUIDs (RFC 4122), in network byte order as in UUID-TC-MIB (RFC 6933).
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_UUID_H
#define DVSAN_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_LEN 37 // 36 characters and the NUL

struct dv_uuid {
    uint8_t b[16];
};

struct dv_uuid uuid_random(void);                       // version 4, from the kernel's generator
bool uuid_parse(const char *text, struct dv_uuid *out); // 8-4-4-4-12 hex digits, any case
const char *uuid_format(const struct dv_uuid *u, char out[UUID_TEXT_LEN]); // lower case
bool uuid_equal(const struct dv_uuid *a, const struct dv_uuid *b);
bool uuid_is_zero(const struct dv_uuid *u);
// Whether it can be somebody's: neither the Nil nor the Max UUID (RFC 9562 sections 5.9, 5.10).
bool uuid_names(const struct dv_uuid *u);

#endif
