// What people say of units: accepted, quarantined, revoked.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "cms/cms.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/older.h"
#include "cms/core/station.h"
#include "cms/member/lead.h"
#include "cms/member/link_run.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/task/tasks.h"
#include "logic/trust.h"
#include "store/store.h"
#include <string.h>

#define NAMED 4 // in an event

// ---- What people say -------------------------------------------------------------------------

static const char *told(enum trust_act act, const struct unit_record *unit)
{
    switch (act) {
    case TRUST_ACCEPT:
        return "was accepted";
    case TRUST_QUARANTINE:
        return "was quarantined: nothing that it says is taken, and nothing is sent to it; hosts "
               "go on using its volumes";
    case TRUST_REVOKE:
        break;
    }
    return unit->key_number > 0
               ? "was revoked: nothing that its keys sign is taken, and nothing is sent to it"
               : "was revoked: nothing that it says is taken, and nothing is sent to it";
}

struct settled_unit {
    struct dv_uuid uuid;
    struct settling at;
};

// What its tasks wait for is another thing now.
static void settle_all(void *owner, const void *arg)
{
    struct cms *cms = owner;
    struct settled_unit s = *(const struct settled_unit *)arg;
    struct pool_unit *u = pool_unit_by_uuid(cms->pool, &s.uuid);
    if (u && tasks_settle(cms, u, false, &s.at))
        ledger_turn(cms->ledger, settle_all, &s, sizeof(s));
}

// From now on it is spoken with as its record says.
static void follow(void *owner, const void *arg, const struct dv_err *failed)
{
    struct cms *cms = owner;
    struct pool_unit *u = pool_unit_by_uuid(cms->pool, arg);
    if (failed || !u)
        return;
    struct sn_engine_id engine = {.len = u->rec.engine_id_len};
    struct dv_err err;
    memcpy(engine.b, u->rec.engine_id, sizeof(u->rec.engine_id));
    if (!trust_is_taken(u->rec.trust)) {
        lead_forget(cms, u);
        link_free(u->link);
    } else if (!u->link && !link_new(cms, MEMBER_UNIT, &u->rec.uuid, u->rec.name, u->rec.address,
                                     &engine, "", &err)) {
        log_error("trust", "%s cannot be asked until it announces itself: %s", u->rec.name,
                  err.text);
    }
    struct settled_unit all = {u->rec.uuid, {SETTLE_JUDGE, {{0}}}};
    settle_all(cms, &all);
}

static bool has_secret_for_all(const struct host_record *h)
{
    return h->one_secret || (h->previous.user[0] && h->previous.one_secret);
}

// Units take both accounts of a host.
static bool is_told_now(const struct pool_host *h, const struct pool_unit *u)
{
    const struct pool_assignment *a = has_secret_for_all(&h->rec) ? h->assignments : NULL;
    while (a && (a->volume->unit != u || a->rec.found))
        a = a->host_next;
    return a != NULL;
}

static bool is_among(const struct dv_uuid *list, size_t count, const struct dv_uuid *uuid)
{
    for (size_t i = 0; i < count; i++)
        if (uuid_equal(&list[i], uuid))
            return true;
    return false;
}

const struct pool_host **cms_shared_secrets(struct cms *cms, const struct pool_unit *u,
                                            size_t *count)
{
    const struct pool_host **hosts = NULL;
    DV_FREE struct dv_uuid *before = NULL; // rights that ended
    size_t before_count;
    struct dv_err err;
    *count = 0;
    if (store_told(cms->store, &u->rec.uuid, &before, &before_count, &err) < 0)
        log_error("trust", "what %s was told before is not known: %s", u->rec.name, err.text);
    for (const struct pool_host *h = cms->pool->hosts; h; h = h->hh.next)
        if (is_told_now(h, u) || is_among(before, before_count, &h->rec.uuid))
            *DV_APPEND(hosts, *count) = h;
    return hosts;
}

size_t cms_shared_keys(const struct pool *pool, const struct pool_unit *u,
                       const struct pool_unit **out, size_t room)
{
    size_t n = 0;
    for (const struct pool_unit *other = pool->units; other; other = other->hh.next) {
        if (u->rec.key_number > 0 || other == u || other->rec.key_number > 0)
            continue;
        if (n < room)
            out[n] = other;
        n++;
    }
    return n;
}

// Whoever has a unit that knows what all share has the others, too.
static void tell_shared_keys(struct cms *cms, struct changes *c, const struct pool_unit *u)
{
    const struct pool_unit *others[NAMED];
    struct strbuf names = {0};
    size_t n = cms_shared_keys(cms->pool, u, others, NAMED);
    for (size_t i = 0; i < n && i < NAMED; i++)
        strbuf_add(&names, "%s%s", i ? ", " : "", others[i]->rec.name);
    if (n > NAMED)
        strbuf_add(&names, " and %zu more", n - NAMED);
    if (n > 0)
        events_add(cms, c, EVENT_WARNING, "unit", u->rec.name,
                   "knows the pass-phrases that units share, which read and change %s, and speak "
                   "for them, until these are enrolled: do that now (dvsan unit add --again UNIT)",
                   names.text);
    strbuf_free(&names);
}

// They are the unit's, whoever has it: what a secret opens elsewhere is to be told.
static void tell_shared_secrets(struct cms *cms, struct changes *c, const struct pool_unit *u)
{
    size_t n;
    DV_FREE const struct pool_host **hosts = cms_shared_secrets(cms, u, &n);
    struct strbuf names = {0};
    for (size_t i = 0; i < n && i < NAMED; i++)
        strbuf_add(&names, "%s%s", i ? ", " : "", hosts[i]->rec.name);
    if (n > NAMED)
        strbuf_add(&names, " and %zu more", n - NAMED);
    if (n > 0)
        events_add(
            cms, c, EVENT_WARNING, "unit", u->rec.name,
            "knew the one secret of %s, which opens volumes on other units, too: give such hosts "
            "others (dvsan host rekey HOST --per-unit, and --finish soon)",
            names.text);
    strbuf_free(&names);
}

int cms_trust_unit(struct cms *cms, const char *unit, enum trust_act act, struct dv_err *err)
{
    struct pool_unit *u = request_unit(cms, unit, err);
    enum unit_trust trust;
    if (!u || trust_change(&u->rec, act, &trust, err) < 0)
        return -1;
    struct changes c = {0};
    struct unit_record rec = u->rec;
    rec.trust = trust;
    if (!trust_is_taken(trust)) { // what becomes of it is not known from here on
        rec.state = UNIT_DOWN;
        memset(rec.last_error, 0, sizeof(rec.last_error));
    }
    changes_unit(&c, &rec);
    events_add(cms, &c, act == TRUST_ACCEPT ? EVENT_INFO : EVENT_WARNING, "unit", rec.name, "%s",
               told(act, &rec));
    if (act == TRUST_REVOKE) {
        tell_shared_keys(cms, &c, u);
        tell_shared_secrets(cms, &c, u);
    }
    older_mark(cms, &c);
    ledger_commit_then(cms->ledger, &c, LEDGER_KEPT, follow, &rec.uuid, sizeof(rec.uuid));
    return 0;
}
