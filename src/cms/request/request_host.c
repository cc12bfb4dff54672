// Requests about hosts.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "cms/cms.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/seal.h"
#include "cms/core/station.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/task/tasks.h"
#include "cms/unit/one_secret.h"
#include "logic/accounts.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#define HOSTS_MAX 10000

// ---- Found hosts ---------------------------------------------------------------------------

// A unit names any initiator and any CHAP user. What a host that was found so is called keeps no
// name from a host that a person adds: it gives way.
bool request_is_found(const struct pool_host *h)
{
    return h->rec.sealed_len == 0;
}

static void give_way(struct cms *cms, struct changes *c, const struct pool_host *h)
{
    struct names names = {0};
    struct host_record rec = h->rec;
    names_for_host(cms->pool, &names, rec.iqn, rec.name);
    names_free(&names);
    changes_host(c, &rec);
    events_add(
        cms, c, EVENT_INFO, "host", rec.name,
        "was called %s before, which another host was added as; the CHAP secret of this one, "
        "%s, is not known here",
        h->rec.name, rec.iqn);
}

static bool has_user(const struct pool_host *h, const char *user)
{
    return *user && (!strcmp(h->rec.chap_user, user) || !strcmp(h->rec.previous.user, user));
}

static bool is_on(const struct pool_host *h, const struct pool_unit *u)
{
    const struct pool_assignment *a = h->assignments;
    while (a && a->volume->unit != u)
        a = a->host_next;
    return a != NULL;
}

static bool share_a_unit(const struct pool_host *h, const struct pool_host *other)
{
    const struct pool_unit *last = NULL;
    for (const struct pool_assignment *a = h->assignments; a; a = a->host_next) {
        const struct pool_unit *u = a->volume->unit;
        if (u != last && is_on(other, u))
            return true;
        last = u;
    }
    return false;
}

// A unit has one secret for each CHAP user. So a user that a found host has is another host's, too,
// but not on the units of the found one.
static bool keeps_user(const struct pool_host *h, const struct pool_host *from)
{
    return !request_is_found(h) || (from && share_a_unit(from, h));
}

int request_check_user_on(struct cms *cms, const struct pool_host *host, const struct pool_unit *u,
                          struct dv_err *err)
{
    const char *name = host->rec.name;
    for (const struct pool_host *h = cms->pool->hosts; h; h = h->hh.next) {
        if (h == host || !request_is_found(h) || !has_user(host, h->rec.chap_user) || !is_on(h, u))
            continue;
        return dv_fail(err, DV_CONFLICT,
                       "%s lets host %s in as the CHAP user %s, and would give that user the "
                       "secret of host %s: give host %s another user (dvsan host rekey %s, and "
                       "--finish), or host %s (dvsan host add %s --iqn %s --chap-user USER)",
                       u->rec.name, h->rec.name, h->rec.chap_user, name, name, name, h->rec.name,
                       h->rec.name, h->rec.iqn);
    }
    return 0;
}

// ---- Adding --------------------------------------------------------------------------------

static int check_user(struct cms *cms, const char *user, const struct pool_host *self,
                      struct dv_err *err)
{
    if (chap_user_check(user, err) < 0)
        return -1;
    for (const struct pool_host *h = cms->pool->hosts; h; h = h->hh.next) {
        if (h != self && has_user(h, user) && keeps_user(h, self))
            return dv_fail(err, DV_EXISTS,
                           "host %s has the CHAP user name %s already: choose another", h->rec.name,
                           user);
    }
    return 0;
}

// Those that were found on units and not completed do not count: no unit can keep a person from
// adding hosts.
static size_t count_added(const struct pool *p)
{
    size_t n = 0;
    for (const struct pool_host *h = p->hosts; h; h = h->hh.next)
        n += h->rec.sealed_len > 0;
    return n;
}

