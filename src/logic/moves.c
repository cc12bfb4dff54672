// Whether a volume that another unit shows, too, is there now.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/moves.h"

#include <string.h>

static bool is_proven(const struct move_facts *f)
{
    static const uint8_t none[PROOF_BYTES];
    return memcmp(f->proof, none, PROOF_BYTES) != 0 &&
           (memcmp(f->proof, f->proof_there->now, PROOF_BYTES) == 0 ||
            memcmp(f->proof, f->proof_there->before, PROOF_BYTES) == 0);
}

enum move_verdict moves_judge(const struct move_facts *f)
{
    if (!f->shown && !f->was_seen) // one that is still being made was never there to go
        return MOVE_UNPROVEN;
    if (!f->shown && !f->left)
        return MOVE_BY_WORD;
    if (f->shown && (f->failed_there || (!f->failed && f->answers)))
        return MOVE_STAYS;
    return is_proven(f) ? MOVE_BY_PROOF : MOVE_UNPROVEN;
}
