// Whether a volume that another unit shows, too, is there now.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/moves.h"

#include "base/secret.h"

// Whoever asks often tells by the time it takes how much of a guess is right, unless all of it is
// compared.
static bool is_known(const struct move_facts *f)
{
    static const uint8_t none[PROOF_BYTES];
    return !secret_equal_bytes(f->proof, none, PROOF_BYTES);
}

static bool is_proven(const struct move_facts *f)
{
    bool now = secret_equal_bytes(f->proof, f->proof_there->now, PROOF_BYTES);
    bool before = secret_equal_bytes(f->proof, f->proof_there->before, PROOF_BYTES);
    return is_known(f) && (now || before);
}

enum move_verdict moves_judge(const struct move_facts *f)
{
    if (!f->shown && !f->was_seen) // one that is still being made was never there to go
        return MOVE_UNPROVEN;
    if (f->shown && (f->failed_there || (!f->failed && f->answers)))
        return MOVE_STAYS;
    if (is_proven(f))
        return MOVE_BY_PROOF;
    if (f->shown || f->left)
        return MOVE_UNPROVEN;
    return is_known(f) ? MOVE_ASKED : MOVE_BY_WORD;
}
