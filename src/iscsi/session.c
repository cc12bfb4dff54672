// The session of an iSCSI leg: connecting, logging in, keeping alive, noticing the loss.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/leg_private.h"
#include "iscsi/verdict.h"

#include "base/mem.h"
#include "base/text.h"
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SILENT_NOPS     2 // more unanswered NOPs than this are a dead peer
#define MAX_REDIRECTS   4
#define ALLOWED_HEADERS 4096      // for each command
#define ALLOWED_AHEAD   (1 << 20) // what nobody asked for: the login, NOPs of the other side
#define LOGS_LOGIN      6         // libiscsi's level of what a target says at the login
#define SEGMENT_LEAST   512       // bytes of a piece of data that a target takes
#define SEGMENT_MOST    ((1 << 24) - 1)
#define HIDDEN_STATUS   0x0203 // "not found", which a target also says to whom it does not admit

void session_over(struct iscsi_leg *l, enum leg_loss loss, const char *fmt, ...)
{
    if (l->over)
        return;
    l->over = true;
    l->leg.loss = loss;
    l->leg.why.code = loss == LEG_LOSS_REFUSED  ? DV_DENIED
                      : loss == LEG_LOSS_ABSENT ? DV_NOT_FOUND
                                                : DV_UNREACHABLE;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(l->leg.why.text, sizeof(l->leg.why.text), fmt, ap);
    va_end(ap);
    text_make_printable(l->leg.why.text); // it may have words of the target
    loop_soon_set(l->soon);
}

void session_close(struct iscsi_leg *l)
{
    struct iscsi_context *ctx = l->ctx;
    if (!ctx)
        return;
    l->over = true;
    leg_unwatch(l);
    presence_close(l);
    iscsi_destroy_context(ctx); // closes, and cancels every command
    l->ctx = NULL;
    if (l->probing) // libiscsi drops a command whose answer it cannot read, and tells nobody
        scsi_free_scsi_task(l->probing);
    l->probing = NULL;
    leg_take_answers(l);
    l->logged_in = false;
    loop_timer_cancel(l->connect_timer);
    loop_timer_cancel(l->nop_timer);
    loop_timer_cancel(l->pause_timer);
    loop_timer_cancel(l->later_timer);
}

void session_settle(struct iscsi_leg *l)
{
    if (l->ctx && !l->over && l->look >= 0)
        return; // its own descriptor
    if (l->ctx && !l->over) {
        leg_watch(l, iscsi_get_fd(l->ctx), (unsigned)iscsi_which_events(l->ctx));
        return;
    }
    if (!l->ctx)
        return;
    session_close(l);
    leg_fail_all(l, ENOTCONN);
    l->leg.state = LEG_DOWN;
    if (l->leg.on_state)
        l->leg.on_state(&l->leg, l->leg.owner);
}

void session_allow(struct iscsi_leg *l, uint64_t bytes)
{
    l->allowed += bytes + bytes / 4 + ALLOWED_HEADERS;
}

// A target that sends without end would fill the memory. (One that does so faster than libiscsi
// reads keeps it from coming back to here.)
static void check_received(struct iscsi_leg *l)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    if (getsockopt(iscsi_get_fd(l->ctx), IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
        info.tcpi_bytes_received > l->allowed)
        session_over(l, LEG_LOSS_PROTOCOL, "%s: the other side sends more than it was asked for",
                     l->portal);
}

// What the target wants ---------------------------------------------------------------------

// libiscsi keeps to whatever a target wants, also where nothing can be sent so: with 0 it would
// queue pieces of no bytes without end. It shows what the target says only to its log, which does
// not tell whose it is: the leg that is served by this thread.
static _Thread_local struct iscsi_leg *logging_in;

// RFC 7143 section 13.12.
static void on_login_text(int level, const char *text)
{
    static const char key[] = "MaxRecvDataSegmentLength=";
    const char *found = strstr(text, key);
    uint64_t bytes;
    (void)level;
    if (!logging_in || !found)
        return;
    DV_FREE char *value = dv_strdup(found + strlen(key)); // libiscsi adds words of its own
    value[strcspn(value, " \r\n")] = '\0';
    if (number_parse("the piece", value, SEGMENT_LEAST, SEGMENT_MOST, &bytes, NULL) != 0)
        session_over(logging_in, LEG_LOSS_PROTOCOL,
                     "%s: the other side takes pieces of %.20s bytes, and such cannot be sent",
                     logging_in->portal, value);
}

// Serving -----------------------------------------------------------------------------------

void session_service(struct iscsi_leg *l, unsigned revents)
{
    if (!l->ctx || l->over)
        return;
    if (l->logged_in && (revents & POLLIN))
        check_received(l);
    logging_in = l->logged_in ? NULL : l;
    if (!l->over && iscsi_service(l->ctx, (int)revents) != 0)
        session_over(l, l->leg.state == LEG_READY ? LEG_LOSS_CLOSED : LEG_LOSS_UNREACHABLE,
                     "%s: %s", l->portal,
                     l->leg.state == LEG_READY ? "the session was closed by the other side"
                                               : "cannot connect");
    logging_in = NULL;
    leg_take_answers(l);
}

static void set_cork(int fd, int on)
{
    setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)); // it is only faster
}

// libiscsi writes headers and data one by one to a socket without delay; the target would wake
// up for each. A cork makes one segment of a burst.
void session_write(struct iscsi_leg *l)
{
    int fd = l->burst == 1 ? -1 : iscsi_get_fd(l->ctx);
    l->burst = 0;
    if (fd >= 0)
        set_cork(fd, 1);
    session_service(l, POLLOUT);
    if (fd >= 0)
        set_cork(fd, 0);
}

// Keeping alive -----------------------------------------------------------------------------

