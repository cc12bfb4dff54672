// What a unit shows of its volumes, and of the hosts that may use them.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "base/search.h"
#include "cms/core/events.h"
#include "cms/member/lead.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "cms/unit/faults.h"
#include "cms/unit/found.h"
#include "cms/unit/left_out.h"
#include "cms/unit/observe.h"
#include "cms/unit/one_secret.h"
#include "logic/foreign.h"
#include "model/kind.h"
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PART_HOSTS 80 // that a turn of the loop has time for

// Counted when it matters first, and by what is added then.
static size_t strange_hosts(const struct observation *o)
{
    if (o->link->strange_hosts == SIZE_MAX)
        o->link->strange_hosts = found_strangers(o->pool, link_unit(o->link));
    return o->link->strange_hosts;
}

// Another host that has the CHAP user of one that was found.
static const struct pool_host *same_user(const struct pool *pool, const struct host_record *found)
{
    const struct pool_host *h = pool->hosts;
    while (h && strcmp(h->rec.chap_user, found->chap_user) != 0 &&
           strcmp(h->rec.previous.user, found->chap_user) != 0)
        h = h->hh.next;
    return h;
}

static void tell_host(struct observation *o, const struct host_record *host)
{
    const struct pool_host *same = same_user(o->pool, host);
    if (!same)
        events_add(o->cms, &o->c, EVENT_INFO, "host", host->name,
                   "was found as %s in the access rules of %s; its CHAP secret is not known here",
                   host->iqn, o->rec.name);
    else
        events_add(o->cms, &o->c, EVENT_WARNING, "host", host->name,
                   "was found as %s in the access rules of %s, under the CHAP user of host %s, %s; "
                   "its CHAP secret is not known here",
                   host->iqn, o->rec.name, same->rec.name, host->chap_user);
}

static struct host_record adopt_host(struct observation *o, const struct access_rule *rule)
{
    struct host_record host;
    if (!found_host(&o->found, rule, &o->c, &host))
        return host;
    o->link->strange_hosts = strange_hosts(o) + 1;
    if (observe_is_told(o, &o->link->found))
        tell_host(o, &host);
    return host;
}

static bool is_revoked(const struct access_rule *rule)
{
    return rule->state == ACCESS_REVOKING;
}

static size_t unknown_hosts(const struct observation *o, const struct access_rule *rules,
                            size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += !is_revoked(&rules[i]) && !found_knows(&o->found, rules[i].initiator);
    return n;
}

// A volume is taken in with all its hosts or not at all: rules that nobody here knows are removed.
static bool has_room_for(const struct observation *o, const struct access_rule *rules, size_t count)
{
    size_t hosts = strange_hosts(o);
    return hosts + count <= FOUND_HOSTS_MAX ||
           hosts + unknown_hosts(o, rules, count) <= FOUND_HOSTS_MAX;
}

bool observe_wants_hosts(const struct observation *o, const struct volume *v)
{
    size_t count;
    const struct access_rule *rules = observe_rules_of(o, v->index, &count);
    return count > PART_HOSTS && count <= READING_RULES_A_VOLUME && v->state != VOLUME_DELETING &&
           !pool_volume_by_uuid(o->pool, &v->uuid) && !left_out_of(o->link, &v->uuid) &&
           has_room_for(o, rules, count) && unknown_hosts(o, rules, count) > PART_HOSTS;
}

void observe_hosts(struct observation *o, const struct volume *v)
{
    size_t count, before = o->link->found;
    const struct access_rule *rules = observe_rules_of(o, v->index, &count);
    for (size_t i = 0; i < count && o->link->found - before < PART_HOSTS; i++)
        if (!is_revoked(&rules[i]))
            adopt_host(o, &rules[i]);
}

