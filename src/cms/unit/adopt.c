// Units that were told what this station's store does not know: what differs, and what counts.
// SPDX-License-Identifier: BSD-2-Clause
//
// It comes about when a backup of the store was put back, when two copies of it are in use, and
// when another station led the units meanwhile. To go on by the store would then end the access of
// hosts that were admitted since, and admit those whose access was ended. So a person decides.
#include "cms/unit/adopt.h"
#include "base/log.h"
#include "base/mem.h"

#include "cms/cms.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "cms/unit/found.h"
#include "logic/accounts.h"
#include "logic/health.h"
#include "logic/orders.h"
#include "model/kind.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

// A person's word stands until the unit is led, and at most this long: another station may tell the
// unit more meanwhile.
#define ADOPT_MS 10000

#define DIFFERENCES_MAX 1000 // that are told of one by one

// ---- What differs ----------------------------------------------------------------------------

struct comparison {
    struct pool *pool;
    const struct pool_unit *unit;
    struct station_difference *list;
    size_t count, more; // those beyond DIFFERENCES_MAX
};

static void differ(struct comparison *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void differ(struct comparison *c, const char *fmt, ...)
{
    if (c->count >= DIFFERENCES_MAX) {
        c->more++;
        return;
    }
    struct station_difference *d = DV_APPEND(c->list, c->count);
    dv_copy(d->unit, sizeof(d->unit), c->unit->rec.name);
    va_list args;
    va_start(args, fmt);
    vsnprintf(d->text, sizeof(d->text), fmt, args);
    va_end(args);
    text_make_printable(d->text);
}

static bool is_valid(const struct access_rule *r)
{
    return r && r->index != 0 && r->state != ACCESS_REVOKING;
}

// By either of its names.
static bool admits(const struct pool_assignment *a)
{
    return is_valid(&a->actual) || is_valid(pool_former_rule(a));
}

static uint64_t shown_blocks(const struct pool_volume *v)
{
    return v->actual.target_blocks ? v->actual.target_blocks : v->actual.blocks;
}

static void compare_rights(struct comparison *c, struct pool_volume *v)
{
    const char *name = v->rec.name;
    const struct pool_assignment *a;
    for (size_t i = 0; i < v->rule_count; i++) {
        const struct access_rule *r = &v->rules[i];
        const struct pool_host *h = pool_host_by_iqn(c->pool, r->initiator);
        a = h ? pool_assignment_of(v, &h->rec.uuid) : NULL;
        if (r->state == ACCESS_REVOKING)
            continue;
        if (!a || !a->rec.wanted)
            differ(c, "%s may use volume %s, and may not by the store: its access rule would end",
                   h ? h->rec.name : r->initiator, name);
        if (a && a->rec.wanted && strcmp(r->chap_user, a->host->rec.chap_user) != 0)
            differ(c, "%s uses volume %s as the CHAP user %s, and as %s by the store",
                   a->host->rec.name, name, r->chap_user, a->host->rec.chap_user);
        else if (a && a->rec.wanted && a->host->rec.sealed_len > 0 &&
                 r->secret_mark != a->host->rec.secret_mark)
            differ(
                c,
                "%s uses volume %s with a CHAP secret that is not the store's: the store's would "
                "replace it",
                a->host->rec.name, name);
        if (a && a->rec.wanted && r->previous_user[0] &&
            strcmp(r->previous_user, a->host->rec.previous.user) != 0)
            differ(c, "%s may use volume %s as the CHAP user %s, too, which the store does not say",
                   a->host->rec.name, name, r->previous_user);
        if (a && a->rec.wanted && a->host->rec.previous.user[0] &&
            strcmp(r->chap_user, a->host->rec.chap_user) == 0 &&
            strcmp(r->previous_user, a->host->rec.previous.user) != 0)
            differ(c,
                   "%s may not use volume %s as the CHAP user %s, and may by the store: it would "
                   "be valid again",
                   a->host->rec.name, name, a->host->rec.previous.user);
    }
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->rec.wanted && !admits(a))
            differ(c, "%s may not use volume %s, and may by the store: it would get an access rule",
                   a->host->rec.name, name);
        else if (a->rec.wanted && a->host->previous_iqn[0] &&
                 (!is_valid(&a->actual) || !is_valid(pool_former_rule(a))))
            differ(c,
                   "%s may not use volume %s as %s, and may by the store: it would get an access "
                   "rule",
                   a->host->rec.name, name, orders_iqn(&a->host->rec, is_valid(&a->actual)));
    }
}

