// A single leg as a disk that rides out lost sessions: requests wait and are sent again.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/volume.h"

#include "base/mem.h"
#include "base/random.h"
#include "iscsi/reconnect.h"
#include "iscsi/unflushed.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define SESSIONS_AT_MOST 5 // that may end while one request is out, before it is to blame
#define NOTES            8 // events that wait to be told

// A request, or a thread that waits for the first session (`opening`).
struct io {
    struct pump_op op;
    struct leg_req req;
    struct volume_session *volume;
    struct volume_client *client;
    uint64_t deadline_ms, mark;
    unsigned sessions; // that ended while the leg had it
    int error;
    bool opening;
    bool out; // the leg has it
    struct io *prev, *next;
};

struct note {
    bool good;
    char text[sizeof(((struct dv_err *)0)->text)];
};

struct volume_session {
    struct pump *pump;
    struct leg *leg;
    struct volume_config config;
    struct reconnect reconnect;
    struct unflushed unflushed;
    struct io *first, *last; // all that are not finished, by deadline
    struct pump_timer connect_timer, deadline_timer;
    bool shut;
    struct note notes[NOTES];
    unsigned note_count;
};

#define OF(member, pointer, type) ((struct type *)((char *)(pointer)-offsetof(struct type, member)))

// Telling -----------------------------------------------------------------------------------

// Notes an event, to be told without the lock: a log that blocks must not hold up requests. When
// nobody takes them, the newest replaces the one before.
__attribute__((format(printf, 3, 4))) static void say(struct volume_session *v, bool good,
                                                      const char *fmt, ...)
{
    if (v->note_count == NOTES)
        v->note_count--;
    struct note *note = &v->notes[v->note_count++];
    note->good = good;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(note->text, sizeof(note->text), fmt, ap);
    va_end(ap);
    pump_call_outside(v->pump);
}

// Without the lock.
static void tell(void *arg)
{
    struct volume_session *v = arg;
    struct note notes[NOTES];
    pump_enter(v->pump);
    unsigned count = v->note_count;
    memcpy(notes, v->notes, count * sizeof(notes[0]));
    v->note_count = 0;
    pump_leave(v->pump);
    for (unsigned i = 0; i < count && v->config.on_event; i++)
        v->config.on_event(v->config.arg, notes[i].good, notes[i].text);
}

// Deadlines ---------------------------------------------------------------------------------

static void finish(struct io *io, int error)
{
    struct volume_session *v = io->volume;
    *(io->prev ? &io->prev->next : &v->first) = io->next;
    *(io->next ? &io->next->prev : &v->last) = io->prev;
    io->error = error;
    pump_finish(v->pump, &io->op);
}

// The timer is left alone while it is early enough: it sets itself again.
static void set_deadline_timer(struct volume_session *v)
{
    uint64_t now = pump_now_ms();
    if (v->first && !v->deadline_timer.due_ms)
        pump_timer_set(v->pump, &v->deadline_timer,
                       v->first->deadline_ms > now ? (uint32_t)(v->first->deadline_ms - now) : 0);
}

static void add(struct volume_session *v, struct io *io)
{
    struct io *before = v->last;
    while (before && before->deadline_ms > io->deadline_ms)
        before = before->prev;
    io->prev = before;
    io->next = before ? before->next : v->first;
    *(io->prev ? &io->prev->next : &v->first) = io;
    *(io->next ? &io->next->prev : &v->last) = io;
    set_deadline_timer(v);
}

// One that the leg has is given back when the session is ended, which frees its data: what does not
// answer a request for all that time is not waited for.
static void on_deadline(struct pump_timer *t)
{
    struct volume_session *v = OF(deadline_timer, t, volume_session);
    uint64_t now = pump_now_ms();
    bool late = false;
    for (struct io *io = v->first, *next; io && io->deadline_ms <= now; io = next) {
        next = io->next;
        late |= io->out;
        if (!io->out)
            finish(io, EIO);
    }
    if (late)
        leg_disconnect(v->leg, LEG_LOSS_SILENT, "a request was not answered in time");
    else
        set_deadline_timer(v);
}

