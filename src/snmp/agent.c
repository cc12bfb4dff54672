// The AgentX subagent: finding the master, registering, losing it, and notifications through it.
// SPDX-License-Identifier: BSD-2-Clause
//
// Net-SNMP's own reconnecting and pinging is left off. It retries by whole seconds, and its ping
// waits for the answer, and so would we with it while a master hangs. Here a ping is a message as
// any other; a master that does not answer has its connection shut down, upon which Net-SNMP
// takes its session apart as if the master had died.
//
// Whoever opens or ends the session, what is known of it here comes from Net-SNMP's two events,
// session there and session gone; the timer then does what follows from that.
#include "snmp/agent.h"

#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/env_private.h"
#include "snmp/pace.h"
#include "snmp/table.h"
#include <assert.h>
#include <net-snmp/agent/agent_callbacks.h>
#include <sys/socket.h>

#define RETRY_FIRST_MS    100
#define RETRY_LAST_MS     1000
#define SILENT_MS         500 // a master that accepted and took so long did not answer
#define SEND_TIMEOUT_S    1
#define AGENTX_NOTIFY_PDU 12 // RFC 2741 section 6.1; Net-SNMP keeps its names for these private
#define AGENTX_PING_PDU   13

// Net-SNMP's function to open the session, which its headers do not show. The public way to it
// would be an alarm of at least a second.
extern int subagent_open_master_session(void);

struct sn_agent {
    struct sn_env *env;
    sn_agent_fn *changed;
    void *arg;
    struct sn_region **regions;
    size_t region_count;
    netsnmp_session *session; // Net-SNMP's, while there is one
    bool registered;          // the regions, with Net-SNMP
    bool told;                // what changed() was told last
    bool gone;                // a session ended since
    struct sn_agent_timing timing;
    uint32_t retry_ms;
    struct loop_timer *timer; // the next try, or the next ping
};

// ---- The connection comes and goes ----------------------------------------------------------

static int on_start(int major, int minor, void *server_arg, void *client_arg)
{
    (void)major, (void)minor;
    struct sn_agent *a = client_arg;
    a->session = server_arg;
    netsnmp_transport *t = snmp_sess_transport(snmp_sess_pointer(a->session));
    struct timeval limit = {.tv_sec = SEND_TIMEOUT_S}; // for a full socket of a hanging master
    sn_pace(t);
    setsockopt(t->sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    a->retry_ms = RETRY_FIRST_MS;
    loop_timer_set(a->timer, 0);
    sn_env_refresh(a->env);
    return 0;
}

// Runs inside Net-SNMP, which closes the session next: the rest is left to the timer.
static int on_stop(int major, int minor, void *server_arg, void *client_arg)
{
    (void)major, (void)minor;
    struct sn_agent *a = client_arg;
    if (!a->session || server_arg != a->session)
        return 0;
    sn_env_forget_fd(a->env, snmp_sess_transport(snmp_sess_pointer(a->session))->sock);
    a->session = NULL;
    a->gone = true;
    a->retry_ms = RETRY_FIRST_MS;
    loop_timer_set(a->timer, 0);
    return 0;
}

static int on_ping_answer(int op, netsnmp_session *session, int reqid, netsnmp_pdu *pdu,
                          void *magic)
{
    (void)reqid, (void)pdu, (void)magic;
    void *open = snmp_sess_pointer(session); // NULL for one that is being closed
    if (op == NETSNMP_CALLBACK_OP_TIMED_OUT && open)
        shutdown(snmp_sess_transport(open)->sock, SHUT_RDWR); // reading will find the end
    return 1;
}

static void ping(struct sn_agent *a)
{
    netsnmp_pdu *pdu = snmp_pdu_create(AGENTX_PING_PDU);
    if (pdu) {
        pdu->sessid = a->session->sessid;
        pdu->flags |= UCD_MSG_FLAG_PDU_TIMEOUT;
        pdu->time = a->timing.answer_s;
        if (!snmp_async_send(a->session, pdu, on_ping_answer, NULL))
            snmp_free_pdu(pdu);
    }
    sn_env_refresh(a->env);
    loop_timer_set(a->timer, a->timing.ping_ms);
}

static void register_regions(struct sn_agent *a)
{
    a->registered = true;
    for (size_t i = 0; i < a->region_count; i++) {
        struct sn_region *r = a->regions[i];
        oid root[SN_OID_MAX];
        size_t len = sn_oid_write(&r->root, root);
        r->registration = netsnmp_create_handler_registration(
            r->tables[0].table->name, sn_region_handle, root, len, HANDLER_CAN_RWRITE);
        r->registration->handler->myvoid = r;
        netsnmp_register_handler(r->registration);
    }
}

// Both calls wait for answers, and so may find out that the master went away again.
static void connect_master(struct sn_agent *a)
{
    uint64_t began = loop_now_ms();
    loop_timer_set(a->timer, a->retry_ms);
    a->retry_ms = a->retry_ms * 2 < RETRY_LAST_MS ? a->retry_ms * 2 : RETRY_LAST_MS;
    if (subagent_open_master_session() == 0)
        register_mib_reattach();
    else if (loop_now_ms() - began >= SILENT_MS)
        loop_timer_set(a->timer, a->timing.silent_ms);
}

static void tell(struct sn_agent *a, bool connected)
{
    a->told = connected;
    a->gone = false;
    for (size_t i = 0; i < a->region_count && !connected; i++)
        sn_region_abandon_sets(a->regions[i]);
    loop_timer_set(a->timer, connected ? a->timing.ping_ms : 0);
    a->changed(a->arg, connected);
}

static void on_timer(void *arg)
{
    struct sn_agent *a = arg;
    if (!a->registered)
        register_regions(a);
    if (a->told && a->gone)
        tell(a, false);
    else if (!a->told && a->session)
        tell(a, true);
    else if (a->session)
        ping(a);
    else
        connect_master(a);
}

// ---- The calls ------------------------------------------------------------------------------

// Starting the library sets its own defaults, so what is ours comes after, and is read back.
static bool set_up(void)
{
    static const struct {
        int store, which, value;
    } numbers[] = {
        {NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL, 0},
        // For the messages that Net-SNMP waits for; peers have their own.
        {NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_TIMEOUT, 1},
        {NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_RETRIES, 0},
    };
    bool good = netsnmp_ds_get_boolean(NETSNMP_DS_APPLICATION_ID,
                                       NETSNMP_DS_AGENT_NO_CONNECTION_WARNINGS) &&
                netsnmp_ds_get_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_ROLE);
    for (size_t i = 0; i < DV_COUNT(numbers); i++) {
        netsnmp_ds_set_int(numbers[i].store, numbers[i].which, numbers[i].value);
        good = good && netsnmp_ds_get_int(numbers[i].store, numbers[i].which) == numbers[i].value;
    }
    return good;
}

