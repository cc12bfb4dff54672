// Why the unit as a whole is degraded: the gravest reason, as dvsanUnitLastError tells it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_REASON_H
#define DVSAN_UNIT_REASON_H

#include "unit/order.h"

// Which target of somebody else's serves a volume's blocks; "" when none does.
void reason_of_intruders(const struct order *o, char out[LAST_ERROR_ROOM]);
// What keeps hosts out, or is wrong about where tgtds listen, as the pass found it; "" when
// nothing.
void reason_of_portals(const struct order *o, char out[LAST_ERROR_ROOM]);

// unrecorded and portals (or what is graver) as above and from the journal; there and errors: of
// the tgtds of so many portal groups, the first one first.
void reason_of_unit(const char *unrecorded, const bool *there, const struct dv_err *errors,
                    uint32_t groups, const char *portals, char out[LAST_ERROR_ROOM]);

#endif
