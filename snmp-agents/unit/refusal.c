// At which volume a login was refused, of which tgtd's log gives the initiator alone.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/refusal.h"
#include <string.h>

// One that moves from one tgtd to another may be either's.
static bool may_serve(const struct unit_volume *v, uint32_t tgtd)
{
    return v->tgtd == tgtd || v->v.group == tgtd;
}

// A rule that is being granted or revoked may be in force or not, so it only adds to the doubt.
struct unit_volume *refusal_volume(const struct state *s, uint32_t tgtd, const char *initiator)
{
    struct unit_volume *found = NULL;
    const struct unit_rule *r = state_rule_next(s, 0, 0);
    for (; r; r = state_rule_next(s, r->r.volume, r->r.index)) {
        if (!iqn_equal(r->r.initiator, initiator))
            continue;
        struct unit_volume *v = state_volume(s, r->r.volume);
        if (!may_serve(v, tgtd))
            continue;
        if (found || r->r.state != ACCESS_ACTIVE || v->tgtd != tgtd || v->v.group != tgtd)
            return NULL;
        found = v;
    }
    return found;
}
