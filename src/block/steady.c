// A leg that rides out lost sessions of another: requests wait and are sent again.
// SPDX-License-Identifier: BSD-2-Clause
#include "block/steady.h"

#include "base/mem.h"
#include "base/random.h"
#include "block/reconnect.h"
#include "block/unflushed.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#define SESSIONS_AT_MOST 5   // that may end while one request is out, before it is to blame
#define SPARES           128 // requests whose memory is kept for the next

// A request, as it is handed down.
struct io {
    struct leg_req req;
    struct leg_req *above;
    struct steady *steady;
    uint64_t deadline_ms, mark;
    unsigned sessions; // that ended while the leg below had it
    bool out;          // the leg below has it
    int error;         // in ended
    struct io *prev, *next;
};

struct steady {
    struct leg leg;
    struct leg *below;
    struct steady_config config;
    struct reconnect reconnect;
    struct unflushed unflushed;
    uint64_t opening_until;  // while connecting
    bool closing;            // by leg_disconnect: down as soon as the leg below is
    struct io *first, *last; // all that are not ended, by deadline
    struct io *ended;        // and are to be told of, newest first
    struct io *spare;
    unsigned spares;
    struct loop_timer *connect_timer, *deadline_timer;
    struct loop_soon *soon;       // tells of what has ended
    struct loop_soon *close_soon; // goes down
};

static struct steady *of(struct leg *leg)
{
    return (struct steady *)leg;
}

static struct io *io_of(struct leg_req *req)
{
    return (struct io *)((char *)req - offsetof(struct io, req));
}

