// Whether a volume that another unit shows, too, is there now.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. One unit's word is about itself alone. Who knows a volume's UUID, name and size can show a
// row of it; only the unit that has it can say that it is gone, and only who has its medium knows
// what is written there.
#ifndef DVSAN_LOGIC_MOVES_H
#define DVSAN_LOGIC_MOVES_H

#include "model/unit.h"

enum move_verdict {
    MOVE_STAYS,    // what its unit shows is as good, or better
    MOVE_UNPROVEN, // it would move, but nothing says that the other unit has it: both show it
    MOVE_ASKED,    // its unit showed that it has it no longer, and the other does not show what its
                   // medium is known to have: a person says whether it is there
    MOVE_BY_WORD,  // the same, and of its medium nothing is known: where it is nothing says but the
                   // other
    MOVE_BY_PROOF  // the other unit has its medium
};

struct move_facts {
    bool was_seen;        // its unit has shown it at least once
    bool shown;           // and does, as it was read last
    bool failed;          // and shows it as failed
    bool answers;         // its unit takes orders
    bool left;            // a person said that it is not on the other unit, which had it
    bool failed_there;    // the other unit shows it as failed
    const uint8_t *proof; // PROOF_BYTES, of the medium where its unit showed it last
    const struct medium_proof *proof_there; // of the medium where the other unit shows it
};

enum move_verdict moves_judge(const struct move_facts *f);

// Without a person's word.
static inline bool moves_by_itself(enum move_verdict verdict)
{
    return verdict == MOVE_BY_WORD || verdict == MOVE_BY_PROOF;
}

#endif
