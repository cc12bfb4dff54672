// The decision table of joining.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/join.h"

#include <string.h>

static bool same_engine(const struct unit_record *unit, const struct heard *a)
{
    return unit->engine_id_len == a->engine_id_len &&
           !memcmp(unit->engine_id, a->engine_id, a->engine_id_len);
}

static bool answering(enum unit_state state)
{
    return state == UNIT_UP || state == UNIT_DEGRADED || state == UNIT_JOINING;
}

static enum join_action because(enum join_action action, const char *text, const char **why)
{
    *why = text;
    return action;
}

static enum join_action decide_leave(const struct unit_record *unit, const struct heard *a,
                                     const char **why)
{
    if (!unit)
        return because(JOIN_IGNORE, "an unknown unit is leaving", why);
    if (a->epoch < unit->epoch)
        return because(JOIN_IGNORE, "it left before its latest start", why);
    if (unit->state == UNIT_STOPPED)
        return because(JOIN_IGNORE, "it has left already", why);
    return because(JOIN_LEAVE, "it is being stopped", why);
}

static enum join_action decide_known(const struct join_known *known, const struct heard *a,
                                     const char **why)
{
    const struct unit_record *unit = known->unit;
    if (!answering(unit->state))
        return because(JOIN_QUERY, "it was away", why);
    // While it answers, a smaller epoch can only be an old message that took its time. (After a
    // restore from an old backup the next poll shows the smaller epoch.)
    if (a->epoch < unit->epoch)
        return because(JOIN_IGNORE, "from before its latest start", why);
    if (a->epoch > unit->epoch)
        return because(JOIN_QUERY, "it has started again", why);
    if (a->generation > unit->generation)
        return because(JOIN_QUERY, "its tables have changed", why);
    if (strcmp(a->address, unit->address) != 0)
        return because(JOIN_QUERY, "its address has changed", why);
    if (a->kind == HEARD_REPEAT)
        return because(JOIN_QUERY, "it holds no lease", why);
    if (!known->lease_held)
        return because(JOIN_QUERY, "it has no lease yet", why);
    return because(JOIN_IGNORE, "nothing new", why);
}

enum join_action join_decide(const struct join_known *known, const struct heard *a,
                             const char **why)
{
    if (a->member != MEMBER_UNIT)
        return a->state == MEMBER_SHUTTING_DOWN
                   ? because(JOIN_IGNORE, "no unit is leaving", why)
                   : because(JOIN_REFUSE, "this station takes units alone", why);
    const struct unit_record *unit = known->unit;
    if (unit && unit->engine_id_len > 0 && !same_engine(unit, a))
        return because(JOIN_SUSPECT, "another engine uses a known UUID", why);
    if (a->state == MEMBER_SHUTTING_DOWN)
        return decide_leave(unit, a, why);
    if (known->reading && a->epoch == known->reading_epoch &&
        a->generation <= known->reading_generation && (!unit || !strcmp(a->address, unit->address)))
        return because(JOIN_IGNORE, "being asked already", why);
    if (!unit)
        return because(JOIN_QUERY, "a new unit", why);
    return decide_known(known, a, why);
}