// Whether the rule's account stays as it is found. A unit that names a host in a rule is not told
// the host's one secret for that: anybody can be named. What another station gave it is not this
// one's to change. A unit's own secret opens nothing elsewhere: where this station was the last to
// lead, nobody gave the host another account, so it gets its own.
static bool stays_as_found(struct observation *o, const char *volume,
                           const struct access_rule *rule)
{
    const struct pool_host *host = pool_host_by_iqn(o->pool, rule->initiator);
    enum foreign what = foreign_found(rule, host ? &host->rec : NULL);
    if (what == FOREIGN_NOTHING)
        return false;
    bool stays = host->rec.one_secret || !lead_was_ours(o->cms, o->r);
    if (observe_is_told(o, &o->link->foreign))
        events_add(o->cms, &o->c, EVENT_WARNING, "volume", volume,
                   "lets host %s in on %s as the CHAP user %s, %s, by no request%s", host->rec.name,
                   o->rec.name, rule->chap_user,
                   what == FOREIGN_USER ? "which is not the host's"
                                        : "with a secret that is not the host's",
                   stays ? ": the host's own is not sent there until the volume is assigned to it "
                           "again (dvsan volume assign), and the other one stays until then or "
                           "until the volume is unassigned from it"
                         : ", and is put right");
    return stays;
}

static bool has_rule_for(const struct access_rule *rules, size_t count, const char *iqn)
{
    for (size_t i = 0; i < count; i++)
        if (!is_revoked(&rules[i]) && iqn_equal(rules[i].initiator, iqn))
            return true;
    return false;
}

// The hosts that its unit lets use a volume that is taken in, which nobody here asked for.
static void adopt_rights(struct observation *o, const struct volume *v,
                         const struct access_rule *rules, size_t count, const char *name)
{
    enum { NAMED = 4 };
    struct strbuf names = {0};
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_revoked(&rules[i]))
            continue;
        struct host_record host = adopt_host(o, &rules[i]);
        if (!iqn_equal(host.iqn, rules[i].initiator) && has_rule_for(rules, count, host.iqn))
            continue; // by its previous IQN, too: that is one right
        struct assignment_record a = {
            .volume = v->uuid,
            .host = host.uuid,
            .index = rules[i].index,
            .wanted = true,
            .found = stays_as_found(o, name, &rules[i]),
            .unasked = true,
        };
        changes_assignment(&o->c, &a);
        if (n++ < NAMED)
            strbuf_add(&names, "%s%s", n > 1 ? ", " : "", host.name);
    }
    if (n > NAMED)
        strbuf_add(&names, " and %zu more", n - NAMED);
    bool told = observe_is_told(o, &o->link->adopted);
    if (told && n == 0)
        events_add(o->cms, &o->c, EVENT_INFO, "volume", name, "was found on %s and taken in",
                   o->rec.name);
    else if (told)
        events_add(
            o->cms, &o->c, EVENT_WARNING, "volume", name,
            "was found on %s and taken in; %s has access rules for %s, which nobody here asked "
            "for: "
            "if that is right, say so (dvsan volume assign %s --host HOST)",
            o->rec.name, o->rec.name, names.text, name);
    strbuf_free(&names);
}

// What the unit showed beside the one that had it is a copy, or a lie, when that one has ended: it
// was for the hosts of the other.
static void tell_copy(struct observation *o, const char *name)
{
    if (observe_is_told(o, &o->link->adopted))
        events_add(o->cms, &o->c, EVENT_WARNING, "volume", name,
                   "was found on %s and taken in without hosts: %s showed it already while it was "
                   "another unit's, where it was deleted, or which was forgotten; this is a copy, "
                   "or what was moved to %s, or nothing at all",
                   o->rec.name, o->rec.name, o->rec.name);
}

static bool adopt_volume(struct observation *o, const struct volume *v,
                         const struct access_rule *rules, size_t count)
{
    bool copy = left_out_of(o->link, &v->uuid) != NULL;
    struct volume_record rec = {
        .uuid = v->uuid,
        .unit = o->rec.uuid,
        .medium = v->medium,
        .index = v->index,
        .blocks = v->target_blocks ? v->target_blocks : v->blocks,
        .thin = v->thin,
        .wanted = true,
        .seen = true,
    };
    memcpy(rec.proof, observe_proof(o, v->medium)->now, PROOF_BYTES);
    if (count > READING_RULES_A_VOLUME) {
        o->link->crowded++;
        return false;
    }
    if (!copy && !has_room_for(o, rules, count)) {
        o->link->full++;
        return false;
    }
    volume_take_label(&rec, v);
    names_for_volume(o->pool, o->found.names, v->name, rec.name);
    changes_volume(&o->c, &rec);
    observe_note_adopted(o, &rec.uuid);
    if (copy)
        tell_copy(o, rec.name);
    else
        adopt_rights(o, v, rules, count, rec.name);
    return true;
}

