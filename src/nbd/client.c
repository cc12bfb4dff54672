// A client of the NBD server: its socket, its requests and their replies.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/server_private.h"

#include "base/mem.h"
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IN_ROOM      (64u << 10)
#define IOV_MOST     64
#define KEEPALIVE_S  60 // of silence before a client is asked for a sign of life, and for that
#define HEAD_ROOM    ((NBD_DATA_HEAD + 15) / 16 * 16)
#define OPTIONS_MOST 100 // before a client is taken to talk for talking's sake

// A request, or the words of a reply that belongs to none.
struct client_job {
    struct leg_req leg;
    struct nbd_client *client;
    struct nbd_request request;
    uint32_t got;   // of a write's data
    uint32_t held;  // bytes of data
    uint8_t *reply; // in bytes
    size_t len;     // of it, left to be sent
    struct client_job *next;
    _Alignas(16) uint8_t bytes[]; // room for a reply's head, and the data
};

enum phase { FLAGS, OPTION, OPTION_DATA, REQUEST };

struct nbd_client {
    struct nbd_server *server;
    int fd; // -1: cut off
    struct loop_fd *watch;
    struct loop_soon *soon; // sends what is answered
    struct loop_timer *timer;
    enum phase phase;
    struct nbd_talk talk;
    struct leg_client leg_client;
    uint32_t option, option_len;
    unsigned options;
    struct leg_req size; // the leg is asked for its size anew
    bool sizing;
    struct nbd_export export; // what it is told in the negotiation, which is one thing throughout
    bool over;                // nothing more is read
    bool stalled;             // what it asked for does not go out
    bool moved;               // since the timer was set
    unsigned jobs;
    uint64_t held;
    struct client_job *filling;      // a write, of whose data some are still to come
    uint32_t skip;                   // bytes of a refused write, or of an option's data
    struct client_job *refusal;      // of a write, of whose data some are still to come
    struct client_job *first, **end; // answered
    unsigned in_at, in_end;
    uint8_t in[IN_ROOM];
};

// ---- The end ------------------------------------------------------------------------------------

static void drop_job(struct client_job *job)
{
    struct nbd_client *c = job->client;
    c->jobs--;
    c->held -= job->held;
    c->server->held -= job->held;
    free(job);
}

// What waits for more from the client.
static void drop_begun(struct nbd_client *c)
{
    if (c->filling)
        drop_job(c->filling);
    if (c->refusal)
        drop_job(c->refusal);
    c->filling = c->refusal = NULL;
}

static void forget_when_idle(struct nbd_client *c)
{
    if (c->fd < 0 && c->jobs == 0 && !c->sizing)
        nbd_server_forget(c->server, c);
}

// It is freed at the next turn, or when the leg has given all back.
void nbd_client_cut(struct nbd_client *c)
{
    struct client_job *job;
    if (c->fd < 0)
        return;
    loop_fd_free(c->watch);
    c->watch = NULL;
    loop_timer_cancel(c->timer);
    close(c->fd);
    c->fd = -1;
    while ((job = c->first)) {
        c->first = job->next;
        drop_job(job);
    }
    c->end = &c->first;
    drop_begun(c);
    loop_soon_set(c->soon);
}

void nbd_client_free(struct nbd_client *c)
{
    loop_soon_free(c->soon);
    loop_timer_free(c->timer);
    free(c);
}

// Whether all that it may still get is on its way.
static bool is_done(const struct nbd_client *c)
{
    return c->over && c->jobs == 0 && !c->sizing;
}

// Who still negotiates is not told why: NBD_REP_ERR_SHUTDOWN, which the protocol advises, is for
// servers that stay until each client has asked for something more.
void nbd_client_shut(struct nbd_client *c)
{
    c->over = true;
    drop_begun(c);
    loop_soon_set(c->soon);
}

static void bad(struct nbd_client *c, const char *why)
{
    log_limited(&c->server->refusals, LOG_LEVEL_WARNING, "nbd", "a client is cut off: %s", why);
    nbd_client_cut(c);
}

