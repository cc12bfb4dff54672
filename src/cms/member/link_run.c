// The connection to one unit: its life, and what it does next.
// SPDX-License-Identifier: BSD-2-Clause
//
// One thing is under way at a time: a look, reading tables, or a SET. Whatever ends calls
// link_go_on, and the next thing is started from here: steps of a plan first, then a look when one
// is due.
#include "cms/member/link_run.h"

#include "base/log.h"
#include "base/mem.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/facet.h"
#include "cms/member/fetch.h"
#include "cms/member/key_trial.h"
#include "cms/member/lead.h"
#include "cms/member/link.h"
#include "cms/member/look.h"
#include "cms/member/reading.h"
#include "cms/member/rekey.h"
#include "cms/member/suspect.h"
#include "cms/member/trust.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include "logic/health.h"
#include <string.h>

#define STRANGERS_MAX 256 // units that announced themselves and were not read yet

static void next(struct unit_link *link);

// It is written down, and looked at again once a person has accepted it.
static void let_wait(void *owner, const void *arg)
{
    struct unit_link *link = link_find(owner, arg);
    if (!link || !link->reading || !uuid_equal(&link->reading->uuid, &link->uuid) ||
        !trust_waits(link))
        return; // another one by now
    trust_wait(link);
    link_free(link);
}

static void on_timer(void *arg)
{
    struct unit_link *link = arg;
    if (link->unknown) {
        link->unknown = false;
        ledger_turn(link->cms->ledger, let_wait, &link->uuid, sizeof(link->uuid));
    } else if (link->concluding) {
        conclude_waits(link);
    } else {
        next(link);
    }
}

// A newcomer always gets a place: who announces many that do not exist loses his oldest.
static void make_place(struct cms *cms)
{
    struct stranger list[STRANGERS_MAX];
    struct unit_link *links[STRANGERS_MAX];
    size_t n = 0;
    for (struct unit_link *l = cms->links; l && n < STRANGERS_MAX; l = l->hh.next) {
        if (!l->stranger || l->observation) // that one joins just now
            continue;
        links[n] = l;
        list[n++] = (struct stranger){l->sender, l->announced_at, l->work == LINK_READING};
    }
    if (n > 0)
        link_free(links[strangers_weakest(list, n)]);
}

struct unit_link *link_new(struct cms *cms, enum member_kind kind, const struct dv_uuid *uuid,
                           const char *name, const char *address, const struct sn_engine_id *engine,
                           const char *sender, struct dv_err *err)
{
    bool stranger = !pool_unit_by_uuid(cms->pool, uuid);
    struct sn_peer *peer = trust_peer(cms, uuid, address, engine, err);
    if (!peer)
        return NULL;
    if (stranger && cms->strangers >= STRANGERS_MAX)
        make_place(cms);
    struct unit_link *link = dv_calloc(1, sizeof(*link));
    link->cms = cms;
    link->facet = cms->facets[kind];
    link->announced_at = loop_now_ms();
    dv_copy(link->sender, sizeof(link->sender), sender);
    link->uuid = *uuid;
    link->engine = *engine;
    link->peer = peer;
    dv_copy(link->name, sizeof(link->name), name);
    dv_copy(link->address, sizeof(link->address), address);
    link->timer = loop_timer_new(cms->loop, on_timer, link);
    HASH_ADD(hh, cms->links, uuid, sizeof(link->uuid), link);
    link->stranger = stranger;
    if (stranger)
        cms->strangers++;
    else
        link_unit(link)->link = link;
    link_look(link);
    return link;
}

void link_free(struct unit_link *link)
{
    if (!link)
        return;
    struct pool_unit *unit = link_unit(link);
    if (unit)
        unit->link = NULL;
    if (link->stranger)
        link->cms->strangers--;
    HASH_DEL(link->cms->links, link);
    suspect_free(link->suspect);
    rekey_free(link->rekey);
    key_trial_free(link->search);
    sn_peer_free(link->trial);
    sn_peer_free(link->peer);
    fetch_free(link->fetch);
    reading_free(link->reading);
    names_free(&link->names);
    link_forget_orders(link);
    conclude_forget(link);
    loop_timer_free(link->timer);
    link->facet->forget(link);
    free(link);
}