// The session -------------------------------------------------------------------------------

static void submit(struct volume_session *v, struct io *io)
{
    io->out = true;
    io->mark = unflushed_mark(&v->unflushed);
    leg_submit(v->leg, &io->req);
}

static void on_connect_timer(struct pump_timer *t)
{
    leg_connect(OF(connect_timer, t, volume_session)->leg);
}

static void on_ready(struct volume_session *v)
{
    reconnect_ready(&v->reconnect, pump_now_ms());
    if (unflushed_session(&v->unflushed, &v->leg->info))
        say(v, false,
            "the unit's machine was restarted after blocks had been written and before they were "
            "flushed: they may be lost, so the next flush of every client fails");
    for (struct io *io = v->first, *next; io; io = next) {
        next = io->next;
        if (io->opening)
            finish(io, 0);
        else if (!io->out)
            submit(v, io);
    }
}

static void fail_waiting(struct volume_session *v, bool openers_only, int error)
{
    for (struct io *io = v->first, *next; io; io = next) {
        next = io->next;
        if (!io->out && (io->opening || !openers_only))
            finish(io, error);
    }
}

static void on_down(struct volume_session *v)
{
    uint32_t random;
    if (v->shut) {
        fail_waiting(v, false, ESHUTDOWN);
        return;
    }
    random_fill(&random, sizeof(random));
    struct reconnect_plan plan = reconnect_lost(&v->reconnect, v->leg->loss, pump_now_ms(), random);
    if (plan.say && plan.untold)
        say(v, false, "%s (%u losses before this one were not told)", v->leg->why.text,
            plan.untold);
    else if (plan.say)
        say(v, false, "%s", v->leg->why.text);
    // Somebody who waits for the very first session is told of a refusal at once.
    if (v->leg->loss == LEG_LOSS_REFUSED || v->leg->loss == LEG_LOSS_ABSENT)
        fail_waiting(v, true, EACCES);
    if (v->reconnect.refused)
        fail_waiting(v, false, EACCES);
    v->connect_timer.fn = on_connect_timer;
    pump_timer_set(v->pump, &v->connect_timer, plan.pause_ms);
    set_deadline_timer(v);
}

static void on_state(struct leg *leg, void *owner)
{
    if (leg->state == LEG_READY)
        on_ready(owner);
    else if (leg->state == LEG_DOWN)
        on_down(owner);
}

// Requests ----------------------------------------------------------------------------------

// It comes back without an answer: it waits for the next session, or has had enough of them.
static void given_back(struct io *io)
{
    struct volume_session *v = io->volume;
    io->out = false;
    if (v->shut) {
        finish(io, ESHUTDOWN);
    } else if (++io->sessions >= SESSIONS_AT_MOST) {
        say(v, false, "a request of %llu bytes at %llu fails: %u sessions in a row ended under it",
            (unsigned long long)io->req.bytes, (unsigned long long)io->req.offset, io->sessions);
        finish(io, EIO);
    } else if (pump_now_ms() >= io->deadline_ms) {
        finish(io, EIO);
    }
}

static void on_done(struct leg_req *req, int error)
{
    struct io *io = OF(req, req, io);
    struct volume_session *v = io->volume;
    if (error == ENOTCONN) {
        given_back(io);
        return;
    }
    // What the leg did without the target shows nothing of the session.
    unsigned lost = req->answered ? reconnect_proven(&v->reconnect) : 0;
    if (lost)
        say(v, true, "the session is back after %u attempts", lost);
    if (error == 0)
        unflushed_done(&v->unflushed, req->op, req->flags, io->mark);
    if (error == 0 && req->op == LEG_FLUSH && io->client &&
        !unflushed_tell(&v->unflushed, &io->client->told))
        error = EIO;
    finish(io, error);
}

