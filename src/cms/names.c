// Valid and unique names for what comes in from outside.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

// Every character that a name cannot have becomes a hyphen; what it cannot begin with goes.
static void make_valid(const char *wanted, const char *fallback, char out[NAME_MAX_LEN + 1])
{
    size_t n = 0;
    for (const char *c = wanted; *c && n < NAME_MAX_LEN; c++) {
        bool plain = isalnum((unsigned char)*c) && (unsigned char)*c < 0x80;
        if (n == 0 && !plain)
            continue;
        out[n++] = plain || strchr("._-", *c) ? *c : '-';
    }
    out[n] = '\0';
    if (n == 0)
        dv_copy(out, NAME_MAX_LEN + 1, fallback);
}

static void with_number(const char *stem, unsigned number, char out[NAME_MAX_LEN + 1])
{
    if (number == 1) {
        dv_copy(out, NAME_MAX_LEN + 1, stem);
        return;
    }
    char tail[16];
    int len = snprintf(tail, sizeof(tail), "-%u", number);
    snprintf(out, NAME_MAX_LEN + 1, "%.*s%s", NAME_MAX_LEN - len, stem, tail);
}

bool names_stem_is(const char *name, const char *wanted)
{
    char stem[NAME_MAX_LEN + 1], made[NAME_MAX_LEN + 1];
    make_valid(wanted, "unit", stem);
    const char *dash = strrchr(name, '-');
    if (!strcmp(name, stem))
        return true;
    if (!dash || dash[1] < '1' || dash[1] > '9' || strlen(dash + 1) > 6)
        return false;
    unsigned number = 0;
    for (const char *c = dash + 1; *c; c++) {
        if (!isdigit((unsigned char)*c))
            return false;
        number = number * 10 + (unsigned)(*c - '0');
    }
    with_number(stem, number, made);
    return number > 1 && !strcmp(name, made);
}

void names_for_unit(struct pool *p, const char *wanted, const struct dv_uuid *except,
                    char out[NAME_MAX_LEN + 1])
{
    char stem[NAME_MAX_LEN + 1];
    make_valid(wanted, "unit", stem);
    for (unsigned i = 1;; i++) {
        with_number(stem, i, out);
        const struct pool_unit *u = pool_find_unit(p, out);
        if (!u || uuid_equal(&u->rec.uuid, except))
            return;
    }
}

static bool is_pending(const struct changes *pending, enum change_kind kind, const char *name)
{
    for (size_t i = 0; i < pending->count; i++) {
        const struct change *c = &pending->items[i];
        if (c->kind != kind)
            continue;
        if (!strcmp(kind == CHANGE_VOLUME ? c->volume->name : c->host_record->name, name))
            return true;
    }
    return false;
}

void names_for_volume(struct pool *p, const struct changes *pending, const char *wanted,
                      char out[NAME_MAX_LEN + 1])
{
    char stem[NAME_MAX_LEN + 1];
    make_valid(wanted, "volume", stem);
    for (unsigned i = 1;; i++) {
        with_number(stem, i, out);
        if (!pool_find_volume(p, out) && !is_pending(pending, CHANGE_VOLUME, out))
            return;
    }
}

void names_for_host(struct pool *p, const struct changes *pending, const char *iqn,
                    char out[NAME_MAX_LEN + 1])
{
    const char *colon = strrchr(iqn, ':');
    char stem[NAME_MAX_LEN + 1];
    make_valid(colon ? colon + 1 : iqn, "host", stem);
    for (unsigned i = 1;; i++) {
        with_number(stem, i, out);
        if (!pool_find_host(p, out) && !is_pending(pending, CHANGE_HOST, out))
            return;
    }
}
