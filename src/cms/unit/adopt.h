// What a unit has is taken over, or what the store says is ordered again, as a person said.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_ADOPT_H
#define DVSAN_CMS_UNIT_ADOPT_H

#include "cms/member/link.h"

void adopt_forget(struct unit_link *link); // what is under way; what was taken over stays
// Both do a part in a turn, and return whether there is more.
// A unit was told more since a person said what counts: that counts for this, too.
bool adopt_again(struct unit_link *link);
// Before a unit is led by itself that another station led: what was asked for here before is not
// ordered, and what the unit has counts.
bool adopt_left_by_another(struct unit_link *link);
bool adopt_failed(const struct unit_link *link); // behind this look

#endif
