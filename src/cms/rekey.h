// Rotating a unit's keys.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_REKEY_H
#define DVSAN_CMS_REKEY_H

#include "cms/station.h"
#include "logic/rekey.h"

// ---- key_trial.c ----
// Asks the unit as the station's user of one number after the other until one answers. UNKNOWN: it
// said neither yes nor no. peer: as the user that fits, for the callee to free; else NULL.
enum key_answer { KEY_FITS, KEY_NONE_FITS, KEY_UNKNOWN };
typedef void key_trial_fn(void *arg, enum key_answer answer, uint32_t number, struct sn_peer *peer);
struct key_trial *key_trial_new(struct unit_link *link, const uint32_t *numbers, size_t count,
                                key_trial_fn *done, void *arg);
void key_trial_free(struct key_trial *t); // NULL is fine; also from done

// ---- rekey.c ----
// Goes on with the rotation of a unit that has just answered, if one is open and not under way.
void rekey_go(struct unit_link *link);
void rekey_free(struct rekey *r); // NULL is fine
// Looks at which keys the unit says that it has.
void rekey_shown(struct unit_link *link, const struct reading *r);
// In a turn. The unit was found to be reached under that number: then follows once this is
// recorded, with the link's UUID.
void rekey_take(struct unit_link *link, uint32_t number, ledger_then_fn *then);

// No rotation is wanted any more; what the unit has got of it, it keeps.
void rekey_take_back(struct unit_record *rec);

#endif
