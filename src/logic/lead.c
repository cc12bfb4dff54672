// Who may order what of a unit, and whether a station may lead it.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/lead.h"

#include "base/mem.h"
#include "base/text.h"
#include <stdio.h>

static bool refuse(char why[LEAD_WHY_ROOM], const char *what, const struct lead *now,
                   const char *then)
{
    char uuid[UUID_TEXT_LEN];
    snprintf(why, LEAD_WHY_ROOM, "%s: the station %.100s (%s) leads this unit%s", what,
             now->name[0] ? now->name : "without a name", uuid_format(&now->word.station, uuid),
             then);
    return false;
}

static bool may_speak(const struct lead *now, const struct lead_ask *ask, char why[LEAD_WHY_ROOM])
{
    bool same = ask->word.mark == now->word.mark;
    if (same && ask->word.number >= now->word.number)
        return true;
    if (!same && ask->word.number > now->word.number) {
        if (ask->lease && ask->knows)
            return true;
        dv_copy(why, LEAD_WHY_ROOM,
                "the station was refused: it was started again, or is another copy, and does not "
                "know what this unit was told last");
        return false;
    }
    snprintf(why, LEAD_WHY_ROOM,
             "%.60s was refused: it speaks for state %u of its intent, and this unit was told of "
             "state %u: it has an older store, or another copy of it",
             ask->name && ask->name[0] ? ask->name : "the station", ask->word.number,
             now->word.number);
    return false;
}

bool lead_may_set(const struct lead *now, bool held, const struct lead_ask *ask,
                  char why[LEAD_WHY_ROOM])
{
    why[0] = '\0';
    held = held && !uuid_is_zero(&now->word.station);
    if (uuid_is_zero(&ask->word.station)) {
        if (held && ask->undone)
            return refuse(why, "a change was refused that names no station", now,
                          " and would undo it: order it there");
        if (held && ask->lease)
            return refuse(why, "a lease was refused that names no station", now, "");
        return true;
    }
    if (uuid_equal(&ask->word.station, &now->word.station))
        return may_speak(now, ask, why);
    if (!ask->lease) {
        snprintf(why, LEAD_WHY_ROOM,
                 "%.60s asked for something and does not lead this unit: it must take the lease "
                 "first",
                 ask->name && ask->name[0] ? ask->name : "another station");
        return false;
    }
    if (held && !ask->take_over) {
        char what[96];
        snprintf(what, sizeof(what), "%.60s asked for the lead",
                 ask->name && ask->name[0] ? ask->name : "another station");
        return refuse(why, what, now, "");
    }
    if (!uuid_is_zero(&now->word.station) && !ask->knows) {
        dv_copy(why, LEAD_WHY_ROOM,
                "a station was refused that does not know what this unit was told last");
        return false;
    }
    return true;
}

static bool is_known(const struct lead_look *look)
{
    for (size_t i = 0; i < look->run_count; i++)
        if (look->runs[i].mark == look->shown.mark)
            return look->shown.number <= look->runs[i].number;
    return false;
}

enum lead_standing lead_stand(const struct lead_look *look)
{
    if (uuid_is_zero(&look->shown.station))
        return LEAD_FREE;
    bool ours = uuid_equal(&look->shown.station, &look->station);
    if (ours && is_known(look))
        return LEAD_OURS;
    if (!ours && look->held)
        return LEAD_HELD;
    if (lead_word_equal(&look->shown, &look->accepted))
        return LEAD_FREE;
    return ours ? LEAD_NEWER : LEAD_FOREIGN;
}

bool lead_may_carry_out(const struct lead_word *shown, const struct dv_uuid *station,
                        uint32_t number)
{
    return uuid_equal(&shown->station, station) && number >= shown->number;
}

const char *lead_standing_name(enum lead_standing standing)
{
    static const char *const names[] = {"unknown", "leads", "free", "held", "foreign", "newer"};
    return (unsigned)standing < DV_COUNT(names) ? names[standing] : "unknown";
}
