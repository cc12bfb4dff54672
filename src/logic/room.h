// What has become of the free extents of a unit since it was read before.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. A unit has as many of them as it has volumes, and few become others at a time.
#ifndef DVSAN_LOGIC_ROOM_H
#define DVSAN_LOGIC_ROOM_H

#include "model/unit.h"
#include <stdbool.h>
#include <stddef.h>

struct room_list {
    const struct free_extent *items; // by medium and start, each place once
    size_t count;
};

// Zero-initialise. Those that were there from one place on and before the other become count of
// the new list, from first on.
struct room_change {
    struct free_place from, to;
    size_t first, count;
    size_t was_at, is_at; // where the search goes on
    size_t rows;          // that come and go with it
};

// The next change, of about that many rows at most; false: behind it the lists are the same.
bool room_next(struct room_list was, struct room_list is, size_t most, struct room_change *c);

#endif
