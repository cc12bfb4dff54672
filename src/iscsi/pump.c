// The pump: drives sockets from the threads that wait for them, sparing a lone request a switch.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/pump.h"

#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_SOURCES     32   // sockets that one pump drives
#define LONGEST_POLL_MS 1000 // a poll that nothing ends
#define HOUSEKEEPING_MS 200  // how soon idleness is noticed

// pump_op.word: how the operation's thread and the others agree, without the lock.
enum {
    OP_RUNNING,  // its thread is awake and has not looked yet
    OP_SLEEPING, // its thread sleeps on the word
    OP_LEAD,     // its thread has been given leadership
    OP_DONE,     // its thread may return, and with it the memory goes
};

// What a thread that is in poll() waits for: changes beyond it need a kick.
struct poller {
    int kick; // eventfd
    bool polling;
    unsigned generation;
    uint64_t until_ms;
    int count;
    struct pollfd fds[MAX_SOURCES + 1]; // the kick is the last
    unsigned births[MAX_SOURCES];       // of the sources, when the poll began
};

struct pump {
    pthread_mutex_t lock;
    _Atomic(struct pump_op *) arrivals; // pushed without the lock, newest first
    _Atomic(struct pump_op *) leader;
    atomic_uint led; // counts leaderships, so that a pump without leaders can be told

    // The rest is under the lock.
    struct pump_op *ops; // started and unfinished, newest first
    struct pump_source *sources;
    struct pump_timer *timers;
    unsigned generation; // changes with the set of sources
    struct poller lead, house;

    pthread_mutex_t outside_lock; // held while outside is called; taken before the lock
    void (*outside)(void *arg);
    void *outside_arg;
    atomic_bool call_outside;

    pthread_t thread;
    bool started;
    atomic_bool stopping;
};

static void futex_wait(atomic_uint *word, unsigned expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void kick(struct poller *w)
{
    uint64_t one = 1;
    ssize_t n = write(w->kick, &one, sizeof(one)); // a full counter is a kick as well
    (void)n;
}

static void drain(int fd)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count)); // EAGAIN: it was drained already
    (void)n;
}

uint64_t pump_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

// Sources and timers ------------------------------------------------------------------------

void pump_source_add(struct pump *p, struct pump_source *s)
{
    unsigned count = 0;
    for (const struct pump_source *at = p->sources; at; at = at->next)
        count++;
    assert(count < MAX_SOURCES);
    s->next = p->sources;
    p->sources = s;
    p->generation++;
}

void pump_source_remove(struct pump *p, struct pump_source *s)
{
    for (struct pump_source **at = &p->sources; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            p->generation++;
            return;
        }
}

