// Tests of loop: timers, descriptors, signals, and work from other threads.
// SPDX-License-Identifier: BSD-2-Clause
#include "loop/loop.h"

#include "base/mem.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *(*make)(void); // all tests are run with each kind of loop

// What callbacks note; each test uses what it needs.
struct notes {
    struct loop *loop;
    struct loop_timer *timer, *other_timer;
    struct loop_fd *fd, *other_fd;
    struct loop_signal *signal;
    int fds[2];
    unsigned count, other_count, events;
    uint64_t at_ms;
    int order[8];
};

static void stop(void *arg)
{
    loop_stop(((struct notes *)arg)->loop);
}

static void count_up(void *arg)
{
    ((struct notes *)arg)->count++;
}

static void note_time_and_stop(void *arg)
{
    struct notes *n = arg;
    n->at_ms = loop_now_ms();
    loop_stop(n->loop);
}

static void timer_fires_once_and_never_early(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    struct loop_timer *once = loop_timer_new(n.loop, count_up, &n);
    struct loop_timer *end = loop_timer_new(n.loop, note_time_and_stop, &n);
    assert_false(loop_timer_pending(once));
    uint64_t start = loop_now_ms();
    loop_timer_set(once, 5);
    loop_timer_set(end, 30);
    assert_true(loop_timer_pending(once));
    loop_run(n.loop);
    assert_int_equal(n.count, 1);
    assert_false(loop_timer_pending(once));
    assert_true(n.at_ms - start >= 30);
    loop_timer_free(once);
    loop_timer_free(end);
    loop_timer_free(NULL);
    loop_free(n.loop);
    loop_free(NULL);
}

static void timer_cancel_and_replace(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    struct loop_timer *cancelled = loop_timer_new(n.loop, count_up, &n);
    struct loop_timer *replaced = loop_timer_new(n.loop, count_up, &n);
    struct loop_timer *end = loop_timer_new(n.loop, stop, &n);
    loop_timer_set(cancelled, 0);
    loop_timer_cancel(cancelled);
    loop_timer_cancel(cancelled);
    loop_timer_set(replaced, 0);
    loop_timer_set(replaced, 1000000);
    loop_timer_set(end, 1000000);
    loop_timer_set(end, 5);
    loop_run(n.loop);
    assert_int_equal(n.count, 0);
    loop_timer_free(cancelled);
    loop_timer_free(replaced);
    loop_timer_free(end);
    loop_free(n.loop);
}

static void set_again(void *arg)
{
    struct notes *n = arg;
    if (++n->count == 3)
        loop_stop(n->loop);
    else
        loop_timer_set(n->timer, 0);
}

static void timer_set_from_its_callback(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    n.timer = loop_timer_new(n.loop, set_again, &n);
    loop_timer_set(n.timer, 0);
    loop_run(n.loop);
    assert_int_equal(n.count, 3);
    loop_timer_free(n.timer);
    loop_free(n.loop);
}

static void free_both_timers(void *arg)
{
    struct notes *n = arg;
    loop_timer_free(n->timer);
    loop_timer_free(n->other_timer);
    n->timer = n->other_timer = NULL;
    n->count++;
    loop_post(n->loop, stop, n);
}

// Both are due in the same turn; the first frees itself and the second.
static void timer_freed_from_its_callback(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    n.timer = loop_timer_new(n.loop, free_both_timers, &n);
    n.other_timer = loop_timer_new(n.loop, free_both_timers, &n);
    loop_timer_set(n.timer, 0);
    loop_timer_set(n.other_timer, 0);
    loop_run(n.loop);
    assert_int_equal(n.count, 1);
    loop_free(n.loop);
}

static void take_byte_and_stop(void *arg, int fd, unsigned events)
{
    struct notes *n = arg;
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
    n->events = events;
    n->count++;
    loop_stop(n->loop);
}

static void open_pair(struct notes *n)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, n->fds), 0);
}

static void close_pair(struct notes *n)
{
    close(n->fds[0]);
    close(n->fds[1]);
}

static void fd_reads(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    open_pair(&n);
    n.fd = loop_fd_new(n.loop, n.fds[0], LOOP_READ, take_byte_and_stop, &n);
    assert_int_equal(write(n.fds[1], "x", 1), 1);
    loop_run(n.loop);
    assert_int_equal(n.count, 1);
    assert_int_equal(n.events, LOOP_READ);
    loop_fd_free(n.fd);
    loop_fd_free(NULL);
    assert_int_not_equal(fcntl(n.fds[0], F_GETFD), -1); // still open
    close_pair(&n);
    loop_free(n.loop);
}

// Paused, then for reading, then for both: level-triggered each time.
static void step_events(void *arg, int fd, unsigned events)
{
    struct notes *n = arg;
    (void)fd;
    n->order[n->count++] = (int)events;
    if (n->count == 1)
        loop_fd_events(n->fd, LOOP_READ | LOOP_WRITE);
    else
        loop_stop(n->loop);
}