// One initiator name and one target name cannot be the same (RFC 7143 section 4.2.7.1). A volume's
// target is named by its UUID.
int request_is_no_target(struct pool *p, const char *iqn, struct dv_err *err)
{
    const char *colon = strrchr(iqn, ':');
    struct dv_uuid uuid;
    const struct pool_volume *v =
        colon && uuid_parse(colon + 1, &uuid) ? pool_volume_by_uuid(p, &uuid) : NULL;
    if (!v || v->actual.index == 0 || strcasecmp(v->actual.iqn, iqn) != 0)
        return 0;
    return dv_fail(err, DV_INVALID,
                   "%s is the target name of volume %s, not a host's: a host's own is its "
                   "initiator name, as in /etc/iscsi/initiatorname.iscsi",
                   iqn, v->rec.name);
}

static int check_host(struct cms *cms, const char *name, const char *iqn, const char *secret,
                      const struct pool_host *self, struct dv_err *err)
{
    if (new_name_check("host", name, err) < 0 || iqn_check(iqn, err) < 0 ||
        chap_secret_check(secret, err) < 0 || request_is_no_target(cms->pool, iqn, err) < 0)
        return -1;
    const struct pool_host *taken = pool_find_host(cms->pool, name);
    if (taken && taken != self && !request_is_found(taken))
        return dv_fail(err, DV_EXISTS, "there is a host %s already: choose another name", name);
    if (self && !iqn_equal(self->rec.iqn, iqn))
        return dv_fail(err, DV_EXISTS,
                       "host %s may still log in as %s, its previous IQN: end that first (dvsan "
                       "host change %s --finish)",
                       self->rec.name, iqn, self->rec.name);
    if (self && self->rec.sealed_len > 0)
        return dv_fail(err, DV_EXISTS, "host %s has the IQN %s already%s", self->rec.name,
                       self->rec.iqn,
                       strcmp(self->rec.iqn, iqn) == 0
                           ? ""
                           : ", which is the same name in another spelling: the host logs in "
                             "with that one or in lower case");
    if (count_added(cms->pool) >= HOSTS_MAX)
        return dv_fail(err, DV_BUSY, "there are %d hosts, which is the most: delete one first",
                       HOSTS_MAX);
    return 0;
}

static void set_secret(const struct cms *cms, struct host_record *rec, const char *chap_secret)
{
    random_fill(&rec->secret_mark, sizeof(rec->secret_mark));
    rec->secret_mark |= 1; // 0 is none
    seal_secret(cms->seal, rec, chap_secret);
}

// A unit named the user of a found host, so that counts only where it is what one would be called
// here, as when the station has lost what it knew.
static const char *user_for(struct cms *cms, const char *name, const struct pool_host *found)
{
    const char *user = found ? found->rec.chap_user : name;
    return account_is_named(user, name) && check_user(cms, user, found, NULL) == 0 ? user : name;
}

static void tell_added(struct cms *cms, struct changes *c, const struct host_record *rec,
                       const struct pool_host *found)
{
    if (found && strcmp(found->rec.chap_user, rec->chap_user) != 0)
        events_add(cms, c, EVENT_WARNING, "host", rec->name,
                   "was added as %s with the CHAP user %s; units that know it as %s let it in as "
                   "that no longer",
                   rec->iqn, rec->chap_user, found->rec.chap_user);
    else
        events_add(cms, c, EVENT_INFO, "host", rec->name, "was added as %s", rec->iqn);
}

