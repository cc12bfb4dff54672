// Whether a volume that another unit shows, too, is there now.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. A unit's word is about that unit alone. Whoever knows a volume's UUID, name and size can
// show a row of the volume. Only the unit that has the volume can say that the volume is gone, and
// only whoever has the volume's medium knows what is written there.
#ifndef DVSAN_LOGIC_MOVES_H
#define DVSAN_LOGIC_MOVES_H

#include "model/unit.h"

enum move_verdict {
    MOVE_STAYS,    // what the volume's unit shows is as good, or better
    MOVE_UNPROVEN, // both units show the volume, and nothing proves that the other one has it
    MOVE_ASKED,    // the volume's unit has it no longer, and the other unit does not show the proof
                   // of its medium: a person says whether the volume is there
    MOVE_BY_WORD,  // the volume's unit has it no longer, and nothing is known of its medium: the
                   // other unit's word counts
    MOVE_BY_PROOF  // the other unit has the volume's medium
};

struct move_facts {
    bool was_seen;        // the volume's unit has shown the volume at least once
    bool shown;           // the unit showed the volume when it was read last
    bool failed;          // the unit shows the volume as failed
    bool answers;         // the unit takes orders
    bool left;            // the other unit had the volume, and a person said that it is not there
    bool failed_there;    // the other unit shows the volume as failed
    const uint8_t *proof; // PROOF_BYTES, of the medium where its unit showed the volume last
    const struct medium_proof *proof_there; // of the medium where the other unit shows the volume
};

enum move_verdict moves_judge(const struct move_facts *f);

// Without a person's word.
static inline bool moves_by_itself(enum move_verdict verdict)
{
    return verdict == MOVE_BY_WORD || verdict == MOVE_BY_PROOF;
}

#endif
