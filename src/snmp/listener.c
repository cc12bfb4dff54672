// The notification receiver: who may tell us something, and the counts of who may not.
// SPDX-License-Identifier: BSD-2-Clause
//
// Net-SNMP parses, authenticates, decrypts, and answers with USM's reports. Every message ends in
// after_parse, as good or bad, and the good ones then in on_message; each is counted once.
#include "snmp/listener.h"

#include "base/mem.h"
#include "snmp/env_private.h"
#include "snmp/session.h"
#include "snmp/usm_table.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <uthash.h>

#define RECEIVE_BUFFER (4 << 20) // bytes; a thousand units may speak at once

struct accepted { // an engine whose traps are taken, and by whom they are sent
    struct sn_usm_key key;
    UT_hash_handle hh;
};

struct sender { // a user whose informs are taken
    UT_hash_handle hh;
    char name[];
};

struct sn_listener {
    struct sn_env *env;
    struct sender *senders; // by name
    struct sn_session *session;
    netsnmp_session **streams; // accepted from a listening stream; in Net-SNMP's global list
    size_t stream_count;
    struct accepted *accepted;
    struct sn_listener_stats stats;
    sn_notify_fn *fn;
    void *arg;
};

static bool same_id(const struct sn_engine_id *id, const u_char *b, size_t len)
{
    return id->len == len && memcmp(id->b, b, len) == 0;
}

static struct sender *find_sender(const struct sn_listener *l, const char *name)
{
    struct sender *s;
    HASH_FIND_STR(l->senders, name, s);
    return s;
}

static bool is_accepted(const struct sn_listener *l, const struct sn_usm_key *key)
{
    const struct accepted *a = NULL;
    HASH_FIND(hh, l->accepted, key, sizeof(*key), a);
    return a != NULL;
}

// Net-SNMP has checked the keys. This checks that they are the right ones: its table of users is
// one for all, and holds those of our peers too.
static bool is_permitted(const struct sn_listener *l, const netsnmp_pdu *pdu)
{
    if (pdu->version != SNMP_VERSION_3 || pdu->securityModel != SNMP_SEC_MODEL_USM ||
        pdu->securityLevel != SNMP_SEC_LEVEL_AUTHPRIV)
        return false;
    if (pdu->command == SNMP_MSG_INFORM) {
        struct sn_engine_id own;
        sn_env_engine_id(l->env, &own);
        return same_id(&own, pdu->securityEngineID, pdu->securityEngineIDLen) &&
               find_sender(l, pdu->securityName);
    }
    struct sn_usm_key key;
    return sn_usm_key(pdu->securityName, pdu->securityEngineID, pdu->securityEngineIDLen, &key) &&
           is_accepted(l, &key);
}

// Calls the listener's function. False when it is no notification.
static bool deliver(struct sn_listener *l, void *handle, const netsnmp_pdu *pdu)
{
    struct sn_vars *vars = sn_env_vars(l->env);
    if ((pdu->command != SNMP_MSG_INFORM && pdu->command != SNMP_MSG_TRAP2) ||
        pdu->contextEngineIDLen > SN_ENGINE_ID_MAX || !sn_vars_read(vars, pdu->variables) ||
        vars->count < 2 || sn_oid_compare(&vars->var[0].oid, &sn_sys_up_time) != 0 ||
        sn_oid_compare(&vars->var[1].oid, &sn_snmp_trap_oid) != 0 ||
        vars->var[1].value.type != SN_OBJID)
        return false;

    netsnmp_transport *t = snmp_sess_transport(handle);
    DV_FREE char *from =
        netsnmp_transport_peer_string(t, pdu->transport_data, pdu->transport_data_length);
    struct sn_notification n = {
        .from = from ? from : "",
        .user = pdu->securityName,
        .inform = pdu->command == SNMP_MSG_INFORM,
        .engine.len = (uint8_t)pdu->contextEngineIDLen,
        .trap = vars->var[1].value.oid,
        .vars = vars->var + 2,
        .count = vars->count - 2,
    };
    memcpy(n.engine.b, pdu->contextEngineID, pdu->contextEngineIDLen);
    if (n.inform)
        l->stats.informs++;
    else
        l->stats.traps++;
    l->fn(l->arg, &n);
    return true;
}

