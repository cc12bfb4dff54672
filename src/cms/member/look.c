// Looking at a unit: one GET of what it says of itself, and reading on when something is new.
// SPDX-License-Identifier: BSD-2-Clause
//
// A look is both the poll and the first question after an announcement. Its request goes to the
// engine that is pinned for the unit, so an answer proves by its digest who gave it.
#include "cms/member/look.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/member/facet.h"
#include "cms/member/fetch.h"
#include "cms/member/key_trial.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/member/rekey.h"
#include "cms/member/trust.h"
#include "cms/pool/pool.h"
#include "dvsan_oids.h"
#include "logic/health.h"
#include <stdio.h>

#define SEARCH_MS     10000 // between searches for the keys that a unit knows
#define FIRST_RETRIES 2     // a unit that nobody polls yet gets further tries at once

static struct sn_timing timing(const struct unit_link *link, uint32_t retries)
{
    return (struct sn_timing){link->cms->config->poll_timeout_ms, retries};
}

// The silence of one poll is known before the next is due.
static struct sn_timing poll_timing(const struct unit_link *link)
{
    struct sn_timing t = timing(link, 0);
    uint32_t most = link->cms->config->poll_interval_ms / 10 * 9;
    if (t.timeout_ms > most)
        t.timeout_ms = most;
    return t;
}

static void drop_trial(struct unit_link *link)
{
    sn_peer_free(link->trial);
    link->trial = NULL;
    link->next_address[0] = '\0';
}

// ---- Silence -------------------------------------------------------------------------------

static void tell_stranger(struct unit_link *link, const char *why)
{
    if (!strcmp(link->trouble, why))
        return;
    static struct log_limit limit;
    struct changes c = {0};
    events_add_limited(&limit, link->cms, &c, EVENT_WARNING, "unit", link->name,
                       "announced itself at %s and cannot be read: %s", link->address, why);
    ledger_commit(link->cms->ledger, &c, LEDGER_SEEN);
    dv_copy(link->trouble, sizeof(link->trouble), why);
}

static void missed(struct unit_link *link, const char *why)
{
    link->pace_ms = 0;
    if (!link_unit(link)) {
        tell_stranger(link, why);
    } else if (!link->discard) {
        link->urgent |= link->next_address[0] != '\0'; // it may be there by now
        conclude_silence(link, why);
        return;
    }
    link_end_look(link);
}

// ---- An answer -----------------------------------------------------------------------------

#define EXCESS_FIRST_MS 10000
#define EXCESS_MAX_MS   600000

// Tables that have no end are read again ever more seldom.
static void note_excess(struct unit_link *link, bool excessive)
{
    if (!excessive) {
        link->excess_ms = 0;
        return;
    }
    link->excess_ms = link->excess_ms ? link->excess_ms * 2 : EXCESS_FIRST_MS;
    if (link->excess_ms > EXCESS_MAX_MS)
        link->excess_ms = EXCESS_MAX_MS;
    link->excess_until = loop_now_ms() + link->excess_ms;
}

static void fetched(void *arg, const char *why)
{
    struct unit_link *link = arg;
    note_excess(link, fetch_is_excessive(link->fetch));
    if (!why)
        link->facet->read(link);
    if (why)
        missed(link, why);
    else
        conclude_answer(link);
}

// What of the unit's tables is not known yet. *since 0: all of it.
static bool has_news(const struct unit_link *link, const struct reading *r, uint32_t *since)
{
    const struct pool_unit *unit = link_unit(link);
    *since = 0;
    if (!unit || unit->rec.epoch != r->epoch || unit->rec.generation > r->generation)
        return true;
    // What was left out is known in memory alone, so the first look reads all; and so does one
    // behind a reading that was given up in the middle.
    if (link->state_before || link->taken_in_part || link->facet->wants_all(link))
        return true;
    if (unit->rec.generation == r->generation)
        return false;
    if (unit->rec.generation >= r->changes_since)
        *since = unit->rec.generation;
    return true;
}

static void use_trial(struct unit_link *link)
{
    log_info("join", "%s has moved from %s to %s", link->name, link->address, link->next_address);
    sn_peer_free(link->peer);
    link->peer = link->trial;
    link->trial = NULL;
    dv_copy(link->address, sizeof(link->address), link->next_address);
    link->next_address[0] = link->clone[0] = '\0';
    link->lease_under_way = false; // cancelled with the old peer
}

// The unit answers where it is known, and was announced from elsewhere. Either it says so itself;
// or the other one is a clone, with the same engine, or a liar. Nothing is sent there: a clone
// that was started more often would make the library take the true unit's answers for old ones.
static void weigh_next_address(struct unit_link *link)
{
    link->moving = !strcmp(link->reading->address, link->next_address);
    link->urgent |= link->moving;
    if (link->moving)
        return;
    if (strcmp(link->clone, link->next_address) != 0) {
        struct changes c = {0};
        events_add_limited(
            &link->odd, link->cms, &c, EVENT_WARNING, "unit", link->name,
            "answers at %s and is announced from %s, too: if that is a clone, stop it and "
            "remove its state folder and that of its snmpd",
            link->address, link->next_address);
        ledger_commit(link->cms->ledger, &c, LEDGER_SEEN);
        dv_copy(link->clone, sizeof(link->clone), link->next_address);
    }
    link->next_address[0] = '\0';
}

static const char *check(struct unit_link *link, const struct sn_result *result)
{
    const char *why = NULL;
    if (result->code != DV_OK)
        return result->text;
    if (!reading_head(result, link->reading, &why))
        return why;
    link->reading->answered_at = loop_now_ms();
    if (!uuid_equal(&link->reading->uuid, &link->uuid))
        return "another member answers at its address";
    return NULL;
}