static void compare_volume(struct comparison *c, struct pool_volume *v)
{
    const char *name = v->rec.name;
    if (v->actual.index == 0) {
        if (v->rec.wanted && v->rec.seen)
            differ(c, "volume %s is not there, and is by the store", name);
        else if (v->rec.wanted)
            differ(c, "volume %s is not there, and is to be made by the store", name);
        return;
    }
    if (v->rec.wanted && v->actual.state == VOLUME_DELETING)
        differ(c, "volume %s is being deleted, and is to stay by the store", name);
    if (!v->rec.wanted && v->actual.state != VOLUME_DELETING)
        differ(c, "volume %s is there, and is to be deleted by the store", name);
    if (strcmp(v->actual.name, name) != 0)
        differ(c, "volume %s is called %s there", name, v->actual.name);
    if (shown_blocks(v) != v->rec.blocks)
        differ(c, "volume %s has another size than by the store", name);
    compare_rights(c, v);
}

static bool is_asked_about(const struct pool_unit *u)
{
    return u->standing == LEAD_NEWER || u->standing == LEAD_FOREIGN || u->standing == LEAD_HELD;
}

void cms_differences(struct cms *cms, struct station_difference **out, size_t *count)
{
    struct comparison c = {.pool = cms->pool};
    for (struct pool_unit *u = cms->pool->units; u; u = u->hh.next) {
        struct pool_volume *v;
        c.unit = u;
        if (!is_asked_about(u))
            continue;
        DL_FOREACH2(u->volumes, v, unit_next)
        {
            compare_volume(&c, v);
        }
    }
    if (c.more > 0) {
        struct station_difference *d = DV_APPEND(c.list, c.count);
        dv_copy(d->unit, sizeof(d->unit), d[-1].unit);
        snprintf(d->text, sizeof(d->text),
                 c.more == 1 ? "%zu more thing differs, of this unit or another one"
                             : "%zu more things differ, of this unit or other ones",
                 c.more);
    }
    *out = c.list;
    *count = c.count;
}

void cms_station(const struct cms *cms, struct station_view *out)
{
    const struct loop_turn longest = loop_longest(cms->loop);
    *out = (struct station_view){.uuid = cms->uuid,
                                 .intent = cms->runs[cms->run_count - 1].number,
                                 .stopped = cms->newer > 0,
                                 .shares = cms->config->snmp.notify.name[0] ||
                                           cms->config->snmp.provision.name[0],
                                 .longest_turn_us = longest.computed_us,
                                 .longest_turn_served = longest.what ? longest.what : ""};
    dv_copy(out->name, sizeof(out->name), cms->name);
}

// ---- What the units have counts --------------------------------------------------------------

struct adoption {
    struct cms *cms;
    enum adopt_from from;
    bool asked;            // a person said so; else the unit's word is all there is
    struct lead_word word; // that the unit showed when it began
    bool prepared;
    struct dv_uuid next; // volume that has its turn; zero: the first
    struct changes c;
    struct names names;
    struct found found;
};

static bool is_changed(const struct changes *c, const struct dv_uuid *host)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct host_record *h = c->items[i].records;
        if (c->items[i].kind == &kind_host && uuid_equal(&h->uuid, host))
            return true;
    }
    return false;
}

// alone: the unit has no rule for a previous IQN. Like an account that ended there, that ends here.
// A host that logs in as another CHAP user, or whose secret has another mark, was added anew since,
// or got another secret, which is not known here.
static void adopt_user(struct adoption *a, const struct host_record *host,
                       const struct access_rule *rule, bool alone, const char *unit)
{
    struct host_record rec = *host;
    bool other = account_adopt(&rec, rule, cms_now_ms());
    bool ended = alone && rec.previous_iqn[0] && iqn_equal(rec.iqn, rule->initiator);
    if ((!other && !ended) || is_changed(&a->c, &rec.uuid))
        return;
    if (ended) {
        memset(rec.previous_iqn, 0, sizeof(rec.previous_iqn));
        rec.previous_iqn_since = 0;
        events_add(a->cms, &a->c, EVENT_INFO, "host", rec.name,
                   "has the IQN %s alone, as on %s; %s has ended", rec.iqn, unit,
                   host->previous_iqn);
    }
    changes_host(&a->c, &rec);
    if (!other)
        return;
    if (rec.sealed_len == 0)
        events_add(a->cms, &a->c, EVENT_WARNING, "host", rec.name,
                   "is the CHAP user %s by what %s has, with a secret that is not known here: it "
                   "keeps its volumes, and gets no other until it is added again with that secret "
                   "(dvsan host add %s --iqn %s%s --chap-secret-file FILE)",
                   rec.chap_user, unit, rec.name, rec.iqn, rec.one_secret ? " --one-secret" : "");
    else
        events_add(a->cms, &a->c, EVENT_INFO, "host", rec.name,
                   "has the CHAP user %s alone, as on %s; %s has ended", rec.chap_user, unit,
                   host->previous.user);
}