// Told once, whatever else the unit shows.
static void tell_foreign_targets(struct observation *o)
{
    struct unit_link *link = o->link;
    size_t n = o->r->foreign_targets;
    if (o->r->whole && n == 0)
        link->foreign_target[0] = '\0';
    if (n == 0 || strcmp(link->foreign_target, o->r->foreign_target) == 0)
        return;
    dv_copy(link->foreign_target, sizeof(link->foreign_target), o->r->foreign_target);
    events_add_limited(
        &link->told, o->cms, &o->c, EVENT_ERROR, "unit", o->rec.name,
        "shows %zu volume%s under target names that are not made of their UUIDs, such as "
        "%s: %s not taken in, since no host is to be sent to another volume's target",
        n, n == 1 ? "" : "s", link->foreign_target, n == 1 ? "it is" : "they are");
}

// Only a whole reading shows all of them.
static void tell_not_adopted(struct observation *o)
{
    struct unit_link *link = o->link;
    if (!o->r->whole)
        return;
    if (link->full > 0 && link->full != link->full_told && observe_may_tell(o))
        events_add(o->cms, &o->c, EVENT_WARNING, "unit", o->rec.name,
                   "%zu of its volumes %s not taken in, since more than %d initiators that nobody "
                   "here knows may use its volumes: add these hosts first, delete rules there, or "
                   "delete hosts here that have neither secret nor volume",
                   link->full, link->full == 1 ? "is" : "are", FOUND_HOSTS_MAX);
    if (link->crowded > 0 && link->crowded != link->crowded_told && observe_may_tell(o))
        events_add(o->cms, &o->c, EVENT_WARNING, "unit", o->rec.name,
                   "%zu of its volumes %s more than the %d access rules that a volume can have: "
                   "delete rules there",
                   link->crowded,
                   link->crowded == 1 ? "is not taken in, since it has"
                                      : "are not taken in, since each has",
                   READING_RULES_A_VOLUME);
    o->not_adopted_told = link->tells != TELLS_NOT;
}

static void tell_number(struct observation *o, enum event_severity severity, size_t volumes,
                        const char *what)
{
    if (volumes > OBSERVE_TOLD && observe_may_tell(o))
        events_add(o->cms, &o->c, severity, "unit", o->rec.name, "in all, %zu volumes %s", volumes,
                   what);
}

void observe_tell(struct observation *o)
{
    size_t volumes = o->link->adopted, hosts = o->link->found;
    if ((volumes > OBSERVE_TOLD || hosts > OBSERVE_TOLD) && observe_may_tell(o))
        events_add(o->cms, &o->c, EVENT_INFO, "unit", o->rec.name,
                   "in all, %zu volume%s and %zu host%s were found there and taken in", volumes,
                   volumes == 1 ? "" : "s", hosts, hosts == 1 ? "" : "s");
    tell_number(o, EVENT_ERROR, o->link->vanished, "have vanished from it and are not made again");
    tell_number(o, EVENT_ERROR, o->link->doubled,
                "of other units are shown by it, too, and are not used there");
    tell_number(o, EVENT_INFO, o->link->moved, "have moved to it");
    tell_number(o, EVENT_INFO, o->link->resized, "were resized on it");
    if (o->link->foreign > OBSERVE_TOLD && observe_may_tell(o))
        events_add(o->cms, &o->c, EVENT_WARNING, "unit", o->rec.name,
                   "in all, %zu changes were made on it by no request", o->link->foreign);
    tell_foreign_targets(o);
    tell_not_adopted(o);
}

