// A leg of memory, for tests and measurements.
// SPDX-License-Identifier: BSD-2-Clause
#include "block/memory.h"

#include "base/mem.h"
#include <errno.h>
#include <string.h>

struct memory {
    struct leg leg;
    char *blocks;
    uint64_t bytes; // that there are; leg.info has those that were seen
    struct leg_req *first, **end;
    bool connecting, disconnecting;
    struct loop_soon *soon;
};

static struct memory *of(struct leg *leg)
{
    return (struct memory *)leg;
}

static int carry_out(struct memory *m, const struct leg_req *req)
{
    const struct leg_info *info = &m->leg.info;
    if (req->op == LEG_SIZE) {
        m->leg.info.bytes = m->bytes;
        return 0;
    }
    if (req->offset % info->block_size || req->bytes % info->block_size)
        return EINVAL;
    if (req->bytes > info->bytes || req->offset > info->bytes - req->bytes)
        return req->op == LEG_READ ? EIO : ENOSPC;
    if (req->op == LEG_READ)
        memcpy(req->data, m->blocks + req->offset, req->bytes);
    else if (req->op == LEG_WRITE)
        memcpy(m->blocks + req->offset, req->data, req->bytes);
    else if (req->op != LEG_FLUSH)
        memset(m->blocks + req->offset, 0, req->bytes);
    return 0;
}

static void answer_all(struct memory *m, bool lost)
{
    struct leg_req *req = m->first;
    m->first = NULL;
    m->end = &m->first;
    while (req) {
        struct leg_req *next = req->next;
        req->answered = !lost;
        req->done(req, lost ? ENOTCONN : carry_out(m, req));
        req = next;
    }
}

static void tell_state(struct memory *m, enum leg_state state)
{
    m->leg.state = state;
    if (m->leg.on_state)
        m->leg.on_state(&m->leg, m->leg.owner);
}

static void on_soon(void *arg)
{
    struct memory *m = arg;
    if (m->disconnecting) {
        m->disconnecting = m->connecting = false;
        answer_all(m, true);
        tell_state(m, LEG_DOWN);
        return;
    }
    answer_all(m, m->leg.state != LEG_READY);
    if (!m->connecting)
        return;
    m->connecting = false;
    m->leg.info.bytes = m->bytes;
    tell_state(m, LEG_READY);
}

static void do_connect(struct leg *leg)
{
    struct memory *m = of(leg);
    if (leg->state != LEG_DOWN)
        return;
    leg->state = LEG_CONNECTING;
    m->connecting = true;
    loop_soon_set(m->soon);
}

static void do_disconnect(struct leg *leg, enum leg_loss loss, const char *why)
{
    struct memory *m = of(leg);
    if (leg->state == LEG_DOWN || m->disconnecting)
        return;
    leg->loss = loss;
    dv_fail(&leg->why, DV_UNREACHABLE, "%s", why);
    m->disconnecting = true;
    loop_soon_set(m->soon);
}

static void do_submit(struct leg *leg, struct leg_req *req)
{
    struct memory *m = of(leg);
    req->next = NULL;
    *m->end = req;
    m->end = &req->next;
    loop_soon_set(m->soon);
}

static void do_free(struct leg *leg)
{
    struct memory *m = of(leg);
    answer_all(m, true);
    loop_soon_free(m->soon);
    free(m->blocks);
    free(m);
}

static const struct leg_ops memory_ops = {
    .connect = do_connect,
    .disconnect = do_disconnect,
    .submit = do_submit,
    .free = do_free,
};

struct leg *memory_leg_new(struct loop *loop, uint64_t bytes, uint32_t block_size)
{
    struct memory *m = dv_calloc(1, sizeof(*m));
    m->leg.ops = &memory_ops;
    m->leg.info = (struct leg_info){
        .block_size = block_size, .physical_block = block_size, .can_trim = true, .can_zero = true};
    m->blocks = dv_calloc(1, bytes);
    m->bytes = bytes;
    m->end = &m->first;
    m->soon = loop_soon_new(loop, on_soon, m);
    return &m->leg;
}

void *memory_leg_blocks(struct leg *leg)
{
    return of(leg)->blocks;
}

void memory_leg_resize(struct leg *leg, uint64_t bytes)
{
    struct memory *m = of(leg);
    m->blocks = dv_realloc(m->blocks, bytes, 1);
    if (bytes > m->bytes)
        memset(m->blocks + m->bytes, 0, bytes - m->bytes);
    m->bytes = bytes;
}
