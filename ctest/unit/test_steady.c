// Tests of block/steady: requests ride out lost sessions, on a leg of memory that fails on command.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/leg_box.h"

#include "block/faulty.h"
#include "block/memory.h"
#include "block/steady.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_MS 60000 // a test that waits longer than this has failed
#define CLIENTS     8
#define ALL_OPS     (FAULTY(LEG_READ) | FAULTY(LEG_WRITE) | FAULTY(LEG_FLUSH) | FAULTY(LEG_ZERO))

struct fixture {
    struct leg_box box; // steady over
    struct leg *faulty; // over
    struct leg *memory;
    atomic_uint bad, good; // events
};

static void on_event(void *arg, bool good, const char *text)
{
    struct fixture *f = arg;
    assert_non_null(text);
    atomic_fetch_add(good ? &f->good : &f->bad, 1);
}

static struct fixture *set_up(uint32_t timeout_ms)
{
    struct fixture *f = dv_calloc(1, sizeof(*f));
    f->box.loop = loop_new();
    f->memory = memory_leg_new(f->box.loop, 1 << 20, 512);
    f->faulty = faulty_leg_new(f->box.loop, f->memory);
    const struct steady_config config = {.timeout_ms = timeout_ms, .on_event = on_event, .arg = f};
    box_start(&f->box, steady_new(f->box.loop, f->faulty, &config));
    return f;
}

// With a session; a short timeout is for what comes then.
static struct fixture *opened(uint32_t timeout_ms)
{
    struct fixture *f = set_up(timeout_ms);
    struct dv_err err;
    while (box_open(&f->box, &err) != 0)
        ; // until ctest's own deadline
    return f;
}

static void tear_down(struct fixture *f)
{
    box_end(&f->box);
    free(f);
}

// What the test does to the legs, on the loop's thread --------------------------------------------

struct deed {
    struct fixture *f;
    const struct leg_faults *faults;
    enum leg_loss loss;
    unsigned held, connects;
    uint8_t boot;
};

static void do_set(void *arg)
{
    struct deed *d = arg;
    faulty_leg_set(d->f->faulty, d->faults);
}

static void set(struct fixture *f, const struct leg_faults *faults)
{
    struct deed d = {.f = f, .faults = faults};
    assert_true(loop_call(f->box.loop, do_set, &d));
}

static void hold(struct fixture *f)
{
    set(f, &(struct leg_faults){.ops = ALL_OPS, .hold = true});
}

static void do_lose(void *arg)
{
    struct deed *d = arg;
    faulty_leg_lose(d->f->faulty, d->loss);
}

static void lose(struct fixture *f)
{
    struct deed d = {.f = f, .loss = LEG_LOSS_CLOSED};
    assert_true(loop_call(f->box.loop, do_lose, &d));
}

static void do_refuse(void *arg)
{
    struct deed *d = arg;
    faulty_leg_refuse(d->f->faulty, d->loss);
}

static void refuse(struct fixture *f, enum leg_loss loss)
{
    struct deed d = {.f = f, .loss = loss};
    assert_true(loop_call(f->box.loop, do_refuse, &d));
}

static void do_boot(void *arg)
{
    struct deed *d = arg;
    d->f->memory->info.tells_boot = d->boot != 0;
    d->f->memory->info.boot = (struct dv_uuid){{d->boot}};
}

// Which boot the unit tells from the next session on; 0: none.
static void boot(struct fixture *f, uint8_t which)
{
    struct deed d = {.f = f, .boot = which};
    assert_true(loop_call(f->box.loop, do_boot, &d));
}

static void do_count(void *arg)
{
    struct deed *d = arg;
    d->held = faulty_leg_held(d->f->faulty);
    d->connects = faulty_leg_connects(d->f->faulty);
}

static struct deed count(struct fixture *f)
{
    struct deed d = {.f = f};
    assert_true(loop_call(f->box.loop, do_count, &d));
    return d;
}