static void tell_doubled(struct observation *o, const struct pool_volume *pv,
                         enum move_verdict verdict)
{
    const char *name = pv->rec.name, *here = pv->unit->rec.name, *there = o->rec.name;
    if (verdict == MOVE_STAYS)
        events_add(
            o->cms, &o->c, EVENT_ERROR, "volume", name,
            "is on %s, but %s shows a volume of the same UUID, too: that one is not used; if "
            "it was moved, say so (dvsan volume accept %s %s)",
            here, there, name, there);
    else if (verdict == MOVE_ASKED)
        events_add(
            o->cms, &o->c, EVENT_ERROR, "volume", name,
            "is shown by %s, and by %s no longer, but nothing proves that its medium is there: no "
            "host is given it there; if it was moved, say so (dvsan volume accept %s %s)",
            there, here, name, there);
    else
        events_add(
            o->cms, &o->c, EVENT_ERROR, "volume", name,
            "is shown by %s, too, and nothing proves that its medium is there: it stays with "
            "%s; if it was moved, say so (dvsan volume accept %s %s)",
            there, here, name, there);
}

// Another unit has the volume. False when it stays there.
static bool move_volume(struct observation *o, struct pool_volume *pv, const struct volume *v)
{
    struct unit_link *link = o->link;
    enum move_verdict verdict =
        left_out_judge(pv, &o->rec.uuid, v->state, observe_proof(o, v->medium));
    if (!moves_by_itself(verdict)) {
        bool told = v->state == VOLUME_FAILED || left_out_is_told(link, &v->uuid, verdict);
        if (!told && observe_is_told(o, &link->doubled))
            tell_doubled(o, pv, verdict);
        return false;
    }
    if (observe_is_told(o, &link->moved))
        events_add(o->cms, &o->c, EVENT_INFO, "volume", pv->rec.name, "has moved from %s to %s%s",
                   pv->unit->rec.name, o->rec.name,
                   verdict == MOVE_BY_PROOF ? ", as its medium proves" : "");
    if (verdict == MOVE_BY_WORD)
        one_secret_stays(o, pv);
    return true;
}

// It is where a person said, and the unit that had it lets nobody use it any more.
static void end_left(struct observation *o, const struct pool_volume *pv, size_t rules)
{
    struct volume_record rec = pv->rec;
    if (rules > 0 || !uuid_equal(&rec.left, &o->rec.uuid))
        return;
    rec.left = (struct dv_uuid){0};
    changes_volume(&o->c, &rec);
    events_add(o->cms, &o->c, EVENT_INFO, "volume", rec.name,
               "can be used by no host any more on %s, where it was", o->rec.name);
}

static bool is_as_known(const struct pool_volume *pv, const struct volume *v,
                        const struct access_rule *rules, size_t count)
{
    return pv->rule_count == count && kind_records_equal(&kind_shown, &pv->actual, v) &&
           kind_lists_equal(&kind_rule, pv->rules, rules, count);
}

// Unless a task wants another size, the size is what its unit was told, by whomever.
static void follow_size(struct observation *o, const struct volume *v, struct volume_record *rec)
{
    uint64_t blocks = v->target_blocks ? v->target_blocks : v->blocks;
    char size[SIZE_TEXT_ROOM];
    if (rec->blocks == blocks || tasks_open(o->cms, TASK_VOLUME_RESIZE, &rec->uuid, NULL))
        return;
    rec->blocks = blocks;
    rec->forced = false;
    if (!observe_is_told(o, &o->link->resized))
        return;
    events_add(o->cms, &o->c, EVENT_INFO, "volume", rec->name,
               "has another size on %s than here, %s, by no request: the unit's size counts",
               o->rec.name, size_format(blocks * BLOCK_SIZE, size, sizeof(size)));
}

// So are people's words; but none are not taken over: a unit that lost its journal has none.
static void follow_words(const struct observation *o, const struct volume *v,
                         struct volume_record *rec)
{
    if (!volume_is_labelled(rec, v) && !tasks_open(o->cms, TASK_VOLUME_RENAME, &rec->uuid, NULL))
        volume_follow_words(rec, v);
}

static void tell_twice(const struct observation *o, const struct volume *v)
{
    static struct log_limit limit;
    log_limited(&limit, LOG_LEVEL_WARNING, "observe", "%s shows the volume %s twice", o->rec.name,
                v->name);
}

