// With which keys the station asks a unit, and whose announcements it believes.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/member/trust.h"

#include "base/log.h"
#include "base/secret.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/seal.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include "logic/rekey.h"
#include "logic/trust.h"
#include <string.h>

#define WAITING_MAX 256 // units that wait to be accepted

static struct engine_id engine_of(const struct unit_record *rec)
{
    struct engine_id id = {.len = rec->engine_id_len};
    memcpy(id.b, rec->engine_id, rec->engine_id_len);
    return id;
}

static struct engine_id own_engine(const struct cms *cms)
{
    struct sn_engine_id own;
    sn_env_engine_id(cms->env, &own);
    struct engine_id id = {.len = own.len};
    memcpy(id.b, own.b, own.len);
    return id;
}

static void local_keys(const struct cms *cms, enum keys_role role, const struct unit_record *rec,
                       uint32_t number, const struct engine_id *engine, struct sn_local_keys *out)
{
    struct member_keys keys;
    seal_member_keys(cms->seal, role, rec, number, engine, &keys);
    *out = (struct sn_local_keys){.engine.len = engine->len};
    memcpy(out->engine.b, engine->b, engine->len);
    memcpy(out->auth, keys.auth, KEYS_AUTH);
    memcpy(out->priv, keys.priv, KEYS_PRIV);
    secret_wipe(&keys, sizeof(keys));
}

struct sn_peer *trust_peer(struct cms *cms, const struct dv_uuid *uuid, const char *address,
                           const struct sn_engine_id *engine, struct dv_err *err)
{
    const struct pool_unit *unit = pool_unit_by_uuid(cms->pool, uuid);
    char why[TRUST_WHY_ROOM];
    if (unit && !trust_is_taken(unit->rec.trust)) {
        trust_why_not(&unit->rec, why);
        (void)dv_fail(err, DV_DENIED, "%s", why);
        return NULL;
    }
    if (!unit || unit->rec.key_number == 0) {
        if (*cms->provision.name)
            return sn_peer_new(cms->env, address, &cms->provision, engine, err);
        (void)dv_fail(err, DV_DENIED,
                      "it is not enrolled, and the station has no pass-phrases for such units: "
                      "make a code with dvsan unit add, and enrol it");
        return NULL;
    }
    return trust_peer_as(cms, &unit->rec, unit->rec.key_number, address, engine, err);
}

struct sn_peer *trust_peer_as(struct cms *cms, const struct unit_record *rec, uint32_t number,
                              const char *address, const struct sn_engine_id *engine,
                              struct dv_err *err)
{
    char name[KEYS_USER_ROOM];
    struct sn_local_keys keys;
    struct engine_id at = engine_of(rec);
    keys_user(KEYS_OF_STATION, &rec->uuid, number, name);
    local_keys(cms, KEYS_OF_STATION, rec, number, &at, &keys);
    const struct sn_user user = {.name = name, .local = &keys};
    struct sn_peer *peer = sn_peer_new(cms->env, address, &user, engine, err);
    secret_wipe(&keys, sizeof(keys));
    return peer;
}

void trust_keys(const struct cms *cms, enum keys_role role, const struct unit_record *rec,
                uint32_t number, struct member_keys *out)
{
    struct engine_id engine = role == KEYS_OF_STATION ? engine_of(rec) : own_engine(cms);
    seal_member_keys(cms->seal, role, rec, number, &engine, out);
}

static int listen_to(struct cms *cms, const struct unit_record *rec, uint32_t number,
                     struct dv_err *err)
{
    char name[KEYS_USER_ROOM];
    struct sn_local_keys keys;
    struct engine_id own = own_engine(cms);
    keys_user(KEYS_OF_MEMBER, &rec->uuid, number, name);
    if (rec->key_number == 0 || rec->trust == TRUST_REVOKED) {
        sn_listener_remove_user(cms->listener, name);
        return 0;
    }
    local_keys(cms, KEYS_OF_MEMBER, rec, number, &own, &keys);
    const struct sn_user user = {.name = name, .local = &keys};
    int rc = sn_listener_add_user(cms->listener, &user, err);
    secret_wipe(&keys, sizeof(keys));
    return rc;
}

int trust_listen(struct cms *cms, const struct unit_record *rec, struct dv_err *err)
{
    return listen_to(cms, rec, rec->key_number, err) < 0
               ? -1
               : listen_to(cms, rec, rekey_listens(rec), err);
}

const char *trust_doubts(const struct cms *cms, const char *user, const struct dv_uuid *uuid)
{
    const struct pool_unit *unit = pool_unit_by_uuid(cms->pool, uuid);
    enum unit_trust trust = unit ? unit->rec.trust : 0;
    struct dv_uuid owner;
    unsigned place;
    if (trust == TRUST_REVOKED)
        return "it is revoked";
    if (keys_member_of(user, &owner, &place))
        return uuid_equal(&owner, uuid) ? NULL : "it is signed with another member's keys";
    if (trust == TRUST_ENROLLED || (unit && unit->rec.key_number > 0))
        return "it is signed with keys that many know, and that unit has its own";
    return NULL;
}

void trust_grant(struct cms *cms, const struct unit_record *rec, struct grant *out)
{
    struct engine_id at = engine_of(rec), own = own_engine(cms);
    out->uuid = rec->uuid;
    out->number = rec->key_number;
    dv_copy(out->name, sizeof(out->name), rec->name);
    out->station.uuid = cms->uuid;
    out->station.engine = own;
    dv_copy(out->station.name, sizeof(out->station.name), cms->name);
    seal_member_keys(cms->seal, KEYS_OF_MEMBER, rec, rec->key_number, &own, &out->notify);
    // The other place holds keys that nobody uses, so that what they become later is known here
    // alone: those of the number before.
    out->has_station_keys = true;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t number = rec->key_number - i;
        seal_member_keys(cms->seal, KEYS_OF_STATION, rec, number, &at,
                         &out->station_keys[number % 2]);
    }
}

bool trust_waits(const struct unit_link *link)
{
    return !link->cms->config->snmp.accept_shared && !link_unit(link);
}

void trust_wait(struct unit_link *link)
{
    static struct log_limit limit;
    struct cms *cms = link->cms;
    const struct reading *r = link->reading;
    size_t waiting = 0;
    for (const struct pool_unit *u = cms->pool->units; u; u = u->hh.next)
        waiting += u->rec.trust == TRUST_WAITING;
    if (waiting >= WAITING_MAX) {
        log_limited(&limit, LOG_LEVEL_WARNING, "trust",
                    "%s at %s is left out: %d units wait to be accepted already; accept, or "
                    "forget, some of them",
                    r->name, link->address, WAITING_MAX);
        return;
    }
    struct changes c = {0};
    struct unit_record rec = {.uuid = link->uuid,
                              .trust = TRUST_WAITING,
                              .state = UNIT_DOWN,
                              .engine_id_len = link->engine.len};
    memcpy(rec.engine_id, link->engine.b, link->engine.len);
    dv_copy(rec.address, sizeof(rec.address), link->address);
    dv_copy(rec.software, sizeof(rec.software), r->software);
    names_for_unit(cms->pool, r->name, &rec.uuid, rec.name);
    changes_unit(&c, &rec);
    events_add_limited(&limit, cms, &c, EVENT_WARNING, "unit", rec.name,
                       "at %s is not enrolled, and waits to be accepted (dvsan unit accept %s): it "
                       "knows the pass-phrases that units share",
                       rec.address, rec.name);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
}
