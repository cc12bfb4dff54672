// Who leads a unit: the lease, the word that orders begin with, and what is told of other stations.
// SPDX-License-Identifier: BSD-2-Clause
//
// logic/lead.h decides. A unit is ordered something only while it shows a word that this store
// knows, or has just taken this station's lease.
#include "cms/member/lead.h"

#include "base/log.h"
#include "base/mem.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/older.h"
#include "cms/core/station.h"
#include "cms/member/facet.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "dvsan_oids.h"
#include "logic/health.h"
#include <stdio.h>
#include <string.h>

#define TELL_REFUSALS_MS 60000 // of one unit, at most that often
#define UNPROVEN_MAX     3     // leases; a look may have been under way beside the first

static struct lead_run present(const struct cms *cms)
{
    return cms->runs[cms->run_count - 1];
}

void lead_word_vars(const struct unit_link *link, struct sn_var vars[LEAD_VARS])
{
    static const struct sn_oid holder = OID_dvsanMemberHolder, intent = OID_dvsanMemberIntent,
                               mark = OID_dvsanMemberIntentMark;
    const struct cms *cms = link->cms;
    const struct lead_run now = present(cms);
    vars[0] = sn_scalar(&holder, sn_octets(cms->uuid.b, sizeof(cms->uuid.b)));
    vars[1] = sn_scalar(&intent, sn_uint(now.number));
    vars[2] = sn_scalar(&mark, sn_uint(now.mark));
}

// ---- The lease -------------------------------------------------------------------------------

static void lease_written(void *arg, const struct sn_result *result)
{
    if (result->code == DV_CANCELLED)
        return;
    struct unit_link *link = arg;
    link->lease_under_way = false;
    if (result->code == DV_OK) {
        bool new = !link->leads;
        struct pool_unit *unit = link_unit(link);
        link->lease_until = loop_now_ms() + link->cms->config->lease_s * 1000ull;
        if (new && link->unproven++ < UNPROVEN_MAX)
            link_look(link); // and then plan
        if (new && link->concluding)
            return; // what is being concluded goes by the word that the unit showed
        if (new &&unit)
            unit->lead.word = link->lease_word; // that orders are judged by before the next look
        link->leads = true;
        return;
    }
    if (result->error_status == SN_NO_ACCESS || result->error_status == SN_INCONSISTENT_VALUE) {
        link->leads = false; // it was told something else since the look: the next one shows it
        log_debug("join", "%s: its lease was refused", link->name);
        return;
    }
    log_limited(&link->told, LOG_LEVEL_WARNING, "join", "%s: cannot write its lease: %s",
                link->name, result->text);
}

// It names what was looked at: a unit that was told anything else since then refuses it. r may be
// NULL of one that is led.
static void write_lease(struct unit_link *link, const struct reading *r)
{
    static const struct sn_oid spin_lock = OID_dvsanMemberSpinLock, lease = OID_dvsanMemberLease,
                               name = OID_dvsanMemberHolderName,
                               take_over = OID_dvsanMemberTakeOver;
    const struct cms *cms = link->cms;
    struct sn_var vars[LEAD_VARS + 4];
    size_t n = LEAD_VARS;
    lead_word_vars(link, vars);
    vars[n++] = sn_scalar(&name, sn_text(cms->name));
    if (link->take_over)
        vars[n++] = sn_scalar(&take_over, sn_int(1));
    if (!link->leads)
        vars[n++] = sn_scalar(&spin_lock, sn_int(r->spin_lock));
    vars[n++] = sn_scalar(&lease, sn_uint(cms->config->lease_s));
    link->lease_under_way = true;
    const struct lead_run now = present(cms);
    link->lease_word = (struct lead_word){cms->uuid, now.number, now.mark};
    struct sn_timing timing = {cms->config->poll_timeout_ms, 1};
    sn_set(link->peer, vars, n, timing, lease_written, link);
}

static void look_again(void *owner, const void *arg, const struct dv_err *err)
{
    struct unit_link *link = link_find(owner, arg);
    if (link && !err)
        link_look(link);
}

