// The thread that does what blocks, and how orders reach it and results come back.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/worker.h"
#include "base/mem.h"
#include "unit/pass.h"
#include <pthread.h>
#include <unistd.h>

struct tgtd_watch { // of one tgtd
    struct worker *worker;
    uint32_t tgtd;
    struct loop_fd *end; // becomes readable when it ends; NULL while none is watched
    int fd;
};

struct worker {
    struct loop *loop;
    struct worker_calls calls;
    struct pass *pass; // the thread's
    pthread_t thread;

    // The loop's.
    struct tgtd_watch *watches; // of tgtd 1, 2..
    uint32_t watch_count;

    // Under the mutex. The order is the thread's from ready until it is posted back.
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct order *order;
    bool ready, quit;

    // Of the call to the loop that the thread waits for.
    int made;
    struct dv_err made_err;
    const struct order_volume *going;
    uint32_t percent;
    bool wanted;
};

// ---- On the loop's thread ---------------------------------------------------------------------

static void watch_end(struct tgtd_watch *watch)
{
    loop_fd_free(watch->end);
    watch->end = NULL;
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

static void on_tgtd_end(void *arg, int fd, unsigned events)
{
    struct tgtd_watch *watch = arg;
    struct worker *w = watch->worker;
    (void)fd;
    (void)events;
    watch_end(watch);
    w->calls.lost(w->calls.arg, watch->tgtd);
}

static void call_made(void *arg)
{
    struct worker *w = arg;
    w->made = w->calls.made(w->calls.arg, w->order, &w->made_err);
}

static void call_progress(void *arg)
{
    struct worker *w = arg;
    w->wanted = w->calls.progress(w->calls.arg, w->going, w->percent);
}

static void call_done(void *arg)
{
    struct worker *w = arg;
    struct order *o = w->order;
    w->order = NULL;
    for (uint32_t i = 0; i < w->watch_count; i++) {
        struct tgtd_watch *watch = &w->watches[i];
        if (o->tgtds[i].watch_fd < 0)
            continue;
        watch_end(watch);
        watch->fd = o->tgtds[i].watch_fd;
        o->tgtds[i].watch_fd = -1;
        watch->end = loop_fd_new(w->loop, watch->fd, LOOP_READ, on_tgtd_end, watch);
    }
    w->calls.done(w->calls.arg, o);
}

bool worker_is_idle(const struct worker *w)
{
    return w->order == NULL;
}

void worker_start(struct worker *w, struct order *o)
{
    for (uint32_t i = 0; i < w->watch_count; i++)
        o->tgtds[i].watched = w->watches[i].end != NULL;
    pthread_mutex_lock(&w->mutex);
    w->order = o;
    w->ready = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
}

// ---- On the worker's thread -------------------------------------------------------------------

// Has the loop record what was made, and waits for it.
static int record_made(void *arg, struct dv_err *err)
{
    struct worker *w = arg;
    if (!loop_call(w->loop, call_made, w))
        return dv_fail(err, DV_CANCELLED, "the unit is being stopped");
    if (w->made != 0 && err)
        *err = w->made_err;
    return w->made;
}

static bool tell_progress(void *arg, const struct order_volume *ov, uint32_t percent)
{
    struct worker *w = arg;
    w->going = ov;
    w->percent = percent;
    return loop_call(w->loop, call_progress, w) && w->wanted;
}

static void look(void *arg, uint32_t tgtd)
{
    const struct worker *w = arg;
    w->calls.look(w->calls.arg, tgtd);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    const struct pass_calls calls = {
        .record = record_made, .progress = tell_progress, .look = look, .arg = w};
    for (;;) {
        pthread_mutex_lock(&w->mutex);
        while (!w->ready && !w->quit)
            pthread_cond_wait(&w->wake, &w->mutex);
        bool quit = w->quit;
        w->ready = false;
        pthread_mutex_unlock(&w->mutex);
        if (quit)
            return NULL;
        pass_run(w->pass, w->order, &calls);
        loop_post(w->loop, call_done, w);
    }
}

// ---- Life -------------------------------------------------------------------------------------

struct worker *worker_new(struct loop *loop, const struct unit_config *config,
                          const struct state *state, const struct worker_calls *calls,
                          struct dv_err *err)
{
    struct worker *w = dv_calloc(1, sizeof(*w));
    w->loop = loop;
    w->calls = *calls;
    w->watch_count = state_tgtd_count(state);
    w->watches = dv_calloc(w->watch_count + 1, sizeof(*w->watches));
    for (uint32_t i = 0; i < w->watch_count; i++)
        w->watches[i] = (struct tgtd_watch){.worker = w, .tgtd = i + 1, .fd = -1};
    w->pass = pass_new(config, state);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->wake, NULL);
    int rc = pthread_create(&w->thread, NULL, work, w);
    if (rc == 0)
        return w;
    (void)dv_fail_errno(err, rc, "cannot start the worker's thread");
    (void)pass_free(w->pass);
    free(w->watches);
    free(w);
    return NULL;
}

bool worker_free(struct worker *w)
{
    if (!w)
        return true;
    pass_hurry(w->pass);
    pthread_mutex_lock(&w->mutex);
    w->quit = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    for (uint32_t i = 0; i < w->watch_count; i++)
        watch_end(&w->watches[i]);
    free(w->watches);
    order_free(w->order);
    bool all = pass_free(w->pass);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->mutex);
    free(w);
    return all;
}
