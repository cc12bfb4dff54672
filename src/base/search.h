// Finding a place in what is sorted.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_SEARCH_H
#define DVSAN_BASE_SEARCH_H

#include <stddef.h>

// Sets place, a size_t variable, to the first of count places where the expression before, which
// reads place, is false, or to count. The expression is true at all places in front of that one
// and false from there on, as "list[place].key < key" is in a list that ascends by key; with "<="
// the place found is behind all equals. Looks at log2(count) places. bsearch(3) suits where only
// an equal is of use.
#define DV_SEARCH(place, count, before)                                                            \
    do {                                                                                           \
        size_t low_ = 0, high_ = (count);                                                          \
        while ((place) = low_ + (high_ - low_) / 2, low_ < high_) {                                \
            if (before)                                                                            \
                low_ = (place) + 1;                                                                \
            else                                                                                   \
                high_ = (place);                                                                   \
        }                                                                                          \
    } while (0)

#endif