static void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

static void await_held(struct fixture *f, unsigned n)
{
    for (unsigned ms = 0; count(f).held != n; ms++) {
        if (ms > PATIENCE_MS)
            fail_msg("%u of %u requests are held", count(f).held, n);
        pause_ms(1);
    }
}

static void await_connects(struct fixture *f, unsigned at_least)
{
    for (unsigned ms = 0; count(f).connects < at_least; ms++) {
        if (ms > PATIENCE_MS)
            fail_msg("it was connected %u times, not %u", count(f).connects, at_least);
        pause_ms(1);
    }
}

// Threads that issue requests ---------------------------------------------------------------------

struct client {
    pthread_t thread;
    struct fixture *f;
    enum leg_op op;
    struct leg_client client;
    uint64_t offset;
    int error;
    atomic_bool done;
};

static void *client_main(void *arg)
{
    struct client *c = arg;
    char data[512] = "";
    c->error = box_io(&c->f->box, &c->client, c->op, 0, c->offset, sizeof(data), data);
    atomic_store(&c->done, true);
    return NULL;
}

static void start(struct client *c, unsigned n, struct fixture *f)
{
    for (unsigned i = 0; i < n; i++) {
        c[i] = (struct client){.f = f, .op = i % 2 ? LEG_WRITE : LEG_READ, .offset = i * 512};
        assert_int_equal(pthread_create(&c[i].thread, NULL, client_main, &c[i]), 0);
    }
}

static void join(struct client *c, unsigned n, int error)
{
    for (unsigned i = 0; i < n; i++) {
        pthread_join(c[i].thread, NULL);
        assert_int_equal(c[i].error, error);
    }
}

static bool all_done(struct client *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!atomic_load(&c[i].done))
            return false;
    return true;
}

// The tests ---------------------------------------------------------------------------------------

static void requests_pass_through(void **state)
{
    (void)state;
    static const int errors[] = {0, EIO, ENOSPC};
    struct fixture *f = opened(PATIENCE_MS);
    struct client c[CLIENTS];
    char out[1024], back[1024];
    memset(out, 0x5a, sizeof(out));
    assert_int_equal(box_io(&f->box, NULL, LEG_WRITE, 0, 4096, sizeof(out), out), 0);
    assert_int_equal(box_io(&f->box, NULL, LEG_READ, 0, 4096, sizeof(back), back), 0);
    assert_memory_equal(out, back, sizeof(out));
    for (size_t i = 0; i < DV_COUNT(errors); i++) {
        set(f, &(struct leg_faults){.ops = ALL_OPS, .error = errors[i]});
        start(c, CLIENTS, f);
        join(c, CLIENTS, errors[i]);
    }
    tear_down(f);
}

static void lost_requests_are_sent_again(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_MS);
    struct client c[CLIENTS];
    hold(f);
    start(c, CLIENTS, f);
    for (unsigned round = 0; round < 4; round++) {
        await_held(f, CLIENTS); // each exactly once in a session
        lose(f);
        await_connects(f, round + 2);
    }
    await_held(f, CLIENTS);
    set(f, NULL);
    join(c, CLIENTS, 0);
    assert_int_equal(f->good, 1); // told once, with a number
    assert_int_equal(f->bad, 1);
    tear_down(f);
}

static void requests_made_while_down_wait(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_MS);
    struct client c[CLIENTS];
    refuse(f, LEG_LOSS_UNREACHABLE);
    lose(f);
    start(c, CLIENTS, f);
    await_connects(f, 4);
    assert_false(all_done(c, 1));
    refuse(f, LEG_LOSS_NONE);
    join(c, CLIENTS, 0);
    assert_int_equal(f->good, 1);
    assert_int_equal(f->bad, 1); // said once, not for every attempt
    tear_down(f);
}

