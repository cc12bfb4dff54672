// Counters of volumes and rules: kept up to date by looks at tgtd, and recorded.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_COUNTERS_H
#define DVSAN_UNIT_COUNTERS_H

#include "snmp-agents/unit/journal.h"
#include "snmp-agents/unit/traffic.h"

struct counters;

// Begins to look. All is borrowed and must outlive the counters.
struct counters *counters_new(struct loop *loop, const struct unit_config *config,
                              struct state *state, struct journal *journal, struct dv_err *err);
void counters_free(struct counters *c); // records them a last time; NULL is fine

const struct traffic *counters_traffic(const struct counters *c);
// The worker's thread: counts what sessions did so far, before some of them are ended.
void counters_look(struct counters *c);
// tgtd has ended.
void counters_lost(struct counters *c);

#endif
