// Connections: bytes in, whole requests to who carries them out, bytes out.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/conn.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "console/api/dispatch.h"
#include "console/api/logins.h"
#include "console/api/relay.h"
#include "console/api/source.h"
#include "console/api/web.h"
#include "loop/loop.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEAVE_MS       1000 // after the last answer, for the client to read it and close
#define READ_AT_A_TIME 16384

enum conn_state {
    CONN_READING,  // a request, or between two
    CONN_PASSWORD, // it waits until its password is checked
    CONN_BUSY,     // civetweb carries it out
    CONN_HELD,     // a refused login; its answer comes later
    CONN_WRITING,
    CONN_LEAVING // the last answer was written; what still comes is thrown away
};

struct conn {
    const struct conn_env *env;
    int fd;
    struct source *source;
    char client[INET_ADDRSTRLEN];
    struct loop_fd *watch;
    struct loop_timer *timer; // ends the state it is in
    enum conn_state state;
    uint64_t since_ms;

    char *in; // what came and was not taken yet
    size_t in_len, in_room, in_seen;
    bool begun;   // the request's first byte is there
    bool skipped; // an empty line in front of it
    bool eof;

    char *head_text; // of the request under way
    size_t head_len;
    struct http_head head; // method NULL: not read yet
    char *body;
    struct login_attempt login;
    struct http_answer answer;
    int web_fd; // to civetweb, while CONN_BUSY; else -1
    struct relay *relay;
    bool close; // after the answer

    struct strbuf out;
    size_t out_sent;
};

static void wiping_free(char *text, size_t len)
{
    if (text)
        secret_wipe(text, len);
    free(text);
}

static void enter(struct conn *c, enum conn_state state, uint32_t ms)
{
    c->state = state;
    c->since_ms = loop_now_ms();
    if (ms > 0)
        loop_timer_set(c->timer, ms);
    else
        loop_timer_cancel(c->timer);
}

// ---- What is in memory ----------------------------------------------------------------------

static void forget_answer(struct conn *c)
{
    if (c->out.text)
        secret_wipe(c->out.text, c->out.len);
    strbuf_free(&c->out);
    c->out_sent = 0;
}

static void forget_request(struct conn *c)
{
    wiping_free(c->head_text, c->head_len);
    wiping_free(c->body, (size_t)c->head.content_length);
    c->head_text = c->body = NULL;
    c->head = (struct http_head){0};
    http_answer_free(&c->answer);
}

static void make_room(struct conn *c)
{
    if (c->in_room - c->in_len >= READ_AT_A_TIME)
        return;
    size_t room = c->in_len + READ_AT_A_TIME;
    char *larger = dv_calloc(room, 1);
    if (c->in)
        memcpy(larger, c->in, c->in_len);
    wiping_free(c->in, c->in_room);
    c->in = larger;
    c->in_room = room;
}

// Cuts the first len bytes off; the caller frees them. A NUL is behind them.
static char *take(struct conn *c, size_t len)
{
    char *text = dv_calloc(len + 1, 1);
    if (len > 0) {
        memcpy(text, c->in, len);
        memmove(c->in, c->in + len, c->in_len - len);
        c->in_len -= len;
        secret_wipe(c->in + c->in_len, len);
    }
    return text;
}

// ---- The answer -----------------------------------------------------------------------------

static void answer(struct conn *c)
{
    bool head_only = c->head.method && strcmp(c->head.method, "HEAD") == 0;
    log_debug("api", "%s %s %s: %d", c->client, c->head.method ? c->head.method : "-",
              c->head.path ? c->head.path : "-", c->answer.status);
    c->close |= c->head.close;
    http_answer_print(&c->answer, head_only, c->close, &c->out);
    enter(c, CONN_WRITING, CONN_ANSWER_MS);
}

// For what is no request, or is too large: nothing behind it can be one.
static bool refuse(struct conn *c, int status, const struct dv_err *err)
{
    forget_answer(c); // a part of one
    http_answer_problem(&c->answer, status, err);
    c->close = true;
    answer(c);
    return true;
}

static void go_on(struct conn *c);

static void forget_relay(struct conn *c)
{
    relay_free(c->relay);
    web_disconnect(c->env->web, c->web_fd);
    c->relay = NULL;
    c->web_fd = -1;
}

