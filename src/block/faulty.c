// A leg over another that fails, delays and lies on command, for tests.
// SPDX-License-Identifier: BSD-2-Clause
#include "block/faulty.h"

#include "base/mem.h"
#include <errno.h>
#include <stddef.h>

struct io {
    struct leg_req req;
    struct leg_req *above;
    struct faulty *faulty;
    struct leg_faults faults; // of this one
    uint64_t due_ms;          // while it is held for a time
    struct io *next;
};

struct list {
    struct io *first, **end;
};

struct faulty {
    struct leg leg;
    struct leg *below;
    struct leg_faults faults;
    enum leg_loss refuses;
    bool refusing;
    unsigned connects;
    struct list held;  // in order of arrival
    struct list ended; // without the leg below
    struct loop_timer *timer;
    struct loop_soon *soon;
};

static struct faulty *of(const struct leg *leg)
{
    return (struct faulty *)(uintptr_t)leg;
}

static void clear(struct list *l)
{
    l->first = NULL;
    l->end = &l->first;
}

static void add(struct list *l, struct io *io)
{
    io->next = NULL;
    *l->end = io;
    l->end = &io->next;
}

static struct list take_all(struct list *l)
{
    struct list all = *l;
    if (!all.first)
        all.end = &all.first; // nobody adds to it
    clear(l);
    return all;
}

static void finish(struct io *io, int error)
{
    struct leg_req *above = io->above;
    above->answered = error != ENOTCONN;
    free(io);
    above->done(above, error);
}

static void on_done(struct leg_req *req, int error)
{
    struct io *io = (struct io *)((char *)req - offsetof(struct io, req));
    if (error == 0 && req->op == LEG_SIZE)
        io->faulty->leg.info.bytes = io->faulty->below->info.bytes;
    if (error == 0 && io->faults.lie && req->op == LEG_READ && req->bytes > 0)
        *(unsigned char *)req->data ^= 0xff;
    finish(io, error == 0 ? io->faults.error : error);
}

static void go_on(struct io *io)
{
    struct faulty *f = io->faulty;
    if (io->faults.unheard || (io->faults.lie && io->req.op == LEG_WRITE)) {
        add(&f->ended, io);
        loop_soon_set(f->soon);
    } else {
        leg_submit(f->below, &io->req);
    }
}

static void set_timer(struct faulty *f)
{
    uint64_t now = loop_now_ms(), due = UINT64_MAX;
    for (const struct io *io = f->held.first; io; io = io->next)
        if (!io->faults.hold && io->due_ms < due)
            due = io->due_ms;
    if (due != UINT64_MAX)
        loop_timer_set(f->timer, due > now ? (uint32_t)(due - now) : 0);
}

static void on_timer(void *arg)
{
    struct faulty *f = arg;
    struct list all = take_all(&f->held);
    for (struct io *io = all.first, *next; io; io = next) {
        next = io->next;
        if (!io->faults.hold && io->due_ms <= loop_now_ms())
            go_on(io);
        else
            add(&f->held, io);
    }
    set_timer(f);
}

static void give_back_held(struct faulty *f)
{
    struct list all = take_all(&f->held);
    for (struct io *io = all.first, *next; io; io = next) {
        next = io->next;
        finish(io, ENOTCONN);
    }
}

static void tell_state(struct faulty *f, enum leg_state state)
{
    f->leg.state = state;
    if (f->leg.on_state)
        f->leg.on_state(&f->leg, f->leg.owner);
}

static void on_soon(void *arg)
{
    struct faulty *f = arg;
    struct list all = take_all(&f->ended);
    for (struct io *io = all.first, *next; io; io = next) {
        next = io->next;
        finish(io, io->faults.error);
    }
    if (!f->refusing)
        return;
    f->refusing = false;
    f->leg.loss = f->refuses;
    dv_fail(&f->leg.why, f->refuses == LEG_LOSS_REFUSED ? DV_DENIED : DV_UNREACHABLE,
            "refused on command");
    tell_state(f, LEG_DOWN);
}

static void on_state(struct leg *below, void *owner)
{
    struct faulty *f = owner;
    f->leg.info = below->info;
    if (below->state == LEG_DOWN) {
        f->leg.loss = below->loss;
        f->leg.why = below->why;
        give_back_held(f);
    }
    tell_state(f, below->state);
}

static void do_connect(struct leg *leg)
{
    struct faulty *f = of(leg);
    if (leg->state != LEG_DOWN)
        return;
    leg->state = LEG_CONNECTING;
    f->connects++;
    f->refusing = f->refuses != LEG_LOSS_NONE;
    if (f->refusing)
        loop_soon_set(f->soon);
    else
        leg_connect(f->below);
}

static void do_disconnect(struct leg *leg, enum leg_loss loss, const char *why)
{
    if (leg->state != LEG_DOWN && !of(leg)->refusing)
        leg_disconnect(of(leg)->below, loss, why);
}

static void do_submit(struct leg *leg, struct leg_req *req)
{
    struct faulty *f = of(leg);
    struct io *io = dv_calloc(1, sizeof(*io));
    io->faulty = f;
    io->above = req;
    io->req = (struct leg_req){.op = req->op,
                               .flags = req->flags,
                               .offset = req->offset,
                               .bytes = req->bytes,
                               .data = req->data,
                               .client = req->client,
                               .done = on_done};
    if (f->faults.ops & FAULTY(req->op))
        io->faults = f->faults;
    if (io->faults.ops && f->faults.times && --f->faults.times == 0)
        f->faults.ops = 0;
    if (!io->faults.hold && !io->faults.delay_ms) {
        go_on(io);
        return;
    }
    io->due_ms = loop_now_ms() + io->faults.delay_ms;
    add(&f->held, io);
    set_timer(f);
}

static void do_free(struct leg *leg)
{
    struct faulty *f = of(leg);
    f->below->on_state = NULL;
    leg_free(f->below);
    give_back_held(f);
    f->refusing = false;
    on_soon(f);
    loop_timer_free(f->timer);
    loop_soon_free(f->soon);
    free(f);
}

static const struct leg_ops faulty_ops = {
    .connect = do_connect,
    .disconnect = do_disconnect,
    .submit = do_submit,
    .free = do_free,
};

struct leg *faulty_leg_new(struct loop *loop, struct leg *below)
{
    struct faulty *f = dv_calloc(1, sizeof(*f));
    f->leg.ops = &faulty_ops;
    f->below = below;
    f->leg.info = below->info;
    clear(&f->held);
    clear(&f->ended);
    f->timer = loop_timer_new(loop, on_timer, f);
    f->soon = loop_soon_new(loop, on_soon, f);
    below->on_state = on_state;
    below->owner = f;
    return &f->leg;
}

void faulty_leg_set(struct leg *leg, const struct leg_faults *faults)
{
    struct faulty *f = of(leg);
    f->faults = faults ? *faults : (struct leg_faults){0};
    if (f->faults.hold)
        return;
    for (struct io *io = f->held.first; io; io = io->next)
        io->faults.hold = false;
    set_timer(f);
}

void faulty_leg_lose(struct leg *leg, enum leg_loss loss)
{
    leg_disconnect(of(leg)->below, loss, "lost on command");
}

void faulty_leg_refuse(struct leg *leg, enum leg_loss loss)
{
    of(leg)->refuses = loss;
}

unsigned faulty_leg_held(const struct leg *leg)
{
    unsigned n = 0;
    for (const struct io *io = of(leg)->held.first; io; io = io->next)
        n++;
    return n;
}

unsigned faulty_leg_connects(const struct leg *leg)
{
    return of(leg)->connects;
}
