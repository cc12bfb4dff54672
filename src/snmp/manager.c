// Requests to peers: engine discovery, retries, and what came of each.
// SPDX-License-Identifier: BSD-2-Clause
//
// A request keeps a template of its PDU and sends a copy for each try. While the peer's engine is
// not known, or in doubt, a try begins with a discovery probe (RFC 3414 section 4), whose report
// makes the same try go on with the request itself; Net-SNMP's own probing would block.
#include "snmp/manager.h"

#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/env_private.h"
#include "snmp/manager_private.h"
#include <assert.h>
#include <string.h>

// Reports by which an engine may answer one request before it is given up: one that its ID is
// another than we thought, after one that brought the ID.
#define REPORTS_MAX 3

static int on_response(int op, netsnmp_session *session, int reqid, netsnmp_pdu *pdu, void *magic);

// ---- The end of a request -------------------------------------------------------------------

static void unlink_request(struct sn_request *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        r->peer->requests = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->peer = NULL;
}

static void free_request(struct sn_request *r)
{
    snmp_free_pdu(r->template);
    free(r);
}

// Calls done. The peer may be gone afterwards, and the request is.
static void finish(struct sn_request *r, const struct sn_result *result)
{
    loop_timer_free(r->waiting);
    r->waiting = NULL;
    unlink_request(r);
    sn_done_fn *done = r->done;
    void *arg = r->arg;
    done(arg, result);
    if (!r->in_library)
        free_request(r);
}

