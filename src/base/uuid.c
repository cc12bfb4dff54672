// Making, reading and writing UUIDs.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/uuid.h"

#include "base/random.h"
#include <string.h>

struct dv_uuid uuid_random(void)
{
    struct dv_uuid u;
    random_fill(u.b, sizeof(u.b));
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40); // version 4
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80); // the variant of RFC 4122
    return u;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(const char *text, struct dv_uuid *out)
{
    struct dv_uuid u;
    size_t digits = 0;
    if (strlen(text) != UUID_TEXT_LEN - 1)
        return false;
    for (size_t i = 0; text[i]; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        uint8_t *byte = &u.b[digits++ / 2];
        *byte = (uint8_t)(digits % 2 ? digit << 4 : *byte | digit);
    }
    *out = u;
    return true;
}

const char *uuid_format(const struct dv_uuid *u, char out[UUID_TEXT_LEN])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out;
    for (size_t i = 0; i < sizeof(u->b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[u->b[i] >> 4];
        *p++ = digits[u->b[i] & 15];
    }
    *p = '\0';
    return out;
}

bool uuid_equal(const struct dv_uuid *a, const struct dv_uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool uuid_is_zero(const struct dv_uuid *u)
{
    static const struct dv_uuid zero;
    return uuid_equal(u, &zero);
}

bool uuid_names(const struct dv_uuid *u)
{
    struct dv_uuid max;
    memset(max.b, 0xff, sizeof(max.b));
    return !uuid_is_zero(u) && !uuid_equal(u, &max);
}
