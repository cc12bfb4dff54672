// A unit's portals, and what follows when they are at other addresses.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_PORTALS_H
#define DVSAN_CMS_UNIT_PORTALS_H

#include "cms/member/link.h"
#include "cms/member/reading.h"

struct observation;

// Takes in those of the reading, which has portals, that are no other unit's, and tells the rest.
void portals_observe(struct observation *o);
// Whether a portal that the unit shows, and that was another unit's, would be taken now.
bool portals_are_wanted(const struct unit_link *link);

// ---- moves.c ----
// When a unit's portals are at other addresses than before: an event for the unit, and one for each
// host and volume that this concerns. The reading has portals.
void moves_tell(struct cms *cms, struct changes *c, const struct pool_unit *unit,
                const struct reading *now);

#endif
