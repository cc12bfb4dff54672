// A look at a unit, and what follows from it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_LOOK_H
#define DVSAN_CMS_MEMBER_LOOK_H

#include "cms/member/link.h"

void look_start(struct unit_link *link);

// ---- conclude.c ----
// The unit has answered, and its tables are read where that was wanted; or it did not answer, and
// why. Ends the look in this turn of the loop or in a later one.
void conclude_answer(struct unit_link *link);
void conclude_silence(struct unit_link *link, const char *why);
void conclude_forget(struct unit_link *link);
// Ends the look without, while the store takes its time; false: it does not, or there is what
// cannot wait.
bool conclude_without(struct unit_link *link);
// They have not ended within a poll interval: a unit that is led stays so, and looks go on.
void conclude_waits(struct unit_link *link);

#endif
