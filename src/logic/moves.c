// Whether a volume that another unit shows, too, is there now.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/moves.h"

#include "base/secret.h"

// Whoever asks often tells by the time it takes how much of a guess is right, unless all of it is
// compared.
static bool is_proven(const struct move_facts *f)
{
    static const uint8_t none[PROOF_BYTES];
    bool known = !secret_equal_bytes(f->proof, none, PROOF_BYTES);
    bool now = secret_equal_bytes(f->proof, f->proof_there->now, PROOF_BYTES);
    bool before = secret_equal_bytes(f->proof, f->proof_there->before, PROOF_BYTES);
    return known && (now || before);
}

enum move_verdict moves_judge(const struct move_facts *f)
{
    if (!f->shown && !f->was_seen) // one that is still being made was never there to go
        return MOVE_UNPROVEN;
    if (!f->shown && !f->left)
        return is_proven(f) ? MOVE_BY_PROOF : MOVE_BY_WORD;
    if (f->shown && (f->failed_there || (!f->failed && f->answers)))
        return MOVE_STAYS;
    return is_proven(f) ? MOVE_BY_PROOF : MOVE_UNPROVEN;
}
