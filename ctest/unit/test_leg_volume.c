// Tests of iscsi/volume: requests ride out lost sessions, on a leg made of memory.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/volume.h"

#include "base/mem.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_MS 10000 // a test that waits longer than this has failed

// A leg whose session and answers the test commands.
struct fake {
    struct leg leg;
    struct leg_req *held; // newest first
    unsigned count, connects;
};

static void fake_connect(struct leg *leg)
{
    struct fake *f = (struct fake *)leg;
    f->connects++;
    leg->state = LEG_CONNECTING;
}

static void fake_submit(struct leg *leg, struct leg_req *req)
{
    struct fake *f = (struct fake *)leg;
    req->next = f->held;
    f->held = req;
    f->count++;
}

static void fake_free(struct leg *leg)
{
    assert_null(((struct fake *)leg)->held);
    free(leg);
}

static const struct leg_ops fake_ops = {
    .connect = fake_connect,
    .submit = fake_submit,
    .free = fake_free,
};

struct fixture {
    struct pump *pump;
    struct volume *volume;
    struct fake *fake;
    unsigned bad, good; // events
};

static void on_event(void *arg, bool good, const char *text)
{
    struct fixture *f = arg;
    assert_non_null(text);
    if (good)
        f->good++;
    else
        f->bad++;
}

static struct fixture *set_up(uint32_t timeout_ms)
{
    struct dv_err err;
    struct fixture *f = dv_calloc(1, sizeof(*f));
    f->pump = pump_new(&err);
    assert_non_null(f->pump);
    assert_int_equal(pump_start(f->pump, &err), 0);
    f->fake = dv_calloc(1, sizeof(*f->fake));
    f->fake->leg.ops = &fake_ops;
    f->fake->leg.info = (struct leg_info){.bytes = 1 << 20, .block_size = 512};
    struct volume_config config = {.timeout_ms = timeout_ms, .on_event = on_event, .arg = f};
    f->volume = volume_new(f->pump, &f->fake->leg, &config);
    return f;
}

static void tear_down(struct fixture *f)
{
    volume_free(f->volume);
    pump_free(f->pump);
    free(f);
}

// What the test does to the leg, with the lock ------------------------------------------------

static void answer_all(struct fixture *f, int error)
{
    struct leg_req *req = f->fake->held;
    f->fake->held = NULL;
    f->fake->count = 0;
    while (req) {
        struct leg_req *next = req->next;
        req->done(req, error);
        req = next;
    }
}

static void answer(struct fixture *f, int error)
{
    pump_enter(f->pump);
    answer_all(f, error);
    pump_leave(f->pump);
}

static void ready(struct fixture *f)
{
    pump_enter(f->pump);
    f->fake->leg.state = LEG_READY;
    f->fake->leg.on_state(&f->fake->leg, f->fake->leg.owner);
    pump_leave(f->pump);
}

static void down(struct fixture *f, enum leg_loss loss)
{
    pump_enter(f->pump);
    answer_all(f, ENOTCONN);
    f->fake->leg.state = LEG_DOWN;
    f->fake->leg.loss = loss;
    dv_fail(&f->fake->leg.why, loss == LEG_LOSS_REFUSED ? DV_DENIED : DV_UNREACHABLE, "because");
    f->fake->leg.on_state(&f->fake->leg, f->fake->leg.owner);
    pump_leave(f->pump);
}

// Waits until the leg has that many requests, or has been connected that often.
static void await(struct fixture *f, const unsigned *what, unsigned value)
{
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        pump_enter(f->pump);
        unsigned now = *what;
        pump_leave(f->pump);
        if (now == value)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("waited for %u, it is %u", value, *what);
}

// Threads that issue requests -----------------------------------------------------------------

struct client {
    pthread_t thread;
    struct fixture *f;
    enum leg_op op;
    uint64_t offset;
    int error;
};

