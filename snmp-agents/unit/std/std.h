// Standard MIB modules beside our own, read-only: ISCSI-MIB, SCSI-MIB, IPS-AUTH-MIB.
// SPDX-License-Identifier: BSD-2-Clause
//
// They show the same volumes, rules and portals as the DVSAN-UNIT-MIB under the same indexes, and
// what tgtd was seen to do a second ago. What tgtd does not tell is not there; DVSAN-CAPS-MIB
// names all of it.
#ifndef DVSAN_UNIT_STD_STD_H
#define DVSAN_UNIT_STD_STD_H

#include "config/unit_config.h"
#include "snmp/agent.h"
#include "unit/state.h"
#include "unit/traffic.h"

struct std;

// Registers all tables with the agent. All is borrowed; free it after the agent. traffic is that of
// the portal groups, the first one's first.
struct std *std_new(struct sn_agent *agent, const struct unit_config *config,
                    const struct state *state, const struct traffic *const *traffic,
                    struct dv_err *err);
void std_free(struct std *s); // NULL is fine

#endif