static void refusals_fail_requests(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_MS);
    struct client c[CLIENTS];
    char data[512];
    hold(f);
    start(c, CLIENTS, f);
    await_held(f, CLIENTS);
    refuse(f, LEG_LOSS_REFUSED);
    lose(f);
    join(c, CLIENTS, EACCES);
    assert_true(count(f).connects > 3); // as long as it takes until refusals count
    start(c, CLIENTS, f);               // and later ones at once
    join(c, CLIENTS, EACCES);
    set(f, NULL);
    refuse(f, LEG_LOSS_NONE); // it has gone on trying
    int error;
    while ((error = box_io(&f->box, NULL, LEG_READ, 0, 0, sizeof(data), data)) == EACCES)
        pause_ms(1);
    assert_int_equal(error, 0);
    tear_down(f);
}

// A target that is not there, or not ready, is no refusal: requests wait for their deadline.
static void absence_is_waited_for(void **state)
{
    (void)state;
    static const enum leg_loss losses[] = {LEG_LOSS_ABSENT, LEG_LOSS_NOT_READY, LEG_LOSS_CLOSED};
    struct fixture *f = opened(PATIENCE_MS);
    struct client c[CLIENTS];
    refuse(f, LEG_LOSS_ABSENT);
    lose(f);
    start(c, CLIENTS, f);
    for (unsigned i = 0; i < 6; i++) {
        await_connects(f, 2 + i);
        refuse(f, losses[i % DV_COUNT(losses)]);
    }
    assert_false(all_done(c, 1));
    refuse(f, LEG_LOSS_NONE);
    join(c, CLIENTS, 0);
    tear_down(f);
}

// timeout_ms is the deadline of a request whatever it waits for.
static void a_request_that_the_leg_holds_ends_in_time(void **state)
{
    (void)state;
    struct fixture *f = opened(50);
    struct client c[CLIENTS];
    hold(f);
    start(c, CLIENTS, f);
    join(c, CLIENTS, EIO);
    await_connects(f, 2); // the session was ended, or it would still write into their memory
    assert_int_equal(count(f).held, 0);
    tear_down(f);
}

static void waiting_ends(void **state)
{
    (void)state;
    struct fixture *f = opened(50);
    struct client c[CLIENTS];
    refuse(f, LEG_LOSS_UNREACHABLE);
    lose(f);
    await_connects(f, 2);
    start(c, CLIENTS, f);
    join(c, CLIENTS, EIO);
    tear_down(f);
}

static void one_that_is_late_takes_no_other_along(void **state)
{
    (void)state;
    struct fixture *f = opened(300);
    struct client late, c[CLIENTS];
    hold(f);
    start(&late, 1, f);
    await_held(f, 1);
    pause_ms(200); // so that these have time left
    start(c, CLIENTS, f);
    join(&late, 1, EIO);
    set(f, NULL);
    unsigned carried_out = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(c[i].thread, NULL);
        carried_out += c[i].error == 0; // on a machine that stood still, some are late, too
    }
    print_message("%u of %u were carried out\n", carried_out, CLIENTS);
    tear_down(f);
}

static void a_request_under_which_sessions_end_fails(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_MS * 6);
    struct client c[CLIENTS];
    hold(f);
    start(c, CLIENTS, f);
    for (unsigned round = 1; round <= 5; round++) {
        await_held(f, CLIENTS);
        assert_false(all_done(c, 1));
        lose(f);
        await_connects(f, round + 1);
    }
    join(c, CLIENTS, EIO);
    tear_down(f);
}

static void disconnecting_ends_all(void **state)
{
    (void)state;
    struct client held[CLIENTS], late[CLIENTS];
    for (unsigned waits = 0; waits < 2; waits++) {
        struct fixture *f = opened(PATIENCE_MS * 6);
        hold(f);
        if (waits) {
            refuse(f, LEG_LOSS_UNREACHABLE);
            lose(f);
            await_connects(f, 2);
        }
        start(held, CLIENTS, f);
        if (!waits)
            await_held(f, CLIENTS);
        box_shut(&f->box);
        join(held, CLIENTS, ENOTCONN);
        start(late, CLIENTS, f);
        join(late, CLIENTS, ENOTCONN);
        tear_down(f);
    }
}

