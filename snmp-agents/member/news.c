// Which changes of state are told, and when: a pure decision.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/news.h"
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

struct news_queue { // of one kind
    struct news_kind kind;
    struct news_thing *waiting;   // the longest first
    uint64_t told[NEWS_MOST_MAX]; // when the last ones were told
    unsigned told_count;          // so far
};

struct news {
    struct news_thing *things;
    struct news_queue *queues;
    size_t count;
    uint64_t full_at; // when the bucket is full again, if nothing more is told
    uint32_t suppressed;
};

static uint64_t key_of(unsigned kind, uint32_t index)
{
    return (uint64_t)kind << 32 | index;
}

static struct news_queue *queue_of(const struct news *n, const struct news_thing *t)
{
    return &n->queues[t->key >> 32];
}

struct news *news_new(uint64_t now_ms, const struct news_kind *kinds, size_t count)
{
    struct news *n = dv_calloc(1, sizeof(*n));
    *n = (struct news){.full_at = now_ms, .count = count};
    n->queues = dv_calloc(count, sizeof(*n->queues));
    for (size_t i = 0; i < count; i++)
        n->queues[i].kind = kinds[i];
    return n;
}

static void suppress(struct news *n, const struct news_thing *t, uint32_t changes)
{
    if (!queue_of(n, t)->kind.counts)
        n->suppressed += changes;
}

static void settle(struct news *n, struct news_thing *t)
{
    DL_DELETE(queue_of(n, t)->waiting, t);
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
    free(n->queues);
    free(n);
}

static struct news_thing *find(const struct news *n, unsigned kind, uint32_t index)
{
    uint64_t key = key_of(kind, index);
    struct news_thing *t;
    HASH_FIND(hh, n->things, &key, sizeof(key), t);
    return t;
}

void news_see(struct news *n, unsigned kind, uint32_t index, int state, int untold)
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
        DL_APPEND(queue_of(n, t)->waiting, t);
    if (state != t->told)
        return;
    suppress(n, t, t->changes);
    settle(n, t);
    if (t->told == t->untold)
        drop(n, t);
}

void news_forget(struct news *n, unsigned kind, uint32_t index)
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
static uint32_t queue_wait(const struct news_queue *q, uint64_t now_ms)
{
    if (!q->waiting)
        return NEWS_NEVER;
    if (q->kind.most == 0 || q->told_count < q->kind.most)
        return 0;
    uint64_t again = q->told[q->told_count % q->kind.most] + q->kind.most_ms;
    return again > now_ms ? (uint32_t)(again - now_ms) : 0;
}

// A notification takes an interval to make up for; the bucket holds NEWS_BURST of them.
uint32_t news_wait(const struct news *n, uint64_t now_ms)
{
    uint64_t can_at = n->full_at + NEWS_INTERVAL_MS;
    uint64_t ahead = (uint64_t)NEWS_BURST * NEWS_INTERVAL_MS;
    uint32_t bucket = can_at > now_ms + ahead ? (uint32_t)(can_at - now_ms - ahead) : 0;
    uint32_t first = NEWS_NEVER;
    for (size_t i = 0; i < n->count; i++) {
        uint32_t wait = queue_wait(&n->queues[i], now_ms);
        first = wait < first ? wait : first;
    }
    return first > bucket ? first : bucket;
}

bool news_next(struct news *n, uint64_t now_ms, unsigned *kind, uint32_t *index, int *state)
{
    struct news_queue *q = n->queues;
    if (news_wait(n, now_ms) > 0)
        return false;
    while (queue_wait(q, now_ms) > 0)
        q++;
    struct news_thing *t = q->waiting;
    *kind = (unsigned)(q - n->queues);
    *index = (uint32_t)t->key;
    *state = t->told = t->state;
    suppress(n, t, t->changes - 1);
    if (q->kind.most > 0)
        q->told[q->told_count++ % q->kind.most] = now_ms;
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
