// An engine that may be another unit with the same UUID.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_SUSPECT_H
#define DVSAN_CMS_MEMBER_SUSPECT_H

#include "cms/member/link.h"

// Asks an engine that is said to use the unit's UUID; if it is so, the unit is in conflict.
void suspect_ask(struct unit_link *link, const struct sn_engine_id *engine, const char *address);
void suspect_free(struct suspect *s); // NULL is fine

#endif
