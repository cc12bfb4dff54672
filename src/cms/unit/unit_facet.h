// A unit's facet: its volumes, and what is ordered of them.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_UNIT_FACET_H
#define DVSAN_CMS_UNIT_UNIT_FACET_H

#include "cms/member/facet.h"

extern const struct facet unit_facet;

#endif