static bool shows_at(const struct reading *r, uint32_t index)
{
    for (size_t i = 0; i < r->volume_count; i++)
        if (r->volumes[i].index == index)
            return true;
    return false;
}

static bool shows(const struct reading *r, const struct dv_uuid *uuid)
{
    for (size_t i = 0; i < r->volume_count; i++)
        if (uuid_equal(&r->volumes[i].uuid, uuid))
            return true;
    return false;
}

// An index that no volume of the unit has at any time of this part. Far from those that are given.
static uint32_t spare_index(const struct observation *o)
{
    do
        o->link->spare_index--;
    while (pool_volume_by_index(o->unit, o->link->spare_index) ||
           shows_at(o->r, o->link->spare_index));
    return o->link->spare_index;
}

// What had its index is elsewhere, or gone. No two volumes of a unit have one index at any time,
// with parts of a reading recorded one by one. So what may still be shown gets another one until
// it is; what is not is gone at the end.
static void displace(struct observation *o, const struct volume *v)
{
    const struct reading *all = o->link->reading;
    struct pool_volume *other = o->unit ? pool_volume_by_index(o->unit, v->index) : NULL;
    if (!other || uuid_equal(&other->rec.uuid, &v->uuid) || other->mark == o->link->mark)
        return;
    if (all->whole || shows(all, &other->rec.uuid)) {
        struct volume spare = other->actual;
        spare.index = spare_index(o);
        changes_shown_alone(&o->c, &spare);
    } else {
        observe_hide(o, other);
    }
}

// What is not shown just now, with a medium away, say, stays known; another unit's says nothing.
static void note_proof(const struct observation *o, const struct pool_volume *pv,
                       struct volume_record *rec)
{
    static const uint8_t none[PROOF_BYTES];
    const struct medium_proof *proof = observe_proof(o, rec->medium);
    if (pv->unit != o->unit || memcmp(proof->now, none, PROOF_BYTES) != 0)
        memcpy(rec->proof, proof->now, PROOF_BYTES);
}

void observe_volume(struct observation *o, const struct volume *v)
{
    size_t count;
    const struct access_rule *rules = observe_rules_of(o, v->index, &count);
    struct pool_volume *pv = pool_volume_by_uuid(o->pool, &v->uuid);
    if (!pv) {
        if (v->state == VOLUME_DELETING)
            return;
        if (observe_is_adopted(o, &v->uuid)) {
            tell_twice(o, v);
            return;
        }
        if (adopt_volume(o, v, rules, count)) {
            displace(o, v);
            changes_shown(&o->c, v, rules, count);
        } else {
            left_out_add(o, v);
        }
        return;
    }
    if (pv->unit != o->unit && !move_volume(o, pv, v)) {
        end_left(o, pv, count);
        left_out_add(o, v);
        return;
    }
    if (pv->mark == o->link->mark) {
        tell_twice(o, v);
        return;
    }
    pv->mark = o->link->mark;
    if (pv->unit == o->unit)
        foreign_tell(o, pv, v, rules, count);
    if (pv->unit == o->unit)
        faults_note_volume(&o->link->faults, pv, v, o->r->media, o->r->media_count, o->was,
                           o->link->reading->oper == MEMBER_STARTING);
    struct volume_record rec = pv->rec;
    rec.unit = o->rec.uuid;
    rec.medium = v->medium;
    rec.index = v->index;
    rec.thin = v->thin;
    rec.thin_default = false;
    rec.seen = true;
    if (pv->unit != o->unit)
        rec.left = (struct dv_uuid){0};
    note_proof(o, pv, &rec);
    follow_size(o, v, &rec);
    follow_words(o, v, &rec);
    displace(o, v); // first; also where nothing but the unit that shows it is new
    if (!kind_records_equal(&kind_volume, &rec, &pv->rec))
        changes_volume(&o->c, &rec);
    if (is_as_known(pv, v, rules, count))
        return;
    changes_shown(&o->c, v, rules, count);
    pool_release_holds(pv);
}
