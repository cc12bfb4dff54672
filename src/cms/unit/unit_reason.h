// Why a unit is degraded, out of all that it shows.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_UNIT_REASON_H
#define DVSAN_CMS_UNIT_UNIT_REASON_H

#include <stddef.h>

struct pool_unit;

// Sentences with "; " between them, cut at room bytes; "" when the unit is not degraded.
void unit_reason(const struct pool_unit *u, char *out, size_t room);

#endif
