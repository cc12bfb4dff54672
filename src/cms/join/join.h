// Announcements: who is there.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_JOIN_JOIN_H
#define DVSAN_CMS_JOIN_JOIN_H

#include "cms/core/station.h"

void join_notification(void *cms, const struct sn_notification *n);

#endif