static bool is_right(const struct pool_assignment *a, const struct assignment_record *r)
{
    return a && a->rec.wanted && a->rec.found == r->found && a->rec.unasked == r->unasked &&
           a->rec.index == r->index;
}

static void adopt_rights(struct adoption *adoption, struct pool_volume *v)
{
    struct changes *c = &adoption->c;
    const struct pool_assignment *a;
    for (size_t i = 0; i < v->rule_count; i++) {
        const struct access_rule *r = &v->rules[i];
        if (r->state == ACCESS_REVOKING)
            continue;
        struct host_record host;
        bool fresh = found_host(&adoption->found, r, c, &host);
        bool other = !fresh && !account_is_known(&host, r);
        a = pool_assignment_of(v, &host.uuid);
        if (!fresh && adoption->asked)
            adopt_user(adoption, &host, r, a && !a->former, v->unit->rec.name);
        if (a && a->former == i + 1 && a->actual.index != 0)
            continue; // of the same right
        struct assignment_record rec = {
            .volume = v->rec.uuid, .host = host.uuid, .index = r->index, .wanted = true};
        // A unit's word alone changes no host, which others know, too, and brings no secret.
        rec.found = !adoption->asked && (other || (a && a->rec.found));
        rec.unasked = !adoption->asked && (!a || a->rec.unasked);
        if (!is_right(a, &rec))
            changes_assignment(c, &rec);
    }
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (!admits(a))
            changes_assignment_gone(c, &a->rec.volume, &a->rec.host);
    }
}

static void adopt_volume(struct adoption *a, struct pool_volume *v)
{
    struct volume_record rec = v->rec;
    if (v->actual.index == 0) {
        changes_volume_gone(&a->c, &rec.uuid);
        return;
    }
    rec.wanted = v->actual.state != VOLUME_DELETING; // that cannot be taken back
    rec.forced = false;
    rec.blocks = shown_blocks(v);
    if (strcmp(rec.name, v->actual.name) != 0)
        names_for_volume(a->cms->pool, &a->names, v->actual.name, rec.name);
    if (!kind_records_equal(&kind_volume, &rec, &v->rec))
        changes_volume(&a->c, &rec);
    adopt_rights(a, v);
}

// Of those that it would bring nothing is kept yet.
static void count_hosts(struct adoption *a, struct pool_volume *v)
{
    struct host_record host;
    for (size_t i = 0; i < v->rule_count; i++)
        if (v->rules[i].state != ACCESS_REVOKING)
            (void)found_host(&a->found, &v->rules[i], &a->c, &host);
}

static void end_tasks(struct adoption *a, const struct pool_unit *u)
{
    struct cms *cms = a->cms;
    const struct pool_tasks_of *of;
    const struct pool_task *t;
    DL_FOREACH2(u->tasks, of, home_next)
    DL_FOREACH2(of->tasks, t, of_next)
    {
        struct task_record rec = t->rec;
        if (pool_volume_by_uuid(cms->pool, &rec.volume))
            tasks_end(cms, &a->c, &rec, TASK_FAILED, DV_CONFLICT,
                      "what %s has was taken over instead", u->rec.name);
    }
}

// ---- Settling --------------------------------------------------------------------------------

static bool is_settled_now(const struct pool_unit *u, bool take_over)
{
    return is_asked_about(u) && (u->standing != LEAD_HELD || take_over) && u->link &&
           health_takes_orders(u->rec.state);
}

// The numbers of another station's intent are not compared with those of this one's.
static uint32_t number_told(const struct cms *cms, const struct pool_unit *u)
{
    return uuid_equal(&u->lead.word.station, &cms->uuid) ? u->lead.word.number : 0;
}

static int check_number(const struct cms *cms, const struct pool_unit *u, struct dv_err *err)
{
    if (number_told(cms, u) <= LEAD_NUMBER_MAX)
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "%s cannot be led: state %u of the station's intent was told, and no station "
                   "gets that far; stop its agent, and forget the unit",
                   u->rec.name, (unsigned)u->lead.word.number);
}

