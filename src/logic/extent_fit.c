// Places for many volumes: the free extents as the leaves of a tree of the longest ones.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/extent.h"

struct extent_fit {
    struct extent *gaps; // ascending; those that are used up have 0 blocks
    uint64_t *longest;   // of node n's leaves; the children of n are 2n and 2n + 1, the root is 1
    size_t leaves;       // a power of two
    size_t steps;
};

static void sum_up(struct extent_fit *f, size_t node)
{
    const uint64_t left = f->longest[2 * node], right = f->longest[2 * node + 1];
    f->longest[node] = left > right ? left : right;
}

struct extent_fit *extent_fit_new(const struct extent *used, size_t count, uint64_t total)
{
    struct extent_fit *f = dv_calloc(1, sizeof(*f));
    size_t gaps = extent_free_list(used, count, total, &f->gaps);
    f->leaves = 1;
    while (f->leaves < gaps)
        f->leaves *= 2;
    f->longest = dv_calloc(2 * f->leaves, sizeof(*f->longest));
    for (size_t i = 0; i < gaps; i++)
        f->longest[f->leaves + i] = f->gaps[i].blocks;
    for (size_t node = f->leaves - 1; node > 0; node--)
        sum_up(f, node);
    return f;
}

bool extent_fit_take(struct extent_fit *f, uint64_t blocks, uint64_t *start)
{
    size_t node = 1;
    f->steps++;
    if (blocks == 0 || blocks % ALLOC_BLOCKS != 0 || f->longest[1] < blocks)
        return false;
    for (; node < f->leaves; f->steps++)
        node = f->longest[2 * node] >= blocks ? 2 * node : 2 * node + 1;
    struct extent *gap = &f->gaps[node - f->leaves];
    *start = gap->start;
    gap->start += blocks;
    gap->blocks -= blocks;
    f->longest[node] = gap->blocks;
    for (node /= 2; node > 0; node /= 2, f->steps++)
        sum_up(f, node);
    return true;
}

size_t extent_fit_steps(const struct extent_fit *f)
{
    return f->steps;
}

void extent_fit_free(struct extent_fit *f)
{
    if (!f)
        return;
    free(f->gaps);
    free(f->longest);
    free(f);
}