__attribute__((format(printf, 3, 4))) static void say(struct steady *s, bool good, const char *fmt,
                                                      ...)
{
    char text[sizeof(s->leg.why.text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (s->config.on_event)
        s->config.on_event(s->config.arg, good, text);
}

// Requests, by deadline -----------------------------------------------------------------------

static struct io *new_io(struct steady *s, struct leg_req *above)
{
    struct io *io = s->spare;
    if (io) {
        s->spare = io->next;
        s->spares--;
    } else {
        io = dv_calloc(1, sizeof(*io));
    }
    io->above = above;
    io->steady = s;
    io->sessions = 0;
    io->out = false;
    return io;
}

static void drop_io(struct io *io)
{
    struct steady *s = io->steady;
    if (s->spares >= SPARES) {
        free(io);
        return;
    }
    io->next = s->spare;
    s->spare = io;
    s->spares++;
}

static void remove_io(struct io *io)
{
    struct steady *s = io->steady;
    *(io->prev ? &io->prev->next : &s->first) = io->next;
    *(io->next ? &io->next->prev : &s->last) = io->prev;
}

// In a callback of the leg below, or of the loop.
static void finish(struct io *io, int error)
{
    struct leg_req *above = io->above;
    remove_io(io);
    drop_io(io);
    above->done(above, error);
}

// From within a call of the owner, who is not called back from there.
static void finish_soon(struct io *io, int error)
{
    struct steady *s = io->steady;
    remove_io(io);
    io->error = error;
    io->next = s->ended;
    s->ended = io;
    loop_soon_set(s->soon);
}

// The timer is left alone while it is early enough: it sets itself again.
static void set_deadline_timer(struct steady *s)
{
    uint64_t now = loop_now_ms(), first = s->first ? s->first->deadline_ms : UINT64_MAX;
    if (s->leg.state == LEG_CONNECTING && s->opening_until < first)
        first = s->opening_until;
    if (first != UINT64_MAX && !loop_timer_pending(s->deadline_timer))
        loop_timer_set(s->deadline_timer, first > now ? (uint32_t)(first - now) : 0);
}

static void add(struct steady *s, struct io *io)
{
    struct io *before = s->last;
    while (before && before->deadline_ms > io->deadline_ms)
        before = before->prev;
    io->prev = before;
    io->next = before ? before->next : s->first;
    *(io->prev ? &io->prev->next : &s->first) = io;
    *(io->next ? &io->next->prev : &s->last) = io;
    set_deadline_timer(s);
}

static void fail_waiting(struct steady *s, int error)
{
    for (struct io *io = s->first, *next; io; io = next) {
        next = io->next;
        if (!io->out)
            finish_soon(io, error);
    }
}

// States ----------------------------------------------------------------------------------------

static void go_down(struct steady *s, enum leg_loss loss)
{
    loop_timer_cancel(s->connect_timer);
    s->leg.state = LEG_DOWN;
    s->leg.loss = loss;
    if (s->leg.on_state)
        s->leg.on_state(&s->leg, s->leg.owner);
}

// One that the leg below has is given back when the session is ended, which frees its data: what
// does not answer a request for all that time is not waited for.
static void on_deadline(void *arg)
{
    struct steady *s = arg;
    uint64_t now = loop_now_ms();
    bool late = false;
    for (struct io *io = s->first, *next; io && io->deadline_ms <= now; io = next) {
        next = io->next;
        late |= io->out;
        if (!io->out)
            finish_soon(io, EIO);
    }
    if (s->leg.state == LEG_CONNECTING && s->opening_until <= now) {
        if (s->below->why.code != DV_OK)
            s->leg.why = s->below->why; // for what it waits
        else if (s->leg.why.code == DV_OK)
            dv_fail(&s->leg.why, DV_TIMEOUT, "no session within %u ms", s->config.timeout_ms);
        s->closing = true;
        s->leg.loss = LEG_LOSS_UNREACHABLE;
        if (s->below->state == LEG_DOWN) {
            go_down(s, s->leg.loss);
            return;
        }
        late = true;
    }
    if (late)
        leg_disconnect(s->below, LEG_LOSS_SILENT, "a request was not answered in time");
    else
        set_deadline_timer(s);
}

static void submit(struct steady *s, struct io *io)
{
    const struct leg_req *above = io->above;
    io->out = true;
    io->mark = unflushed_mark(&s->unflushed);
    io->req.op = above->op;
    io->req.flags = above->flags;
    io->req.offset = above->offset;
    io->req.bytes = above->bytes;
    io->req.data = above->data;
    leg_submit(s->below, &io->req);
}

static void on_connect_timer(void *arg)
{
    struct steady *s = arg;
    leg_connect(s->below);
}

static void on_ready(struct steady *s)
{
    bool first = s->leg.state == LEG_CONNECTING;
    reconnect_ready(&s->reconnect, loop_now_ms());
    s->leg.info = s->below->info;
    if (unflushed_session(&s->unflushed, &s->below->info))
        say(s, false,
            "the unit's machine was restarted after blocks had been written and before they were "
            "flushed: they may be lost, so the next flush of every client fails");
    for (struct io *io = s->first; io; io = io->next)
        if (!io->out)
            submit(s, io);
    if (!first)
        return;
    s->leg.state = LEG_READY;
    if (s->leg.on_state)
        s->leg.on_state(&s->leg, s->leg.owner);
}

static void on_down(struct steady *s)
{
    uint32_t random;
    enum leg_loss loss = s->below->loss;
    if (s->closing) {
        go_down(s, s->leg.loss);
        return;
    }
    s->leg.why = s->below->why;
    random_fill(&random, sizeof(random));
    struct reconnect_plan plan = reconnect_lost(&s->reconnect, loss, loop_now_ms(), random);
    if (plan.say && plan.untold)
        say(s, false, "%s (%u losses before this one were not told)", s->leg.why.text, plan.untold);
    else if (plan.say)
        say(s, false, "%s", s->leg.why.text);
    // Somebody who waits for the very first session is told of a refusal at once.
    if (s->leg.state == LEG_CONNECTING && (loss == LEG_LOSS_REFUSED || loss == LEG_LOSS_ABSENT)) {
        go_down(s, loss);
        return;
    }
    if (s->reconnect.refused)
        fail_waiting(s, EACCES);
    loop_timer_set(s->connect_timer, plan.pause_ms);
    set_deadline_timer(s);
}

static void on_state(struct leg *below, void *owner)
{
    if (below->state == LEG_READY)
        on_ready(owner);
    else if (below->state == LEG_DOWN)
        on_down(owner);
}

// Answers -------------------------------------------------------------------------------------

// It comes back without an answer: it waits for the next session, or has had enough of them.
static void given_back(struct io *io)
{
    struct steady *s = io->steady;
    io->out = false;
    if (s->closing || io->req.op == LEG_SIZE) {
        finish(io, ENOTCONN);
    } else if (++io->sessions >= SESSIONS_AT_MOST) {
        say(s, false, "a request of %llu bytes at %llu fails: %u sessions in a row ended under it",
            (unsigned long long)io->req.bytes, (unsigned long long)io->req.offset, io->sessions);
        finish(io, EIO);
    } else if (loop_now_ms() >= io->deadline_ms) {
        finish(io, EIO);
    }
}

static bool is_told(struct steady *s, struct leg_client *client)
{
    return !client || unflushed_tell(&s->unflushed, &client->told);
}

static void on_done(struct leg_req *req, int error)
{
    struct io *io = io_of(req);
    struct steady *s = io->steady;
    if (error == ENOTCONN) {
        given_back(io);
        return;
    }
    // What the leg did without the target shows nothing of the session.
    unsigned lost = req->answered ? reconnect_proven(&s->reconnect) : 0;
    if (lost) {
        s->leg.why = (struct dv_err){0}; // what fails from now on fails for other reasons
        say(s, true, "the session is back after %u attempts", lost);
    }
    if (error == EIO && req->op == LEG_FLUSH)
        unflushed_failed(&s->unflushed, io->above->client ? &io->above->client->told : NULL);
    if (error == 0)
        unflushed_done(&s->unflushed, req->op, req->flags, io->mark);
    if (error == 0 && req->op == LEG_SIZE)
        s->leg.info = s->below->info;
    if (error == 0 && req->op == LEG_FLUSH && !is_told(s, io->above->client))
        error = EIO;
    io->above->answered = req->answered;
    finish(io, error);
}

static void on_soon(void *arg)
{
    struct steady *s = arg;
    struct io *ended = s->ended, *in_order = NULL;
    s->ended = NULL;
    while (ended) {
        struct io *next = ended->next;
        ended->next = in_order;
        in_order = ended;
        ended = next;
    }
    while (in_order) {
        struct io *io = in_order;
        struct leg_req *above = io->above;
        int error = io->error;
        in_order = io->next;
        drop_io(io);
        above->done(above, error);
    }
}

// The interface -------------------------------------------------------------------------------

static void do_submit(struct leg *leg, struct leg_req *req)
{
    struct steady *s = of(leg);
    struct io *io = new_io(s, req);
    req->answered = false;
    if (req->client && !req->client->known) {
        req->client->known = true;
        req->client->told = s->unflushed.told;
    }
    io->req.done = on_done;
    io->req.op = req->op;
    io->deadline_ms = loop_now_ms() + s->config.timeout_ms;
    add(s, io);
    if (leg->state != LEG_READY || s->closing)
        finish_soon(io, ENOTCONN);
    else if (s->below->state == LEG_READY)
        submit(s, io);
    else if (s->reconnect.refused)
        finish_soon(io, EACCES);
    else if (req->op == LEG_SIZE)
        finish_soon(io, ENOTCONN);
}

static void do_connect(struct leg *leg)
{
    struct steady *s = of(leg);
    if (leg->state != LEG_DOWN)
        return;
    leg->state = LEG_CONNECTING;
    leg->why = (struct dv_err){0};
    s->closing = false;
    s->opening_until = loop_now_ms() + s->config.timeout_ms;
    set_deadline_timer(s);
    leg_connect(s->below);
}

static void on_closed(void *arg)
{
    struct steady *s = arg;
    go_down(s, s->leg.loss);
}

static void do_disconnect(struct leg *leg, enum leg_loss loss, const char *why)
{
    struct steady *s = of(leg);
    if (leg->state == LEG_DOWN || s->closing)
        return;
    s->closing = true;
    leg->loss = loss;
    loop_timer_cancel(s->connect_timer);
    fail_waiting(s, ENOTCONN);
    if (s->below->state != LEG_DOWN)
        leg_disconnect(s->below, loss, why);
    else
        loop_soon_set(s->close_soon);
}

static void do_free(struct leg *leg)
{
    struct steady *s = of(leg);
    leg->on_state = NULL;
    s->closing = true;
    s->below->on_state = NULL;
    leg_free(s->below); // gives back what is out
    fail_waiting(s, ENOTCONN);
    on_soon(s);
    loop_timer_free(s->connect_timer);
    loop_timer_free(s->deadline_timer);
    loop_soon_free(s->soon);
    loop_soon_free(s->close_soon);
    while (s->spare) {
        struct io *io = s->spare;
        s->spare = io->next;
        free(io);
    }
    free(s);
}

static const struct leg_ops steady_ops = {
    .connect = do_connect,
    .disconnect = do_disconnect,
    .submit = do_submit,
    .free = do_free,
};

struct leg *steady_new(struct loop *loop, struct leg *below, const struct steady_config *config)
{
    struct steady *s = dv_calloc(1, sizeof(*s));
    s->leg.ops = &steady_ops;
    s->below = below;
    s->config = *config;
    s->connect_timer = loop_timer_new(loop, on_connect_timer, s);
    s->deadline_timer = loop_timer_new(loop, on_deadline, s);
    s->soon = loop_soon_new(loop, on_soon, s);
    s->close_soon = loop_soon_new(loop, on_closed, s);
    below->on_state = on_state;
    below->owner = s;
    return &s->leg;
}
