// From what live sessions did, as tgtd tells it, to what each volume did: sums that never go back.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_TRAFFIC_H
#define DVSAN_UNIT_TRAFFIC_H

#include "snmp-agents/unit/order.h"
#include "tgt/tgt.h"

struct traffic; // what was seen last

struct traffic *traffic_new(void);
void traffic_free(struct traffic *t); // NULL is fine
// Another tgtd counts from zero.
void traffic_reset(struct traffic *t);
// Takes a look's rows; adds to the order what each volume's counters grew by.
void traffic_take(struct traffic *t, const struct tgt_statistics *rows, size_t count,
                  struct order *o);

#endif