// The next regular look. Each unit has its own place in the interval, so that the looks at many
// units are spread over it.
static uint64_t regular_time(const struct unit_link *link, uint64_t now)
{
    uint32_t interval = link->cms->config->poll_interval_ms;
    uint32_t place;
    memcpy(&place, link->uuid.b, sizeof(place));
    return now + interval - (now - place % interval) % interval;
}

static uint64_t due_at(struct unit_link *link)
{
    if (link->urgent)
        return 0;
    if (link->pace_ms && link->looked_at + link->pace_ms < link->poll_at)
        return link->looked_at + link->pace_ms;
    return link->poll_at;
}

// False: there is nothing to send.
static bool take_step(struct unit_link *link)
{
    struct pool_unit *unit = link_unit(link);
    // Of a reading that was given up in the middle the rest is not known, nor some indexes.
    if (!unit || link->taken_in_part || !health_takes_orders(unit->rec.state) ||
        !lead_takes_orders(link)) {
        link_forget_orders(link);
        return false;
    }
    if (link->queue_next == link->queue.count && link->replan)
        link->facet->plan(link);
    return link->facet->step(link);
}

// Looks at the unit when a look is due, and else sets the timer for the time when it will be. A
// stranger who was not read is forgotten then.
static void look_or_wait(struct unit_link *link)
{
    uint64_t now = loop_now_ms();
    if (!link_unit(link) && !link->urgent) {
        if (link->keep_until <= now)
            link_free(link);
        else
            loop_timer_set(link->timer, (uint32_t)(link->keep_until - now));
        return;
    }
    uint64_t due = due_at(link), may = pace_next(&link->looks, now);
    if (due < may)
        due = may;
    if (due > now) {
        loop_timer_set(link->timer, (uint32_t)(due - now));
        return;
    }
    link->urgent = false;
    link->looked_at = now;
    pace_look(&link->looks, now);
    link->poll_at = regular_time(link, now);
    look_start(link);
}

static void step_turn(void *owner, const void *arg)
{
    struct unit_link *link = link_find(owner, arg);
    if (!link)
        return;
    link->stepping = false;
    if (link->work == LINK_IDLE && !take_step(link))
        look_or_wait(link);
}

// No order is sent while something is being written that it could be about: it waits for a turn.
static void ask_for_step(struct unit_link *link)
{
    if (link->stepping || (link->queue_next == link->queue.count && !link->replan))
        return;
    link->stepping = true;
    ledger_turn(link->cms->ledger, step_turn, &link->uuid, sizeof(link->uuid));
}

// May free the link.
static void next(struct unit_link *link)
{
    if (link->work == LINK_IDLE)
        ask_for_step(link);
    if (link->work != LINK_IDLE)
        return;
    // An order that waits for its turn goes before a look that is due, which takes longer; but
    // where the store is slow, what is seen must not wait for it.
    if (link->stepping && !ledger_is_slow(link->cms->ledger))
        loop_timer_set(link->timer, LEDGER_SLOW_MS);
    else
        look_or_wait(link);
}

void link_start_over(struct unit_link *link)
{
    struct dv_err err;
    struct sn_peer *peer = trust_peer(link->cms, &link->uuid, link->address, &link->engine, &err);
    if (!peer)
        return; // then its time-out is waited for
    key_trial_free(link->search);
    link->search = NULL;
    sn_peer_free(link->trial);
    link->trial = NULL;
    sn_peer_free(link->peer); // the requests under way end here, and touch nothing
    link->peer = peer;
    fetch_free(link->fetch);
    link->fetch = NULL;
    reading_free(link->reading);
    names_free(&link->names);
    link->reading = NULL;
    link_forget_orders(link);
    conclude_forget(link);
    link->found_key = 0;
    link->work = LINK_IDLE;
    link->discard = link->unknown = false;
    link->lease_under_way = link->leads = false;
}
