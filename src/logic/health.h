// What a unit's answers and silences mean for its state: a pure decision.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_HEALTH_H
#define DVSAN_LOGIC_HEALTH_H

#include "model/pool.h"

#define HEALTH_MISSES 3 // silences in a row that make a unit down

// A look at a unit: it answered for itself (oper is what it said), or it did not: no answer in
// time, or its snmpd answered that it has no such objects because the agent is gone.
struct health_look {
    bool answered;
    enum member_state oper;
};

// The state that follows from state and the look. *misses counts silences in a row.
enum unit_state health_next(enum unit_state state, const struct health_look *look,
                            unsigned *misses);

// Whether a unit in this state answers and takes orders.
bool health_takes_orders(enum unit_state state);

#endif
