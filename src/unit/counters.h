// Counters of volumes and rules: kept up to date by looks at each tgtd, and recorded.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_COUNTERS_H
#define DVSAN_UNIT_COUNTERS_H

#include "unit/journal.h"
#include "unit/traffic.h"

struct counters;

// Begins to look. All is borrowed and must outlive the counters. found(arg, number) is called
// behind each look at a tgtd that was there.
struct counters *counters_new(struct loop *loop, const struct unit_config *config,
                              struct state *state, struct journal *journal,
                              void (*found)(void *arg, uint32_t tgtd), void *arg,
                              struct dv_err *err);
void counters_free(struct counters *c); // records them a last time; NULL is fine

// The traffic of the tgtds; that of number 1 is the first.
const struct traffic *const *counters_traffic(const struct counters *c);
// Any thread but the loop's: counts what sessions did so far, before some of them are ended.
void counters_look(struct counters *c, uint32_t tgtd);
// A login was refused: that is recorded behind the next look.
void counters_refused(struct counters *c);
// This tgtd has ended.
void counters_lost(struct counters *c, uint32_t tgtd);

#endif