static void start_reading(void *arg)
{
    struct notes *n = arg;
    assert_int_equal(n->count, 0);
    loop_fd_events(n->fd, LOOP_READ);
    loop_fd_events(n->fd, LOOP_READ);
}

static void fd_events_change(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    open_pair(&n);
    n.fd = loop_fd_new(n.loop, n.fds[0], 0, step_events, &n);
    n.timer = loop_timer_new(n.loop, start_reading, &n);
    assert_int_equal(write(n.fds[1], "x", 1), 1);
    loop_timer_set(n.timer, 10);
    loop_run(n.loop);
    assert_int_equal(n.order[0], LOOP_READ);
    assert_int_equal(n.order[1], LOOP_READ | LOOP_WRITE);
    loop_fd_free(n.fd);
    loop_timer_free(n.timer);
    close_pair(&n);
    loop_free(n.loop);
}

static void free_both_fds(void *arg, int fd, unsigned events)
{
    struct notes *n = arg;
    (void)fd, (void)events;
    loop_fd_free(n->fd);
    loop_fd_free(n->other_fd);
    n->fd = n->other_fd = NULL;
    n->count++;
    loop_post(n->loop, stop, n);
}

static void fd_freed_from_its_callback(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    open_pair(&n);
    n.fd = loop_fd_new(n.loop, n.fds[0], LOOP_WRITE, free_both_fds, &n);
    n.other_fd = loop_fd_new(n.loop, n.fds[1], LOOP_WRITE, free_both_fds, &n);
    loop_run(n.loop);
    assert_int_equal(n.count, 1);
    close_pair(&n);
    loop_free(n.loop);
}

static void fd_sees_hang_up(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    open_pair(&n);
    n.fd = loop_fd_new(n.loop, n.fds[0], LOOP_READ, step_events, &n);
    close(n.fds[1]);
    n.count = 1; // stop at the first event
    loop_run(n.loop);
    assert_int_equal(n.order[1], LOOP_READ);
    loop_fd_free(n.fd);
    close(n.fds[0]);
    loop_free(n.loop);
}

static void signal_is_an_event(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    n.signal = loop_signal_new(n.loop, SIGUSR1, note_time_and_stop, &n);
    raise(SIGUSR1);
    assert_int_equal(n.at_ms, 0);
    loop_run(n.loop);
    assert_int_not_equal(n.at_ms, 0);
    loop_signal_free(n.signal);
    loop_signal_free(NULL);
    struct sigaction action;
    assert_int_equal(sigaction(SIGUSR1, NULL, &action), 0);
    assert_ptr_equal(action.sa_handler, SIG_DFL);
    loop_free(n.loop);
}

// ---- Other threads ----

enum { THREADS = 4, POSTS = 2000 };

struct poster {
    struct notes *n;
    unsigned number; // of the next post; the loop's thread checks the order
    atomic_uint seen;
    struct post {
        struct poster *poster;
        unsigned number;
    } posts[POSTS];
};

static void check_post(void *arg)
{
    struct post *post = arg;
    assert_int_equal(post->number, post->poster->seen);
    post->poster->seen++;
    if (++post->poster->n->count == THREADS * POSTS)
        loop_stop(post->poster->n->loop);
}

static void *post_many(void *arg)
{
    struct poster *p = arg;
    for (unsigned i = 0; i < POSTS; i++) {
        p->posts[i] = (struct post){p, i};
        loop_post(p->n->loop, check_post, &p->posts[i]);
    }
    return NULL;
}

static void posts_from_threads_keep_their_order(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    struct poster *posters = dv_calloc(THREADS, sizeof(*posters));
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i].n = &n;
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    loop_run(n.loop);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(posters[i].seen, POSTS);
    }
    free(posters);
    loop_free(n.loop);
}

static void post_again(void *arg)
{
    struct notes *n = arg;
    n->other_count++;
    loop_post(n->loop, post_again, n);
}

// Work that posts itself for ever must not starve a timer.
static void posts_leave_room(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    struct loop_timer *end = loop_timer_new(n.loop, stop, &n);
    loop_timer_set(end, 5);
    loop_post(n.loop, post_again, &n);
    loop_run(n.loop);
    assert_true(n.other_count > 0);
    loop_timer_free(end);
    loop_free(n.loop);
}

static void posts_behind_a_stop_are_dropped(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    loop_post(n.loop, count_up, &n);
    loop_post(n.loop, stop, &n);
    loop_post(n.loop, count_up, &n);
    loop_run(n.loop);
    loop_post(n.loop, count_up, &n);
    assert_int_equal(n.count, 1);
    loop_free(n.loop);
}

static void *call_until_refused(void *arg)
{
    struct notes *n = arg;
    uintptr_t done = 0;
    while (loop_call(n->loop, count_up, n))
        done++;
    return (void *)done;
}

