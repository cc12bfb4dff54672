// A unit's state from what it says and from its silence.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/health.h"

static enum unit_state state_of(enum member_state oper)
{
    switch (oper) {
    case MEMBER_STARTING:
        return UNIT_JOINING;
    case MEMBER_DEGRADED:
        return UNIT_DEGRADED;
    case MEMBER_SHUTTING_DOWN:
        return UNIT_STOPPED;
    case MEMBER_RUNNING:
        break;
    }
    return UNIT_UP;
}

enum unit_state health_next(enum unit_state state, const struct health_look *look, unsigned *misses)
{
    if (look->answered) {
        *misses = 0;
        // A conflict is not over because the engine that we know still answers.
        return state == UNIT_CONFLICT ? state : state_of(look->oper);
    }
    if (*misses < HEALTH_MISSES)
        ++*misses;
    if (*misses < HEALTH_MISSES)
        return state;
    // Silence after a good-bye is what was to be expected.
    return state == UNIT_STOPPED || state == UNIT_CONFLICT ? state : UNIT_DOWN;
}

bool health_takes_orders(enum unit_state state)
{
    return state == UNIT_UP || state == UNIT_DEGRADED;
}
