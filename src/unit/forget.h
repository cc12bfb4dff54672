// A person's word that a volume which cannot be served is to be forgotten.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_FORGET_H
#define DVSAN_UNIT_FORGET_H

#include "config/unit_config.h"
#include "unit/state.h"

// Kept in the state directory until the agent, running or started later, has acted upon it.
int forget_say(const struct unit_config *config, const char *uuid, struct dv_err *err);

// The next volume that somebody said is to be forgotten and that has failed; NULL when there is
// none, or no word any more. A volume that has not failed stays, which is logged.
struct forget_words; // NULL: nothing was said
struct forget_words *forget_words_read(const struct unit_config *config);
const struct unit_volume *forget_words_next(struct forget_words *w, const struct state *state);
// They were acted upon; frees them, NULL is fine.
void forget_words_done(struct forget_words *w, const struct unit_config *config);

#endif
