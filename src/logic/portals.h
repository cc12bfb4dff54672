// Whose a portal is that more than one unit shows, or that is where another one is managed.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. A unit's word about where it serves sends hosts there, so it does not count against what is
// known of another unit: that it answers there under its own keys, or that it had the portal first.
#ifndef DVSAN_LOGIC_PORTALS_H
#define DVSAN_LOGIC_PORTALS_H

#include <stdbool.h>

struct portal_facts {
    bool managed_here;  // the unit that shows it answers at its address
    bool had;           // and had it already
    bool managed_there; // another unit answers at its address
    bool had_there;     // another unit has it
};

static inline bool portal_is_own(const struct portal_facts *f)
{
    if (f->managed_here || f->managed_there)
        return f->managed_here;
    return f->had || !f->had_there;
}

#endif
