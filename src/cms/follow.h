// What follows of changes that are written.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_FOLLOW_H
#define DVSAN_CMS_FOLLOW_H

#include "cms/core/station.h"

// The changes are written: the pool has them from now on, and what follows of itself is begun.
void follow_changes(void *cms, const struct changes *c);

#endif
