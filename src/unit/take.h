// A person's word that a medium may be taken over.
// SPDX-License-Identifier: BSD-2-Clause
//
// Though it says that it is another unit's, or is another device than the one that was there
// before.
#ifndef DVSAN_UNIT_TAKE_H
#define DVSAN_UNIT_TAKE_H

#include "config/unit_config.h"

// The word is about what the medium says now, so it is of no use for anything that comes later. It
// is kept in the state directory until the agent, running or started later, has acted upon it.
int take_medium(const struct unit_config *config, const char *name, struct dv_err *err);
// The same for a mark that is known already.
int take_mark_put(const struct unit_config *config, uint32_t medium, const char *mark,
                  struct dv_err *err);

char *take_mark(const struct unit_config *config, uint32_t medium); // NULL: nobody said so
void take_done(const struct unit_config *config, uint32_t medium);

#endif
