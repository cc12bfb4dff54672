// Extents: finding room for a volume in one medium's range of blocks.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure functions over the sorted list of the extents in use. Nothing is kept between calls, so the
// list of volumes is the only truth and neighbouring gaps are one gap by construction.
#ifndef DVSAN_LOGIC_EXTENT_H
#define DVSAN_LOGIC_EXTENT_H

#include "base/err.h"
#include "model/unit.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extent {
    uint64_t start;  // blocks from the start of the medium
    uint64_t blocks; // > 0
};

struct extent_space {
    uint64_t free_blocks;    // the sum of all free extents
    uint64_t largest_blocks; // the longest of them
    size_t free_extents;     // how many there are
};

// Sorts by start, as every function below wants its list.
void extent_sort(struct extent *used, size_t count);

// Where in the list the first one is that begins at the block or behind it.
size_t extent_place(const struct extent *list, size_t count, uint64_t block);

// Fails with DV_CONFLICT when extents are empty, unsorted, overlap, or leave the range 0..total-1.
int extent_check(const struct extent *used, size_t count, uint64_t total, struct dv_err *err);

// First fit: the lowest multiple of ALLOC_BLOCKS at which `blocks` (itself a multiple) are free.
// DV_INVALID for a size that is none, DV_NO_SPACE when no gap is long enough.
int extent_find(const struct extent *used, size_t count, uint64_t total, uint64_t blocks,
                uint64_t *start, struct dv_err *err);

// The free extents in order, both ends on multiples of ALLOC_BLOCKS: what a volume can take. The
// caller frees *list (NULL when there are none); returns how many.
size_t extent_free_list(const struct extent *used, size_t count, uint64_t total,
                        struct extent **list);

// Where a volume at `now` lies when it has `blocks` blocks: in place when it shrinks, or when the
// free extent behind it is long enough; else, when it moves, at the first place in the free
// extents, and its own where nothing is copied; else DV_NO_SPACE with the reason. free is as of
// extent_free_list.
int extent_resize(const struct extent *free, size_t count, const struct extent *now,
                  uint64_t blocks, enum medium_moves moves, struct extent *out, struct dv_err *err);

// Adds to an unsorted list what a volume occupies that is being resized from one extent to the
// other: one extent where they touch.
void extent_add_both(const struct extent *from, const struct extent *to, struct extent **list,
                     size_t *count);

// The free extents for many volumes, one after the other: each gets the place that extent_find
// would give it, and takes it. Work grows with the logarithm of the count of extents, as steps
// tells.
struct extent_fit;
struct extent_fit *extent_fit_new(const struct extent *used, size_t count, uint64_t total);
bool extent_fit_take(struct extent_fit *f, uint64_t blocks, uint64_t *start); // false: no room
size_t extent_fit_steps(const struct extent_fit *f); // nodes that were looked at so far
void extent_fit_free(struct extent_fit *f);

struct extent_space extent_space(const struct extent *used, size_t count, uint64_t total);

#endif