// The unit refuses an order that was not answered once it has a newer word: a number that is newer
// than the order's is drawn when no change of intent has done so, and told at the next look.
static bool order_is_out(struct unit_link *link, const struct reading *r)
{
    struct cms *cms = link->cms;
    struct changes c = {.above = link->order};
    if (link->order == 0 || !lead_may_carry_out(&r->lead.word, &cms->uuid, link->order))
        return false;
    if (present(cms).number > link->order)
        return true;
    ledger_commit_then(cms->ledger, &c, LEDGER_KEPT, look_again, &link->uuid, sizeof(link->uuid));
    return false;
}

// When it is to be led and is not yet, when less than half of the lease is left, and when an order
// that was not answered may still be carried out.
static void renew_lease(struct unit_link *link, const struct reading *r)
{
    uint32_t half = link->cms->config->lease_s * 500;
    bool out = order_is_out(link, r);
    if (!link->lease_under_way && (!link->leads || out || link->lease_until < loop_now_ms() + half))
        write_lease(link, r);
}

void lead_keep(struct unit_link *link)
{
    uint32_t half = link->cms->config->lease_s * 500;
    if (link->leads && !link->lease_under_way && link->lease_until < loop_now_ms() + half)
        write_lease(link, NULL);
}

void lead_order_sent(struct unit_link *link, struct pool_volume *v)
{
    link->order_before = link->order;
    link->order = present(link->cms).number;
    if (!v)
        return;
    link->volume_order_before = v->order;
    v->order = link->order;
}

void lead_order_answered(struct unit_link *link, struct pool_volume *v)
{
    link->order = link->order_before;
    if (v)
        v->order = link->volume_order_before;
}

void lead_orders_of_last_run(struct cms *cms)
{
    uint32_t number = present(cms).number - 1;
    for (struct unit_link *l = cms->links; l; l = l->hh.next)
        l->order = number;
    for (struct pool_volume *v = cms->pool->volumes; v; v = v->hh.next)
        v->order = number;
}

static void knocked(void *arg, const struct sn_result *result)
{
    (void)arg;
    (void)result; // it is refused: the unit shows that, and so the station that leads hears of it
}

// Lets the station that leads the unit know of this one: an order without a lease is never taken.
static void knock(struct unit_link *link, const struct lead *shown)
{
    static const struct sn_oid name = OID_dvsanMemberHolderName;
    struct sn_var vars[LEAD_VARS + 1];
    if (uuid_equal(&link->knocked, &shown->word.station))
        return;
    link->knocked = shown->word.station;
    lead_word_vars(link, vars);
    vars[LEAD_VARS] = sn_scalar(&name, sn_text(link->cms->name));
    struct sn_timing timing = {link->cms->config->poll_timeout_ms, 0};
    sn_set(link->peer, vars, LEAD_VARS + 1, timing, knocked, link);
}

// ---- Standing --------------------------------------------------------------------------------

// A unit that shows another station at each look must not drive all other events out.
static void tell(struct unit_link *link, enum event_severity severity, const char *text)
{
    struct changes c = {0};
    events_add_limited(&link->standings, link->cms, &c, severity, "unit", link_unit(link)->rec.name,
                       "%s", text);
    ledger_commit(link->cms->ledger, &c, LEDGER_SEEN);
}

static const char *name_of(const struct lead *lead)
{
    return lead->name[0] ? lead->name : "without a name";
}