// A host that was found on a unit, and whose secret is not known here, is completed by adding it
// under its IQN: it takes the name and the secret that are given.
int cms_add_host(struct cms *cms, const char *name, const char *iqn, const char *chap_user,
                 const char *chap_secret, bool one_secret, const char *description,
                 struct dv_err *err)
{
    struct pool_host *found = pool_host_by_iqn(cms->pool, iqn);
    const struct pool_host *other = pool_find_host(cms->pool, name);
    const char *user = chap_user ? chap_user : user_for(cms, name, found);
    if (check_host(cms, name, iqn, chap_secret, found, err) < 0 ||
        check_user(cms, user, found, err) < 0 ||
        (description && description_check("host", description, err) < 0))
        return -1;
    struct host_record rec = {.uuid = uuid_random()};
    if (found)
        rec = found->rec;
    dv_copy(rec.name, sizeof(rec.name), name);
    dv_copy(rec.iqn, sizeof(rec.iqn), iqn);
    dv_copy(rec.chap_user, sizeof(rec.chap_user), user);
    if (description)
        dv_copy(rec.description, sizeof(rec.description), description);
    if (strcmp(rec.previous.user, user) == 0) // else it stays: the host may still log in by it
        rec.previous = (struct host_account){0};
    rec.one_secret = one_secret;
    set_secret(cms, &rec, chap_secret);
    struct changes c = {0};
    if (other && other != found)
        give_way(cms, &c, other);
    if (found) // before it has a secret, which their units are not told
        one_secret_from_finders(cms, &c, found, &rec);
    changes_host(&c, &rec);
    tell_added(cms, &c, &rec, found);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

// ---- Another secret ------------------------------------------------------------------------

// 1: it is the one of the account that the host has; 0: it is another one.
static int has_secret(struct cms *cms, const struct host_record *rec, const char *chap_secret,
                      struct dv_err *err)
{
    char secret[CHAP_SECRET_MAX + 1];
    if (seal_open_secret(cms->seal, rec, secret, err) < 0)
        return -1;
    int same = secret_equal(secret, chap_secret);
    secret_wipe(secret, sizeof(secret));
    return same;
}

int cms_check_secret(struct cms *cms, const char *host, const char *secret, bool *known,
                     bool *matches, struct dv_err *err)
{
    const struct pool_host *h = request_host(cms, host, err);
    if (!h)
        return -1;
    *known = h->rec.sealed_len > 0;
    int same = *known ? has_secret(cms, &h->rec, secret, err) : 0;
    *matches = same == 1;
    return same < 0 ? -1 : 0;
}

// Without it no unit can be told anything of the host.
int request_secret_unknown(const struct host_record *rec, struct dv_err *err)
{
    return dv_fail(err, DV_CONFLICT,
                   "the CHAP secret of host %s is not known here: add the host again with it, or "
                   "with a new one (dvsan host add %s --iqn %s%s --chap-secret-file FILE)",
                   rec->name, rec->name, rec->iqn, rec->one_secret ? " --one-secret" : "");
}

// Whoever knows one that a host had makes of it what opens each unit.
static int check_other(struct cms *cms, const struct host_record *rec, const char *chap_secret,
                       struct dv_err *err)
{
    int same = has_secret(cms, rec, chap_secret, err);
    if (same == 1)
        return dv_fail(err, DV_CONFLICT,
                       "that is the secret that host %s has as CHAP user %s%s: give it another one",
                       rec->name, rec->chap_user, rec->one_secret ? ", which units know" : "");
    return same;
}

static int check_rekey(struct cms *cms, const struct host_record *rec, const char *chap_secret,
                       bool now, struct dv_err *err)
{
    const struct host_record before = account_before(rec);
    if (chap_secret_check(chap_secret, err) < 0)
        return -1;
    if (rec->sealed_len == 0)
        return request_secret_unknown(rec, err);
    if (check_other(cms, rec, chap_secret, err) < 0 ||
        (before.sealed_len > 0 && check_other(cms, &before, chap_secret, err) < 0))
        return -1;
    if (rec->previous.user[0] && !now)
        return dv_fail(err, DV_CONFLICT,
                       "the CHAP user %s of host %s is still valid beside %s: end it first (dvsan "
                       "host rekey %s --finish), or end both at once (--now)",
                       rec->previous.user, rec->name, rec->chap_user, rec->name);
    return 0;
}

int cms_rekey_host(struct cms *cms, const char *host, const char *chap_secret, bool per_unit,
                   bool now, struct dv_err *err)
{
    struct pool_host *h = request_host(cms, host, err);
    if (!h || check_rekey(cms, &h->rec, chap_secret, now, err) < 0)
        return -1;
    struct host_record rec = h->rec;
    struct changes c = {0};
    rec.previous = (struct host_account){0};
    if (!now)
        account_keep(&rec, cms_now_ms());
    do {
        char user[CHAP_USER_MAX + 1];
        account_next_user(rec.chap_user, user);
        memset(rec.chap_user, 0, sizeof(rec.chap_user));
        dv_copy(rec.chap_user, sizeof(rec.chap_user), user);
    } while (check_user(cms, rec.chap_user, h, NULL) < 0);
    rec.one_secret = rec.one_secret && !per_unit;
    set_secret(cms, &rec, chap_secret);
    changes_host(&c, &rec);
    events_add(cms, &c, EVENT_INFO, "host", rec.name,
               now ? "has another secret, as CHAP user %s; %s ends on each unit when that takes it"
                   : "has another secret, as CHAP user %s; %s stays valid until that is ended",
               rec.chap_user, h->rec.chap_user);
    request_tell_untold(cms, &c, h, &rec);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

int cms_finish_rekey(struct cms *cms, const char *host, bool now, struct dv_err *err)
{
    struct pool_host *h = request_host(cms, host, err);
    if (!h)
        return -1;
    struct host_record rec = h->rec;
    const struct pool_assignment *a;
    if (rec.sealed_len == 0) // there may be something to end that nobody here knows of
        return request_secret_unknown(&rec, err);
    if (!rec.previous.user[0])
        return dv_fail(err, DV_CONFLICT, "host %s has one CHAP user, %s: there is nothing to end",
                       rec.name, rec.chap_user);
    DL_FOREACH2(h->assignments, a, host_next)
    {
        if (!now && pool_awaits_account(a))
            return dv_fail(err, DV_CONFLICT,
                           "unit %s does not have the CHAP user %s for volume %s yet, see dvsan "
                           "host show %s: wait, or bring the unit back; with --now %s ends all the "
                           "same, and sessions end where %s is missing",
                           a->volume->unit->rec.name, rec.chap_user, a->volume->rec.name, rec.name,
                           rec.previous.user, rec.chap_user);
    }
    struct changes c = {0};
    rec.previous = (struct host_account){0};
    changes_host(&c, &rec);
    events_add(cms, &c, EVENT_INFO, "host", rec.name,
               "has the CHAP user %s alone; %s ends on each unit when that takes it", rec.chap_user,
               h->rec.previous.user);
    request_tell_untold(cms, &c, h, &rec);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

// ---- A description -------------------------------------------------------------------------

int cms_describe_host(struct cms *cms, const char *host, const char *text, struct dv_err *err)
{
    const struct pool_host *h = request_host(cms, host, err);
    struct changes c = {0};
    if (!h || description_check("host", text, err) < 0)
        return -1;
    struct host_record rec = h->rec;
    dv_copy(rec.description, sizeof(rec.description), text);
    changes_host(&c, &rec);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

// ---- Deleting ------------------------------------------------------------------------------

static int tell_still_losing(struct cms *cms, const struct pool_assignment *a, struct dv_err *err)
{
    const char *host = a->host->rec.name, *volume = a->volume->rec.name;
    const struct pool_task *t = tasks_open(cms, TASK_UNASSIGN, &a->rec.volume, &a->rec.host);
    if (!t)
        t = tasks_open(cms, TASK_VOLUME_DELETE, &a->rec.volume, NULL);
    if (!t)
        return dv_fail(err, DV_CONFLICT, "host %s is still losing the volume %s: wait for that",
                       host, volume);
    return dv_fail(err, DV_CONFLICT,
                   "host %s is still losing the volume %s: wait for task %" PRIu64 "%s%s", host,
                   volume, t->rec.id, t->rec.waiting[0] ? ". It waits: " : "", t->rec.waiting);
}

int cms_delete_host(struct cms *cms, const char *host, struct dv_err *err)
{
    struct pool_host *h = request_host(cms, host, err);
    if (!h)
        return -1;
    const struct pool_assignment *a;
    DL_FOREACH2(h->assignments, a, host_next)
    {
        if (a->rec.wanted)
            return dv_fail(err, DV_CONFLICT, "host %s has the volume %s: unassign it first",
                           h->rec.name, a->volume->rec.name);
    }
    if (h->assignments)
        return tell_still_losing(cms, h->assignments, err);
    struct changes c = {0};
    changes_host_gone(&c, &h->rec.uuid);
    events_add(cms, &c, EVENT_INFO, "host", h->rec.name, "was deleted");
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}
