// The loop over libevent, and its queue for other threads.
// SPDX-License-Identifier: BSD-2-Clause
//
// libevent is used from the loop's thread only. Other threads reach it through a queue of our
// own under one mutex, and an eventfd that wakes the loop: written when the queue stops being
// empty and when the loop is to stop.
#include "loop/loop.h"

#include "base/log.h"
#include "base/mem.h"
#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum item_state { ITEM_QUEUED, ITEM_DONE, ITEM_REFUSED };

// Work from another thread. A posted item is on the heap, a call's on its caller's stack.
struct item {
    loop_fn *fn;
    void *arg;
    bool is_call;
    enum item_state state; // of a call
    struct item *next;
};

#define SPIN_US 100 // two wake-ups of an idle processor

struct loop {
    struct event_base *base;
    struct event *wake;
    int wake_fd;
    bool few, measured;
    uint64_t woken_us;   // when the first callback since the last wait began; 0: none has yet
    const char *serves;  // the callback that runs
    uint64_t turn_began; // its thread's clock, in us
    struct loop_turn longest;

    pthread_mutex_t mutex;  // guards what follows
    pthread_cond_t settled; // a call was run or refused, or a caller left
    struct item *first, **last;
    unsigned queued;
    unsigned callers; // threads inside loop_call
    bool stopping;    // then the queue is empty for good
    bool running;
    pthread_t thread; // while running
};

struct loop_timer {
    struct loop *loop;
    struct event *ev;
    loop_fn *fn;
    void *arg;
};

struct loop_soon {
    struct loop *loop;
    struct event *ev;
    loop_fn *fn;
    void *arg;
};

struct loop_fd {
    struct loop *loop;
    struct event *ev;
    int fd;
    loop_fd_fn *fn;
    void *arg;
};

struct loop_signal {
    struct loop *loop;
    struct event *ev;
    loop_fn *fn;
    void *arg;
};

// libevent fails only without memory, or for a descriptor that is not open: both end the program.
static void must(bool good, const char *what)
{
    if (good)
        return;
    log_error("loop", "%s failed", what);
    abort();
}

static void log_libevent(int severity, const char *text)
{
    enum log_level level = severity == EVENT_LOG_ERR    ? LOG_LEVEL_ERROR
                           : severity == EVENT_LOG_WARN ? LOG_LEVEL_WARNING
                                                        : LOG_LEVEL_DEBUG;
    log_at(level, "loop", "libevent: %s", text);
}

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof(one));
    must(n == sizeof(one), "waking the loop");
}

// ---- The measure -----------------------------------------------------------------------------

struct moment {
    uint64_t computed_us, now_us;
};

static uint64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct moment moment(void)
{
    return (struct moment){clock_us(CLOCK_THREAD_CPUTIME_ID), clock_us(CLOCK_MONOTONIC)};
}

void loop_measure(struct loop *loop)
{
    loop->measured = true;
}

static struct moment begin_turn(struct loop *loop)
{
    if (loop->few && !loop->woken_us)
        loop->woken_us = clock_us(CLOCK_MONOTONIC);
    if (!loop->measured)
        return (struct moment){0};
    struct moment now = moment();
    loop->serves = "other work";
    loop->turn_began = now.computed_us;
    return now;
}

bool loop_has_time(const struct loop *loop)
{
    return !loop->measured ||
           clock_us(CLOCK_THREAD_CPUTIME_ID) - loop->turn_began < LOOP_TURN_US / 4;
}

// The loop is there still: it is freed by nobody in a callback.
static void end_turn(struct loop *loop, struct moment began)
{
    if (!loop->measured)
        return;
    struct moment now = moment();
    struct loop_turn turn = {now.computed_us - began.computed_us, now.now_us - began.now_us,
                             loop->serves};
    if (turn.computed_us > LOOP_TURN_US)
        log_debug("loop", "a turn computed %llu us and took %llu us: %s",
                  (unsigned long long)turn.computed_us, (unsigned long long)turn.took_us,
                  turn.what);
    if (turn.computed_us > loop->longest.computed_us)
        loop->longest = turn;
}

void loop_serves(struct loop *loop, const char *what)
{
    loop->serves = what;
}

struct loop_turn loop_longest(const struct loop *loop)
{
    return loop->longest;
}

// ---- The queue -------------------------------------------------------------------------------

// Takes the first item off the queue. With the mutex held.
static struct item *take(struct loop *loop)
{
    struct item *item = loop->first;
    if (!item)
        return NULL;
    loop->first = item->next;
    if (!loop->first)
        loop->last = &loop->first;
    loop->queued--;
    return item;
}