// ---- Replies ------------------------------------------------------------------------------------

static struct client_job *job_new(struct nbd_client *c, uint32_t data)
{
    size_t room = HEAD_ROOM + (size_t)data;
    struct client_job *job = malloc(sizeof(*job) + (room > NBD_REPLY_MOST ? room : NBD_REPLY_MOST));
    if (!job)
        abort(); // as dv_calloc does; nothing here needs zeros
    memset(job, 0, sizeof(*job));
    job->client = c;
    job->held = data;
    c->jobs++;
    c->held += data;
    c->server->held += data;
    return job;
}

static void send_soon(struct client_job *job, uint8_t *reply, size_t len)
{
    struct nbd_client *c = job->client;
    job->reply = reply;
    job->len = len;
    job->next = NULL;
    *c->end = job;
    c->end = &job->next;
    loop_soon_set(c->soon);
}

static void say(struct nbd_client *c, const void *bytes, size_t len)
{
    struct client_job *job = job_new(c, (uint32_t)len);
    memcpy(job->bytes, bytes, len);
    send_soon(job, job->bytes, len);
}

// A client may not know a reply to a write whose data it has not sent to the end.
static void refuse(struct nbd_client *c, const struct nbd_request *r, int error, const char *why)
{
    struct client_job *job = job_new(c, 0);
    size_t len = nbd_reply_error(&c->talk, r, error, why, job->bytes);
    if (r->type == NBD_CMD_WRITE && r->length > 0) {
        c->skip = r->length;
        c->refusal = job;
        job->len = len;
    } else {
        send_soon(job, job->bytes, len);
    }
}

static const char *const doing[] = {
    [LEG_READ] = "reading",  [LEG_WRITE] = "writing", [LEG_FLUSH] = "flushing",
    [LEG_TRIM] = "trimming", [LEG_ZERO] = "zeroing",
};

static void fail(struct client_job *job, int error)
{
    struct nbd_server *s = job->client->server;
    char text[NBD_ERROR_TEXT + sizeof(s->leg->why.text)];
    const struct leg_req *req = &job->leg;
    bool lost = error == EACCES || error == EIO;
    snprintf(text, sizeof(text), "%s of %" PRIu64 " bytes at %" PRIu64 ": %s%s%s", doing[req->op],
             req->bytes, req->offset,
             error == ENOTCONN ? "the server ends" : strerrordesc_np(error),
             lost && s->leg->why.text[0] ? ": " : "", lost ? s->leg->why.text : "");
    if (error != ENOTCONN)
        log_limited(&s->failures, LOG_LEVEL_ERROR, "nbd", "%s", text);
    send_soon(
        job, job->bytes,
        nbd_reply_error(&job->client->talk, &job->request, nbd_error_of(error), text, job->bytes));
}

static void on_done(struct leg_req *req, int error)
{
    struct client_job *job = (struct client_job *)((char *)req - offsetof(struct client_job, leg));
    struct nbd_client *c = job->client;
    uint8_t head[NBD_DATA_HEAD];
    if (c->fd < 0) {
        drop_job(job);
        loop_soon_set(c->soon);
    } else if (error) {
        fail(job, error);
    } else if (req->op == LEG_READ) {
        size_t len = nbd_reply_data(&c->talk, &job->request, head);
        uint8_t *reply = memcpy(job->bytes + HEAD_ROOM - len, head, len);
        send_soon(job, reply, len + job->request.length);
    } else {
        send_soon(job, job->bytes, nbd_reply_done(&c->talk, &job->request, job->bytes));
    }
}

static void take_sent(struct nbd_client *c, size_t sent)
{
    while (c->first && sent >= c->first->len) {
        struct client_job *job = c->first;
        sent -= job->len;
        c->first = job->next;
        drop_job(job);
    }
    if (!c->first) {
        c->end = &c->first;
        return;
    }
    c->first->reply += sent;
    c->first->len -= sent;
}

