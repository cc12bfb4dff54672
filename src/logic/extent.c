// Extents: walks the gaps between the used extents of a medium.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/extent.h"
#include "base/mem.h"
#include "base/search.h"
#include "base/text.h"
#include "model/unit.h"
#include <inttypes.h>
#include <stdlib.h>

static int by_start(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

// They mostly are sorted, as volumes that are made one after the other lie one after the other.
void extent_sort(struct extent *used, size_t count)
{
    size_t i = 1;
    while (i < count && used[i - 1].start <= used[i].start)
        i++;
    if (i < count)
        qsort(used, count, sizeof(*used), by_start);
}

size_t extent_place(const struct extent *list, size_t count, uint64_t block)
{
    size_t i;
    DV_SEARCH(i, count, list[i].start < block);
    return i;
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
struct gap_walk {
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
static bool next_gap(struct gap_walk *w, struct extent *gap)
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

static struct gap_walk walk_of(const struct extent *used, size_t count, uint64_t total)
{
    return (struct gap_walk){.used = used, .count = count, .total = total};
}

int extent_find(const struct extent *used, size_t count, uint64_t total, uint64_t blocks,
                uint64_t *start, struct dv_err *err)
{
    if (blocks == 0 || blocks % ALLOC_BLOCKS != 0)
        return dv_fail(err, DV_INVALID,
                       "a volume's size must be a multiple of %u blocks (1 MiB), not %" PRIu64
                       " blocks",
                       ALLOC_BLOCKS, blocks);
    struct gap_walk w = walk_of(used, count, total);
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
    struct gap_walk w = walk_of(used, count, total);
    struct extent gap;
    size_t n = 0;
    *list = NULL;
    while (next_gap(&w, &gap))
        *DV_APPEND(*list, n) = gap;
    return n;
}

// The free extent that begins or ends at a block.
static uint64_t free_at(const struct extent *free, size_t count, uint64_t block, bool begins)
{
    for (size_t i = 0; i < count; i++)
        if ((begins ? free[i].start : free[i].start + free[i].blocks) == block)
            return free[i].blocks;
    return 0;
}

static int fail_resize(uint64_t more, uint64_t behind, enum medium_moves moves, uint64_t blocks,
                       uint64_t longest, struct dv_err *err)
{
    if (moves != MOVES_NOT)
        return dv_fail(err, DV_NO_SPACE,
                       "no room for %" PRIu64 " MiB in one piece: %" PRIu64
                       " MiB more are needed behind it, where %" PRIu64
                       " are free, and the longest extent it could have has %" PRIu64 " MiB",
                       blocks / BLOCKS_PER_MIB, more / BLOCKS_PER_MIB, behind / BLOCKS_PER_MIB,
                       longest / BLOCKS_PER_MIB);
    return dv_fail(err, DV_NO_SPACE,
                   "the extent behind it is taken: %" PRIu64 " MiB more are needed, and %" PRIu64
                   " are free there",
                   more / BLOCKS_PER_MIB, behind / BLOCKS_PER_MIB);
}

int extent_resize(const struct extent *free, size_t count, const struct extent *now,
                  uint64_t blocks, enum medium_moves moves, struct extent *out, struct dv_err *err)
{
    if (blocks == 0 || blocks % ALLOC_BLOCKS != 0)
        return dv_fail(err, DV_INVALID,
                       "a volume's size must be a multiple of %u blocks (1 MiB), not %" PRIu64
                       " blocks",
                       ALLOC_BLOCKS, blocks);
    uint64_t behind = free_at(free, count, now->start + now->blocks, true);
    uint64_t before = free_at(free, count, now->start, false);
    *out = (struct extent){now->start, blocks};
    if (blocks <= now->blocks || blocks - now->blocks <= behind)
        return 0;
    uint64_t first = UINT64_MAX, longest = 0;
    // Its own blocks become free as it moves, one extent with those around them; but what is copied
    // keeps them until that is done.
    if (moves != MOVES_BY_COPY)
        longest = before + now->blocks + behind;
    if (longest >= blocks)
        first = now->start - before;
    for (size_t i = 0; i < count; i++) {
        if (free[i].blocks >= blocks && free[i].start < first)
            first = free[i].start;
        if (free[i].blocks > longest)
            longest = free[i].blocks;
    }
    out->start = first;
    return moves != MOVES_NOT && first != UINT64_MAX
               ? 0
               : fail_resize(blocks - now->blocks, behind, moves, blocks, longest, err);
}

void extent_add_both(const struct extent *from, const struct extent *to, struct extent **list,
                     size_t *count)
{
    uint64_t start = from->start < to->start ? from->start : to->start;
    uint64_t end = end_of(from) > end_of(to) ? end_of(from) : end_of(to);
    if (end - start <= from->blocks + to->blocks) {
        *DV_APPEND(*list, *count) = (struct extent){start, end - start};
        return;
    }
    *DV_APPEND(*list, *count) = *from;
    *DV_APPEND(*list, *count) = *to;
}

struct extent_space extent_space(const struct extent *used, size_t count, uint64_t total)
{
    struct extent_space s = {0};
    struct gap_walk w = walk_of(used, count, total);
    struct extent gap;
    while (next_gap(&w, &gap)) {
        s.free_blocks += gap.blocks;
        s.free_extents++;
        if (gap.blocks > s.largest_blocks)
            s.largest_blocks = gap.blocks;
    }
    return s;
}
