// Valid and unique names for what comes in from outside.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/pool/names.h"

#include "base/mem.h"
#include "cms/pool/pool.h"
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
    struct dv_uuid uuid;
    if (n == 0) {
        dv_copy(out, NAME_MAX_LEN + 1, fallback);
    } else if (uuid_parse(out, &uuid)) {
        char text[UUID_TEXT_LEN];
        memcpy(text, out, sizeof(text));
        snprintf(out, NAME_MAX_LEN + 1, "%s-%s", fallback, text);
    }
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

// ---- Names given out -------------------------------------------------------------------------

// The longest tail is "-4294967295". Stems that are alike up to where it may be cut in share their
// numbers, since what is made of them may be the same.
#define STEM_KEY_LEN (NAME_MAX_LEN - 11)

struct names_entry {
    char key[NAME_MAX_LEN + 1];
    unsigned next; // of a stem: the first number that may be free
    UT_hash_handle hh;
};

static void free_all(struct names_entry **list)
{
    struct names_entry *e, *next;
    HASH_ITER(hh, *list, e, next)
    {
        HASH_DEL(*list, e);
        free(e);
    }
}

void names_free(struct names *n)
{
    free_all(&n->volumes);
    free_all(&n->hosts);
    free_all(&n->volume_stems);
    free_all(&n->host_stems);
}

static struct names_entry *find(struct names_entry *list, const char *key)
{
    struct names_entry *e = NULL;
    HASH_FIND_STR(list, key, e);
    return e;
}

static struct names_entry *enter(struct names_entry **list, const char *key)
{
    struct names_entry *e = find(*list, key);
    if (e)
        return e;
    e = dv_calloc(1, sizeof(*e));
    dv_copy(e->key, sizeof(e->key), key);
    HASH_ADD_STR(*list, key, e);
    return e;
}

typedef bool in_pool_fn(struct pool *p, const char *name);

static bool is_volume(struct pool *p, const char *name)
{
    return pool_find_volume(p, name) != NULL;
}

static bool is_host(struct pool *p, const char *name)
{
    return pool_find_host(p, name) != NULL;
}

struct name_kind {
    in_pool_fn *in_pool;
    struct names_entry **given, **stems;
};

static bool is_taken(struct pool *p, struct names *n, const struct name_kind *k, const char *name)
{
    n->tries++;
    return find(*k->given, name) || k->in_pool(p, name);
}

static void give(struct pool *p, struct names *n, const struct name_kind *k, const char *stem,
                 char out[NAME_MAX_LEN + 1])
{
    with_number(stem, 1, out);
    if (is_taken(p, n, k, out)) {
        char key[STEM_KEY_LEN + 1];
        dv_copy(key, sizeof(key), stem);
        struct names_entry *e = enter(k->stems, key);
        if (e->next == 0)
            e->next = 2;
        do
            with_number(stem, e->next++, out);
        while (is_taken(p, n, k, out));
    }
    enter(k->given, out);
}

void names_for_volume(struct pool *p, struct names *n, const char *wanted,
                      char out[NAME_MAX_LEN + 1])
{
    char stem[NAME_MAX_LEN + 1];
    make_valid(wanted, "volume", stem);
    give(p, n, &(struct name_kind){is_volume, &n->volumes, &n->volume_stems}, stem, out);
}

void names_for_host(struct pool *p, struct names *n, const char *iqn, char out[NAME_MAX_LEN + 1])
{
    const char *colon = strrchr(iqn, ':');
    char stem[NAME_MAX_LEN + 1];
    make_valid(colon ? colon + 1 : iqn, "host", stem);
    give(p, n, &(struct name_kind){is_host, &n->hosts, &n->host_stems}, stem, out);
}
