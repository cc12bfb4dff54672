// Announcements coming in: parse, decide, ask.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/join/join.h"

#include "base/log.h"
#include "base/mem.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/join/announce.h"
#include "cms/member/link.h"
#include "cms/member/link_run.h"
#include "cms/member/reading.h"
#include "cms/member/suspect.h"
#include "cms/member/trust.h"
#include "cms/pool/pool.h"
#include "logic/health.h"
#include "logic/trust.h"
#include <string.h>

#define ANSWER_MS     50  // longer than an answer takes
#define OVER_FIRST_MS 500 // after it was started over; until it has answered
#define OVER_MAX_MS   30000
#define LOST_MS       200 // after this a question is taken to be lost, if the unit speaks again

static struct sn_engine_id engine_of(const struct heard *a)
{
    struct sn_engine_id id = {.len = a->engine_id_len};
    memcpy(id.b, a->engine_id, a->engine_id_len);
    return id;
}

// A unit that is not in the pool yet and says something else than before: begin anew.
static bool stranger_changed(const struct unit_link *link, const struct heard *a)
{
    return !link_unit(link) &&
           (strcmp(link->address, a->address) != 0 || link->engine.len != a->engine_id_len ||
            memcmp(link->engine.b, a->engine_id, a->engine_id_len) != 0);
}

// What is under way was sent to a unit that was not there, or whose answer was lost: an answer
// takes some milliseconds. Only reading tables may take longer.
static bool is_vain(const struct unit_link *link, const struct heard *a)
{
    uint64_t took = loop_now_ms() - link->work_since;
    const struct pool_unit *unit = link_unit(link);
    if (link->concluding || link->found_key > 0) // it has answered
        return false;
    switch (link->work) {
    case LINK_IDLE:
        return false;
    case LINK_LOOKING:
        return took > ANSWER_MS;
    case LINK_READING:
        return took > ANSWER_MS && a->epoch > link->reading->epoch;
    case LINK_SETTING:
        return took > ANSWER_MS && unit && a->epoch > unit->rec.epoch;
    }
    return false;
}

// Announcements prove little: a false one must not keep the station from ever reading a unit.
static bool may_start_over(struct unit_link *link)
{
    uint64_t now = loop_now_ms();
    if (link->over_ms && now - link->over_at < link->over_ms)
        return false;
    link->over_at = now;
    link->over_ms = link->over_ms ? link->over_ms * 2 : OVER_FIRST_MS;
    if (link->over_ms > OVER_MAX_MS)
        link->over_ms = OVER_MAX_MS;
    return true;
}

static void query(struct cms *cms, struct unit_link *link, const struct heard *a, const char *from)
{
    if (link && !link->observation && stranger_changed(link, a)) {
        link_free(link);
        link = NULL;
    }
    if (!link) {
        struct sn_engine_id engine = engine_of(a);
        static struct log_limit limit;
        struct dv_err err;
        char sender[SENDER_ROOM];
        link = link_new(cms, a->member, &a->uuid, a->name, a->address, &engine,
                        stranger_sender(from, sender), &err);
        if (!link) {
            log_limited(&limit, LOG_LEVEL_WARNING, "join",
                        "%s announced itself at %s and cannot be asked: %s", a->name, a->address,
                        err.text);
            return;
        }
    }
    if (is_vain(link, a) && may_start_over(link))
        link_start_over(link);
    const struct pool_unit *unit = link_unit(link);
    if (unit && (unit->rec.state == UNIT_DOWN || unit->rec.state == UNIT_STOPPED))
        sn_peer_forget_time(link->peer); // its snmpd may have been restored from a backup
    link->heard_epoch = a->epoch;
    link->heard_generation = a->generation;
    if (strcmp(a->address, link->address) != 0 && !link->trial)
        dv_copy(link->next_address, sizeof(link->next_address), a->address);
    link_look(link);
}

// A good-bye is a reason to look, no more: a unit that leaves does not answer, or says so itself.
// What it answered before one that it alone can have signed is out of date. Others must not be
// able to spoil its readings by saying good-bye in its name.
static void leave(struct unit_link *link, const struct pool_unit *unit)
{
    if (!link)
        return;
    if (unit->rec.key_number != 0 && (link->work == LINK_LOOKING || link->work == LINK_READING))
        link->discard = true;
    link->farewell = true;
    link_look(link);
}