// With the mutex held.
static void settle(struct loop *loop, struct item *item, enum item_state state)
{
    if (!item->is_call) {
        free(item);
        return;
    }
    item->state = state; // its caller may return, and item be gone, once the mutex is free
    pthread_cond_broadcast(&loop->settled);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct loop *loop = arg;
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof(count));
    (void)ignored;

    pthread_mutex_lock(&loop->mutex);
    // As many as there are now: work that posts work must not keep descriptors waiting.
    for (unsigned n = loop->queued; n > 0; n--) {
        struct item *item = take(loop);
        if (!item)
            break; // one of the items stopped the loop
        pthread_mutex_unlock(&loop->mutex);
        struct moment began = begin_turn(loop);
        item->fn(item->arg);
        end_turn(loop, began);
        pthread_mutex_lock(&loop->mutex);
        settle(loop, item, ITEM_DONE);
    }
    if (loop->queued > 0)
        wake(loop);
    if (loop->stopping)
        event_base_loopbreak(loop->base);
    pthread_mutex_unlock(&loop->mutex);
}

static struct loop *make_loop(bool few)
{
    event_set_log_callback(log_libevent);
    struct loop *loop = dv_calloc(1, sizeof(*loop));
    loop->few = few;
    loop->last = &loop->first;
    pthread_mutex_init(&loop->mutex, NULL);
    pthread_cond_init(&loop->settled, NULL);
    // Neither a cached nor a coarse time: a timer set late in a long callback would fire early.
    struct event_config *config = event_config_new();
    must(config && event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME |
                                                     EVENT_BASE_FLAG_PRECISE_TIMER) == 0,
         "configuring libevent");
    // libevent's epoll sets a timerfd anew before each wait, and needs a call for each change of
    // what is watched.
    if (few)
        must(event_config_avoid_method(config, "epoll") == 0, "configuring libevent");
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    must(loop->base, "event_base_new");
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    must(loop->wake_fd >= 0, "eventfd");
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    must(loop->wake && event_add(loop->wake, NULL) == 0, "watching the eventfd");
    return loop;
}

struct loop *loop_new(void)
{
    return make_loop(false);
}

struct loop *loop_new_few(void)
{
    return make_loop(true);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    loop_stop(loop);
    pthread_mutex_lock(&loop->mutex);
    assert(!loop->running);
    while (loop->callers > 0)
        pthread_cond_wait(&loop->settled, &loop->mutex);
    pthread_mutex_unlock(&loop->mutex);
    event_free(loop->wake);
    event_base_free(loop->base);
    close(loop->wake_fd);
    pthread_cond_destroy(&loop->settled);
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
}

// A wait that ends within SPIN_US is cheaper when it is none: who brings the event need not wake
// this thread, and its processor has not gone to sleep. So as long as the last wait was that short,
// it is looked again and again before the next one.
static void run_spinning(struct loop *loop)
{
    uint64_t last = SPIN_US;
    bool is_stopped = false; // told by each run of libevent's loop, and forgotten by the next
    while (!is_stopped) {
        uint64_t began = clock_us(CLOCK_MONOTONIC), now = began;
        loop->woken_us = 0;
        while (last < SPIN_US && !is_stopped && !loop->woken_us && now - began < SPIN_US) {
            event_base_loop(loop->base, EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY);
            is_stopped = event_base_got_break(loop->base);
            sched_yield(); // to others that can run
            now = clock_us(CLOCK_MONOTONIC);
        }
        if (!is_stopped && !loop->woken_us) {
            event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
            is_stopped = event_base_got_break(loop->base);
        }
        last = (loop->woken_us ? loop->woken_us : now) - began;
    }
}

static bool has_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 1;
}

void loop_run(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->running = true;
    loop->thread = pthread_self();
    bool stopping = loop->stopping;
    pthread_mutex_unlock(&loop->mutex);

    if (!stopping && loop->few && has_processors())
        run_spinning(loop);
    else if (!stopping)
        event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    if (loop->longest.what)
        log_debug("loop", "the longest turn computed %llu us and took %llu us: %s",
                  (unsigned long long)loop->longest.computed_us,
                  (unsigned long long)loop->longest.took_us, loop->longest.what);

    pthread_mutex_lock(&loop->mutex);
    loop->running = false;
    pthread_mutex_unlock(&loop->mutex);
}

void loop_stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->stopping = true;
    for (struct item *item; (item = take(loop));)
        settle(loop, item, ITEM_REFUSED);
    if (loop->running && pthread_equal(loop->thread, pthread_self()))
        event_base_loopbreak(loop->base); // right behind this callback
    else
        wake(loop);
    pthread_mutex_unlock(&loop->mutex);
}

// With the mutex held and the loop not stopping.
static void enqueue(struct loop *loop, struct item *item)
{
    *loop->last = item;
    loop->last = &item->next;
    if (loop->queued++ == 0)
        wake(loop);
}

