// A unit that does not answer. In turns of the ledger.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_SILENCE_H
#define DVSAN_CMS_MEMBER_SILENCE_H

#include "cms/member/link.h"

extern const char silence_stopped[]; // why, of a unit that told that it is being stopped
// What the pool says of a unit that did not answer. why is a short reason.
void silence_noted(struct unit_link *link, const char *why);
// Sets the state of a unit that did not answer or took its leave, with the event that belongs to
// it.
void silence_state(struct cms *cms, struct pool_unit *unit, enum unit_state state, const char *why);

#endif
