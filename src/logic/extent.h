// Extents: finding room for a volume in one medium's range of blocks.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure functions over the sorted list of the extents in use. Nothing is kept between calls, so the
// list of volumes is the only truth and neighbouring gaps are one gap by construction.
#ifndef DVSAN_LOGIC_EXTENT_H
#define DVSAN_LOGIC_EXTENT_H

#include "base/err.h"
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

struct extent_space extent_space(const struct extent *used, size_t count, uint64_t total);

#endif
