// A peer: its address, which may be a name, its session, its engine, and its end.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/env_private.h"
#include "snmp/manager_private.h"
#include <string.h>

// ---- The session ----------------------------------------------------------------------------

// What concerns no request: a stream that the other side closed.
static int on_session(int op, netsnmp_session *session, int reqid, netsnmp_pdu *pdu, void *magic)
{
    (void)session, (void)reqid, (void)pdu;
    struct sn_peer *peer = magic;
    if (op != NETSNMP_CALLBACK_OP_DISCONNECT || peer->freeing)
        return 1;
    // The next try opens another. Closing the session tells its requests that their time is up.
    struct sn_session *session_lost = peer->session;
    peer->session = NULL;
    sn_session_close(session_lost);
    return 1;
}

static void set_engine(netsnmp_session *data, const struct sn_engine_id *engine)
{
    free(data->securityEngineID);
    free(data->contextEngineID);
    data->securityEngineID = netsnmp_memdup(engine->b, engine->len);
    data->contextEngineID = netsnmp_memdup(engine->b, engine->len);
    data->securityEngineIDLen = data->contextEngineIDLen = engine->len;
}

int sn_peer_open(struct sn_peer *peer, const char *address, struct dv_err *err)
{
    netsnmp_session data;
    snmp_sess_init(&data);
    data.version = SNMP_VERSION_3;
    data.peername = (char *)address; // Net-SNMP only reads it
    data.retries = 0;                // tries are counted here
    data.securityModel = SNMP_SEC_MODEL_USM;
    data.securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
    char name[64];
    snprintf(name, sizeof(name), "%s", sn_keys_user(peer->keys));
    data.securityName = name;
    data.securityNameLen = strlen(name);
    data.flags |= SNMP_FLAGS_DONT_PROBE;
    data.callback = on_session;
    data.callback_magic = peer;
    void *handle = snmp_sess_open(&data);
    if (!handle && file_limit_is_near(0))
        return dv_fail(err, DV_BUSY,
                       "%s cannot be opened: no more files can be open at once; raise LimitNOFILE "
                       "of this service",
                       peer->address);
    if (!handle)
        return dv_fail(err, DV_UNREACHABLE, "%s cannot be opened: %s", peer->address,
                       snmp_api_errstring(data.s_snmp_errno));
    // Opening has cleared the flag, and without it the first message would probe and block.
    snmp_sess_session(handle)->flags |= SNMP_FLAGS_DONT_PROBE;
    netsnmp_transport *t = snmp_sess_transport(handle);
    t->sock = file_move_up(t->sock); // there is one for each unit
    peer->session = sn_session_new(peer->env, handle);
    if (peer->engine.len > 0)
        set_engine(sn_session_data(peer->session), &peer->engine);
    return 0;
}

static void on_lookup(void *arg, const char *address, const char *why)
{
    struct sn_peer *peer = arg;
    struct dv_err err;
    peer->lookup = NULL;
    if (!address)
        dv_fail(&err, DV_UNREACHABLE, "the name in %s cannot be resolved: %s", peer->address, why);
    if (address && sn_peer_open(peer, address, &err) == 0)
        sn_requests_resume(peer, NULL);
    else
        sn_requests_resume(peer, &err);
}

void sn_peer_look_up(struct sn_peer *peer)
{
    if (peer->lookup)
        return;
    struct sn_name name;
    sn_name_split(peer->address, &name);
    peer->lookup = sn_lookup_start(sn_env_loop(peer->env), &name, on_lookup, peer);
}

// ---- The engine -----------------------------------------------------------------------------

static bool same_engine(const struct sn_engine_id *a, const struct sn_engine_id *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

bool sn_peer_learn(struct sn_peer *peer, const struct sn_engine_id *engine)
{
    bool same = same_engine(engine, &peer->engine);
    if (engine->len == 0 || (!same && peer->pinned))
        return false;
    peer->doubted = false;
    if (same)
        return true;
    // The keys that are localised to it let in no impostor: he would have to know them.
    if (sn_usm_add(sn_env_usm(peer->env), peer->keys, engine, NULL) != 0)
        return false;
    if (peer->engine.len > 0)
        sn_usm_remove(sn_env_usm(peer->env), sn_keys_user(peer->keys), &peer->engine);
    peer->engine = *engine;
    if (peer->session)
        set_engine(sn_session_data(peer->session), engine);
    return true;
}

void sn_peer_forget_time(struct sn_peer *peer)
{
    if (peer->engine.len > 0)
        sn_usm_forget_time(&peer->engine);
}

// ---- Its beginning and end ------------------------------------------------------------------

struct sn_peer *sn_peer_new(struct sn_env *env, const char *address, const struct sn_user *user,
                            const struct sn_engine_id *engine_id, struct dv_err *err)
{
    struct sn_usm *usm = sn_env_usm(env);
    struct sn_keys *keys = sn_keys_hold(usm, user, err);
    if (!keys)
        return NULL;
    if (user->local && (!engine_id || engine_id->len == 0))
        engine_id = &user->local->engine;
    if (engine_id && engine_id->len > 0 && sn_usm_add(usm, keys, engine_id, err) != 0) {
        sn_keys_release(usm, keys);
        return NULL;
    }
    struct sn_peer *peer = dv_calloc(1, sizeof(*peer));
    peer->env = env;
    peer->address = dv_strdup(address);
    peer->keys = keys;
    peer->later = loop_timer_new(sn_env_loop(env), sn_requests_later, peer);
    if (engine_id && engine_id->len > 0) {
        peer->engine = *engine_id;
        peer->pinned = true;
    }
    struct sn_name name;
    peer->named = sn_name_split(address, &name);
    if (!peer->named && sn_peer_open(peer, address, err) != 0) {
        sn_peer_free(peer);
        return NULL;
    }
    return peer;
}

void sn_peer_free(struct sn_peer *peer)
{
    if (!peer)
        return;
    peer->freeing = true;
    sn_requests_cancel(peer);
    for (struct sn_peer_watcher *w = peer->watchers, *next; w; w = next) {
        next = w->next;
        w->peer = NULL;
    }
    sn_session_close(peer->session);
    if (peer->engine.len > 0)
        sn_usm_remove(sn_env_usm(peer->env), sn_keys_user(peer->keys), &peer->engine);
    sn_keys_release(sn_env_usm(peer->env), peer->keys);
    sn_lookup_abandon(peer->lookup);
    loop_timer_free(peer->later);
    free(peer->address);
    free(peer);
}

void sn_peer_engine_id(const struct sn_peer *peer, struct sn_engine_id *out)
{
    *out = peer->engine;
}

void sn_peer_watch(struct sn_peer *peer, struct sn_peer_watcher *w)
{
    w->peer = peer;
    w->prev = NULL;
    w->next = peer->watchers;
    if (w->next)
        w->next->prev = w;
    peer->watchers = w;
}

void sn_peer_unwatch(struct sn_peer_watcher *w)
{
    if (!w->peer)
        return;
    if (w->prev)
        w->prev->next = w->next;
    else
        w->peer->watchers = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->peer = NULL;
}
