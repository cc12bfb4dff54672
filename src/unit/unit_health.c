// The unit's state as a member of the pool, and the reason for it.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "unit/reason.h"
#include "unit/unit_internal.h"

static bool all_there(const struct unit *u)
{
    for (uint32_t i = 0; i < state_groups(u->state); i++)
        if (!u->tgtds_there[i])
            return false;
    return true;
}

static bool all_served(const struct unit *u)
{
    const struct unit_volume *v = NULL;
    const struct unit_medium *m = NULL;
    const struct unit_portal *p = NULL;
    while ((v = state_volume_next(u->state, v ? v->v.index : 0)))
        if (v->v.state == VOLUME_FAILED)
            return false;
    while ((m = state_medium_next(u->state, m ? m->m.index : 0)))
        if (m->m.state == MEDIUM_FAILED)
            return false;
    size_t portals = 0;
    while ((p = state_portal_next(u->state, p ? p->p.index : 0, p ? p->p.group : 0))) {
        if (!p->p.up)
            return false;
        portals++;
    }
    return all_there(u) && portals == u->config->portal_count * state_groups(u->state) &&
           !u->last_error[0];
}

void unit_settle(struct unit *u)
{
    enum member_state before = u->health;
    if (u->had_pass) {
        char down[LAST_ERROR_ROOM];
        portals_reason(u->portals, down);
        reason_of_unit(u->unrecorded, u->tgtds_there, u->tgtd_errors, state_groups(u->state),
                       u->intruder[0] ? u->intruder
                       : down[0]      ? down
                                      : u->portals_error,
                       u->last_error);
    }
    if (u->stopping)
        u->health = MEMBER_SHUTTING_DOWN;
    else if (u->had_pass) // before that nothing is known
        u->health = all_served(u) ? MEMBER_RUNNING : MEMBER_DEGRADED;
    if (u->health != before)
        log_info("unit", "the unit is %s", member_state_name(u->health));
    u->calls.settled(u->calls.arg);
}