static void finish_with(struct sn_request *r, enum dv_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void finish_with(struct sn_request *r, enum dv_code code, const char *fmt, ...)
{
    char text[sizeof(r->text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    finish(r, &(struct sn_result){.code = code, .text = text});
}

// Leaves the end of a request to the next turn of the loop.
static void fail_later(struct sn_request *r, enum dv_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void fail_later(struct sn_request *r, enum dv_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->text, sizeof(r->text), fmt, args);
    va_end(args);
    r->failed = true;
    r->code = code;
    loop_timer_set(r->peer->later, 0);
}

// ---- Sending --------------------------------------------------------------------------------

static void on_waited(void *arg)
{
    struct sn_request *r = arg;
    finish_with(r, DV_TIMEOUT, "the name in %s was not resolved in time", r->peer->address);
}

// Until the name is known; not longer than the request's tries would take.
static void wait_for_name(struct sn_request *r)
{
    struct sn_peer *peer = r->peer;
    sn_peer_look_up(peer);
    uint32_t tries = 1 + r->timing.retries;
    r->waiting = loop_timer_new(sn_env_loop(peer->env), on_waited, r);
    loop_timer_set(r->waiting, r->timing.timeout_ms * tries);
}

static netsnmp_pdu *probe_pdu(void)
{
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET);
    if (!pdu)
        return NULL;
    pdu->version = SNMP_VERSION_3;
    pdu->securityModel = SNMP_SEC_MODEL_USM;
    pdu->securityLevel = SNMP_SEC_LEVEL_NOAUTH;
    pdu->securityName = strdup("");
    return pdu;
}

static void send_request(struct sn_request *r)
{
    struct sn_peer *peer = r->peer;
    struct dv_err err;
    if (!peer->session && peer->named) {
        wait_for_name(r);
        return;
    }
    if (!peer->session && sn_peer_open(peer, peer->address, &err) != 0) {
        fail_later(r, err.code, "%s", err.text);
        return;
    }
    bool probe = peer->engine.len == 0 || peer->doubted;
    netsnmp_pdu *pdu = probe ? probe_pdu() : snmp_clone_pdu(r->template);
    if (!pdu) {
        fail_later(r, DV_INTERNAL, "Net-SNMP has no memory for a message");
        return;
    }
    pdu->msgid = snmp_get_next_msgid();
    // A probe names no engine. With the one that we know, the report would be about its user.
    netsnmp_session *data = sn_session_data(peer->session);
    size_t engine_len = data->securityEngineIDLen;
    if (probe)
        data->securityEngineIDLen = data->contextEngineIDLen = 0;
    int error;
    r->sending = true;
    r->in_library =
        sn_session_send(peer->session, pdu, r->timing.timeout_ms, on_response, r, &error);
    r->sending = false;
    if (peer->session) // a stream may have broken
        data->securityEngineIDLen = data->contextEngineIDLen = engine_len;
    if (!r->in_library)
        fail_later(r, error == SNMPERR_TOO_LONG ? DV_INVALID : DV_UNREACHABLE,
                   "a message to %s cannot be sent: %s", peer->address, snmp_api_errstring(error));
}

// ---- What comes back ------------------------------------------------------------------------

static void on_report(struct sn_request *r)
{
    struct sn_peer *peer = r->peer;
    if (r->report == SNMPERR_UNKNOWN_ENG_ID && r->reports++ < REPORTS_MAX &&
        sn_peer_learn(peer, &r->reporter)) {
        send_request(r); // still the same try
        return;
    }
    const char *why;
    switch (r->report) {
    case SNMPERR_UNKNOWN_ENG_ID:
        why = "has another engine ID than expected";
        break;
    case SNMPERR_UNKNOWN_USER_NAME:
        why = "does not know the user";
        break;
    case SNMPERR_AUTHENTICATION_FAILURE:
        why = "says that the authentication passphrase is wrong";
        break;
    case SNMPERR_DECRYPTION_ERR:
        why = "says that the privacy passphrase is wrong";
        break;
    case SNMPERR_UNSUPPORTED_SEC_LEVEL:
        why = "does not grant the user authPriv";
        break;
    case SNMPERR_NOT_IN_TIME_WINDOW:
        why = "keeps saying that our message is outside its time window";
        break;
    default:
        why = "refused the message";
    }
    finish_with(r, DV_DENIED, "%s %s (user %s)", peer->address, why, sn_keys_user(peer->keys));
}

static void note_report(struct sn_request *r, netsnmp_pdu *report)
{
    r->reported = true;
    r->report = snmpv3_get_report_type(report);
    r->reporter.len = 0;
    if (report->securityEngineIDLen >= 5 && report->securityEngineIDLen <= SN_ENGINE_ID_MAX) {
        r->reporter.len = (uint8_t)report->securityEngineIDLen;
        memcpy(r->reporter.b, report->securityEngineID, r->reporter.len);
    }
    if (r->peer)
        loop_timer_set(r->peer->later, 0);
}

void sn_requests_later(void *arg)
{
    struct sn_peer *peer = arg;
    for (struct sn_request *r = peer->requests; r; r = r->next) {
        if (!r->failed && !r->reported)
            continue;
        loop_timer_set(peer->later, 0); // there may be more, and this one may free the peer
        if (r->failed) {
            finish(r, &(struct sn_result){.code = r->code, .text = r->text});
        } else {
            r->reported = false;
            on_report(r);
        }
        return;
    }
}

static enum dv_code code_of_status(int status)
{
    switch (status) {
    case SN_NO_ERROR:
        return DV_OK;
    case SN_NO_ACCESS:
    case SN_AUTHORIZATION_ERROR:
        return DV_DENIED;
    case SN_INCONSISTENT_VALUE:
    case SN_INCONSISTENT_NAME:
        return DV_CONFLICT;
    case SN_RESOURCE_UNAVAILABLE:
        return DV_BUSY;
    case SN_GEN_ERR:
    case SN_COMMIT_FAILED:
    case SN_UNDO_FAILED:
        return DV_IO;
    default:
        return DV_INVALID;
    }
}

static void on_answer(struct sn_request *r, const netsnmp_pdu *pdu)
{
    struct sn_result result = {.text = ""};
    char text[sizeof(r->text)];
    struct sn_vars *vars = sn_env_vars(r->peer->env);
    if (!sn_vars_read(vars, pdu->variables)) {
        finish_with(r, DV_INVALID, "%s sent a value of no SNMP type", r->peer->address);
        return;
    }
    result.vars = vars->var;
    result.count = vars->count;
    if (pdu->errstat != 0) {
        result.code = code_of_status((int)pdu->errstat);
        result.error_status = (int)pdu->errstat;
        result.error_index = (uint32_t)pdu->errindex;
        snprintf(text, sizeof(text), "%s answered %s at variable %ld", r->peer->address,
                 sn_status_name((int)pdu->errstat), pdu->errindex);
        result.text = text;
    }
    finish(r, &result);
}

static void on_timeout(struct sn_request *r)
{
    // Another engine at this address (a unit installed anew) keeps silent, because Net-SNMP drops
    // its reports before we see them, for we know no user there. A probe's report gets through.
    r->peer->doubted = true;
    if (r->tries <= r->timing.retries) {
        r->tries++;
        send_request(r);
        return;
    }
    if (r->peer->named && !r->prev && !r->next && r->peer->session) {
        // The last one to wait there: the next request looks whether the name has moved.
        sn_session_close(r->peer->session);
        r->peer->session = NULL;
    }
    finish_with(r, DV_TIMEOUT, "%s did not answer in time", r->peer->address);
}

// Returns 1 when Net-SNMP is to forget the request.
static int on_response(int op, netsnmp_session *session, int reqid, netsnmp_pdu *pdu, void *magic)
{
    (void)session, (void)reqid;
    struct sn_request *r = magic;
    if (r->sending)
        return 1;
    // A report comes twice, as a message and as an error, in an order that depends on Net-SNMP's
    // version. Then it forgets the request; or it sends it again by itself, as it does the first
    // time that a message was outside the time window. So what to do waits until it is done.
    if (op == NETSNMP_CALLBACK_OP_SEC_ERROR ||
        (op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && pdu->command == SNMP_MSG_REPORT)) {
        r->in_library = false;
        note_report(r, pdu);
        return 1;
    }
    if (op == NETSNMP_CALLBACK_OP_RESEND) {
        r->in_library = true;
        r->reported = false;
        return 1;
    }
    if (op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && pdu->command != SNMP_MSG_RESPONSE)
        return 0;
    r->in_library = false;
    if (!r->peer) { // it was cancelled
        free_request(r);
        return 1;
    }
    switch (op) {
    case NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE:
        on_answer(r, pdu);
        break;
    case NETSNMP_CALLBACK_OP_TIMED_OUT:
        on_timeout(r);
        break;
    default:
        finish_with(r, DV_UNREACHABLE, "a message to %s cannot be sent", r->peer->address);
    }
    return 1;
}

void sn_requests_resume(struct sn_peer *peer, const struct dv_err *err)
{
    for (struct sn_request *r = peer->requests; r; r = r->next) {
        if (!r->waiting)
            continue;
        loop_timer_free(r->waiting);
        r->waiting = NULL;
        if (err)
            fail_later(r, err->code, "%s", err->text);
        else
            send_request(r);
    }
}

void sn_requests_cancel(struct sn_peer *peer)
{
    while (peer->requests)
        finish_with(peer->requests, DV_CANCELLED, "the request to %s was cancelled", peer->address);
}

// ---- The calls ------------------------------------------------------------------------------

static void start(struct sn_peer *peer, netsnmp_pdu *pdu, bool complete, struct sn_timing timing,
                  sn_done_fn *done, void *arg)
{
    assert(!peer->freeing);
    struct sn_request *r = dv_calloc(1, sizeof(*r));
    r->peer = peer;
    r->template = pdu;
    r->timing = timing;
    r->done = done;
    r->arg = arg;
    r->next = peer->requests;
    if (r->next)
        r->next->prev = r;
    peer->requests = r;
    if (!pdu || !complete) {
        fail_later(r, DV_INTERNAL, "Net-SNMP has no memory for a message");
        return;
    }
    r->tries = 1;
    send_request(r);
}

static void start_with(struct sn_peer *peer, int command, const struct sn_oid *oids, size_t count,
                       long non_repeaters, long max_repetitions, struct sn_timing timing,
                       sn_done_fn *done, void *arg)
{
    netsnmp_pdu *pdu = snmp_pdu_create(command);
    bool complete = pdu != NULL;
    netsnmp_variable_list **tail = pdu ? &pdu->variables : NULL;
    for (size_t i = 0; i < count && complete; i++)
        complete = sn_vars_append(&tail, &oids[i], &(struct sn_value){.type = SN_NULL});
    if (pdu && command == SNMP_MSG_GETBULK) {
        pdu->non_repeaters = non_repeaters;
        pdu->max_repetitions = max_repetitions;
    }
    start(peer, pdu, complete, timing, done, arg);
}

void sn_get(struct sn_peer *peer, const struct sn_oid *oids, size_t count, struct sn_timing timing,
            sn_done_fn *done, void *arg)
{
    start_with(peer, SNMP_MSG_GET, oids, count, 0, 0, timing, done, arg);
}

void sn_bulk(struct sn_peer *peer, const struct sn_oid *oids, size_t count, uint32_t non_repeaters,
             uint32_t max_repetitions, struct sn_timing timing, sn_done_fn *done, void *arg)
{
    start_with(peer, SNMP_MSG_GETBULK, oids, count, non_repeaters, max_repetitions, timing, done,
               arg);
}

void sn_set(struct sn_peer *peer, const struct sn_var *vars, size_t count, struct sn_timing timing,
            sn_done_fn *done, void *arg)
{
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_SET);
    bool complete = pdu != NULL;
    netsnmp_variable_list **tail = pdu ? &pdu->variables : NULL;
    for (size_t i = 0; i < count && complete; i++)
        complete = sn_vars_append(&tail, &vars[i].oid, &vars[i].value);
    start(peer, pdu, complete, timing, done, arg);
}

void sn_inform(struct sn_peer *peer, const struct sn_oid *trap, const struct sn_var *vars,
               size_t count, struct sn_timing timing, sn_done_fn *done, void *arg)
{
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_INFORM);
    bool complete = pdu && sn_notification_fill(&pdu->variables, trap, vars, count);
    start(peer, pdu, complete, timing, done, arg);
}