void pump_timer_cancel(struct pump *p, struct pump_timer *t)
{
    for (struct pump_timer **at = &p->timers; *at; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    t->due_ms = 0;
}

void pump_timer_set(struct pump *p, struct pump_timer *t, uint32_t in_ms)
{
    if (!t->due_ms) {
        t->next = p->timers;
        p->timers = t;
    }
    t->due_ms = pump_now_ms() + in_ms;
}

static uint64_t next_due(const struct pump *p)
{
    uint64_t due = UINT64_MAX;
    for (const struct pump_timer *t = p->timers; t; t = t->next)
        if (t->due_ms < due)
            due = t->due_ms;
    return due;
}

static void run_timers(struct pump *p)
{
    uint64_t now = p->timers ? pump_now_ms() : 0;
    for (struct pump_timer *t = p->timers; t;) {
        if (t->due_ms > now) {
            t = t->next;
            continue;
        }
        pump_timer_cancel(p, t);
        t->fn(t);
        t = p->timers; // fn may have set or cancelled any
    }
}

// Until nothing is queued: what a flush completes may queue more.
static void flush_sources(struct pump *p)
{
    for (struct pump_source *s = p->sources; s;) {
        if (!s->dirty) {
            s = s->next;
            continue;
        }
        s->dirty = false;
        s->flush(s);
        s = p->sources;
    }
}

// Operations --------------------------------------------------------------------------------

static void push_arrival(struct pump *p, struct pump_op *op)
{
    struct pump_op *head = atomic_load_explicit(&p->arrivals, memory_order_relaxed);
    do
        op->next = head;
    while (!atomic_compare_exchange_weak(&p->arrivals, &head, op));
}

// Starts what has arrived, in the order of arrival.
static void start_arrivals(struct pump *p)
{
    struct pump_op *newest = atomic_exchange(&p->arrivals, NULL), *oldest = NULL;
    while (newest) {
        struct pump_op *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct pump_op *op = oldest;
        oldest = op->next;
        op->prev = NULL;
        op->next = p->ops;
        if (p->ops)
            p->ops->prev = op;
        p->ops = op;
        op->start(op);
    }
}

void pump_finish(struct pump *p, struct pump_op *op)
{
    assert(!op->finished);
    if (op->prev)
        op->prev->next = op->next;
    else
        p->ops = op->next;
    if (op->next)
        op->next->prev = op->prev;
    op->finished = true;
    if (atomic_load(&p->leader) == op) { // it sees by itself, at the latest after its poll
        if (p->lead.polling)
            kick(&p->lead);
        return;
    }
    // At once, not after the batch: the thread can answer its client while others are served.
    // After the exchange the operation's memory may be gone; waking an address that means
    // something else by now is harmless.
    if (atomic_exchange(&op->word, OP_DONE) == OP_SLEEPING)
        futex_wake(&op->word);
}

// The lock ----------------------------------------------------------------------------------

// Everything that is due: arrivals, timers, and one write to each socket that something was
// queued for.
static void turn(struct pump *p)
{
    start_arrivals(p);
    run_timers(p);
    flush_sources(p);
}

// Whether a thread in poll() must be woken because it waits for too little.
static bool needs_kick(const struct pump *p, const struct poller *w)
{
    if (!w->polling)
        return false;
    if (w->generation != p->generation || next_due(p) < w->until_ms)
        return true;
    int i = 0;
    for (const struct pump_source *s = p->sources; s; s = s->next, i++)
        if (w->fds[i].fd != s->fd || w->births[i] != s->birth ||
            (s->events & ~(unsigned)w->fds[i].events))
            return true;
    return false;
}

// If nobody leads although somebody waits, makes one of them the leader.
static struct pump_op *appoint(struct pump *p)
{
    struct pump_op *none = NULL, *op = p->ops;
    if (op && atomic_compare_exchange_strong(&p->leader, &none, op))
        return op;
    return NULL;
}

static void tell_leader(struct pump_op *op)
{
    if (op && atomic_exchange(&op->word, OP_LEAD) == OP_SLEEPING)
        futex_wake(&op->word);
}

// Unlocks, and wakes whoever polls for too little.
static void unlock(struct pump *p)
{
    if (needs_kick(p, &p->lead))
        kick(&p->lead);
    else if (!atomic_load(&p->leader) && needs_kick(p, &p->house))
        kick(&p->house);
    pthread_mutex_unlock(&p->lock);
}

// Serves arrivals unless somebody else holds the lock: whoever does looks for arrivals after
// unlocking, and arriving comes before trying the lock, so none is forgotten. With `leave`, the
// calling thread is not about to lead.
static void serve_arrivals(struct pump *p, bool leave)
{
    while (atomic_load(&p->arrivals)) {
        if (pthread_mutex_trylock(&p->lock) != 0)
            return;
        turn(p);
        struct pump_op *next = leave ? appoint(p) : NULL;
        unlock(p);
        tell_leader(next);
    }
}

void pump_enter(struct pump *p)
{
    pthread_mutex_lock(&p->lock);
}

void pump_leave(struct pump *p)
{
    turn(p);
    struct pump_op *next = appoint(p);
    unlock(p);
    tell_leader(next);
    serve_arrivals(p, true);
}

// Polling -----------------------------------------------------------------------------------

static void clear_revents(struct poller *w)
{
    for (int i = 0; i <= w->count; i++)
        w->fds[i].revents = 0;
}

// With the lock: notes what to wait for.
static void prepare_poll(struct pump *p, struct poller *w)
{
    w->count = 0;
    for (struct pump_source *s = p->sources; s && w->count < MAX_SOURCES; s = s->next) {
        w->births[w->count] = s->birth;
        w->fds[w->count++] = (struct pollfd){.fd = s->fd, .events = (short)s->events};
    }
    w->fds[w->count] = (struct pollfd){.fd = w->kick, .events = POLLIN};
    w->until_ms = next_due(p);
    w->generation = p->generation;
    clear_revents(w);
    w->polling = true;
}

// Without the lock.
static void do_poll(struct poller *w)
{
    int timeout = LONGEST_POLL_MS;
    if (w->until_ms != UINT64_MAX) {
        uint64_t now = pump_now_ms();
        uint64_t left = w->until_ms > now ? w->until_ms - now : 0;
        if (left < LONGEST_POLL_MS)
            timeout = (int)left;
    }
    if (poll(w->fds, (nfds_t)w->count + 1, timeout) < 0)
        clear_revents(w);
    if (w->fds[w->count].revents)
        drain(w->kick);
}

// With the lock: serves what the poll has found.
static void serve_sources(struct pump *p, struct poller *w)
{
    w->polling = false;
    int i = 0;
    for (struct pump_source *s = p->sources; s; s = s->next, i++) {
        if (w->generation != p->generation)
            return; // the set has changed: the next poll finds what is still ready
        if (w->fds[i].revents && w->fds[i].fd == s->fd && w->births[i] == s->birth)
            s->ready(s, (unsigned)w->fds[i].revents);
    }
}

// Leads until the own operation is done.
static void lead(struct pump *p, struct pump_op *own)
{
    atomic_fetch_add_explicit(&p->led, 1, memory_order_relaxed);
    pthread_mutex_lock(&p->lock);
    for (;;) {
        turn(p);
        if (own->finished)
            break;
        prepare_poll(p, &p->lead);
        unlock(p);
        if (!atomic_load(&p->arrivals))
            do_poll(&p->lead);
        pthread_mutex_lock(&p->lock);
        serve_sources(p, &p->lead);
    }
    struct pump_op *next = p->ops; // the newest: it will wait longest, and leads as long
    atomic_store(&p->leader, next);
    unlock(p);
    tell_leader(next);
    serve_arrivals(p, true);
}

static void wait_for(struct pump *p, struct pump_op *op)
{
    for (;;) {
        unsigned word = atomic_load(&op->word);
        if (word == OP_DONE)
            return;
        if (word == OP_LEAD) {
            atomic_store(&op->word, OP_RUNNING);
            lead(p, op);
            return;
        }
        if (word == OP_RUNNING && !atomic_compare_exchange_strong(&op->word, &word, OP_SLEEPING))
            continue;
        futex_wait(&op->word, OP_SLEEPING);
    }
}

void pump_run(struct pump *p, struct pump_op *op)
{
    atomic_init(&op->word, OP_RUNNING);
    op->finished = false;
    op->prev = NULL;
    push_arrival(p, op);
    serve_arrivals(p, false);
    struct pump_op *none = NULL;
    if (atomic_load(&op->word) == OP_DONE) {
        if (!atomic_load(&p->leader)) { // this thread may have started others' operations
            pump_enter(p);
            pump_leave(p);
        }
        return;
    }
    if (atomic_compare_exchange_strong(&p->leader, &none, op)) {
        lead(p, op);
        return;
    }
    wait_for(p, op);
}

// Housekeeping ------------------------------------------------------------------------------

// Leaves the pump to its leaders for a little.
static void pause_house(struct pump *p)
{
    struct pollfd fd = {.fd = p->house.kick, .events = POLLIN};
    if (poll(&fd, 1, HOUSEKEEPING_MS) > 0)
        drain(p->house.kick);
}

// Polls and serves for once; returns false when it found that others lead.
static bool keep_house_once(struct pump *p)
{
    unsigned led = atomic_load(&p->led);
    pthread_mutex_lock(&p->lock);
    turn(p);
    prepare_poll(p, &p->house);
    unlock(p);
    serve_arrivals(p, true);
    do_poll(&p->house);
    pthread_mutex_lock(&p->lock);
    bool idle = !atomic_load(&p->leader) && atomic_load(&p->led) == led;
    if (idle)
        serve_sources(p, &p->house);
    p->house.polling = false;
    turn(p);
    struct pump_op *next = appoint(p);
    unlock(p);
    tell_leader(next);
    serve_arrivals(p, true);
    return idle;
}

void pump_set_outside(struct pump *p, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&p->outside_lock);
    p->outside = fn;
    p->outside_arg = arg;
    pthread_mutex_unlock(&p->outside_lock);
}

