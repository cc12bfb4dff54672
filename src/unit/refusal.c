// At which volume a login was refused, of which tgtd's log gives the initiator alone.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/refusal.h"
#include "base/mem.h"
#include <string.h>
#include <time.h>

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

static bool is_noted(const struct unit_rule *r)
{
    return r->refused > 0 && r->refused_logins == r->counting.logins;
}

void refusal_note(struct state *s, uint32_t tgtd, const char *initiator, int64_t now)
{
    struct unit_rule *r = state_rule_next(s, 0, 0);
    size_t of_host = 0;
    for (; r; r = state_rule_next(s, r->r.volume, r->r.index))
        of_host += iqn_equal(r->r.initiator, initiator);
    for (r = state_rule_next(s, 0, 0); r; r = state_rule_next(s, r->r.volume, r->r.index)) {
        if (!iqn_equal(r->r.initiator, initiator) || r->r.state != ACCESS_ACTIVE ||
            !may_serve(state_volume(s, r->r.volume), tgtd))
            continue;
        r->refused = is_noted(r) ? r->refused + 1 : 1;
        r->refused_logins = r->counting.logins;
        r->refused_doubt = of_host > 1;
        struct tm at;
        const time_t seconds = (time_t)now;
        strftime(r->refused_at, sizeof(r->refused_at), "%Y-%m-%dT%H:%M:%SZ",
                 gmtime_r(&seconds, &at));
    }
}

char *refusal_text(const struct unit_rule *r)
{
    if (!is_noted(r))
        return dv_strdup("");
    return dv_printf("a wrong CHAP user or secret: %u login%s refused since the last one that was "
                     "not, the last at %s%s; give the host the user and secret that are set here",
                     r->refused, r->refused == 1 ? "" : "s", r->refused_at,
                     r->refused_doubt ? ", at this or another volume of the host" : "");
}
