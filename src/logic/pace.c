// How often a unit is looked at, whatever it shows.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/pace.h"

uint64_t pace_next(const struct pace *p, uint64_t now)
{
    return p->paid_until > now ? p->paid_until : now;
}

void pace_look(struct pace *p, uint64_t now)
{
    const uint64_t most = (uint64_t)PACE_AT_ONCE * PACE_LOOK_MS;
    uint64_t oldest = now > most ? now - most : 0;
    if (p->paid_until < oldest)
        p->paid_until = oldest;
    p->paid_until += PACE_LOOK_MS;
}