void loop_post(struct loop *loop, loop_fn *fn, void *arg)
{
    struct item *item = dv_calloc(1, sizeof(*item));
    item->fn = fn;
    item->arg = arg;
    pthread_mutex_lock(&loop->mutex);
    if (loop->stopping)
        free(item);
    else
        enqueue(loop, item);
    pthread_mutex_unlock(&loop->mutex);
}

bool loop_call(struct loop *loop, loop_fn *fn, void *arg)
{
    struct item item = {.fn = fn, .arg = arg, .is_call = true};
    pthread_mutex_lock(&loop->mutex);
    assert(!loop->running || !pthread_equal(loop->thread, pthread_self()));
    if (loop->stopping) {
        pthread_mutex_unlock(&loop->mutex);
        return false;
    }
    loop->callers++;
    enqueue(loop, &item);
    while (item.state == ITEM_QUEUED)
        pthread_cond_wait(&loop->settled, &loop->mutex);
    loop->callers--;
    pthread_cond_broadcast(&loop->settled);
    pthread_mutex_unlock(&loop->mutex);
    return item.state == ITEM_DONE;
}

uint64_t loop_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// The callbacks below touch nothing of ours but the loop after fn, which may have freed it.

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct loop_timer *t = arg;
    struct loop *loop = t->loop;
    struct moment began = begin_turn(loop);
    t->fn(t->arg);
    end_turn(loop, began);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct loop_timer *t = dv_calloc(1, sizeof(*t));
    t->loop = loop;
    t->fn = fn;
    t->arg = arg;
    t->ev = event_new(loop->base, -1, 0, on_timer, t);
    must(t->ev, "event_new");
    return t;
}

void loop_timer_set(struct loop_timer *t, uint32_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    must(event_add(t->ev, &tv) == 0, "setting a timer");
}

void loop_timer_cancel(struct loop_timer *t)
{
    event_del(t->ev);
}

bool loop_timer_pending(const struct loop_timer *t)
{
    return event_pending(t->ev, EV_TIMEOUT, NULL) != 0;
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    event_free(t->ev);
    free(t);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct loop_soon *s = arg;
    struct loop *loop = s->loop;
    struct moment began = begin_turn(loop);
    s->fn(s->arg);
    end_turn(loop, began);
}

struct loop_soon *loop_soon_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct loop_soon *s = dv_calloc(1, sizeof(*s));
    s->loop = loop;
    s->fn = fn;
    s->arg = arg;
    s->ev = event_new(loop->base, -1, 0, on_soon, s);
    must(s->ev, "event_new");
    return s;
}

// libevent runs what becomes active meanwhile before it polls again, behind what was active.
void loop_soon_set(struct loop_soon *s)
{
    event_active(s->ev, EV_TIMEOUT, 0);
}

void loop_soon_free(struct loop_soon *s)
{
    if (!s)
        return;
    event_free(s->ev);
    free(s);
}

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
    struct loop_fd *f = arg;
    unsigned events = (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0);
    struct loop *loop = f->loop;
    struct moment began = begin_turn(loop);
    f->fn(f->arg, fd, events);
    end_turn(loop, began);
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, unsigned events, loop_fd_fn *fn, void *arg)
{
    struct loop_fd *f = dv_calloc(1, sizeof(*f));
    f->loop = loop;
    f->fd = fd;
    f->fn = fn;
    f->arg = arg;
    f->ev = event_new(loop->base, fd, EV_PERSIST, on_fd, f);
    must(f->ev, "event_new");
    loop_fd_events(f, events);
    return f;
}

void loop_fd_events(struct loop_fd *f, unsigned events)
{
    short what = (short)(EV_PERSIST | (events & LOOP_READ ? EV_READ : 0) |
                         (events & LOOP_WRITE ? EV_WRITE : 0));
    if (event_get_events(f->ev) == what)
        return;
    event_del(f->ev);
    must(event_assign(f->ev, f->loop->base, f->fd, what, on_fd, f) == 0, "event_assign");
    if (events)
        must(event_add(f->ev, NULL) == 0, "watching a descriptor");
}

void loop_fd_free(struct loop_fd *f)
{
    if (!f)
        return;
    event_free(f->ev);
    free(f);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct loop_signal *s = arg;
    struct loop *loop = s->loop;
    struct moment began = begin_turn(loop);
    s->fn(s->arg);
    end_turn(loop, began);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_fn *fn, void *arg)
{
    struct loop_signal *s = dv_calloc(1, sizeof(*s));
    s->loop = loop;
    s->fn = fn;
    s->arg = arg;
    s->ev = evsignal_new(loop->base, signo, on_signal, s);
    must(s->ev && event_add(s->ev, NULL) == 0, "watching a signal");
    return s;
}

void loop_signal_free(struct loop_signal *s)
{
    if (!s)
        return;
    event_free(s->ev);
    free(s);
}