static void suspect(struct unit_link *link, const struct heard *a)
{
    const struct sn_engine_id engine = engine_of(a);
    if (link)
        suspect_ask(link, &engine, a->address);
}

static void doubt(struct cms *cms, const struct heard *a, const char *from, const char *why)
{
    static struct log_limit limit;
    char sender[SENDER_ROOM];
    struct changes c = {0};
    events_add_limited(&limit, cms, &c, EVENT_WARNING, "unit", a->name,
                       "an announcement from %s in its name is not believed: %s",
                       stranger_sender(from, sender), why);
    ledger_commit(cms->ledger, &c, LEDGER_SEEN);
}

// One that is refused goes on announcing itself, and is told of once at each of its starts.
static bool is_new_refusal(struct cms *cms, const struct heard *a)
{
    for (size_t i = 0; i < DV_COUNT(cms->refused); i++)
        if (uuid_equal(&cms->refused[i].uuid, &a->uuid) && cms->refused[i].epoch == a->epoch)
            return false;
    struct refused_member *r = &cms->refused[cms->refused_count++ % DV_COUNT(cms->refused)];
    *r = (struct refused_member){a->uuid, a->epoch};
    return true;
}

static void refuse(struct cms *cms, const struct heard *a, const char *from, const char *why)
{
    static struct log_limit limit;
    char sender[SENDER_ROOM];
    struct changes c = {0};
    if (!is_new_refusal(cms, a))
        return;
    events_add_limited(&limit, cms, &c, EVENT_WARNING, member_kind_name(a->member), a->name,
                       "it announced itself from %s and is not taken into the pool: %s",
                       stranger_sender(from, sender), why);
    ledger_commit(cms->ledger, &c, LEDGER_SEEN);
}

void join_notification(void *arg, const struct sn_notification *n)
{
    struct cms *cms = arg;
    struct heard a;
    const char *why;
    static struct log_limit bad;
    switch (announce_parse(n, &a, &why)) {
    case ANNOUNCE_FOREIGN:
        log_debug("join", "a notification from %s is not about joining", n->from);
        return;
    case ANNOUNCE_BAD:
        cms->bad_announcements++;
        log_limited(&bad, LOG_LEVEL_WARNING, "join", "dropped an announcement from %s: %s", n->from,
                    why);
        return;
    case ANNOUNCE_OURS:
        break;
    }
    why = trust_doubts(cms, n->user, &a.uuid);
    if (why) {
        doubt(cms, &a, n->from, why);
        return;
    }
    struct pool_unit *unit = pool_unit_by_uuid(cms->pool, &a.uuid);
    if (unit && !trust_is_taken(unit->rec.trust)) {
        log_debug("join", "%s is %s: what it announces is left alone", unit->rec.name,
                  unit_trust_name(unit->rec.trust));
        return;
    }
    struct unit_link *link = link_find(cms, &a.uuid);
    struct join_known known = {.unit = unit ? &unit->rec : NULL};
    if (link) {
        known.lease_held = link->lease_until > loop_now_ms() || link->lease_under_way;
        known.reading = link->work == LINK_READING || link->urgent ||
                        (link->work == LINK_LOOKING && loop_now_ms() - link->work_since <= LOST_MS);
        known.reading_epoch = link->heard_epoch;
        known.reading_generation = link->heard_generation;
        if (stranger_changed(link, &a))
            known.reading = false;
    }
    enum join_action action = join_decide(&known, &a, &why);
    log_debug("join", "%s (epoch %u, generation %u) from %s: %s", a.name, a.epoch, a.generation,
              n->from, why);
    switch (action) {
    case JOIN_IGNORE:
        break;
    case JOIN_QUERY:
        query(cms, link, &a, n->from);
        break;
    case JOIN_LEAVE:
        leave(link, unit);
        break;
    case JOIN_SUSPECT:
        suspect(link, &a);
        break;
    case JOIN_REFUSE:
        refuse(cms, &a, n->from, why);
        break;
    }
}