// False when no more of it goes out now.
static bool send_some(struct nbd_client *c)
{
    struct iovec iov[IOV_MOST];
    struct msghdr message = {.msg_iov = iov};
    for (struct client_job *job = c->first; job && message.msg_iovlen < IOV_MOST; job = job->next)
        iov[message.msg_iovlen++] = (struct iovec){job->reply, job->len};
    ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        nbd_client_cut(c); // it has gone
        return false;
    }
    if (n <= 0)
        return false;
    c->moved = true;
    take_sent(c, (size_t)n);
    return true;
}

// ---- What comes ---------------------------------------------------------------------------------

static bool may_take(const struct nbd_client *c, uint32_t data)
{
    const struct nbd_server *s = c->server;
    uint64_t held = c->held + data;
    return c->jobs == 0 || (c->jobs < NBD_REQUESTS_MOST && held <= NBD_CLIENT_MOST &&
                            (held <= NBD_CLIENT_OWN || s->held + data <= NBD_SERVER_MOST));
}

static void submit(struct client_job *job)
{
    job->leg.done = on_done;
    leg_submit(job->client->server->leg, &job->leg);
}

static void begin(struct nbd_client *c, const struct nbd_request *r, const struct nbd_task *task)
{
    bool has_data = task->op == LEG_READ || task->op == LEG_WRITE;
    struct client_job *job = job_new(c, has_data ? r->length : 0);
    job->request = *r;
    job->leg.op = task->op;
    job->leg.flags = task->leg_flags;
    job->leg.offset = r->offset;
    job->leg.bytes = r->length;
    job->leg.client = &c->leg_client;
    if (has_data)
        job->leg.data = job->bytes + HEAD_ROOM;
    if (task->op == LEG_WRITE)
        c->filling = job;
    else
        submit(job);
}

// Each takes what is there of one thing; false: the rest has to come first, or its turn.

static bool take_request(struct nbd_client *c)
{
    struct nbd_request r;
    struct nbd_task task;
    if (!nbd_take_request(c->in + c->in_at, &r)) {
        bad(c, "what it sends is no request");
        return false;
    }
    if (r.type == NBD_CMD_DISC) {
        nbd_client_shut(c);
        return false;
    }
    // It may go on with what it was offered; how large it is, and whether it may write, are of now.
    struct nbd_export now = nbd_server_export(c->server), e = c->export;
    e.bytes = now.bytes;
    e.read_only = now.read_only;
    nbd_judge(&c->talk, &e, &r, &task);
    // Also of what has no data: so that one client cannot queue many large ones.
    if (!may_take(c, task.error ? 0 : r.length))
        return false;
    c->in_at += NBD_REQUEST_HEAD;
    if (task.error) {
        refuse(c, &r, task.error, task.why);
    } else if (task.block_status) {
        struct client_job *job = job_new(c, 0);
        send_soon(job, job->bytes, nbd_reply_allocated(&r, job->bytes));
    } else {
        begin(c, &r, &task);
    }
    return true;
}

static bool take_data(struct nbd_client *c)
{
    struct client_job *job = c->filling;
    uint32_t left = job->request.length - job->got, have = c->in_end - c->in_at;
    uint32_t n = have < left ? have : left;
    memcpy((uint8_t *)job->leg.data + job->got, c->in + c->in_at, n);
    c->in_at += n;
    job->got += n;
    if (n < left)
        return false;
    c->filling = NULL;
    submit(job);
    return true;
}

static bool take_skipped(struct nbd_client *c)
{
    uint32_t have = c->in_end - c->in_at, n = have < c->skip ? have : c->skip;
    c->in_at += n;
    c->skip -= n;
    if (c->skip == 0 && c->refusal) {
        send_soon(c->refusal, c->refusal->bytes, c->refusal->len);
        c->refusal = NULL;
    }
    return c->skip == 0;
}

