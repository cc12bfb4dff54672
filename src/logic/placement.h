// Where a new volume goes: pure decisions over what is known of the media.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_PLACEMENT_H
#define DVSAN_LOGIC_PLACEMENT_H

#include "base/err.h"
#include "model/unit.h"
#include <stddef.h>

// A medium that might hold the volume. Everything is borrowed.
struct placement_medium {
    const char *unit; // its unit's name
    bool unit_up;     // the unit answers and takes orders
    bool degraded;    // the unit cannot serve all it should: used when no other unit has room
    const struct medium *medium;
    uint64_t promised_blocks; // of volumes meant for it that its free blocks do not count yet
};

struct placement_request {
    uint64_t blocks;
    const char *unit;   // a unit's name, NULL: any
    const char *medium; // a medium's name, NULL: any
};

// A policy ranks two media that both have room; ties are broken by unit and medium name.
struct placement_policy {
    const char *name;
    int (*compare)(const struct placement_medium *a, const struct placement_medium *b); // < 0: a
};
// NULL when there is none of this name. NULL as name gives the default, "most-free-space".
const struct placement_policy *placement_policy_find(const char *name);

// Blocks that are promised to no volume yet, and the longest run of them as far as it is certain.
uint64_t placement_free(const struct placement_medium *m);
uint64_t placement_largest(const struct placement_medium *m);

// The lowest index above top whose portal group, of so many, has the fewest volumes; counts has
// those of group 1 first.
uint32_t placement_index(uint32_t top, const uint32_t *counts, uint32_t groups);

// Sets *chosen to an index of media. Fails with one sentence that says what there is instead.
int placement_choose(const struct placement_policy *policy, const struct placement_request *request,
                     const struct placement_medium *media, size_t count, size_t *chosen,
                     struct dv_err *err);

#endif