static void acknowledge(void *handle, netsnmp_pdu *inform)
{
    netsnmp_pdu *reply = snmp_clone_pdu(inform);
    if (!reply)
        return;
    reply->command = SNMP_MSG_RESPONSE;
    reply->errstat = 0;
    reply->errindex = 0;
    if (!snmp_sess_send(handle, reply))
        snmp_free_pdu(reply);
}

static void forget_stream(struct sn_listener *l, netsnmp_session *stream)
{
    for (size_t i = l->stream_count; i-- > 0;) {
        if (l->streams[i] == stream)
            l->streams[i] = l->streams[--l->stream_count];
    }
    netsnmp_transport *t = snmp_sess_transport(snmp_sess_pointer(stream));
    if (t)
        sn_env_forget_fd(l->env, t->sock);
}

static int on_message(int op, netsnmp_session *session, int reqid, netsnmp_pdu *pdu, void *magic)
{
    (void)reqid;
    struct sn_listener *l = magic;
    if (op == NETSNMP_CALLBACK_OP_CONNECT) {
        *DV_APPEND(l->streams, l->stream_count) = session;
        sn_env_refresh(l->env);
        return 1;
    }
    if (op == NETSNMP_CALLBACK_OP_DISCONNECT) {
        forget_stream(l, session);
        return 1;
    }
    // Net-SNMP also shows us, here, messages whose digest was wrong. after_parse counts those.
    if (op != NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE ||
        session->s_snmp_errno == SNMPERR_USM_AUTHENTICATIONFAILURE)
        return 1;

    bool is_own = l->session && session == sn_session_data(l->session);
    void *handle = is_own ? sn_session_handle(l->session) : snmp_sess_pointer(session);
    if (!is_permitted(l, pdu))
        l->stats.dropped_security++;
    else if (!deliver(l, handle, pdu))
        l->stats.dropped_malformed++;
    else if (pdu->command == SNMP_MSG_INFORM)
        acknowledge(handle, pdu);
    return 1;
}

static bool is_discovery(const netsnmp_pdu *pdu)
{
    return pdu->securityEngineIDLen == 0 && pdu->securityLevel == SNMP_SEC_LEVEL_NOAUTH;
}

// Runs behind Net-SNMP's parsing, with its result; returns 0 to have the message dropped.
static int after_parse(netsnmp_session *session, netsnmp_pdu *pdu, int result)
{
    struct sn_listener *l = session->callback_magic;
    if (pdu->version == SNMP_VERSION_1 || pdu->version == SNMP_VERSION_2c) {
        l->stats.dropped_version++;
        return 0;
    }
    switch (result) {
    case SNMP_ERR_NOERROR:
        return 1;
    case SNMPERR_USM_UNKNOWNENGINEID:
        if (is_discovery(pdu)) // answered by a report, as it should be
            break;
        /* fallthrough */
    case SNMPERR_USM_UNKNOWNSECURITYNAME:
    case SNMPERR_USM_UNSUPPORTEDSECURITYLEVEL:
    case SNMPERR_USM_AUTHENTICATIONFAILURE:
    case SNMPERR_USM_NOTINTIMEWINDOW:
    case SNMPERR_USM_DECRYPTIONERROR:
    case SNMPERR_UNKNOWN_SEC_MODEL:
        l->stats.dropped_security++;
        break;
    default:
        l->stats.dropped_malformed++;
    }
    return 0;
}

