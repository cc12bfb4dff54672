// A leg on a loop of its own, for tests that wait for what they ask.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_TEST_LEG_BOX_H
#define DVSAN_TEST_LEG_BOX_H

#include "base/mem.h"
#include "block/leg.h"
#include "loop/loop.h"
#include <pthread.h>
#include <semaphore.h>

struct leg_box {
    struct loop *loop;
    struct leg *leg; // made on the loop's thread, or before it runs
    pthread_t thread;
    sem_t settled; // the leg is ready, or down, after box_open
};

static void *box_main(void *arg)
{
    loop_run(((struct leg_box *)arg)->loop);
    return NULL;
}

static inline void box_on_state(struct leg *leg, void *owner)
{
    if (leg->state != LEG_CONNECTING)
        sem_post(&((struct leg_box *)owner)->settled);
}

// Runs the loop, with a leg that was made for it.
static inline void box_start(struct leg_box *b, struct leg *leg)
{
    b->leg = leg;
    leg->on_state = box_on_state;
    leg->owner = b;
    sem_init(&b->settled, 0, 0);
    if (pthread_create(&b->thread, NULL, box_main, b) != 0)
        abort();
}

static inline void box_free_leg(void *arg)
{
    struct leg_box *b = arg;
    leg_free(b->leg);
    b->leg = NULL;
}

static inline void box_end(struct leg_box *b)
{
    (void)loop_call(b->loop, box_free_leg, b);
    loop_stop(b->loop);
    pthread_join(b->thread, NULL);
    loop_free(b->loop);
    sem_destroy(&b->settled);
}

static inline void box_connect(void *arg)
{
    leg_connect(((struct leg_box *)arg)->leg);
}

// 0 when it is ready; else the leg's reason is in err.
static inline int box_open(struct leg_box *b, struct dv_err *err)
{
    (void)loop_call(b->loop, box_connect, b);
    sem_wait(&b->settled);
    if (b->leg->state == LEG_READY)
        return 0;
    *err = b->leg->why;
    return -1;
}

static inline void box_disconnect(void *arg)
{
    leg_disconnect(((struct leg_box *)arg)->leg, LEG_LOSS_ASKED, "ended by the test");
}

static inline void box_shut(struct leg_box *b)
{
    (void)loop_call(b->loop, box_disconnect, b);
}

struct box_io {
    struct leg_req req;
    struct leg_box *box;
    sem_t done;
    int error;
};

static inline void box_done(struct leg_req *req, int error)
{
    struct box_io *io = (struct box_io *)req;
    io->error = error;
    sem_post(&io->done);
}

static inline void box_submit(void *arg)
{
    struct box_io *io = arg;
    leg_submit(io->box->leg, &io->req);
}

static inline int box_io(struct leg_box *b, struct leg_client *client, enum leg_op op,
                         unsigned flags, uint64_t offset, uint64_t bytes, void *data)
{
    struct box_io io = {.req = {.op = op,
                                .flags = flags,
                                .offset = offset,
                                .bytes = bytes,
                                .data = data,
                                .client = client,
                                .done = box_done},
                        .box = b};
    sem_init(&io.done, 0, 0);
    (void)loop_call(b->loop, box_submit, &io);
    sem_wait(&io.done);
    sem_destroy(&io.done);
    return io.error;
}

// A client that comes now.
static inline void box_client(struct leg_box *b, struct leg_client *client)
{
    *client = (struct leg_client){0};
    (void)box_io(b, client, LEG_SIZE, 0, 0, 0, NULL);
}

struct box_look {
    struct leg_box *box;
    struct leg_info info;
    struct dv_err why;
};

static inline void box_look_at(void *arg)
{
    struct box_look *l = arg;
    l->info = l->box->leg->info;
    l->why = l->box->leg->why;
}

static inline struct box_look box_look(struct leg_box *b)
{
    struct box_look look = {.box = b};
    (void)loop_call(b->loop, box_look_at, &look);
    return look;
}

#endif
