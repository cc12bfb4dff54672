// One Net-SNMP session, with its socket and its timeouts in our loop.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp/session.h"

#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/env_private.h"
#include "snmp/usm_table.h"
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

// Datagrams taken for one wake-up of the loop, before others get their turn.
#define READS_A_TURN 32

struct sn_session {
    struct sn_env *env;
    void *handle;
    struct loop_fd *watch;
    struct loop_timer *timer;
    unsigned inside; // depth of calls into Net-SNMP that may call back
    bool closing;
};

static void finish_close(struct sn_session *s)
{
    snmp_sess_close(s->handle); // calls back for each request under way
    free(s);
}

static void leave(struct sn_session *s)
{
    if (--s->inside == 0 && s->closing)
        finish_close(s);
}

// Sets the timer to the earliest timeout of a request under way.
static void rearm(struct sn_session *s)
{
    netsnmp_transport *t = snmp_sess_transport(s->handle);
    if (s->closing || t->sock < 0) { // snmp_sess_select_info2 would free a session without socket
        loop_fd_free(s->watch);
        s->watch = NULL;
        return;
    }
    int fds = 0, block = 1;
    struct timeval tv = {0};
    snmp_sess_select_info2_flags(s->handle, &fds, sn_env_only(s->env, t->sock), &tv, &block,
                                 NETSNMP_SELECT_NOALARMS);
    if (block) {
        loop_timer_cancel(s->timer);
        return;
    }
    // One more, because a request expires once its time has passed.
    uint64_t ms = (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1;
    loop_timer_set(s->timer, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
}

static void on_timer(void *arg)
{
    struct sn_session *s = arg;
    s->inside++;
    snmp_sess_timeout(s->handle);
    rearm(s);
    leave(s);
}

static bool is_stream(const netsnmp_transport *t)
{
    return t->flags & (NETSNMP_TRANSPORT_FLAG_STREAM | NETSNMP_TRANSPORT_FLAG_LISTEN);
}

static void show_peer(const netsnmp_session *data)
{
    sn_usm_table_show(data->securityName, data->securityEngineID, data->securityEngineIDLen);
}

// The datagram that is read next.
static void show_sender(int fd)
{
    static uint8_t message[65536];
    struct sn_usm_key key;
    ssize_t len = recv(fd, message, sizeof(message), MSG_PEEK | MSG_DONTWAIT);
    if (len > 0 && sn_usm_message_key(message, (size_t)len, &key))
        sn_usm_table_show(key.user, key.engine.b, key.engine.len);
}

// Whose answers, or whose notification, is read next. Of a stream that is not known.
static void show_user(struct sn_session *s, const netsnmp_transport *t, int fd)
{
    const netsnmp_session *data = sn_session_data(s);
    if (data->securityName)
        show_peer(data);
    else if (!is_stream(t))
        show_sender(fd);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    (void)events;
    struct sn_session *s = arg;
    netsnmp_transport *t = snmp_sess_transport(s->handle);
    int turns = is_stream(t) ? 1 : READS_A_TURN;
    struct loop *loop = sn_env_loop(s->env);
    loop_serves(loop, "reading from the network");
    s->inside++;
    // What one datagram sets going may take long (the last answer of a large table makes all its
    // rows be taken in), and more datagrams may have come by then. They are left to the next turn.
    while (turns-- > 0 && !s->closing && loop_has_time(loop)) {
        show_user(s, t, fd);
        int rc = snmp_sess_read2(s->handle, sn_env_only(s->env, fd));
        sn_usm_table_show_all();
        if (t->sock < 0 || (rc != 0 && sn_session_data(s)->s_snmp_errno == SNMPERR_BAD_RECVFROM))
            break; // closed by the other side, or nothing is left to read
    }
    if (t->flags & NETSNMP_TRANSPORT_FLAG_LISTEN)
        sn_env_refresh(s->env); // what it accepted is a session in the global list
    rearm(s);
    leave(s);
}

struct sn_session *sn_session_new(struct sn_env *env, void *handle)
{
    struct sn_session *s = dv_calloc(1, sizeof(*s));
    s->env = env;
    s->handle = handle;
    s->timer = loop_timer_new(sn_env_loop(env), on_timer, s);
    netsnmp_transport *t = snmp_sess_transport(handle);
    if (!is_stream(t)) // some of Net-SNMP's transports would wait in a read: udp6 does
        fcntl(t->sock, F_SETFL, fcntl(t->sock, F_GETFL) | O_NONBLOCK);
    s->watch = loop_fd_new(sn_env_loop(env), t->sock, LOOP_READ, on_readable, s);
    return s;
}

void sn_session_close(struct sn_session *s)
{
    if (!s)
        return;
    loop_fd_free(s->watch);
    s->watch = NULL;
    loop_timer_free(s->timer);
    s->timer = NULL;
    s->closing = true;
    if (s->inside == 0)
        finish_close(s);
}

netsnmp_session *sn_session_data(struct sn_session *s)
{
    return snmp_sess_session(s->handle);
}

void *sn_session_handle(struct sn_session *s)
{
    return s->handle;
}

netsnmp_transport *sn_session_transport(struct sn_session *s)
{
    return snmp_sess_transport(s->handle);
}

bool sn_session_send(struct sn_session *s, netsnmp_pdu *pdu, uint32_t timeout_ms,
                     snmp_callback callback, void *magic, int *error)
{
    netsnmp_session *data = sn_session_data(s);
    if (sn_session_transport(s)->sock < 0) {
        snmp_free_pdu(pdu);
        *error = SNMPERR_BAD_SENDTO;
        return false;
    }
    data->timeout = (long)timeout_ms * 1000; // read when the request is queued
    sn_usm_table_show(pdu->securityName ? pdu->securityName : data->securityName,
                      data->securityEngineID, data->securityEngineIDLen);
    bool sent = snmp_sess_async_send(s->handle, pdu, callback, magic) != 0;
    sn_usm_table_show_all();
    if (!sent) {
        *error = data->s_snmp_errno ? data->s_snmp_errno : SNMPERR_GENERR;
        snmp_free_pdu(pdu);
        return false;
    }
    if (!s->closing)
        rearm(s);
    return true;
}
