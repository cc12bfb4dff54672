// What follows from a look: the pool takes in what was read, and tasks and orders follow from that.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each step is done by parts, of which a turn of the loop has time for some; other work of the loop
// comes in between. So a step reads the pool as it is when its part has its turn, and keeps no more
// than the place where it goes on. A link that is freed or started over takes all of it along.
//
// What must be seen together: the last part of a reading and the word by which it is judged which
// orders may still be carried out. Both become known in one turn, and neither changes before the
// last step: no order is sent while a look is under way, and the answer to a lease waits for the
// next look (lead.c). So what is not shown then and has no order out is not there, whatever people
// ask for between two parts.
#include "cms/station.h"

#include "cms/reading.h"
#include "cms/rekey.h"
#include "logic/health.h"

#define PACE_FIRST_MS 5
#define PACE_MAX_MS   200

enum part_taken { PART_OF_MORE, PART_LAST, PART_FAILED };

// How soon to look again: at once after something has moved, then ever more slowly while work is
// under way on the unit, and by the poll interval when all is settled.
static void set_pace(struct unit_link *link, bool moved, bool unsettled)
{
    if (moved)
        link->pace_ms = PACE_FIRST_MS;
    else if (!unsettled)
        link->pace_ms = 0;
    else if (link->pace_ms == 0)
        link->pace_ms = PACE_FIRST_MS;
    else
        link->pace_ms = link->pace_ms * 2 < PACE_MAX_MS ? link->pace_ms * 2 : PACE_MAX_MS;
}

static enum part_taken put_in_order(struct unit_link *link)
{
    observe_begin(link);
    return PART_LAST;
}

static enum part_taken take_in(struct unit_link *link)
{
    switch (observe_part(link)) {
    case OBSERVED_PART:
        return PART_OF_MORE;
    case OBSERVED_MOST:
        return PART_LAST;
    default:
        return PART_FAILED;
    }
}

static enum part_taken take_in_rest(struct unit_link *link)
{
    const struct reading *r = link->reading;
    if (!observe_reading(link, r))
        return PART_FAILED;
    link->misses = 0;
    link->farewell = false;
    link->over_ms = 0;
    link->trouble[0] = '\0';
    link->lease_until = loop_now_ms() + r->lease * 1000ull;
    lead_look(link, r);
    return PART_LAST;
}

static enum part_taken settle(struct unit_link *link)
{
    return tasks_settle(link->cms, link_unit(link), !link->silent, &link->settling) ? PART_OF_MORE
                                                                                    : PART_LAST;
}

static enum part_taken plan(struct unit_link *link)
{
    const struct reading *r = link->reading;
    const struct pool_unit *unit = link_unit(link);
    bool unsettled = r->oper == MEMBER_STARTING;
    if (link->silent)
        return PART_LAST;
    rekey_shown(link, r);
    rekey_go(link);
    if (health_takes_orders(unit->rec.state) && lead_takes_orders(link))
        unsettled |= executor_plan(link);
    set_pace(link, r->tables, unsettled);
    return PART_LAST;
}

static enum part_taken forget(struct unit_link *link)
{
    return reading_free_some(link->reading) ? PART_OF_MORE : PART_LAST;
}

enum { BEGIN, TAKE_IN, TAKE_IN_REST, SETTLE, PLAN, FORGET, STEPS };

static const struct {
    const char *serves;
    enum part_taken (*take)(struct unit_link *link);
} steps[STEPS] = {
    [BEGIN] = {"beginning with what a unit showed", put_in_order},
    [TAKE_IN] = {"taking in a part of what a unit showed", take_in},
    [TAKE_IN_REST] = {"taking in the rest of what a unit showed", take_in_rest},
    [SETTLE] = {"settling tasks by what a unit showed", settle},
    [PLAN] = {"planning for a unit", plan},
    [FORGET] = {"forgetting what a unit showed", forget},
};

bool conclude_part(struct unit_link *link)
{
    loop_serves(link->cms->loop, steps[link->conclusion].serves);
    enum part_taken part = link->discard ? PART_FAILED : steps[link->conclusion].take(link);
    if (part == PART_FAILED)
        link->pace_ms = 0;
    link->conclusion += part == PART_LAST;
    return part != PART_FAILED && link->conclusion < STEPS;
}

static void go_on(void *arg)
{
    struct unit_link *link = arg;
    do {
        if (!conclude_part(link)) {
            loop_timer_free(link->parts);
            link->parts = NULL;
            look_end(link);
            return;
        }
    } while (loop_has_time(link->cms->loop));
    loop_timer_set(link->parts, 0);
}

static void begin(struct unit_link *link, unsigned step)
{
    link->conclusion = step;
    link->silent = step == SETTLE;
    link->settling = (struct settling){SETTLE_DROP, {{0}}};
    link->parts = loop_timer_new(link->cms->loop, go_on, link);
    // The turn that brought the last row of a table has done its part.
    if (link->reading->tables)
        loop_timer_set(link->parts, 0);
    else
        go_on(link);
}

void conclude_answer(struct unit_link *link)
{
    begin(link, BEGIN);
}

void conclude_silence(struct unit_link *link)
{
    begin(link, SETTLE);
}
