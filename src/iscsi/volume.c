// A single leg as a disk that rides out lost sessions: requests wait and are sent again.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/volume.h"

#include "base/mem.h"
#include "base/random.h"
#include "iscsi/reconnect.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// A request, or a thread that waits for the first session (`opening`).
struct io {
    struct pump_op op;
    struct leg_req req;
    struct volume *volume;
    uint64_t deadline_ms;
    int error;
    bool opening;
    struct io *next; // in waiting
};

struct volume {
    struct pump *pump;
    struct leg *leg;
    struct volume_config config;
    struct reconnect reconnect;
    struct io *waiting; // for a session; by deadline, so in the order of arrival
    struct pump_timer connect_timer, deadline_timer;
};

#define OF(member, pointer, type) ((struct type *)((char *)(pointer)-offsetof(struct type, member)))

static void say(struct volume *v, bool good, const char *text)
{
    if (v->config.on_event)
        v->config.on_event(v->config.arg, good, text);
}

// Waiting -----------------------------------------------------------------------------------

static void finish(struct io *io, int error)
{
    io->error = error;
    pump_finish(io->volume->pump, &io->op);
}

static void set_deadline_timer(struct volume *v)
{
    if (!v->waiting) {
        pump_timer_cancel(v->pump, &v->deadline_timer);
        return;
    }
    uint64_t now = pump_now_ms(), at = v->waiting->deadline_ms;
    pump_timer_set(v->pump, &v->deadline_timer, at > now ? (uint32_t)(at - now) : 0);
}

static void wait_for_session(struct volume *v, struct io *io)
{
    struct io **at = &v->waiting;
    while (*at && (*at)->deadline_ms <= io->deadline_ms)
        at = &(*at)->next;
    io->next = *at;
    *at = io;
    if (v->waiting == io)
        set_deadline_timer(v);
}

static struct io *take_waiting(struct volume *v)
{
    struct io *io = v->waiting;
    if (io)
        v->waiting = io->next;
    return io;
}

static void fail_waiting(struct volume *v, int error)
{
    struct io *io;
    while ((io = take_waiting(v)))
        finish(io, error);
    set_deadline_timer(v);
}

static void on_deadline(struct pump_timer *t)
{
    struct volume *v = OF(deadline_timer, t, volume);
    uint64_t now = pump_now_ms();
    while (v->waiting && v->waiting->deadline_ms <= now)
        finish(take_waiting(v), EIO);
    set_deadline_timer(v);
}

// The session -------------------------------------------------------------------------------

static void on_connect_timer(struct pump_timer *t)
{
    leg_connect(OF(connect_timer, t, volume)->leg);
}

static void on_ready(struct volume *v)
{
    struct io *io;
    if (v->reconnect.attempts)
        say(v, true, "the session is back");
    reconnect_ready(&v->reconnect);
    while ((io = take_waiting(v))) {
        if (io->opening)
            finish(io, 0);
        else
            leg_submit(v->leg, &io->req);
    }
    set_deadline_timer(v);
}

// Somebody who waits for the very first session is told of a refusal at once.
static void fail_openers(struct volume *v, int error)
{
    for (struct io **at = &v->waiting; *at;) {
        struct io *io = *at;
        if (!io->opening) {
            at = &io->next;
            continue;
        }
        *at = io->next;
        finish(io, error);
    }
    set_deadline_timer(v);
}

static void on_down(struct volume *v)
{
    uint32_t random;
    random_fill(&random, sizeof(random));
    bool was_refused = v->reconnect.refused;
    bool first = v->reconnect.attempts == 0;
    uint32_t pause = reconnect_lost(&v->reconnect, v->leg->loss, random);
    if (first || v->reconnect.refused != was_refused)
        say(v, false, v->leg->why.text);
    if (v->leg->loss == LEG_LOSS_REFUSED || v->leg->loss == LEG_LOSS_ABSENT)
        fail_openers(v, EACCES);
    if (v->reconnect.refused)
        fail_waiting(v, EACCES);
    v->connect_timer.fn = on_connect_timer;
    pump_timer_set(v->pump, &v->connect_timer, pause);
}

static void on_state(struct leg *leg, void *owner)
{
    if (leg->state == LEG_READY)
        on_ready(owner);
    else if (leg->state == LEG_DOWN)
        on_down(owner);
}

// Requests ----------------------------------------------------------------------------------

static void on_done(struct leg_req *req, int error)
{
    struct io *io = OF(req, req, io);
    struct volume *v = io->volume;
    if (error != ENOTCONN)
        finish(io, error);
    else if (pump_now_ms() >= io->deadline_ms)
        finish(io, EIO);
    else
        wait_for_session(v, io);
}

static void start_io(struct pump_op *op)
{
    struct io *io = OF(op, op, io);
    struct volume *v = io->volume;
    if (v->leg->state == LEG_READY)
        leg_submit(v->leg, &io->req);
    else if (v->reconnect.refused)
        finish(io, EACCES);
    else
        wait_for_session(v, io);
}

int volume_io(struct volume *v, enum leg_op op, unsigned flags, uint64_t offset, uint64_t bytes,
              void *data)
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
        .deadline_ms = pump_now_ms() + v->config.timeout_ms,
    };
    pump_run(v->pump, &io.op);
    return io.error;
}

static void start_opening(struct pump_op *op)
{
    struct io *io = OF(op, op, io);
    leg_connect(io->volume->leg);
    wait_for_session(io->volume, io);
}

int volume_open(struct volume *v, struct dv_err *err)
{
    struct io io = {
        .op = {.start = start_opening},
        .volume = v,
        .deadline_ms = pump_now_ms() + v->config.timeout_ms,
        .opening = true,
    };
    pump_run(v->pump, &io.op);
    if (io.error == 0)
        return 0;
    struct dv_err why;
    volume_why(v, &why);
    if (why.code == DV_OK)
        return dv_fail(err, DV_TIMEOUT, "no session within %u ms", v->config.timeout_ms);
    return dv_fail(err, why.code, "%s", why.text);
}

// Life --------------------------------------------------------------------------------------

struct volume *volume_new(struct pump *pump, struct leg *leg, const struct volume_config *config)
{
    struct volume *v = dv_calloc(1, sizeof(*v));
    v->pump = pump;
    v->leg = leg;
    v->config = *config;
    v->deadline_timer.fn = on_deadline;
    leg->on_state = on_state;
    leg->owner = v;
    return v;
}

void volume_free(struct volume *v)
{
    if (!v)
        return;
    pump_enter(v->pump);
    leg_free(v->leg);
    pump_timer_cancel(v->pump, &v->connect_timer);
    pump_timer_cancel(v->pump, &v->deadline_timer);
    pump_leave(v->pump);
    free(v);
}

void volume_refresh(struct volume *v)
{
    pump_enter(v->pump);
    bool ready = v->leg->state == LEG_READY;
    pump_leave(v->pump);
    if (ready)
        (void)volume_io(v, LEG_SIZE, 0, 0, 0, NULL); // else the size stays as it was
}

struct leg_info volume_info(struct volume *v)
{
    pump_enter(v->pump);
    struct leg_info info = v->leg->info;
    pump_leave(v->pump);
    return info;
}

void volume_why(struct volume *v, struct dv_err *why)
{
    pump_enter(v->pump);
    *why = v->leg->why;
    pump_leave(v->pump);
}
