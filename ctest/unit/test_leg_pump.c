// Tests of iscsi/pump: many threads, several sockets, timers, and nobody forgotten.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/pump.h"

#include "base/mem.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000
#define LINES       3
#define THREADS     8
#define ROUNDS      2000

// A socket to an echo: a byte sent comes back, and completes the oldest operation on that line.
struct line {
    struct pump_source source;
    struct pump *pump;
    int far; // the echo's end
    pthread_t echo;
    struct job *first, **end;
    unsigned unsent;
};

struct job {
    struct pump_op op;
    struct line *line;
    struct job *next;
};

static void *echo_main(void *arg)
{
    struct line *l = arg;
    char text[64];
    ssize_t n;
    while ((n = read(l->far, text, sizeof(text))) > 0)
        if (write(l->far, text, (size_t)n) != n)
            break;
    return NULL;
}

static void on_ready(struct pump_source *s, unsigned revents)
{
    struct line *l = (struct line *)s;
    char text[64];
    ssize_t n;
    assert_true(revents & POLLIN);
    while ((n = recv(s->fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
        while (n-- > 0) {
            struct job *job = l->first;
            assert_non_null(job);
            l->first = job->next;
            if (!l->first)
                l->end = &l->first;
            pump_finish(l->pump, &job->op);
        }
}

static void on_flush(struct pump_source *s)
{
    struct line *l = (struct line *)s;
    static const char text[THREADS];
    assert_true(l->unsent <= THREADS);
    assert_int_equal(write(s->fd, text, l->unsent), l->unsent);
    l->unsent = 0;
}

static void on_start(struct pump_op *op)
{
    struct job *job = (struct job *)op;
    job->next = NULL;
    *job->line->end = job;
    job->line->end = &job->next;
    job->line->unsent++;
    job->line->source.dirty = true;
}

static void open_line(struct line *l, struct pump *pump)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    *l = (struct line){.pump = pump, .far = ends[1]};
    l->end = &l->first;
    l->source =
        (struct pump_source){.fd = ends[0], .events = POLLIN, .ready = on_ready, .flush = on_flush};
    pump_enter(pump);
    pump_source_add(pump, &l->source);
    pump_leave(pump);
    assert_int_equal(pthread_create(&l->echo, NULL, echo_main, l), 0);
}

static void close_line(struct line *l)
{
    pump_enter(l->pump);
    pump_source_remove(l->pump, &l->source);
    pump_leave(l->pump);
    close(l->source.fd);
    pthread_join(l->echo, NULL);
    close(l->far);
}

static void run_one(struct line *l)
{
    struct job job = {.op = {.start = on_start}, .line = l};
    pump_run(l->pump, &job.op);
}

static void *user_main(void *arg)
{
    struct line *lines = arg;
    unsigned seed = (unsigned)(uintptr_t)&seed;
    for (int i = 0; i < ROUNDS; i++)
        run_one(&lines[rand_r(&seed) % LINES]);
    return NULL;
}

static void everybody_is_served(void **state)
{
    (void)state;
    struct dv_err err;
    struct line lines[LINES];
    pthread_t users[THREADS];
    struct pump *pump = pump_new(&err);
    assert_non_null(pump);
    for (int i = 0; i < LINES; i++)
        open_line(&lines[i], pump);
    run_one(&lines[0]); // also before the housekeeping thread runs
    assert_int_equal(pump_start(pump, &err), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&users[i], NULL, user_main, lines), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(users[i], NULL);
    for (int i = 0; i < LINES; i++)
        close_line(&lines[i]);
    pump_free(pump);
}

// Operations that are finished as they start, by timers, and by other threads -------------------

struct late {
    struct pump_op op;
    struct pump_timer timer;
    struct pump *pump;
};

static void on_timer(struct pump_timer *t)
{
    struct late *late = (struct late *)((char *)t - offsetof(struct late, timer));
    pump_finish(late->pump, &late->op);
}

static void start_late(struct pump_op *op)
{
    struct late *late = (struct late *)op;
    late->timer.fn = on_timer;
    pump_timer_set(late->pump, &late->timer, 2);
}

static void start_now(struct pump_op *op)
{
    pump_finish(((struct late *)op)->pump, op);
}

static void *mixed_main(void *arg)
{
    for (int i = 0; i < 200; i++) {
        struct late late = {.op = {.start = i % 4 ? start_now : start_late}, .pump = arg};
        pump_run(arg, &late.op);
    }
    return NULL;
}

static void operations_end_in_any_way(void **state)
{
    (void)state;
    struct dv_err err;
    pthread_t users[THREADS];
    struct pump *pump = pump_new(&err);
    assert_non_null(pump);
    assert_int_equal(pump_start(pump, &err), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&users[i], NULL, mixed_main, pump), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(users[i], NULL);
    pump_free(pump);
}

struct handed {
    struct pump_op op;
    struct pump *pump;
    bool started;
};

static void start_only(struct pump_op *op)
{
    ((struct handed *)op)->started = true;
}

static void *waiting_main(void *arg)
{
    struct handed *h = arg;
    pump_run(h->pump, &h->op);
    return NULL;
}

// The leader's own operation may be finished by somebody else while it polls.
static void others_may_finish_the_leaders(void **state)
{
    (void)state;
    struct dv_err err;
    struct pump *pump = pump_new(&err);
    assert_non_null(pump);
    for (int round = 0; round < 100; round++) {
        struct handed h[2] = {{.op = {.start = start_only}, .pump = pump},
                              {.op = {.start = start_only}, .pump = pump}};
        pthread_t users[2];
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&users[i], NULL, waiting_main, &h[i]), 0);
        for (int i = 0; i < 2;) {
            pump_enter(pump);
            if (h[i].started) {
                pump_finish(pump, &h[i].op);
                i++;
            }
            pump_leave(pump);
        }
        for (int i = 0; i < 2; i++)
            pthread_join(users[i], NULL);
    }
    pump_free(pump);
}