// Names are cut where the whole sentence would not fit: it says what to do.
static void tell_standing(struct unit_link *link, enum lead_standing before)
{
    const struct pool_unit *unit = link_unit(link);
    char text[300];
    const char *name = name_of(&unit->lead);
    switch (unit->standing) {
    case LEAD_OURS:
        if (before == LEAD_HELD || before == LEAD_FOREIGN || before == LEAD_NEWER)
            tell(link, EVENT_INFO, "is led by this station");
        return;
    case LEAD_FREE:
        if (before != LEAD_OURS && !uuid_is_zero(&unit->lead.word.station) &&
            !uuid_equal(&unit->lead.word.station, &link->cms->uuid)) {
            snprintf(text, sizeof(text), "was led by the station %s and is led by this one now",
                     name);
            tell(link, EVENT_WARNING, text);
        }
        return;
    case LEAD_HELD:
        snprintf(
            text, sizeof(text),
            "is led by another station, %s: this one orders nothing of it; stop one of the two, "
            "or take it over (dvsan station adopt units --take-over)",
            name);
        break;
    case LEAD_FOREIGN:
        snprintf(text, sizeof(text),
                 "was led by another station, %s, which told it what this station's store does not "
                 "know: nothing is ordered of it until you say what counts (dvsan station show)",
                 name);
        break;
    case LEAD_NEWER:
        older_noticed(link->cms);
        snprintf(
            text, sizeof(text),
            "was told more than this station's store knows, by %.90s: the store was put back from "
            "a backup, or a copy of it is in use; nothing is ordered until you say what counts "
            "(dvsan station show)",
            name);
        break;
    }
    tell(link, EVENT_ERROR, text);
}

static void set_standing(struct cms *cms, struct pool_unit *unit, enum lead_standing standing)
{
    cms->newer -= unit->standing == LEAD_NEWER;
    cms->newer += standing == LEAD_NEWER;
    unit->standing = standing;
}

void lead_forget(struct cms *cms, struct pool_unit *unit)
{
    set_standing(cms, unit, 0);
}

// A station that is started again goes on by itself, and so does a copy of its store.
static void tell_copy(struct unit_link *link)
{
    const struct pool_unit *unit = link_unit(link);
    const struct cms *cms = link->cms;
    char text[300];
    if (unit->lead.word.mark == present(cms).mark || strcmp(unit->lead.name, cms->name) == 0)
        return;
    snprintf(text, sizeof(text),
             "was led by this station as %.90s, and is by %.90s now: if that one still runs, with "
             "a copy of this store, stop it",
             name_of(&unit->lead), cms->name);
    tell(link, EVENT_WARNING, text);
}

// It answers the next look as if nothing had been written: what is ordered of it is in doubt.
static void tell_not_kept(struct unit_link *link)
{
    log_limited(&link->told, LOG_LEVEL_WARNING, "join",
                "%s: took this station's lease and does not show it: its agent does not keep what "
                "it is told",
                link->name);
}

static void tell_refusals(struct unit_link *link, const struct pool_unit *unit,
                          const struct reading *r)
{
    uint64_t now = loop_now_ms();
    char text[300];
    if (!link->refusals_counted)
        link->refusals_known = r->refusals;
    else if (r->refusals < link->refusals_known) // it has started again
        link->refusals_known = 0;
    link->refusals_counted = true;
    if (unit->standing != LEAD_OURS) // what was refused may be this station's own
        link->refusals_known = r->refusals;
    uint32_t count = r->refusals - link->refusals_known;
    if (count == 0 || (link->refusals_told_at && now - link->refusals_told_at < TELL_REFUSALS_MS))
        return;
    link->refusals_known = r->refusals;
    link->refusals_told_at = now;
    snprintf(text, sizeof(text), "refused %u %s of others; the last: %.240s", count,
             count == 1 ? "change" : "changes", r->refused);
    tell(link, EVENT_WARNING, text);
}

static enum lead_standing stand(const struct cms *cms, const struct lead_word *accepted,
                                const struct reading *r)
{
    struct lead_look look = {.shown = r->lead.word,
                             .held = r->held_for > 0,
                             .station = cms->uuid,
                             .accepted = *accepted};
    look.runs = cms->runs;
    look.run_count = cms->run_count;
    return lead_stand(&look);
}

bool lead_was_ours(const struct cms *cms, const struct reading *r)
{
    const struct lead_word none = {0};
    return stand(cms, &none, r) == LEAD_OURS;
}

void lead_shown(struct unit_link *link, const struct reading *r)
{
    struct cms *cms = link->cms;
    struct pool_unit *unit = link_unit(link);
    enum lead_standing before = unit->standing, now = stand(cms, &unit->rec.accepted, r);
    bool other = !uuid_equal(&unit->lead.word.station, &r->lead.word.station);
    if (!link->adopting) // else that was given up before it was taken over
        link->standing_before = before;
    link->adopting = true;
    tell_refusals(link, unit, r);
    unit->lead = r->lead;
    unit->held_until = loop_now_ms() + r->held_for * 1000ull;
    set_standing(cms, unit, now);
    if (now != before || (other && now != LEAD_OURS))
        tell_standing(link, before);
    if (before == 0 && now == LEAD_OURS && r->held_for > 0)
        tell_copy(link);
}