struct sn_agent *sn_agent_new(struct sn_env *env, const char *socket,
                              const struct sn_agent_timing *timing, sn_agent_fn *changed, void *arg,
                              struct dv_err *err)
{
    static const struct sn_agent_timing usual = {5000, 15, 10000};
    netsnmp_enable_subagent();
    netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, socket);
    netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_CONNECTION_WARNINGS, 1);
    if (init_agent(sn_env_app(env)) != 0 || !set_up()) {
        dv_fail(err, DV_INTERNAL, "Net-SNMP's agent library cannot be started");
        return NULL;
    }
    struct sn_agent *a = dv_calloc(1, sizeof(*a));
    a->env = env;
    a->changed = changed;
    a->arg = arg;
    a->timing = timing ? *timing : usual;
    a->retry_ms = RETRY_FIRST_MS;
    a->timer = loop_timer_new(sn_env_loop(env), on_timer, a);
    snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, on_start, a);
    snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, on_stop, a);
    loop_timer_set(a->timer, 0);
    sn_env_refresh(env);
    return a;
}

void sn_agent_free(struct sn_agent *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->region_count; i++) {
        struct sn_region *r = a->regions[i];
        if (r->registration)
            netsnmp_unregister_handler(r->registration); // tells the master
        sn_region_abandon_sets(r);
        sn_region_free(r);
    }
    snmp_unregister_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, on_start, a, 1);
    snmp_unregister_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, on_stop, a, 1);
    loop_timer_free(a->timer);
    free(a->regions);
    free(a);
}

int sn_agent_table(struct sn_agent *a, const struct sn_table *table, void *ctx, struct dv_err *err)
{
    assert(!a->registered);
    struct sn_bound_table bound = {.table = table, .ctx = ctx};
    if (!sn_regions_add(&a->regions, &a->region_count, &bound))
        return dv_fail(err, DV_EXISTS, "the objects of %s overlap those of another table",
                       table->name);
    return 0;
}

static int on_notified(int op, netsnmp_session *session, int reqid, netsnmp_pdu *pdu, void *magic)
{
    (void)op, (void)session, (void)reqid, (void)pdu, (void)magic;
    return 1;
}

bool sn_agent_notify(struct sn_agent *a, const struct sn_oid *trap, const struct sn_var *vars,
                     size_t count)
{
    if (!a->session)
        return false;
    netsnmp_pdu *pdu = snmp_pdu_create(AGENTX_NOTIFY_PDU);
    if (!pdu)
        return false;
    pdu->sessid = a->session->sessid;
    bool sent = sn_notification_fill(&pdu->variables, trap, vars, count) &&
                snmp_async_send(a->session, pdu, on_notified, NULL) != 0;
    if (!sent)
        snmp_free_pdu(pdu);
    sn_env_refresh(a->env);
    return sent;
}

// Net-SNMP takes the master's over when it opens the session.
uint32_t sn_agent_uptime(const struct sn_agent *a)
{
    (void)a;
    return (uint32_t)netsnmp_get_agent_uptime();
}