static void *client_main(void *arg)
{
    struct client *c = arg;
    char data[512] = "";
    c->error = volume_io(c->f->volume, c->op, 0, c->offset, sizeof(data), data);
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

static void *open_main(void *arg)
{
    struct client *c = arg;
    struct dv_err err = {0};
    c->error = volume_open(c->f->volume, &err) == 0 ? 0 : (int)err.code;
    return NULL;
}

static void start_open(struct client *c, struct fixture *f)
{
    *c = (struct client){.f = f};
    assert_int_equal(pthread_create(&c->thread, NULL, open_main, c), 0);
    await(f, &f->fake->connects, 1);
}

// The tests -----------------------------------------------------------------------------------

#define CLIENTS 8

static void requests_pass_through(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS);
    struct client c[CLIENTS], opener;
    start_open(&opener, f);
    ready(f);
    join(&opener, 1, 0);
    static const int errors[] = {0, EIO, ENOSPC};
    for (size_t i = 0; i < DV_COUNT(errors); i++) {
        start(c, CLIENTS, f);
        await(f, &f->fake->count, CLIENTS);
        answer(f, errors[i]);
        join(c, CLIENTS, errors[i]);
    }
    tear_down(f);
}

static void lost_requests_are_sent_again(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS);
    struct client c[CLIENTS], opener;
    start_open(&opener, f);
    ready(f);
    join(&opener, 1, 0);
    start(c, CLIENTS, f);
    for (unsigned round = 2; round < 6; round++) {
        await(f, &f->fake->count, CLIENTS); // each exactly once in a session
        down(f, LEG_LOSS_CLOSED);
        await(f, &f->fake->connects, round);
        ready(f);
    }
    await(f, &f->fake->count, CLIENTS);
    answer(f, 0);
    join(c, CLIENTS, 0);
    assert_int_equal(f->bad, 4);
    assert_int_equal(f->good, 4);
    tear_down(f);
}

static void requests_made_while_down_wait(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS);
    struct client c[CLIENTS], opener;
    start_open(&opener, f);
    ready(f);
    join(&opener, 1, 0);
    down(f, LEG_LOSS_SILENT);
    start(c, CLIENTS, f);
    await(f, &f->fake->connects, 2);
    down(f, LEG_LOSS_UNREACHABLE);
    await(f, &f->fake->connects, 3);
    assert_int_equal(f->fake->count, 0);
    ready(f);
    await(f, &f->fake->count, CLIENTS);
    answer(f, 0);
    join(c, CLIENTS, 0);
    assert_int_equal(f->bad, 1); // said once, not for every attempt
    tear_down(f);
}

static void refusals_fail_requests(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS);
    struct client c[CLIENTS], opener;
    start_open(&opener, f);
    ready(f);
    join(&opener, 1, 0);
    start(c, CLIENTS, f);
    await(f, &f->fake->count, CLIENTS);
    down(f, LEG_LOSS_REFUSED);
    await(f, &f->fake->connects, 2);
    down(f, LEG_LOSS_REFUSED);
    await(f, &f->fake->connects, 3);
    down(f, LEG_LOSS_REFUSED);
    join(c, CLIENTS, EACCES);
    start(c, CLIENTS, f); // and later ones at once
    join(c, CLIENTS, EACCES);
    await(f, &f->fake->connects, 4); // it goes on trying
    ready(f);
    start(c, CLIENTS, f);
    await(f, &f->fake->count, CLIENTS);
    answer(f, 0);
    join(c, CLIENTS, 0);
    tear_down(f);
}

static void waiting_ends(void **state)
{
    (void)state;
    struct fixture *f = set_up(50);
    struct client c[CLIENTS];
    down(f, LEG_LOSS_UNREACHABLE); // without opening first, which would have to be this quick
    start(c, CLIENTS, f);
    join(c, CLIENTS, EIO);
    tear_down(f);
}

static void opening_fails_at_once_when_refused(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS);
    struct client opener;
    start_open(&opener, f);
    down(f, LEG_LOSS_REFUSED);
    join(&opener, 1, DV_DENIED);
    tear_down(f);
}

static void opening_waits_for_an_unreachable_unit(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS);
    struct client opener;
    start_open(&opener, f);
    down(f, LEG_LOSS_UNREACHABLE);
    await(f, &f->fake->connects, 2);
    ready(f);
    join(&opener, 1, 0);
    tear_down(f);
    f = set_up(50);
    start_open(&opener, f);
    join(&opener, 1, DV_TIMEOUT);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_pass_through),
        cmocka_unit_test(lost_requests_are_sent_again),
        cmocka_unit_test(requests_made_while_down_wait),
        cmocka_unit_test(refusals_fail_requests),
        cmocka_unit_test(waiting_ends),
        cmocka_unit_test(opening_fails_at_once_when_refused),
        cmocka_unit_test(opening_waits_for_an_unreachable_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