static void on_nop(struct iscsi_context *ctx, int status, void *data, void *arg)
{
    struct iscsi_leg *l = arg;
    (void)ctx;
    (void)data;
    if (status == SCSI_STATUS_GOOD)
        l->heard = true;
}

static void on_nop_timer(void *arg)
{
    struct iscsi_leg *l = arg;
    l->silent = l->heard ? 0 : l->silent + 1;
    l->heard = false;
    if (l->silent > SILENT_NOPS) {
        session_over(l, LEG_LOSS_SILENT, "%s: no answer to %u NOPs sent %u ms apart", l->portal,
                     l->silent, l->nop_ms);
        return;
    }
    session_allow(l, 0);
    if (iscsi_nop_out_async(l->ctx, on_nop, NULL, 0, l) != 0)
        session_over(l, LEG_LOSS_CLOSED, "%s: %s", l->portal, iscsi_get_error(l->ctx));
    loop_soon_set(l->soon);
    loop_timer_set(l->nop_timer, l->nop_ms);
}

static void on_connect_timer(void *arg)
{
    struct iscsi_leg *l = arg;
    if (l->look >= 0)
        presence_unknown(l);
    else
        session_over(l, LEG_LOSS_UNREACHABLE, "%s: %s within %u ms", l->portal,
                     l->logged_in ? "the volume did not answer" : "no login", l->connect_ms);
}

void session_alive(struct iscsi_leg *l)
{
    if (l->leg.state == LEG_CONNECTING)
        loop_timer_set(l->connect_timer, l->connect_ms);
    l->heard = true;
}

// Connecting --------------------------------------------------------------------------------

// The status of a failed login: libiscsi gives it as "...(513)" in its error text only.
static unsigned login_status(struct iscsi_context *ctx)
{
    const char *text = iscsi_get_error(ctx), *open = text ? strrchr(text, '(') : NULL;
    return open ? (unsigned)strtoul(open + 1, NULL, 10) : 0;
}

static void on_login(struct iscsi_context *ctx, int status, void *data, void *arg);

static void on_connected(struct iscsi_context *ctx, int status, void *data, void *arg)
{
    struct iscsi_leg *l = arg;
    (void)data;
    if (l->over)
        return;
    if (status != SCSI_STATUS_GOOD)
        session_over(l, LEG_LOSS_UNREACHABLE, "%s: cannot connect", l->portal);
    else if (iscsi_login_async(ctx, on_login, l) != 0)
        session_over(l, LEG_LOSS_PROTOCOL, "%s: cannot log in: %s", l->portal,
                     iscsi_get_error(ctx));
}

static void on_login(struct iscsi_context *ctx, int status, void *data, void *arg)
{
    struct iscsi_leg *l = arg;
    (void)data;
    if (l->over)
        return;
    const char *address = iscsi_get_target_address(ctx);
    if (status == SCSI_STATUS_REDIRECT && address && address[0] && l->redirects++ < MAX_REDIRECTS) {
        leg_unwatch(l);
        iscsi_disconnect(ctx);
        free(l->at);
        l->at = dv_strdup(address);
        if (iscsi_connect_async(ctx, address, on_connected, l) != 0)
            session_over(l, LEG_LOSS_UNREACHABLE, "%s: cannot follow the redirection to %s",
                         l->portal, address);
        return;
    }
    if (status != SCSI_STATUS_GOOD) {
        unsigned code = login_status(ctx);
        if (code == HIDDEN_STATUS) {
            presence_start(l);
            return;
        }
        session_over(l, verdict_of_login(code), "%s: login to %s refused: %s (status 0x%04x)",
                     l->portal, l->target, verdict_login_text(code), code);
        return;
    }
    iscsi_set_log_level(ctx, 0);
    l->logged_in = true;
    session_alive(l);
    loop_timer_set(l->nop_timer, l->nop_ms);
    probe_start(l);
}

static void set_up_context(struct iscsi_leg *l)
{
    iscsi_set_session_type(l->ctx, ISCSI_SESSION_NORMAL);
    iscsi_set_targetname(l->ctx, l->target);
    iscsi_set_isid_random(l->ctx, l->isid, 0);
    iscsi_set_header_digest(l->ctx, l->header_digest ? ISCSI_HEADER_DIGEST_CRC32C
                                                     : ISCSI_HEADER_DIGEST_NONE);
    if (l->chap_user)
        iscsi_set_initiator_username_pwd(l->ctx, l->chap_user, l->chap_secret);
    iscsi_set_noautoreconnect(l->ctx, 1);
    iscsi_set_log_fn(l->ctx, on_login_text);
    iscsi_set_log_level(l->ctx, LOGS_LOGIN);
    iscsi_set_timeout(l->ctx, 0); // its clock is the wall's; deadlines are the owner's
}

void session_init(struct iscsi_leg *l)
{
    l->connect_timer = loop_timer_new(l->loop, on_connect_timer, l);
    l->nop_timer = loop_timer_new(l->loop, on_nop_timer, l);
}

void session_connect(struct iscsi_leg *l)
{
    l->over = l->logged_in = l->heard = false;
    l->silent = l->redirects = 0;
    l->allowed = ALLOWED_AHEAD;
    l->leg.state = LEG_CONNECTING;
    loop_timer_set(l->connect_timer, l->connect_ms);
    free(l->at);
    l->at = dv_strdup(l->portal);
    loop_soon_set(l->soon);
    l->ctx = iscsi_create_context(l->initiator);
    if (!l->ctx)
        abort(); // no memory, or an empty initiator name, which the configuration rules out
    set_up_context(l);
    if (iscsi_connect_async(l->ctx, l->portal, on_connected, l) != 0)
        session_over(l, LEG_LOSS_UNREACHABLE, "%s: %s", l->portal, iscsi_get_error(l->ctx));
}
