// How often a unit is looked at, whatever it shows.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. What is new is followed at once, and a unit can show something new in each answer: so looks
// are as many at once as honest work takes, and over time no more than the station has time for.
#ifndef DVSAN_LOGIC_PACE_H
#define DVSAN_LOGIC_PACE_H

#include <stdint.h>

#define PACE_LOOK_MS 20  // one in that time
#define PACE_AT_ONCE 500 // after as long a rest, at most that many without a wait

struct pace { // zero before
    uint64_t paid_until;
};

// When the next look may be, in the clock of now; never later than PACE_LOOK_MS.
uint64_t pace_next(const struct pace *p, uint64_t now);
void pace_look(struct pace *p, uint64_t now);

#endif