// As many as it may bring when it is read.
static int check_hosts(const struct adoption *a, const struct pool_unit *u, struct dv_err *err)
{
    size_t hosts = found_count(&a->found);
    if (hosts == 0 || hosts + found_strangers(a->cms->pool, u) <= FOUND_HOSTS_MAX)
        return 0;
    return dv_fail(
        err, DV_CONFLICT,
        "more than %d initiators that nobody here knows may use volumes of %s: add these "
        "hosts first, or delete rules there",
        FOUND_HOSTS_MAX, u->rec.name);
}

// What a turn of the loop has time for.
#define PART_CHANGES 120
#define PART_LOOKED  4000 // volumes, and rules of them

// Goes on with the unit's volumes; all over again when the next one has left it meanwhile. True
// when there are more.
static bool go_through(struct adoption *a, const struct pool_unit *u,
                       void (*take)(struct adoption *a, struct pool_volume *v))
{
    size_t looked = 0;
    struct pool_volume *v = pool_volume_by_uuid(a->cms->pool, &a->next);
    if (!v || v->unit != u)
        v = u->volumes;
    for (; v && a->c.count < PART_CHANGES && looked < PART_LOOKED; v = v->unit_next) {
        looked += 1 + v->rule_count;
        take(a, v);
    }
    a->next = v ? v->rec.uuid : (struct dv_uuid){0};
    return v != NULL;
}

static void forget_found(struct adoption *a)
{
    changes_free(&a->c);
    found_free(&a->found);
}

void adopt_forget(struct unit_link *link)
{
    struct adoption *a = link->adoption;
    link->adoption = NULL;
    if (!a)
        return;
    forget_found(a);
    names_free(&a->names);
    free(a);
}

// It has begun by a word that the unit shows no longer, or in the other way: then all over again.
static struct adoption *begin(struct unit_link *link, enum adopt_from from, bool asked)
{
    const struct lead_word *word = &link_unit(link)->lead.word;
    struct adoption *a = link->adoption;
    if (a && a->from == from && a->asked == asked && lead_word_equal(&a->word, word))
        return a;
    adopt_forget(link);
    a = link->adoption = dv_calloc(1, sizeof(*a));
    *a = (struct adoption){.cms = link->cms, .from = from, .asked = asked, .word = *word};
    a->found = (struct found){.pool = link->cms->pool, .names = &a->names};
    return a;
}

// Before anything is taken over.
static int prepare(struct adoption *a, const struct pool_unit *u, struct dv_err *err)
{
    if (a->from == ADOPT_UNITS && go_through(a, u, count_hosts)) {
        changes_free(&a->c);
        return 1;
    }
    if (check_hosts(a, u, err) < 0 || check_number(a->cms, u, err) < 0)
        return -1;
    forget_found(a);
    names_free(&a->names);
    a->prepared = true;
    return 1;
}

// A person asks once. What follows of itself, also from a person's word, a unit brings about as
// often as it likes.
static void tell(struct adoption *a, const struct pool_unit *u, bool by_itself)
{
    struct log_limit none = {0},
                     *limit = by_itself ? &((struct unit_link *)u->link)->standings : &none;
    events_add_limited(
        limit, a->cms, &a->c, EVENT_WARNING, "unit", u->rec.name, "%s",
        a->from == ADOPT_UNITS
            ? "is led by this station from now on; what the unit has was taken over"
            : "is led by this station from now on; what the store says was kept, and is "
              "ordered");
}

// After one that could not be written it begins all over again.
static void part_written(void *owner, const void *arg, const struct dv_err *err)
{
    struct unit_link *link = link_find(owner, arg);
    if (!link || !err)
        return;
    adopt_forget(link);
    link->adopted_in = link->concluding; // behind the next look
}

// What the unit was told last is known here from the last part on, in the way that the person
// chose. Before it nothing is ordered of the unit, and after a crash the person is asked again,
// about what was not taken over yet.
static int take_over(struct adoption *a, const struct pool_unit *u, bool by_itself)
{
    bool more = a->from == ADOPT_UNITS && go_through(a, u, adopt_volume);
    if (!more) {
        struct unit_record rec = u->rec;
        rec.accepted = a->word;
        changes_unit(&a->c, &rec);
        if (a->from == ADOPT_UNITS)
            end_tasks(a, u);
        tell(a, u, by_itself);
    }
    a->c.above = number_told(a->cms, u); // one that is too low is refused by units
    ledger_commit_then(a->cms->ledger, &a->c, LEDGER_KEPT, part_written, &u->rec.uuid,
                       sizeof(u->rec.uuid));
    forget_found(a);
    return more;
}