static void carried_out(void *arg, enum relay_end end)
{
    struct conn *c = arg;
    struct dv_err err;
    forget_relay(c);
    switch (end) {
    case RELAY_ANSWERED:
        enter(c, CONN_WRITING, CONN_ANSWER_MS);
        break;
    case RELAY_LATE:
        dv_fail(&err, DV_TIMEOUT,
                "the station did not answer within %d seconds; it may carry the request out yet, "
                "so look before you send it again",
                CONN_BUSY_MS / 1000);
        refuse(c, 504, &err);
        break;
    default:
        dv_fail(&err, DV_INTERNAL, "the request could not be carried out; see the station's log");
        refuse(c, 500, &err);
    }
    go_on(c);
}

static void carry_out(struct conn *c)
{
    static struct log_limit failed;
    struct strbuf request = {0};
    // civetweb refuses methods that it does not know by itself, and closes at "OPTIONS *".
    if (!dispatch_check_route(&c->head, &c->answer)) {
        answer(c);
        return;
    }
    c->close |= c->head.close;
    web_request(c->env->web, &c->head, c->body, c->close, &request);
    enter(c, CONN_BUSY, 0);
    c->web_fd = web_connect(c->env->web);
    if (c->web_fd < 0)
        log_limited(&failed, LOG_LEVEL_ERROR, "api", "civetweb cannot be reached: %m");
    c->relay = relay_new(c->env->loop, c->web_fd, CONN_BUSY_MS, &request, &c->out, carried_out, c);
}

static void refuse_login(struct conn *c, bool given)
{
    uint32_t held = given ? guesses_add(&c->source->guesses, loop_now_ms()) : 0;
    dispatch_refuse_login(&c->head, given, &c->answer);
    if (held > 0)
        enter(c, CONN_HELD, held);
    else
        answer(c);
}

static void password_checked(struct login_attempt *login, bool right)
{
    struct conn *c = (struct conn *)((char *)login - offsetof(struct conn, login));
    if (right)
        carry_out(c);
    else
        refuse_login(c, true);
    go_on(c);
}

// The request is whole: who asks, and may it?
static void receive(struct conn *c)
{
    if (!dispatch_check_source(c->env->dispatcher, &c->head, &c->answer)) {
        answer(c);
        return;
    }
    c->login = (struct login_attempt){.source = c->source, .decided = password_checked};
    if (!request_credentials(c->head.authorization, &c->login.c)) {
        refuse_login(c, c->head.authorization != NULL);
        return;
    }
    switch (logins_ask(c->env->logins, &c->login)) {
    case AUTH_RIGHT:
        carry_out(c);
        break;
    case AUTH_SLOW:
        enter(c, CONN_PASSWORD, 0);
        break;
    default:
        refuse_login(c, true);
    }
}

// ---- Reading --------------------------------------------------------------------------------

// Servers are to skip an empty line before a request (RFC 9112, section 2.2).
static void skip_line(struct conn *c)
{
    if (!c->skipped && c->in_len >= 2 && memcmp(c->in, "\r\n", 2) == 0) {
        free(take(c, 2));
        c->skipped = true;
        c->in_seen = 0;
    }
}

// Both return whether the connection's state moved on.
static bool read_head(struct conn *c)
{
    struct dv_err err;
    int status;
    skip_line(c);
    long len = c->in_len > 0 ? http_head_end(c->in, c->in_len, &c->in_seen, &status, &err) : 0;
    if (len < 0)
        return refuse(c, status, &err);
    if (len == 0)
        return false;
    c->in_seen = 0;
    c->head_len = (size_t)len;
    c->head_text = take(c, c->head_len);
    if (http_head_parse(c->head_text, c->head_len, &c->head, &status, &err) < 0) {
        c->head.content_length = 0; // of a body that is not there
        return refuse(c, status, &err);
    }
    c->head.client = c->client;
    if (c->head.content_length > REQUEST_BODY_MAX) {
        dv_fail(&err, DV_INVALID, "the body is larger than %d bytes, the most that is taken",
                REQUEST_BODY_MAX);
        c->head.content_length = 0;
        return refuse(c, 413, &err);
    }
    return false;
}

static bool read_body(struct conn *c)
{
    static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (c->in_len < c->head.content_length) {
        // A client that does not get it sends the body all the same, sooner or later.
        if (c->head.expects_continue && c->in_len == 0 &&
            send(c->fd, go, sizeof(go) - 1, MSG_NOSIGNAL) != sizeof(go) - 1)
            log_debug("api", "%s was not asked for its body", c->client);
        c->head.expects_continue = false;
        return false;
    }
    c->body = take(c, (size_t)c->head.content_length);
    receive(c);
    return true;
}