static int open_session(struct sn_listener *l, const char *address, struct dv_err *err)
{
    // The name only gives the default port, 162.
    netsnmp_transport *t = netsnmp_transport_open_server("snmptrap", address);
    if (!t)
        return dv_fail(err, DV_IO, "cannot listen for notifications on %s: %s", address,
                       strerror(errno));
    int room = RECEIVE_BUFFER;
    if (setsockopt(t->sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0)
        setsockopt(t->sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)); // as far as allowed
    netsnmp_session data;
    snmp_sess_init(&data);
    data.peername = NULL;
    data.version = SNMP_DEFAULT_VERSION; // any: after_parse drops and counts what is not v3
    data.callback = on_message;
    data.callback_magic = l;
    // Else each forged engine ID would be remembered for ever.
    data.isAuthoritative = SNMP_SESS_AUTHORITATIVE;
    void *handle = snmp_sess_add(&data, t, NULL, after_parse);
    if (!handle)
        return dv_fail(err, DV_IO, "cannot listen for notifications on %s: %s", address,
                       snmp_api_errstring(data.s_snmp_errno));
    l->session = sn_session_new(l->env, handle);
    return 0;
}

struct sn_listener *sn_listener_new(struct sn_env *env, const char *address, sn_notify_fn *fn,
                                    void *arg, struct dv_err *err)
{
    struct sn_listener *l = dv_calloc(1, sizeof(*l));
    l->env = env;
    l->fn = fn;
    l->arg = arg;
    if (open_session(l, address, err) != 0) {
        sn_listener_free(l);
        return NULL;
    }
    return l;
}

int sn_listener_add_user(struct sn_listener *l, const struct sn_user *user, struct dv_err *err)
{
    struct sn_usm *usm = sn_env_usm(l->env);
    struct sn_keys *keys = sn_keys_hold(usm, user, err);
    if (!keys)
        return -1;
    struct sn_engine_id own;
    sn_env_engine_id(l->env, &own);
    int rc = sn_usm_add(usm, keys, &own, err);
    sn_keys_release(usm, keys); // the table holds them
    if (rc != 0)
        return -1;
    if (find_sender(l, user->name)) {
        sn_usm_remove(usm, user->name, &own); // it was counted before
        return 0;
    }
    size_t len = strlen(user->name);
    struct sender *s = dv_calloc(1, sizeof(*s) + len + 1);
    memcpy(s->name, user->name, len);
    HASH_ADD_STR(l->senders, name, s);
    return 0;
}

static void remove_sender(struct sn_listener *l, struct sender *s)
{
    struct sn_engine_id own;
    sn_env_engine_id(l->env, &own);
    sn_usm_remove(sn_env_usm(l->env), s->name, &own);
    HASH_DEL(l->senders, s);
    free(s);
}

void sn_listener_remove_user(struct sn_listener *l, const char *name)
{
    struct sender *s = find_sender(l, name);
    if (s)
        remove_sender(l, s);
}

void sn_listener_free(struct sn_listener *l)
{
    if (!l)
        return;
    struct sn_usm *usm = sn_env_usm(l->env);
    sn_session_close(l->session);
    while (l->stream_count > 0) {
        netsnmp_session *stream = l->streams[l->stream_count - 1];
        forget_stream(l, stream);
        snmp_close(stream);
    }
    for (struct accepted *a; (a = l->accepted);) {
        HASH_DEL(l->accepted, a);
        sn_usm_remove(usm, a->key.user, &a->key.engine);
        free(a);
    }
    while (l->senders)
        remove_sender(l, l->senders);
    free(l->streams);
    free(l);
}

int sn_listener_accept_engine(struct sn_listener *l, const struct sn_engine_id *engine,
                              const struct sn_user *user, struct dv_err *err)
{
    struct sn_usm *usm = sn_env_usm(l->env);
    struct sn_keys *keys = sn_keys_hold(usm, user, err);
    if (!keys)
        return -1;
    int rc = sn_usm_add(usm, keys, engine, err); // new keys replace old ones here
    sn_keys_release(usm, keys);                  // the table holds them
    if (rc != 0)
        return -1;
    struct sn_usm_key key;
    if (sn_usm_key(user->name, engine->b, engine->len, &key) && is_accepted(l, &key)) {
        sn_usm_remove(usm, user->name, engine); // it was counted before
        return 0;
    }
    struct accepted *a = dv_calloc(1, sizeof(*a));
    a->key = key;
    HASH_ADD(hh, l->accepted, key, sizeof(a->key), a);
    return 0;
}

void sn_listener_stats(const struct sn_listener *l, struct sn_listener_stats *out)
{
    *out = l->stats;
}