// Timers, and nobody who waits ------------------------------------------------------------------

struct ticker {
    struct pump_timer timer;
    struct pump *pump;
    unsigned count;
};

static void on_tick(struct pump_timer *t)
{
    struct ticker *ticker = (struct ticker *)t;
    if (++ticker->count < 5)
        pump_timer_set(ticker->pump, t, 1);
}

static void timers_run_when_idle(void **state)
{
    (void)state;
    struct dv_err err;
    struct pump *pump = pump_new(&err);
    assert_non_null(pump);
    assert_int_equal(pump_start(pump, &err), 0);
    struct ticker ticker = {.timer = {.fn = on_tick}, .pump = pump};
    pump_enter(pump);
    pump_timer_set(pump, &ticker.timer, 1);
    pump_leave(pump);
    unsigned count = 0;
    for (int ms = 0; ms < PATIENCE_MS && count < 5; ms++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        pump_enter(pump);
        count = ticker.count;
        pump_leave(pump);
    }
    assert_int_equal(count, 5);
    pump_free(pump);
}

static unsigned readies;

static void on_counted_ready(struct pump_source *s, unsigned revents)
{
    char byte;
    (void)revents;
    readies++;
    assert_int_equal(recv(s->fd, &byte, 1, MSG_DONTWAIT), 1);
}

static unsigned readies_now(struct pump *pump)
{
    pump_enter(pump);
    unsigned now = readies;
    pump_leave(pump);
    return now;
}

// What a poll found for a descriptor means nothing for a new one with the same number.
static void a_number_that_is_used_again_is_another_descriptor(void **state)
{
    (void)state;
    struct dv_err err;
    struct pump *pump = pump_new(&err);
    assert_int_equal(pump_start(pump, &err), 0);
    for (unsigned i = 0; i < 10; i++) {
        int old[2], new[2];
        readies = 0;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, old), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, new), 0);
        struct pump_source source = {.fd = old[0], .events = POLLIN, .ready = on_counted_ready};
        pump_enter(pump);
        pump_source_add(pump, &source);
        pump_leave(pump);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); // the housekeeper polls it
        pump_enter(pump);
        assert_int_equal(write(old[1], "x", 1), 1);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); // and finds it, most likely
        assert_int_equal(dup2(new[0], old[0]), old[0]);
        source.birth++;
        pump_leave(pump);
        assert_int_equal(write(new[1], "y", 1), 1);
        for (unsigned ms = 0; ms < PATIENCE_MS && readies_now(pump) == 0; ms++)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        assert_int_equal(readies_now(pump), 1);
        pump_enter(pump);
        pump_source_remove(pump, &source);
        pump_leave(pump);
        close(old[0]);
        close(old[1]);
        close(new[0]);
        close(new[1]);
    }
    pump_free(pump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_is_served),
        cmocka_unit_test(operations_end_in_any_way),
        cmocka_unit_test(others_may_finish_the_leaders),
        cmocka_unit_test(timers_run_when_idle),
        cmocka_unit_test(a_number_that_is_used_again_is_another_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