bool lead_adopts(struct unit_link *link, const struct reading *r)
{
    struct pool_unit *unit = link_unit(link);
    if (link->facet->adopt_again(link))
        return true;
    enum lead_standing now = stand(link->cms, &unit->rec.accepted, r); // for what was accepted
    set_standing(link->cms, unit, now);
    link->take_over = link->take_over && now == LEAD_HELD && link->adopt_until > loop_now_ms();
    if (now != LEAD_FREE || link->standing_before == LEAD_FREE)
        return false;
    if (link->facet->adopt_left(link))
        return true;
    if (link->facet->adopt_failed(link))
        set_standing(link->cms, unit, LEAD_FOREIGN); // until that can be recorded
    return false;
}

void lead_look(struct unit_link *link, const struct reading *r)
{
    struct cms *cms = link->cms;
    struct pool_unit *unit = link_unit(link);
    enum lead_standing now = unit->standing;
    link->adopting = false;
    if (now == LEAD_FREE && link->unproven > UNPROVEN_MAX)
        tell_not_kept(link);
    bool take_over = link->take_over && lead_word_equal(&r->lead.word, &unit->rec.accepted);
    if (now != LEAD_OURS) {
        link->leads = false;
    } else if (r->lead.word.mark == present(cms).mark) {
        link->leads = true; // else it was told so before this start, and the lease comes first
        link->unproven = 0;
        link->adopt_until = 0; // it is settled: what others tell it from now on is asked about
    }
    if (now == LEAD_OURS || now == LEAD_FREE || take_over)
        renew_lease(link, r);
    else
        link_forget_orders(link);
    if (now == LEAD_HELD && !take_over)
        knock(link, &r->lead);
}

bool lead_takes_orders(const struct unit_link *link)
{
    return link->leads && link->cms->newer == 0;
}

// A person has said what counts: that takes no more than the next looks.
static bool is_being_settled(const struct pool_unit *u)
{
    const struct unit_link *link = u->link;
    return link && link->adopt_until > loop_now_ms();
}

bool lead_is_others(const struct pool_unit *u)
{
    return (u->standing == LEAD_HELD || u->standing == LEAD_FOREIGN) && !is_being_settled(u);
}

// A unit that was told more than this store knows: one that answers is settled first.
static const struct pool_unit *newer_unit(const struct cms *cms)
{
    const struct pool_unit *silent = NULL;
    for (const struct pool_unit *u = cms->newer > 0 ? cms->pool->units : NULL; u; u = u->hh.next) {
        if (u->standing != LEAD_NEWER || is_being_settled(u))
            continue;
        if (health_takes_orders(u->rec.state))
            return u;
        silent = u;
    }
    return silent;
}

void lead_why_not(const struct cms *cms, const struct pool_unit *unit, char *out, size_t room)
{
    const struct pool_unit *newer = newer_unit(cms);
    char note[POOL_LEAD_NOTE_ROOM];
    out[0] = '\0';
    if (newer) {
        pool_lead_note(newer, note);
        snprintf(out, room,
                 "units were told more than this station's store knows, so nothing is ordered: %s",
                 note[0] ? note : "say what counts (dvsan station show)");
    } else if (!lead_is_others(unit)) {
        return;
    } else if (unit->standing == LEAD_HELD) {
        snprintf(out, room,
                 "%.63s is led by another station, %.80s: ask for it there, or take the lead "
                 "(dvsan station adopt units --take-over)",
                 unit->rec.name, name_of(&unit->lead));
    } else {
        pool_lead_note(unit, note);
        snprintf(
            out, room,
            "%.63s was led by another station, %.80s, which told it what the store of this one "
            "does not know: %s",
            unit->rec.name, name_of(&unit->lead),
            note[0] ? note : "say what counts (dvsan station show)");
    }
}