static bool take_option_data(struct nbd_client *c)
{
    DV_STRBUF struct strbuf out = {0};
    enum nbd_next next;
    if (c->option_len > NBD_OPTION_MOST) { // it has been skipped
        next = nbd_answer_long_option(&c->talk, c->option, &out);
    } else if (c->sizing && nbd_tells_size(c->option)) {
        return false;
    } else {
        next = nbd_answer_option(&c->talk, c->option, c->in + c->in_at, c->option_len, &c->export,
                                 &out);
        c->in_at += c->option_len;
    }
    c->phase = next == NBD_NEXT_REQUESTS ? REQUEST : OPTION;
    if (out.len > 0)
        say(c, out.text, out.len);
    if (next == NBD_NEXT_CLOSE)
        nbd_client_shut(c);
    if (next == NBD_NEXT_REQUESTS)
        loop_timer_cancel(c->timer);
    return next != NBD_NEXT_CLOSE;
}

static bool take_option(struct nbd_client *c)
{
    const uint8_t *head = c->in + c->in_at;
    if (nbd_get64(head) != NBD_OPTION_MAGIC || ++c->options > OPTIONS_MOST) {
        bad(c, "what it sends is no option, or there is no end to them");
        return false;
    }
    c->option = nbd_get32(head + 8);
    c->option_len = nbd_get32(head + 12);
    c->in_at += NBD_OPTION_HEAD;
    c->phase = OPTION_DATA;
    c->skip = c->option_len > NBD_OPTION_MOST ? c->option_len : 0;
    return true;
}

static bool take_flags(struct nbd_client *c)
{
    if (!nbd_take_flags(&c->talk, nbd_get32(c->in + c->in_at))) {
        bad(c, "it does not speak the newstyle negotiation of NBD");
        return false;
    }
    c->in_at += 4;
    c->phase = OPTION;
    return true;
}

static bool take_one(struct nbd_client *c)
{
    uint32_t have = c->in_end - c->in_at;
    if (c->over || c->fd < 0)
        return false;
    if (c->skip)
        return take_skipped(c);
    if (c->filling)
        return take_data(c);
    switch (c->phase) {
    case FLAGS:
        return have >= 4 && take_flags(c);
    case OPTION:
        return have >= NBD_OPTION_HEAD && take_option(c);
    case OPTION_DATA:
        return (have >= c->option_len || c->option_len > NBD_OPTION_MOST) && take_option_data(c);
    default:
        return have >= NBD_REQUEST_HEAD && take_request(c);
    }
}

// Whether more is wanted: not while what is there waits for its turn.
static bool wants_more(const struct nbd_client *c)
{
    uint32_t have = c->in_end - c->in_at;
    if (c->over)
        return false;
    if (c->phase == OPTION_DATA)
        return have < c->option_len;
    return c->phase != REQUEST || c->filling || c->skip || have < NBD_REQUEST_HEAD;
}

// What a write still lacks is read to its place, and what comes behind it to the buffer.
static ssize_t read_some(struct nbd_client *c)
{
    struct client_job *job = c->filling;
    struct iovec iov[2];
    int n = 0;
    size_t left = job ? job->request.length - job->got : 0;
    if (left)
        iov[n++] = (struct iovec){(uint8_t *)job->leg.data + job->got, left};
    iov[n++] = (struct iovec){c->in + c->in_end, IN_ROOM - c->in_end};
    ssize_t got = readv(c->fd, iov, n);
    if (got <= 0)
        return got;
    size_t direct = (size_t)got < left ? (size_t)got : left;
    c->moved = true;
    if (job)
        job->got += (uint32_t)direct;
    c->in_end += (unsigned)((size_t)got - direct);
    return got;
}

static void take_all(struct nbd_client *c)
{
    while (take_one(c))
        ;
    if (c->in_at == c->in_end) {
        c->in_at = c->in_end = 0;
    } else if (c->in_at > 0) {
        memmove(c->in, c->in + c->in_at, c->in_end - c->in_at);
        c->in_end -= c->in_at;
        c->in_at = 0;
    }
}

