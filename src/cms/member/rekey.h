// Rotating a unit's keys.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_REKEY_H
#define DVSAN_CMS_MEMBER_REKEY_H

#include "cms/core/ledger.h"
#include "cms/member/link.h"
#include "logic/rekey.h"

struct reading;

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
