// Rows of a unit that could not be read.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_UNREAD_H
#define DVSAN_CMS_UNIT_UNREAD_H

#include "cms/member/reading.h"

struct pool_unit;

// Takes what the pool knows of them into the reading: such a row is neither another one now nor
// gone. unit may be NULL: then nothing is known.
void unread_keep(struct reading *r, struct pool_unit *unit);

#endif
