// What follows from a look: the pool takes in what was read, and tasks and orders follow from that.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each step is done by parts, each in a turn of the ledger; other turns, and other work of the
// loop, come in between. So a step reads the pool as it is when its part has its turn, and keeps no
// more than the place where it goes on. A link that is freed or started over takes all of it along.
//
// What must be seen together: the last part of a reading and the word by which it is judged which
// orders may still be carried out. Both become known in one turn, and neither changes before the
// last step: no order is sent while a look is under way, and the answer to a lease waits for the
// next look (lead.c). So what is not shown then and has no order out is not there, whatever people
// ask for between two parts.
#include "cms/core/ledger.h"
#include "cms/member/facet.h"
#include "cms/member/lead.h"
#include "cms/member/link.h"
#include "cms/member/look.h"
#include "cms/member/reading.h"
#include "cms/member/rekey.h"
#include "cms/member/silence.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "logic/health.h"
#include <time.h>

#define PACE_FIRST_MS 5
#define PACE_MAX_MS   200

enum part_taken { PART_OF_MORE, PART_LAST, PART_FAILED, PART_IS_WRITTEN };

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
    link->facet->begin(link);
    return PART_LAST;
}

static facet_taken_fn taken_in;

static enum part_taken take_in(struct unit_link *link)
{
    link->facet->take_in(link, taken_in);
    return PART_IS_WRITTEN;
}

// What it brings is known from here on, and so is what the unit showed of who leads it.
static void all_is_taken_in(struct unit_link *link)
{
    link->misses = 0;
    link->farewell = false;
    link->over_ms = 0;
    link->trouble[0] = '\0';
    link->lease_until = link->reading->answered_at + link->reading->lease * 1000ull;
    lead_shown(link, link->reading);
}

static enum part_taken adopt(struct unit_link *link)
{
    return lead_adopts(link, link->reading) ? PART_OF_MORE : PART_LAST;
}

static enum part_taken lead(struct unit_link *link)
{
    lead_look(link, link->reading);
    return PART_LAST;
}

static enum part_taken miss(struct unit_link *link)
{
    silence_noted(link, link->why);
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
        unsettled |= link->facet->plan(link);
    set_pace(link, r->tables, unsettled);
    return PART_LAST;
}

static enum part_taken forget(struct unit_link *link)
{
    return reading_free_some(link->reading) ? PART_OF_MORE : PART_LAST;
}

enum { BEGIN, TAKE_IN, ADOPT, LEAD, MISS, SETTLE, PLAN, FORGET, STEPS };

static const struct {
    const char *serves;
    enum part_taken (*take)(struct unit_link *link);
    unsigned next;
} steps[STEPS] = {
    [BEGIN] = {"beginning with what a unit showed", put_in_order, TAKE_IN},
    [TAKE_IN] = {"taking in a part of what a unit showed", take_in, ADOPT},
    [ADOPT] = {"taking over what a unit has", adopt, LEAD},
    [LEAD] = {"leading a unit", lead, SETTLE},
    [MISS] = {"noting that a unit is silent", miss, SETTLE},
    [SETTLE] = {"settling tasks by what a unit showed", settle, PLAN},
    [PLAN] = {"planning for a unit", plan, FORGET},
    [FORGET] = {"forgetting what a unit showed", forget, STEPS},
};

// ---- Turns -----------------------------------------------------------------------------------

void conclude_forget(struct unit_link *link)
{
    link->taken_in_part |= link->observation != NULL; // and the rest of it is read again
    link->facet->give_up(link);
    loop_timer_free(link->parts);
    link->parts = NULL;
    link->concluding = 0;
}

static void take_part(void *owner, const void *arg);

static void go_on(struct unit_link *link, enum part_taken part)
{
    const struct conclusion this = {link->uuid, link->concluding};
    if (part == PART_IS_WRITTEN)
        return; // taken_in follows
    if (part == PART_LAST)
        link->conclusion = steps[link->conclusion].next;
    if (part == PART_FAILED)
        link->pace_ms = 0;
    if (part != PART_FAILED && link->conclusion < STEPS) {
        ledger_turn(link->cms->ledger, take_part, &this, sizeof(this));
        return;
    }
    conclude_forget(link);
    link_end_look(link);
}

static void take_part(void *owner, const void *arg)
{
    struct unit_link *link = link_concluding(owner, arg);
    if (!link)
        return;
    loop_serves(link->cms->loop, steps[link->conclusion].serves);
    go_on(link, link->discard ? PART_FAILED : steps[link->conclusion].take(link));
}

static void taken_in(struct unit_link *link, bool taken, bool last)
{
    loop_serves(link->cms->loop, steps[TAKE_IN].serves);
    if (taken && last)
        all_is_taken_in(link);
    go_on(link, !taken ? PART_FAILED : last ? PART_LAST : PART_OF_MORE);
}

static void first_turn(void *arg)
{
    go_on(arg, PART_OF_MORE);
}

static void begin(struct unit_link *link, unsigned step)
{
    static uint64_t conclusions;
    link->concluding = ++conclusions;
    link->conclusion = step;
    link->silent = step == MISS;
    link->settling = (struct settling){SETTLE_DROP, {{0}}};
    link->parts = loop_timer_new(link->cms->loop, first_turn, link);
    loop_timer_set(link->timer, link->cms->config->poll_interval_ms);
    // The turn that brought the last row of a table has done its part.
    if (link->reading->tables)
        loop_timer_set(link->parts, 0);
    else
        first_turn(link);
}

// What the unit was told last is known, or this station told it so since its start: by a lease or
// an order, which a later look takes note of.
static bool is_word_known(const struct cms *cms, const struct lead_word *known,
                          const struct lead_word *shown)
{
    return lead_word_equal(known, shown) ||
           (uuid_equal(&shown->station, &cms->uuid) && uuid_equal(&known->station, &cms->uuid) &&
            shown->mark == known->mark);
}

// The store takes its time: what there is to conclude, or to read, a later look does.
static bool can_do_without(const struct unit_link *link)
{
    const struct pool_unit *unit = link_unit(link);
    return unit && ledger_is_slow(link->cms->ledger) && health_takes_orders(unit->rec.state) &&
           (link->silent ||
            (link->reading->oper != MEMBER_SHUTTING_DOWN &&
             is_word_known(link->cms, &unit->lead.word, &link->reading->lead.word)));
}

bool conclude_without(struct unit_link *link)
{
    if (!can_do_without(link))
        return false;
    conclude_forget(link);
    if (!link->silent) {
        link->misses = 0;
        link->lease_until = link->reading->answered_at + link->reading->lease * 1000ull;
        link_unit(link)->rec.last_seen = time(NULL);
    }
    lead_keep(link);
    link_end_look(link);
    return true;
}

void conclude_waits(struct unit_link *link)
{
    if (conclude_without(link))
        return;
    lead_keep(link);
    loop_timer_set(link->timer, link->cms->config->poll_interval_ms);
}

void conclude_answer(struct unit_link *link)
{
    link->silent = false;
    if (!conclude_without(link))
        begin(link, BEGIN);
}

void conclude_silence(struct unit_link *link, const char *why)
{
    dv_copy(link->why, sizeof(link->why), why);
    begin(link, MISS);
}
