// Which changes of state are told, and when: a pure decision.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/news.h"
#include "base/mem.h"
#include <uthash.h>
#include <utlist.h>

struct news_thing {
    uint64_t key;
    int state, told;
    int untold;       // in which it need not be remembered
    uint32_t changes; // since it was told; it waits when there are any
    struct news_thing *prev, *next;
    UT_hash_handle hh;
};

struct news {
    struct news_thing *things;
    struct news_thing *waiting[NEWS_KINDS]; // the longest first
    uint64_t full_at; // when the bucket is full again, if nothing more is told
    uint32_t suppressed;
    uint64_t logins[NEWS_LOGINS]; // when the last ones were told, each 0 until it was
    unsigned login_count;
};

static uint64_t key_of(enum news_kind kind, uint32_t index)
{
    return (uint64_t)kind << 32 | index;
}

static enum news_kind kind_of(const struct news_thing *t)
{
    return (enum news_kind)(t->key >> 32);
}

struct news *news_new(uint64_t now_ms)
{
    struct news *n = dv_calloc(1, sizeof(*n));
    n->full_at = now_ms;
    return n;
}

static void suppress(struct news *n, const struct news_thing *t, uint32_t changes)
{
    if (kind_of(t) != NEWS_LOGIN)
        n->suppressed += changes;
}

static void settle(struct news *n, struct news_thing *t)
{
    DL_DELETE(n->waiting[kind_of(t)], t);
    t->changes = 0;
}

static void drop(struct news *n, struct news_thing *t)
{
    HASH_DEL(n->things, t);
    free(t);
}

void news_free(struct news *n)
{
    if (!n)
        return;
    struct news_thing *t, *next;
    HASH_ITER(hh, n->things, t, next)
    drop(n, t);
    free(n);
}

static struct news_thing *find(const struct news *n, enum news_kind kind, uint32_t index)
{
    uint64_t key = key_of(kind, index);
    struct news_thing *t;
    HASH_FIND(hh, n->things, &key, sizeof(key), t);
    return t;
}

void news_see(struct news *n, enum news_kind kind, uint32_t index, int state, int untold)
{
    struct news_thing *t = find(n, kind, index);
    if (!t && state == untold)
        return;
    if (!t) {
        t = dv_calloc(1, sizeof(*t));
        t->key = key_of(kind, index);
        t->state = t->told = t->untold = untold;
        HASH_ADD(hh, n->things, key, sizeof(t->key), t);
    }
    if (t->state == state)
        return;
    t->state = state;
    if (t->changes++ == 0)
        DL_APPEND(n->waiting[kind], t);
    if (state != t->told)
        return;
    suppress(n, t, t->changes);
    settle(n, t);
    if (t->told == t->untold)
        drop(n, t);
}

void news_forget(struct news *n, enum news_kind kind, uint32_t index)
{
    struct news_thing *t = find(n, kind, index);
    if (!t)
        return;
    if (t->changes > 0) {
        suppress(n, t, t->changes);
        settle(n, t);
    }
    drop(n, t);
}

// After how many milliseconds the kind has its turn, but for the bucket.
static uint32_t kind_wait(const struct news *n, int kind, uint64_t now_ms)
{
    uint64_t first = n->logins[n->login_count % NEWS_LOGINS];
    if (!n->waiting[kind])
        return NEWS_NEVER;
    if (kind != NEWS_LOGIN || n->login_count < NEWS_LOGINS || first + NEWS_LOGINS_MS <= now_ms)
        return 0;
    return (uint32_t)(first + NEWS_LOGINS_MS - now_ms);
}

// A notification takes an interval to make up for; the bucket holds NEWS_BURST of them.
uint32_t news_wait(const struct news *n, uint64_t now_ms)
{
    uint64_t can_at = n->full_at + NEWS_INTERVAL_MS;
    uint64_t ahead = (uint64_t)NEWS_BURST * NEWS_INTERVAL_MS;
    uint32_t bucket = can_at > now_ms + ahead ? (uint32_t)(can_at - now_ms - ahead) : 0;
    uint32_t first = NEWS_NEVER;
    for (int kind = 0; kind < NEWS_KINDS; kind++) {
        uint32_t wait = kind_wait(n, kind, now_ms);
        first = wait < first ? wait : first;
    }
    return first > bucket ? first : bucket;
}

bool news_next(struct news *n, uint64_t now_ms, enum news_kind *kind, uint32_t *index, int *state)
{
    struct news_thing *t = NULL;
    if (news_wait(n, now_ms) > 0)
        return false;
    for (int k = 0; !t; k++)
        t = kind_wait(n, k, now_ms) == 0 ? n->waiting[k] : NULL;
    *kind = kind_of(t);
    *index = (uint32_t)t->key;
    *state = t->told = t->state;
    suppress(n, t, t->changes - 1);
    if (*kind == NEWS_LOGIN)
        n->logins[n->login_count++ % NEWS_LOGINS] = now_ms;
    n->full_at = (n->full_at > now_ms ? n->full_at : now_ms) + NEWS_INTERVAL_MS;
    settle(n, t);
    if (t->told == t->untold)
        drop(n, t);
    return true;
}

uint32_t news_suppressed(const struct news *n)
{
    return n->suppressed;
}
