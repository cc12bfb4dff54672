// Volumes that a medium brought along: which they are, and their rows.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_ADOPT_H
#define DVSAN_UNIT_ADOPT_H

#include "unit/order.h"

// Whether a volume on a medium is one that nobody knows. A volume that was known when the medium
// was looked at is none, since it may just have been deleted. Nor is any volume while a SET is
// under way: the SET was checked against what is known, and may be about this very volume.
bool adopt_is_stranger(const struct order *o, const struct state *state,
                       const struct media_found *f);
// Whether the medium has a stranger for which it has room.
bool adopt_is_due(const struct order *o, const struct order_medium *om, const struct state *state);
// Whether any medium has such a stranger: applying the order takes the strangers in.
bool adopt_brings_volumes(const struct order *o, const struct state *state);
// The same, when it is not known yet what became of the state meanwhile.
bool adopt_has_strangers(const struct order *o);
// Takes the strangers' rows into the state one by one, so that each row sees the names and indexes
// of the rows before it, and writes them. adopt_take_back undoes this when the rows cannot be
// recorded.
int adopt_record(const struct order *o, const struct order_medium *om, struct state *state,
                 struct journal *journal, struct dv_err *err);
void adopt_take_back(const struct order *o, struct state *state);

// A row that is in the way: its volume was found on a medium, and the row is of another medium,
// which the configuration names no more. NULL: there is none.
const struct unit_volume *adopt_left_over(const struct order *o, const struct state *state);

#endif
