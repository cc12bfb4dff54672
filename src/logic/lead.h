// Who may order what of a unit, and whether a station may lead it.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. The unit decides on each SET, and the station on each look, by the word that the unit keeps
// (model/lead.h). Either alone suffices against two stations that fight: the unit lets the one in
// that leads, and a station orders nothing of a unit that was told what this station's store does
// not know.
#ifndef DVSAN_LOGIC_LEAD_H
#define DVSAN_LOGIC_LEAD_H

#include "model/lead.h"
#include <stddef.h>

#define LEAD_WHY_ROOM 256 // bytes, with the NUL; dvsanMemberRefused

// ---- On the unit ---------------------------------------------------------------------------

struct lead_ask {
    struct lead_word word; // station zero: the SET names none
    const char *name;      // that the SET gives, or NULL
    bool lease;            // the SET writes the lease
    bool take_over;
    bool knows; // who asks knows what the unit was told last: it names the value of the spin lock
    // The SET changes rows, and the station that leads would not take over what it asks for.
    bool undone;
};

// Whether the SET may be, with now as it is kept and held while that station's lease has not run
// out. When it may not, why is a sentence.
bool lead_may_set(const struct lead *now, bool held, const struct lead_ask *ask,
                  char why[LEAD_WHY_ROOM]);

// ---- At the station ------------------------------------------------------------------------

enum lead_standing {
    LEAD_OURS = 1, // the unit knows no newer word than this store does: go on
    LEAD_FREE,     // the unit may be claimed: nobody led it, or this store has what it was told
    LEAD_HELD,     // another station leads the unit
    LEAD_FOREIGN,  // another station led the unit, and told it what this store does not know
    LEAD_NEWER     // this station led the unit, and told it what this store does not know
};

struct lead_look {
    struct lead_word shown; // by the unit
    bool held;
    struct dv_uuid station; // this one
    const struct lead_run *runs;
    size_t run_count;
    struct lead_word accepted; // the word of the unit up to which its state was taken in
};

enum lead_standing lead_stand(const struct lead_look *look);
// Whether a unit that shows this word may still carry out an order that was sent with the number of
// this station's intent and was not answered. It refuses older words than the one it shows, and
// orders of a station that does not lead it.
bool lead_may_carry_out(const struct lead_word *shown, const struct dv_uuid *station,
                        uint32_t number);
// "leads", "free", "held", "foreign", "newer"; "unknown" for 0, before the unit has answered.
const char *lead_standing_name(enum lead_standing standing);

#endif