static void it_can_be_connected_again(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_MS);
    struct dv_err err;
    char data[512];
    for (unsigned i = 0; i < 3; i++) {
        box_shut(&f->box);
        sem_wait(&f->box.settled);
        assert_int_equal(f->box.leg->state, LEG_DOWN);
        assert_int_equal(box_open(&f->box, &err), 0);
        assert_int_equal(box_io(&f->box, NULL, LEG_READ, 0, 0, sizeof(data), data), 0);
    }
    tear_down(f);
}

static void restart(struct fixture *f, uint8_t which)
{
    unsigned connects = count(f).connects;
    boot(f, which);
    lose(f);
    await_connects(f, connects + 1);
}

static int ask(struct fixture *f, struct leg_client *client, enum leg_op op)
{
    char data[512] = "";
    return box_io(&f->box, client, op, 0, 0, op == LEG_FLUSH ? 0 : sizeof(data), data);
}

static void a_reboot_fails_the_next_flush_of_every_client(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_MS);
    struct leg_client a, b, late;
    restart(f, 1);
    box_client(&f->box, &a);
    box_client(&f->box, &b);
    assert_int_equal(ask(f, &a, LEG_WRITE), 0);
    restart(f, 1); // only tgtd was restarted
    assert_int_equal(ask(f, &a, LEG_FLUSH), 0);
    restart(f, 2); // all was flushed
    assert_int_equal(ask(f, &a, LEG_FLUSH), 0);
    assert_int_equal(ask(f, &a, LEG_ZERO), 0);
    restart(f, 3);
    restart(f, 3);
    box_client(&f->box, &late); // nobody knows yet: the next that comes may be a again
    assert_int_equal(ask(f, &b, LEG_READ), 0);
    assert_int_equal(ask(f, &b, LEG_FLUSH), EIO);
    assert_int_equal(ask(f, &b, LEG_FLUSH), 0);
    assert_int_equal(ask(f, &a, LEG_WRITE), 0);
    assert_int_equal(ask(f, &a, LEG_FLUSH), EIO);
    assert_int_equal(ask(f, &a, LEG_FLUSH), 0);
    assert_int_equal(ask(f, &late, LEG_FLUSH), EIO);
    box_client(&f->box, &late);
    assert_int_equal(ask(f, &late, LEG_FLUSH), 0);
    tear_down(f);
}

// The kernel of the unit tells of blocks that it could not write once, whoever asks.
static void a_flush_that_fails_is_told_to_every_client(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_MS);
    const struct leg_faults broken = {.ops = FAULTY(LEG_FLUSH), .error = EIO, .times = 1};
    struct leg_client a, b;
    box_client(&f->box, &a);
    box_client(&f->box, &b);
    set(f, &broken);
    assert_int_equal(ask(f, &b, LEG_FLUSH), EIO); // of nothing
    assert_int_equal(ask(f, &a, LEG_FLUSH), 0);
    assert_int_equal(ask(f, &a, LEG_WRITE), 0);
    set(f, &broken);
    assert_int_equal(ask(f, &b, LEG_FLUSH), EIO);
    assert_int_equal(ask(f, &b, LEG_FLUSH), 0);
    assert_int_equal(ask(f, &a, LEG_FLUSH), EIO);
    assert_int_equal(ask(f, &a, LEG_FLUSH), 0);
    tear_down(f);
}

static void opening_fails_at_once_when_refused(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS * 6);
    struct dv_err err;
    refuse(f, LEG_LOSS_REFUSED);
    assert_int_equal(box_open(&f->box, &err), -1);
    assert_int_equal(err.code, DV_DENIED);
    refuse(f, LEG_LOSS_NONE);
    assert_int_equal(box_open(&f->box, &err), 0);
    tear_down(f);
}