// Every call that returned true has run, no other has, and nobody hangs.
static void calls_during_a_stop(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct notes n = {.loop = make()};
        struct loop_timer *end = loop_timer_new(n.loop, stop, &n);
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, call_until_refused, &n), 0);
        loop_timer_set(end, 2);
        loop_run(n.loop);
        uintptr_t sum = 0;
        for (int i = 0; i < THREADS; i++) {
            void *done;
            pthread_join(threads[i], &done);
            sum += (uintptr_t)done;
        }
        assert_int_equal(sum, n.count);
        assert_false(loop_call(n.loop, count_up, &n));
        loop_timer_free(end);
        loop_free(n.loop);
    }
}

static void *call_once(void *arg)
{
    struct notes *n = arg;
    return (void *)(uintptr_t)loop_call(n->loop, count_up, n);
}

// A call waits for a loop that never runs: freeing the loop refuses it and waits for it to leave.
static void call_of_a_loop_that_never_runs(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_once, &n), 0);
    loop_stop(n.loop);
    void *result = (void *)1;
    pthread_join(thread, &result);
    assert_null(result);
    loop_run(n.loop); // returns at once
    assert_int_equal(n.count, 0);
    loop_free(n.loop);
}

static void *stop_from_thread(void *arg)
{
    stop(arg);
    return NULL;
}

static void stop_from_another_thread(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, &n), 0);
    loop_run(n.loop);
    pthread_join(thread, NULL);
    loop_stop(n.loop);
    loop_free(n.loop);
}

// Behind events that come fast a loop may be looking, rather than waiting, when it is stopped.
static void stop_behind_short_waits(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct notes n = {.loop = make()};
        pthread_t thread;
        for (int i = 0; i < round % 4; i++)
            loop_post(n.loop, count_up, &n);
        assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, &n), 0);
        loop_run(n.loop);
        pthread_join(thread, NULL);
        loop_free(n.loop);
    }
}

static void note_soon(void *arg)
{
    struct notes *n = arg;
    n->other_count = n->count; // how often it was set before
    n->events++;
    if (n->count == 4)
        loop_stop(n->loop);
}

struct setter {
    struct notes *n;
    struct loop_soon *soon;
};

static void set_soon(void *arg)
{
    struct setter *s = arg;
    s->n->count++;
    loop_soon_set(s->soon);
    loop_soon_set(s->soon);
}

// However often it is set: once for all callbacks that were due together.
static void soon_is_once_and_behind_all(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    struct setter s = {&n, loop_soon_new(n.loop, note_soon, &n)};
    for (int i = 0; i < 4; i++)
        loop_post(n.loop, set_soon, &s);
    loop_run(n.loop);
    assert_int_equal(n.events, 1);
    assert_int_equal(n.other_count, 4);
    loop_soon_free(s.soon);
    loop_free(n.loop);
}

static void compute(void *arg)
{
    struct notes *n = arg;
    struct timespec now;
    loop_serves(n->loop, "computing");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    int64_t until = now.tv_sec * 1000000000LL + now.tv_nsec + 2000LL * LOOP_TURN_US;
    while (now.tv_sec * 1000000000LL + now.tv_nsec < until)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    assert_false(loop_has_time(n->loop));
    loop_post(n->loop, stop, n);
}

static void only_wait(void *arg)
{
    struct notes *n = arg;
    loop_serves(n->loop, "waiting");
    nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
    loop_post(n->loop, compute, n);
}

// A wait, as for a disk, is no turn in which others could have been computed for.
static void the_longest_turn_is_what_computed_longest(void **state)
{
    (void)state;
    struct notes n = {.loop = make()};
    loop_measure(n.loop);
    assert_null(loop_longest(n.loop).what);
    loop_post(n.loop, only_wait, &n);
    loop_run(n.loop);
    struct loop_turn turn = loop_longest(n.loop);
    assert_string_equal(turn.what, "computing");
    assert_true(turn.computed_us >= LOOP_TURN_US);
    assert_true(turn.took_us >= LOOP_TURN_US);
    loop_free(n.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_fires_once_and_never_early),
        cmocka_unit_test(timer_cancel_and_replace),
        cmocka_unit_test(timer_set_from_its_callback),
        cmocka_unit_test(timer_freed_from_its_callback),
        cmocka_unit_test(fd_reads),
        cmocka_unit_test(fd_events_change),
        cmocka_unit_test(fd_freed_from_its_callback),
        cmocka_unit_test(fd_sees_hang_up),
        cmocka_unit_test(signal_is_an_event),
        cmocka_unit_test(posts_from_threads_keep_their_order),
        cmocka_unit_test(posts_leave_room),
        cmocka_unit_test(posts_behind_a_stop_are_dropped),
        cmocka_unit_test(calls_during_a_stop),
        cmocka_unit_test(call_of_a_loop_that_never_runs),
        cmocka_unit_test(stop_from_another_thread),
        cmocka_unit_test(stop_behind_short_waits),
        cmocka_unit_test(soon_is_once_and_behind_all),
        cmocka_unit_test(the_longest_turn_is_what_computed_longest),
    };
    make = loop_new;
    int failed = cmocka_run_group_tests_name("a loop", tests, NULL, NULL);
    make = loop_new_few;
    return failed + cmocka_run_group_tests_name("a loop for few", tests, NULL, NULL);
}
