// Extents: walks the gaps between the used extents of a medium.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/extent.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/unit.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

static int by_start(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

void extent_sort(struct extent *used, size_t count)
{
    if (count > 1)
        qsort(used, count, sizeof(*used), by_start);
}

int extent_check(const struct extent *used, size_t count, uint64_t total, struct dv_err *err)
{
    uint64_t end = 0; // of what came before
    for (size_t i = 0; i < count; i++) {
        const struct extent *e = &used[i];
        if (e->blocks == 0)
            return dv_fail(err, DV_CONFLICT, "the extent at block %" PRIu64 " is empty", e->start);
        if (e->start < end)
            return dv_fail(err, DV_CONFLICT,
                           "the extent at block %" PRIu64 " begins before block %" PRIu64
                           ", where the one before it ends",
                           e->start, end);
        if (e->start > total || e->blocks > total - e->start)
            return dv_fail(err, DV_CONFLICT,
                           "the extent of %" PRIu64 " blocks at block %" PRIu64
                           " does not fit the medium's %" PRIu64 " blocks",
                           e->blocks, e->start, total);
        end = e->start + e->blocks;
    }
    return 0;
}

// One walk over the gaps serves every question. A damaged list is walked without overflow: what
// overlaps or sticks out only makes gaps smaller.
struct walk {
    const struct extent *used;
    size_t count, next;
    uint64_t total, at; // the next gap cannot begin before `at`
    bool done;
};

static uint64_t end_of(const struct extent *e)
{
    return e->blocks > UINT64_MAX - e->start ? UINT64_MAX : e->start + e->blocks;
}

// The next gap, cut inwards to multiples of ALLOC_BLOCKS; false after the last.
static bool next_gap(struct walk *w, struct extent *gap)
{
    while (!w->done) {
        uint64_t from = w->at, to = w->total;
        if (w->next < w->count) {
            const struct extent *e = &w->used[w->next++];
            to = e->start < w->total ? e->start : w->total;
            if (end_of(e) > w->at)
                w->at = end_of(e);
        } else {
            w->done = true;
        }
        if (from > UINT64_MAX - (ALLOC_BLOCKS - 1))
            continue;
        from = (from + ALLOC_BLOCKS - 1) / ALLOC_BLOCKS * ALLOC_BLOCKS;
        to = to / ALLOC_BLOCKS * ALLOC_BLOCKS;
        if (to <= from)
            continue;
        *gap = (struct extent){.start = from, .blocks = to - from};
        return true;
    }
    return false;
}

static struct walk walk_of(const struct extent *used, size_t count, uint64_t total)
{
    return (struct walk){.used = used, .count = count, .total = total};
}

int extent_find(const struct extent *used, size_t count, uint64_t total, uint64_t blocks,
                uint64_t *start, struct dv_err *err)
{
    if (blocks == 0 || blocks % ALLOC_BLOCKS != 0)
        return dv_fail(err, DV_INVALID,
                       "a volume's size must be a multiple of %u blocks (1 MiB), not %" PRIu64
                       " blocks",
                       ALLOC_BLOCKS, blocks);
    struct walk w = walk_of(used, count, total);
    struct extent gap;
    while (next_gap(&w, &gap)) {
        if (gap.blocks >= blocks) {
            *start = gap.start;
            return 0;
        }
    }
    struct extent_space space = extent_space(used, count, total);
    return dv_fail(err, DV_NO_SPACE,
                   "no room for %" PRIu64 " MiB: the longest free extent has %" PRIu64
                   " MiB, all free extents together %" PRIu64 " MiB",
                   blocks / BLOCKS_PER_MIB, space.largest_blocks / BLOCKS_PER_MIB,
                   space.free_blocks / BLOCKS_PER_MIB);
}

size_t extent_free_list(const struct extent *used, size_t count, uint64_t total,
                        struct extent **list)
{
    struct walk w = walk_of(used, count, total);
    struct extent gap;
    size_t n = 0;
    *list = NULL;
    while (next_gap(&w, &gap))
        *DV_APPEND(*list, n) = gap;
    return n;
}

struct extent_space extent_space(const struct extent *used, size_t count, uint64_t total)
{
    struct extent_space s = {0};
    struct walk w = walk_of(used, count, total);
    struct extent gap;
    while (next_gap(&w, &gap)) {
        s.free_blocks += gap.blocks;
        s.free_extents++;
        if (gap.blocks > s.largest_blocks)
            s.largest_blocks = gap.blocks;
    }
    return s;
}