// What is held for a client until it takes or sends something.
static bool is_awaited(const struct nbd_client *c)
{
    return c->stalled || c->filling || c->refusal;
}

static void watch(struct nbd_client *c)
{
    if (c->fd < 0)
        return;
    loop_fd_events(c->watch, (wants_more(c) ? LOOP_READ : 0) | (c->stalled ? LOOP_WRITE : 0));
    if (c->phase == REQUEST && is_awaited(c) && !loop_timer_pending(c->timer)) {
        c->moved = false;
        loop_timer_set(c->timer, c->server->config.stalled_ms);
    }
}

static void on_fd(void *arg, int fd, unsigned events)
{
    struct nbd_client *c = arg;
    (void)fd;
    if (events & LOOP_WRITE)
        loop_soon_set(c->soon);
    if (!(events & LOOP_READ) || !wants_more(c))
        return;
    ssize_t n = read_some(c);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        nbd_client_shut(c); // what it wrote is carried out; it may still be reading
        watch(c);
        return;
    }
    take_all(c);
    watch(c);
}

// ---- Turns --------------------------------------------------------------------------------------

static void on_soon(void *arg)
{
    struct nbd_client *c = arg;
    bool had = c->first != NULL;
    while (c->fd >= 0 && c->first && send_some(c))
        ;
    if (c->fd < 0) {
        forget_when_idle(c);
        return;
    }
    c->stalled = c->first != NULL;
    if (is_done(c)) {
        nbd_client_cut(c);
        forget_when_idle(c);
        return;
    }
    if (had && c->in_at != c->in_end)
        take_all(c); // there may be room for it now
    watch(c);
}

static void on_timer(void *arg)
{
    struct nbd_client *c = arg;
    if (c->sizing) {
        loop_timer_set(c->timer, c->server->config.handshake_ms);
    } else if (c->phase != REQUEST) {
        bad(c, "it did not say in time what it wants");
    } else if (is_awaited(c) && !c->moved) {
        bad(c, "for too long it took nothing of what it had asked for, or sent nothing of what it "
               "was writing");
    } else {
        watch(c);
    }
}

static void on_size(struct leg_req *req, int error)
{
    struct nbd_client *c = (struct nbd_client *)((char *)req - offsetof(struct nbd_client, size));
    (void)error; // then the size stays as it was
    c->sizing = false;
    c->export = nbd_server_export(c->server);
    take_all(c);
    watch(c);
    loop_soon_set(c->soon);
}

// Of TCP alone. A client whose machine has gone says nothing of it, and would keep its place.
static void set_tcp(int fd)
{
    static const int one = 1, idle = KEEPALIVE_S, every = KEEPALIVE_S / 6, count = 6;
    int protocol;
    socklen_t len = sizeof(protocol);
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) != 0 || protocol != IPPROTO_TCP)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

struct nbd_client *nbd_client_new(struct nbd_server *s, int fd)
{
    uint8_t greeting[NBD_GREETING];
    struct nbd_client *c = malloc(sizeof(*c));
    if (!c)
        abort();
    memset(c, 0, offsetof(struct nbd_client, in));
    c->server = s;
    c->fd = fd;
    c->end = &c->first;
    set_tcp(fd);
    c->watch = loop_fd_new(s->loop, fd, LOOP_READ, on_fd, c);
    c->soon = loop_soon_new(s->loop, on_soon, c);
    c->timer = loop_timer_new(s->loop, on_timer, c);
    loop_timer_set(c->timer, s->config.handshake_ms);
    nbd_greet(greeting);
    say(c, greeting, sizeof(greeting));
    c->export = nbd_server_export(s);
    // NBD tells a client the size once, when it connects.
    c->sizing = true;
    c->size = (struct leg_req){.op = LEG_SIZE, .client = &c->leg_client, .done = on_size};
    leg_submit(s->leg, &c->size);
    return c;
}
