// How far a unit's word is believed, and what a person may change of that: pure decisions.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_TRUST_H
#define DVSAN_LOGIC_TRUST_H

#include "base/err.h"
#include "model/pool.h"

// Whether what the unit says is taken, and anything is asked of it or sent to it.
bool trust_is_taken(enum unit_trust trust);

// Why not, and what a person can do; "" when it is.
#define TRUST_WHY_ROOM 384 // bytes, with the NUL
void trust_why_not(const struct unit_record *unit, char out[TRUST_WHY_ROOM]);

// What a person says of a unit. *out is its trust from then on; DV_CONFLICT and a sentence when
// that cannot be said of it.
enum trust_act { TRUST_ACCEPT, TRUST_QUARANTINE, TRUST_REVOKE };
int trust_change(const struct unit_record *unit, enum trust_act act, enum unit_trust *out,
                 struct dv_err *err);

#endif