static void start_io(struct pump_op *op)
{
    struct io *io = OF(op, op, io);
    struct volume_session *v = io->volume;
    add(v, io);
    if (v->shut)
        finish(io, ESHUTDOWN);
    else if (v->leg->state == LEG_READY)
        submit(v, io);
    else if (v->reconnect.refused)
        finish(io, EACCES);
}

int volume_io(struct volume_session *v, struct volume_client *client, enum leg_op op,
              unsigned flags, uint64_t offset, uint64_t bytes, void *data)
{
    struct io io = {
        .op = {.start = start_io},
        .req = {.op = op,
                .flags = flags,
                .offset = offset,
                .bytes = bytes,
                .data = data,
                .done = on_done},
        .volume = v,
        .client = client,
        .deadline_ms = pump_now_ms() + v->config.timeout_ms,
    };
    pump_run(v->pump, &io.op);
    return io.error;
}

static void start_opening(struct pump_op *op)
{
    struct io *io = OF(op, op, io);
    add(io->volume, io);
    if (io->volume->shut)
        finish(io, ESHUTDOWN);
    else
        leg_connect(io->volume->leg);
}

int volume_open(struct volume_session *v, struct dv_err *err)
{
    struct io io = {
        .op = {.start = start_opening},
        .volume = v,
        .deadline_ms = pump_now_ms() + v->config.timeout_ms,
        .opening = true,
    };
    pump_run(v->pump, &io.op);
    tell(v);
    if (io.error == 0)
        return 0;
    struct dv_err why;
    volume_why(v, &why);
    if (why.code == DV_OK)
        return dv_fail(err, DV_TIMEOUT, "no session within %u ms", v->config.timeout_ms);
    return dv_fail(err, why.code, "%s", why.text);
}

void volume_client_init(struct volume_session *v, struct volume_client *client)
{
    pump_enter(v->pump);
    client->told = v->unflushed.told;
    pump_leave(v->pump);
}

// Life --------------------------------------------------------------------------------------

struct volume_session *volume_new(struct pump *pump, struct leg *leg,
                                  const struct volume_config *config)
{
    struct volume_session *v = dv_calloc(1, sizeof(*v));
    v->pump = pump;
    v->leg = leg;
    v->config = *config;
    v->deadline_timer.fn = on_deadline;
    leg->on_state = on_state;
    leg->owner = v;
    pump_set_outside(pump, tell, v);
    return v;
}

void volume_shut(struct volume_session *v)
{
    pump_enter(v->pump);
    v->shut = true;
    pump_timer_cancel(v->pump, &v->connect_timer);
    fail_waiting(v, false, ESHUTDOWN);
    leg_disconnect(v->leg, LEG_LOSS_ASKED, "disconnected");
    pump_leave(v->pump);
}

void volume_free(struct volume_session *v)
{
    if (!v)
        return;
    pump_set_outside(v->pump, NULL, NULL);
    tell(v);
    pump_enter(v->pump);
    leg_free(v->leg);
    pump_timer_cancel(v->pump, &v->connect_timer);
    pump_timer_cancel(v->pump, &v->deadline_timer);
    pump_leave(v->pump);
    free(v);
}

void volume_refresh(struct volume_session *v)
{
    pump_enter(v->pump);
    bool ready = v->leg->state == LEG_READY;
    pump_leave(v->pump);
    if (ready)
        (void)volume_io(v, NULL, LEG_SIZE, 0, 0, 0, NULL); // else the size stays as it was
}

struct leg_info volume_info(struct volume_session *v)
{
    pump_enter(v->pump);
    struct leg_info info = v->leg->info;
    pump_leave(v->pump);
    return info;
}

void volume_why(struct volume_session *v, struct dv_err *why)
{
    pump_enter(v->pump);
    *why = v->leg->why;
    pump_leave(v->pump);
}
