// The steps that bring a unit to what is wanted, sent one by one.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_EXECUTOR_H
#define DVSAN_CMS_UNIT_EXECUTOR_H

#include "cms/member/link.h"

// Makes the list of steps that bring the link's unit to what is wanted. True when the unit is not
// settled yet and should be looked at again soon.
bool executor_plan(struct unit_link *link);
// Sends the next step; false when there is none (any more).
bool executor_step(struct unit_link *link);

#endif
