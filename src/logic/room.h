// How a unit's free extents differ from those that were read before.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. A unit has as many free extents as it has volumes, and few of them change at a time.
#ifndef DVSAN_LOGIC_ROOM_H
#define DVSAN_LOGIC_ROOM_H

#include "model/unit.h"
#include <stdbool.h>
#include <stddef.h>

struct room_list {
    const struct free_extent *items; // by medium and start, each place once
    size_t count;
};

// Zero-initialise. The old extents from the place `from` on and before the place `to` are replaced
// by `count` extents of the new list, from `first` on.
struct room_change {
    struct free_place from, to;
    size_t first, count;
    size_t was_at, is_at; // where the search goes on
    size_t rows;          // that come and go with this change
};

// Finds the next change, of about `most` rows. False: behind the last change the lists are the
// same.
bool room_next(struct room_list was, struct room_list is, size_t most, struct room_change *c);

#endif
