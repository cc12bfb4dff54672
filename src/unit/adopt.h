// Volumes that a medium brought along: which they are, and their rows.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_ADOPT_H
#define DVSAN_UNIT_ADOPT_H

#include "unit/order.h"

// Neither known now nor when the medium was looked at: then it may just have been deleted. A SET
// that is under way was checked against what is known, and may be about this very volume.
bool adopt_is_stranger(const struct order *o, const struct state *state,
                       const struct media_found *f);
// Whether the medium has a stranger for which it has room.
bool adopt_is_due(const struct order *o, const struct order_medium *om, const struct state *state);
// Whether any medium has one: applying the order takes them in.
bool adopt_brings_volumes(const struct order *o, const struct state *state);
// The same, before it is known what became of the state meanwhile.
bool adopt_has_strangers(const struct order *o);
// Takes the rows into the state one by one, so that each sees the names and indexes of those
// before it, and writes them; adopt_take_back undoes it when they cannot be recorded.
int adopt_record(const struct order *o, const struct order_medium *om, struct state *state,
                 struct journal *journal, struct dv_err *err);
void adopt_take_back(const struct order *o, struct state *state);

// A volume that was found on a medium, and whose row is of another one, which the configuration
// names no more: the row is in the way. NULL: there is none.
const struct unit_volume *adopt_left_over(const struct order *o, const struct state *state);

#endif