void pump_call_outside(struct pump *p)
{
    atomic_store(&p->call_outside, true);
    kick(&p->house);
}

static void go_outside(struct pump *p)
{
    if (!atomic_exchange(&p->call_outside, false))
        return;
    pthread_mutex_lock(&p->outside_lock);
    if (p->outside)
        p->outside(p->outside_arg);
    pthread_mutex_unlock(&p->outside_lock);
}

static void *keep_house(void *arg)
{
    struct pump *p = arg;
    while (!atomic_load(&p->stopping)) {
        go_outside(p);
        if (atomic_load(&p->leader) || !keep_house_once(p))
            pause_house(p);
    }
    return NULL;
}

// Life --------------------------------------------------------------------------------------

struct pump *pump_new(struct dv_err *err)
{
    struct pump *p = dv_calloc(1, sizeof(*p));
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&p->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_mutex_init(&p->outside_lock, NULL);
    p->lead.kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    p->house.kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->lead.kick < 0 || p->house.kick < 0) {
        dv_fail(err, DV_INTERNAL, "cannot make an eventfd: %s", strerror(errno));
        pump_free(p);
        return NULL;
    }
    return p;
}

int pump_start(struct pump *p, struct dv_err *err)
{
    int e = pthread_create(&p->thread, NULL, keep_house, p);
    if (e != 0)
        return dv_fail(err, DV_INTERNAL, "cannot start a thread: %s", strerror(e));
    p->started = true;
    return 0;
}

void pump_stop(struct pump *p)
{
    if (!p->started)
        return;
    atomic_store(&p->stopping, true);
    kick(&p->house);
    pthread_join(p->thread, NULL);
    p->started = false;
}

void pump_free(struct pump *p)
{
    if (!p)
        return;
    pump_stop(p);
    assert(!p->ops && !p->sources && !p->timers);
    if (p->lead.kick >= 0)
        close(p->lead.kick);
    if (p->house.kick >= 0)
        close(p->house.kick);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->outside_lock);
    free(p);
}