// ---- Keys ----------------------------------------------------------------------------------

// What is under way with the old ones ends here; the unit may have carried it out.
static void renew_peer(struct unit_link *link)
{
    struct dv_err err;
    struct sn_peer *peer = trust_peer(link->cms, &link->uuid, link->address, &link->engine, &err);
    if (!peer) {
        log_error("look", "%s cannot be asked with its present keys: %s", link->name, err.text);
        return;
    }
    sn_peer_free(link->peer);
    link->peer = peer;
    link->lease_under_way = link->rekeyed = false;
}

static void key_taken(void *owner, const void *arg, const struct dv_err *err)
{
    struct unit_link *link = link_find(owner, arg);
    if (!link || link->found_key == 0)
        return; // it was started over
    link->found_key = 0;
    renew_peer(link);
    if (err) {
        missed(link, link->refused_keys);
        return;
    }
    sn_peer_forget_time(link->peer);
    link->urgent = true;
    link_end_look(link);
}

static void take_key(void *owner, const void *arg)
{
    struct unit_link *link = link_find(owner, arg);
    if (link && link_unit(link) && link->found_key > 0)
        rekey_take(link, link->found_key, key_taken);
}

static void searched(void *arg, enum key_answer answer, uint32_t number, struct sn_peer *peer)
{
    struct unit_link *link = arg;
    key_trial_free(link->search);
    link->search = NULL;
    sn_peer_free(peer);
    link->keyless = answer == KEY_NONE_FITS;
    if (answer == KEY_FITS) {
        link->found_key = number;
        ledger_turn(link->cms->ledger, take_key, &link->uuid, sizeof(link->uuid));
        return;
    }
    renew_peer(link); // the search has put other keys in the place of the present ones
    missed(link, link->refused_keys);
}

// By its snmpd, which does not know the key.
static bool is_refusal(const struct sn_result *result)
{
    return result->code == DV_DENIED && result->error_status == 0;
}

// A unit that does not know the present key of the station may know another one.
static bool search_keys(struct unit_link *link, const struct sn_result *result)
{
    const struct pool_unit *unit = link_unit(link);
    uint32_t numbers[REKEY_SEARCHED];
    uint64_t now = loop_now_ms();
    if (!is_refusal(result) || link->trial || !unit || unit->rec.key_number == 0 ||
        (link->searched_at && now - link->searched_at < SEARCH_MS))
        return false;
    link->searched_at = now;
    dv_copy(link->refused_keys, sizeof(link->refused_keys), result->text);
    rekey_free(link->rekey);
    link->rekey = NULL;
    link->search = key_trial_new(link, numbers, rekey_search(&unit->rec, numbers), searched, link);
    return true;
}

// ---- Looking ---------------------------------------------------------------------------------

static void looked(void *arg, const struct sn_result *result)
{
    if (result->code == DV_CANCELLED)
        return;
    struct unit_link *link = arg;
    const char *why = check(link, result);
    if (why && search_keys(link, result))
        return;
    link->keyless = link->keyless && is_refusal(result);
    if (why && link->trial) {
        log_limited(&link->odd, LOG_LEVEL_WARNING, "join",
                    "%s does not answer at its new address %s: %s", link->name, link->next_address,
                    why);
        drop_trial(link);
        link->urgent = true;
        link_end_look(link);
        return;
    }
    if (why) {
        missed(link, why);
        return;
    }
    if (link->trial)
        use_trial(link);
    else if (link->next_address[0])
        weigh_next_address(link);
    if (trust_waits(link)) {
        link->unknown = true;
        loop_timer_set(link->timer, 0);
        return;
    }
    uint32_t since;
    if (!has_news(link, link->reading, &since)) {
        conclude_answer(link);
        return;
    }
    link->silent = false;
    if (conclude_without(link))
        return;
    if (link->excess_ms && loop_now_ms() < link->excess_until) {
        missed(link, "its tables have no end, and are left alone for a while");
        return;
    }
    DV_FAULT("look.read");
    link->work = LINK_READING;
    link->work_since = loop_now_ms();
    link->fetch =
        fetch_new(link->peer, timing(link, FIRST_RETRIES), link->reading, since, fetched, link);
}

static void try_next_address(struct unit_link *link)
{
    struct dv_err err;
    link->trial = trust_peer(link->cms, &link->uuid, link->next_address, &link->engine, &err);
    if (!link->trial) {
        log_limited(&link->odd, LOG_LEVEL_WARNING, "join",
                    "%s announced an address that cannot be used: %s", link->name, err.text);
        drop_trial(link);
    }
}

void look_start(struct unit_link *link)
{
    link->work = LINK_LOOKING;
    link->work_since = loop_now_ms();
    link->reading = dv_calloc(1, sizeof(*link->reading));
    if (link->rekeyed)
        renew_peer(link);
    // Only when it does not answer where it is known, or says itself that it moves. Never twice in
    // a row: announcements of wrong addresses must not keep us from the right one.
    if (link->next_address[0] && !link->tried && (link->misses > 0 || link->moving))
        try_next_address(link);
    link->moving = false;
    link->tried = link->trial != NULL;
    bool polled = link_unit(link) && !link->trial;
    struct sn_oid oids[READING_HEAD_MAX];
    link->facet->watch(link);
    size_t n = reading_head_oids(link->reading, oids);
    sn_get(link->trial ? link->trial : link->peer, oids, n,
           polled ? poll_timing(link) : timing(link, FIRST_RETRIES), looked, link);
}
