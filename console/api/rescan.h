// What makes a host see that a volume is larger. No initiator asks by itself.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_RESCAN_H
#define DVSAN_API_RESCAN_H

#include <jansson.h>

// {kind of host: what to do there, in a line}; the kinds are those of `dvsan host connect-info
// --for`. iqn: the volume's target. The caller owns the object.
json_t *rescan_lines(const char *iqn);

#endif
