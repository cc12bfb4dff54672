// Which keys a member may have while they are rotated, and what is to be done next: pure decisions.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_REKEY_H
#define DVSAN_LOGIC_REKEY_H

#include "model/pool.h"
#include <stddef.h>

#define REKEY_AHEAD      16          // numbers that a member may be ahead of a restored station
#define REKEY_CANDIDATES 11          // of one place, at most
#define REKEY_LAST       0x7fffff00U // no number is beyond: those from 2^31 on are spent ones

// The spent number that stands in the place of number when number has ended. Nobody is ever given
// its keys. It lies in the same place, so the number after the current one stays the next one.
uint32_t rekey_spent(uint32_t number);

// Numbers whose keys the member's engine may have in that place (0 or 1: number % 2), the likeliest
// first, none twice. current: the recorded number, 1..REKEY_LAST. wanted: the number of a rotation
// that has begun; 0: none. KeyChange is made of the keys that it replaces, so one of these numbers
// must have answered before.
size_t rekey_candidates(uint32_t current, uint32_t wanted, unsigned place,
                        uint32_t out[REKEY_CANDIDATES]);

// Numbers under which a unit may be reached that does not know the present number, the likeliest
// first. Either the unit was restored from a backup of before its last rotation, whose keys are
// good, or the station was restored from a backup of before some rotations.
#define REKEY_SEARCHED (1 + REKEY_AHEAD)
size_t rekey_search(const struct unit_record *unit, uint32_t out[REKEY_SEARCHED]);
// What the record says once the unit has answered under number. A unit that is behind is to get the
// present keys again.
void rekey_found(struct unit_record *unit, uint32_t number);

// The number that the listener takes in the other place: the unit may sign with it beside the
// current number. Nobody has the number after the current one unless a station gave it.
uint32_t rekey_listens(const struct unit_record *unit);

// The number that is to be wanted for a unit that shows this number of its own keys (0: it shows
// none). The number differs from what the station knows when either side was restored in part.
// Returns 0 when all is well.
uint32_t rekey_behind(const struct unit_record *unit, uint32_t shown);

// Whether something of a rotation is still to be done.
bool rekey_is_open(const struct unit_record *unit);

enum rekey_asked { REKEY_UNASKED, REKEY_ANSWERED, REKEY_SILENT }; // SILENT: no candidate answered

// What is known of a rotation while the member is reached under the current number.
struct rekey_facts {
    uint32_t current, wanted;  // as recorded; wanted 0: nothing is rotated
    enum rekey_asked asked[2]; // by place, in this run
    uint32_t proven[2];        // the number that answered there
    bool saved[2];             // snmpd has written what it has there
    bool given;                // the member has its own keys of the number wanted
    bool alone;                // the number before is to end
};

enum rekey_step {
    REKEY_NONE,   // nothing is rotated
    REKEY_TRY,    // ask with the candidates of the place
    REKEY_CHANGE, // replace the keys of the place, from those proven to those of number
    REKEY_RAISE,  // record number as wanted: the member is further than the station knew
    REKEY_SAVE,   // have snmpd write them
    REKEY_GIVE,   // give the member its own keys of number
    REKEY_RECORD, // number is the current one
    REKEY_END,    // record that the number before has ended
    REKEY_LOST,   // no candidate of the place answered: the member needs a code
};

struct rekey_order {
    enum rekey_step step;
    unsigned place;  // of TRY, CHANGE, SAVE, LOST
    uint32_t number; // of CHANGE, RAISE, GIVE, RECORD
};

// The next step of a rotation that is open. Each step may be repeated: a run that follows one that
// was cut off begins with no facts but the recorded ones.
struct rekey_order rekey_next(const struct rekey_facts *f);

#endif