// In a turn. 1: there is more; 0: that was all; -1: it cannot be. by_itself: nobody asked for it.
static int settle_part(struct unit_link *link, enum adopt_from from, bool asked, bool by_itself,
                       struct dv_err *err)
{
    const struct pool_unit *u = link_unit(link);
    struct adoption *a = begin(link, from, asked);
    int rc = a->prepared ? take_over(a, u, by_itself) : prepare(a, u, err);
    if (rc <= 0)
        adopt_forget(link);
    return rc;
}

// Once for each look: what fails is tried again behind the next one.
static bool settle_by_itself(struct unit_link *link, enum adopt_from from, bool asked)
{
    struct dv_err err;
    if (link->adopted_in == link->concluding)
        return false;
    int rc = settle_part(link, from, asked, true, &err);
    if (rc <= 0)
        link->adopted_in = link->concluding;
    if (rc < 0)
        log_error("join", "%s: %s", link->name, err.text);
    return true;
}

// Whether something about the unit is to be done that it does not show yet.
static bool has_orders(const struct cms *cms, const struct pool_unit *u)
{
    for (const struct pool_volume *v = u->unsettled; v; v = v->open_next) {
        const struct pool_assignment *a;
        if (!v->rec.wanted || v->actual.index == 0 || pool_tasks_of(cms->pool, &v->rec.uuid))
            return true;
        DL_FOREACH2(v->assignments, a, volume_next)
        {
            if (!a->rec.wanted || !admits(a))
                return true;
        }
    }
    return false;
}

static bool was_anothers(const struct unit_link *link)
{
    const struct dv_uuid *led_by = &link_unit(link)->lead.word.station;
    return !uuid_is_zero(led_by) && !uuid_equal(led_by, &link->cms->uuid) &&
           link->adopt_until <= loop_now_ms();
}

bool adopt_left_by_another(struct unit_link *link)
{
    bool begun = link->adoption && !link->adoption->asked; // some of the orders are gone by it
    return was_anothers(link) && (begun || has_orders(link->cms, link_unit(link))) &&
           settle_by_itself(link, ADOPT_UNITS, false);
}

bool adopt_failed(const struct unit_link *link)
{
    const struct pool_unit *u = link_unit(link);
    return was_anothers(link) && link->adopted_in == link->concluding &&
           !lead_word_equal(&u->rec.accepted, &u->lead.word);
}

bool adopt_again(struct unit_link *link)
{
    const struct pool_unit *u = link_unit(link);
    return link->adopt_until > loop_now_ms() && is_settled_now(u, true) &&
           !lead_word_equal(&u->rec.accepted, &u->lead.word) &&
           settle_by_itself(link, link->adopt_from, true);
}

static int nothing_to_settle(const struct cms *cms, struct dv_err *err)
{
    char note[POOL_LEAD_NOTE_ROOM];
    for (const struct pool_unit *u = cms->pool->units; u; u = u->hh.next) {
        pool_lead_note(u, note);
        if (note[0])
            return dv_fail(err, DV_CONFLICT, "no unit that answers waits for this: %s", note);
    }
    return dv_fail(err, DV_CONFLICT,
                   "no unit that answers waits for this: see dvsan station show; one that another "
                   "station leads is taken over with --take-over");
}

// By this request, as far as it got.
static bool is_settled_already(const struct pool_unit *u, enum adopt_from from)
{
    const struct unit_link *link = u->link;
    return link->adopt_from == from && link->adopt_until > loop_now_ms() &&
           lead_word_equal(&u->rec.accepted, &u->lead.word);
}

int cms_adopt(struct cms *cms, enum adopt_from from, bool take_over, struct dv_err *err)
{
    size_t count = 0;
    bool settled = false; // one: another turn decides about the next
    for (struct pool_unit *u = cms->pool->units; u; u = u->hh.next) {
        struct unit_link *link = u->link;
        if (!is_settled_now(u, take_over))
            continue;
        count++;
        if (!is_settled_already(u, from)) {
            int rc = settled ? 1 : settle_part(link, from, true, false, err);
            if (rc != 0)
                return rc;
            settled = true;
        }
        link->take_over = u->standing == LEAD_HELD;
        link->adopt_from = from;
        link->adopt_until = loop_now_ms() + ADOPT_MS;
        link_look(link);
    }
    return count > 0 ? 0 : nothing_to_settle(cms, err);
}
