// Takes the AgentX master's messages one at a time.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_PACE_H
#define DVSAN_SNMP_PACE_H

#include "snmp/convert.h"

// From now on a read of the transport, that of the one AgentX session there is, ends where a
// message ends. Net-SNMP handles all messages of one read before the answer to the first is made;
// and where a CleanupSet is right behind its TestSet, as when we stalled and the master gave up,
// it frees what the answer to the TestSet then writes to.
void sn_pace(netsnmp_transport *t);

#endif
