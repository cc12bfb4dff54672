// The table of what becomes of a unit's trust.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/trust.h"

#include <stdio.h>

bool trust_is_taken(enum unit_trust trust)
{
    return trust == TRUST_SHARED || trust == TRUST_ENROLLED;
}

void trust_why_not(const struct unit_record *unit, char out[TRUST_WHY_ROOM])
{
    const char *name = unit->name;
    out[0] = '\0';
    switch (unit->trust) {
    case TRUST_SHARED:
    case TRUST_ENROLLED:
        break;
    case TRUST_WAITING:
        snprintf(out, TRUST_WHY_ROOM,
                 "%s knows the pass-phrases that units share, and nobody has accepted it: if it is "
                 "yours, accept it (dvsan unit accept %s)",
                 name, name);
        break;
    case TRUST_QUARANTINED:
        snprintf(out, TRUST_WHY_ROOM,
                 "%s is quarantined: nothing that it says is taken, and nothing is sent to it, "
                 "until it is accepted (dvsan unit accept %s)",
                 name, name);
        break;
    case TRUST_REVOKED:
        snprintf(out, TRUST_WHY_ROOM,
                 unit->key_number > 0
                     ? "%s is revoked: its keys open nothing any more; it gets others by a code "
                       "(dvsan unit add %s --again)"
                     : "%s is revoked, but the pass-phrases on it are those that units share: they "
                       "open each unit that is not enrolled; it gets keys of its own by a code "
                       "(dvsan unit add %s --again)",
                 name, name);
        break;
    }
}

static int accept_it(const struct unit_record *u, enum unit_trust *out, struct dv_err *err)
{
    switch (u->trust) {
    case TRUST_SHARED:
    case TRUST_ENROLLED:
        return dv_fail(err, DV_CONFLICT, "unit %s is accepted already", u->name);
    case TRUST_WAITING:
        *out = TRUST_SHARED;
        return 0;
    case TRUST_QUARANTINED:
        *out = u->key_number ? TRUST_ENROLLED : TRUST_SHARED;
        return 0;
    case TRUST_REVOKED:
        break;
    }
    return dv_fail(err, DV_CONFLICT,
                   "unit %s is revoked, and its keys may be known to others: give it new ones by a "
                   "code (dvsan unit add %s --again)",
                   u->name, u->name);
}

static int quarantine_it(const struct unit_record *u, enum unit_trust *out, struct dv_err *err)
{
    if (u->trust == TRUST_WAITING)
        return dv_fail(err, DV_CONFLICT,
                       "unit %s waits to be accepted, and until then nothing that it says is taken "
                       "anyhow",
                       u->name);
    if (!trust_is_taken(u->trust))
        return dv_fail(err, DV_CONFLICT, "unit %s is %s already", u->name,
                       unit_trust_name(u->trust));
    *out = TRUST_QUARANTINED;
    return 0;
}

int trust_change(const struct unit_record *unit, enum trust_act act, enum unit_trust *out,
                 struct dv_err *err)
{
    switch (act) {
    case TRUST_ACCEPT:
        return accept_it(unit, out, err);
    case TRUST_QUARANTINE:
        return quarantine_it(unit, out, err);
    case TRUST_REVOKE:
        break;
    }
    if (unit->trust == TRUST_REVOKED)
        return dv_fail(err, DV_CONFLICT, "unit %s is revoked already", unit->name);
    *out = TRUST_REVOKED;
    return 0;
}