static void *open_main(void *arg)
{
    struct fixture *f = arg;
    struct dv_err err;
    assert_int_equal(box_open(&f->box, &err), 0);
    return NULL;
}

static void opening_waits_for_an_unreachable_unit(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS);
    struct dv_err err;
    pthread_t opener;
    refuse(f, LEG_LOSS_UNREACHABLE);
    assert_int_equal(pthread_create(&opener, NULL, open_main, f), 0);
    await_connects(f, 3);
    refuse(f, LEG_LOSS_NONE);
    pthread_join(opener, NULL);
    tear_down(f);
    f = set_up(50);
    refuse(f, LEG_LOSS_UNREACHABLE);
    assert_int_equal(box_open(&f->box, &err), -1);
    assert_string_equal(err.text, "refused on command"); // the last reason
    tear_down(f);
}

// What the other leg does on command is seen through this one.
static void a_lie_is_nobodys_to_see(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_MS);
    char out[512], back[512];
    memset(out, 7, sizeof(out));
    assert_int_equal(box_io(&f->box, NULL, LEG_WRITE, 0, 0, sizeof(out), out), 0);
    set(f, &(struct leg_faults){.ops = FAULTY(LEG_READ), .lie = true, .times = 1});
    assert_int_equal(box_io(&f->box, NULL, LEG_READ, 0, 0, sizeof(back), back), 0);
    assert_int_equal((uint8_t)back[0], 7 ^ 0xff);
    assert_int_equal(box_io(&f->box, NULL, LEG_READ, 0, 0, sizeof(back), back), 0);
    assert_memory_equal(out, back, sizeof(out));
    set(f, &(struct leg_faults){.ops = FAULTY(LEG_WRITE), .lie = true});
    memset(out, 8, sizeof(out));
    assert_int_equal(box_io(&f->box, NULL, LEG_WRITE, 0, 0, sizeof(out), out), 0);
    assert_int_equal(box_io(&f->box, NULL, LEG_READ, 0, 0, sizeof(back), back), 0);
    assert_int_equal(back[0], 7);
    set(f, &(struct leg_faults){.ops = FAULTY(LEG_WRITE), .error = ENOSPC, .unheard = true});
    assert_int_equal(box_io(&f->box, NULL, LEG_WRITE, 0, 0, sizeof(out), out), ENOSPC);
    set(f, &(struct leg_faults){.ops = FAULTY(LEG_READ), .delay_ms = 20});
    uint64_t began = loop_now_ms();
    assert_int_equal(box_io(&f->box, NULL, LEG_READ, 0, 0, sizeof(back), back), 0);
    assert_true(loop_now_ms() - began >= 20);
    assert_int_equal(back[0], 7);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_pass_through),
        cmocka_unit_test(lost_requests_are_sent_again),
        cmocka_unit_test(requests_made_while_down_wait),
        cmocka_unit_test(refusals_fail_requests),
        cmocka_unit_test(absence_is_waited_for),
        cmocka_unit_test(waiting_ends),
        cmocka_unit_test(a_request_that_the_leg_holds_ends_in_time),
        cmocka_unit_test(one_that_is_late_takes_no_other_along),
        cmocka_unit_test(a_request_under_which_sessions_end_fails),
        cmocka_unit_test(disconnecting_ends_all),
        cmocka_unit_test(it_can_be_connected_again),
        cmocka_unit_test(a_reboot_fails_the_next_flush_of_every_client),
        cmocka_unit_test(a_flush_that_fails_is_told_to_every_client),
        cmocka_unit_test(opening_fails_at_once_when_refused),
        cmocka_unit_test(opening_waits_for_an_unreachable_unit),
        cmocka_unit_test(a_lie_is_nobodys_to_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
