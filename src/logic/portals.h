// To which unit a portal belongs that two units show, or at whose address another unit is managed.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. A unit's word about where it serves sends hosts there. So the word does not count against
// what is known of another unit: that the other unit answers there under its own keys, or that the
// other unit had the portal first.
#ifndef DVSAN_LOGIC_PORTALS_H
#define DVSAN_LOGIC_PORTALS_H

#include <stdbool.h>

struct portal_facts {
    bool managed_here;  // the unit that shows the portal answers at the portal's address
    bool had;           // this unit had the portal already
    bool managed_there; // another unit answers at the portal's address
    bool had_there;     // another unit has the portal
};

static inline bool portal_is_own(const struct portal_facts *f)
{
    if (f->managed_here || f->managed_there)
        return f->managed_here;
    return f->had || !f->had_there;
}

#endif
