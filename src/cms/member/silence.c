// A unit that does not answer, or took its leave.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/member/silence.h"

#include "base/log.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "logic/health.h"
#include <stdio.h>
#include <string.h>

const char silence_stopped[] = "its agent was stopped";

void silence_state(struct cms *cms, struct pool_unit *unit, enum unit_state state, const char *why)
{
    if (unit->rec.state == state)
        return;
    struct changes c = {0};
    struct unit_link *link = unit->link;
    struct log_limit none = {0};
    struct log_limit *limit = link ? &link->states : &none;
    struct unit_record rec = unit->rec;
    rec.state = state;
    dv_copy(rec.last_error, sizeof(rec.last_error), why);
    changes_unit(&c, &rec);
    if (state == UNIT_DOWN)
        events_add_limited(limit, cms, &c, EVENT_ERROR, "unit", rec.name, "is down: %s", why);
    else if (state == UNIT_STOPPED)
        events_add_limited(limit, cms, &c, EVENT_INFO, "unit", rec.name, "is being stopped");
    else if (state == UNIT_CONFLICT)
        events_add_limited(limit, cms, &c, EVENT_ERROR, "unit", rec.name,
                           "%s: nothing is changed on the unit until one of the two is gone", why);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
}

// Whatever it was before: it is there, and a person has to do something.
static void tell_keyless(struct unit_link *link, struct pool_unit *unit)
{
    struct changes c = {0};
    struct unit_record rec = unit->rec;
    char why[2 * LAST_ERROR_ROOM];
    snprintf(why, sizeof(why),
             "it takes none of the station's keys, as when an old backup of either was put back: "
             "dvsan unit add %s --again gives it others (%s)",
             rec.name, link->refused_keys);
    rec.state = UNIT_DOWN;
    dv_copy(rec.last_error, sizeof(rec.last_error), why);
    changes_unit(&c, &rec);
    events_add_limited(&link->states, link->cms, &c, EVENT_ERROR, "unit", rec.name, "is down: %s",
                       why);
    ledger_commit(link->cms->ledger, &c, LEDGER_KEPT);
    unit->keyless = true;
}

void silence_noted(struct unit_link *link, const char *why)
{
    struct pool_unit *unit = link_unit(link);
    static const struct health_look silence = {.answered = false};
    enum unit_state state = health_next(unit->rec.state, &silence, &link->misses);
    unit->agent_away = !strcmp(why, reading_no_agent);
    if (link->farewell) { // it said so
        state = UNIT_STOPPED;
        why = silence_stopped;
    }
    log_debug("look", "%s: %s (%u in a row)", unit->rec.name, why, link->misses);
    if (!link->keyless || (state != UNIT_DOWN && state != UNIT_STOPPED)) {
        unit->keyless = false;
        silence_state(link->cms, unit, state, why);
    } else if (!unit->keyless || unit->rec.state != UNIT_DOWN) {
        tell_keyless(link, unit);
    }
}