static bool too_early(struct conn *c)
{
    struct dv_err err;
    dv_fail(&err, DV_INVALID, "the connection ended in the middle of the request");
    return refuse(c, 400, &err);
}

static bool read_request(struct conn *c)
{
    if (c->in_len > 0 && !c->begun) {
        c->begun = true;
        loop_timer_set(c->timer, CONN_REQUEST_MS);
    }
    if (!c->head.method && read_head(c))
        return true;
    if (c->head.method && read_body(c))
        return true;
    return c->eof && c->begun && too_early(c);
}

static void next_request(struct conn *c)
{
    forget_request(c);
    forget_answer(c);
    c->begun = c->skipped = false;
    enter(c, CONN_READING, CONN_IDLE_MS);
}

// ---- Events ---------------------------------------------------------------------------------

// 1: all is written; 0: the client takes no more now; -1: it is gone.
static int write_out(struct conn *c)
{
    while (c->out_sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.text + c->out_sent, c->out.len - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        c->out_sent += (size_t)n;
    }
    return 1;
}

// Closing with bytes unread would take the answer from the client again.
static void leave(struct conn *c)
{
    forget_request(c);
    shutdown(c->fd, SHUT_WR);
    enter(c, CONN_LEAVING, LEAVE_MS);
}

// What can be done without waiting for anybody. May end the connection.
static void go_on(struct conn *c)
{
    for (;;) {
        int written;
        switch (c->state) {
        case CONN_READING:
            if (read_request(c))
                continue;
            if (c->eof)
                conn_end(c);
            else
                loop_fd_events(c->watch, LOOP_READ);
            return;
        case CONN_WRITING:
            written = write_out(c);
            if (written < 0) {
                conn_end(c);
                return;
            }
            if (written == 0) {
                loop_fd_events(c->watch, LOOP_WRITE);
                return;
            }
            if (c->close || c->eof)
                leave(c);
            else
                next_request(c);
            continue;
        case CONN_LEAVING:
            if (c->eof)
                conn_end(c);
            else
                loop_fd_events(c->watch, LOOP_READ);
            return;
        default:
            loop_fd_events(c->watch, 0);
            return;
        }
    }
}

static void on_event(void *arg, int fd, unsigned events)
{
    struct conn *c = arg;
    if (events & LOOP_READ) {
        make_room(c);
        ssize_t n = recv(fd, c->in + c->in_len, READ_AT_A_TIME, 0);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (n < 0) {
            conn_end(c);
            return;
        }
        c->eof = n == 0;
        if (c->state == CONN_READING)
            c->in_len += (size_t)n;
    }
    go_on(c);
}

static void on_timer(void *arg)
{
    struct conn *c = arg;
    struct dv_err err;
    if (c->state == CONN_HELD) {
        answer(c);
    } else if (c->state == CONN_READING && c->begun) {
        dv_fail(&err, DV_TIMEOUT, "the request did not arrive within %d seconds",
                CONN_REQUEST_MS / 1000);
        refuse(c, 408, &err);
    } else {
        conn_end(c);
        return;
    }
    go_on(c);
}

struct place conn_place(const struct conn *c)
{
    return (struct place){
        .use = c->state == CONN_BUSY       ? PLACE_BUSY
               : c->state == CONN_PASSWORD ? PLACE_PASSWORD
                                           : PLACE_CLIENT,
        .source_places = c->source->places,
        .since_ms = c->since_ms,
    };
}

struct source *conn_source(const struct conn *c)
{
    return c->source;
}

struct conn *conn_new(const struct conn_env *env, int fd, struct source *source)
{
    struct conn *c = dv_calloc(1, sizeof(*c));
    c->env = env;
    c->fd = fd;
    c->web_fd = -1;
    c->source = source;
    inet_ntop(AF_INET, &source->address, c->client, sizeof(c->client));
    c->timer = loop_timer_new(env->loop, on_timer, c);
    c->watch = loop_fd_new(env->loop, fd, LOOP_READ, on_event, c);
    enter(c, CONN_READING, CONN_IDLE_MS);
    return c;
}

void conn_end(struct conn *c)
{
    c->env->ended(c->env->arg, c);
    logins_drop(c->env->logins, &c->login);
    forget_relay(c);
    forget_request(c);
    forget_answer(c);
    wiping_free(c->in, c->in_room);
    loop_fd_free(c->watch);
    loop_timer_free(c->timer);
    close(c->fd);
    free(c);
}
