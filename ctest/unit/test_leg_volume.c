// Tests of iscsi/volume: requests ride out lost sessions, on a leg made of memory.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/volume.h"

#include "base/mem.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_MS 30000 // a test that waits longer than this has failed

// A leg whose session and answers the test commands.
struct fake {
    struct leg leg;
    struct pump *pump;
    struct pump_timer end_timer; // ends the session outside of the call that asks for it
    struct leg_req *held;        // newest first
    unsigned count, connects, disconnects;
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

static void answer_held(struct fake *f, int error)
{
    struct leg_req *req = f->held;
    f->held = NULL;
    f->count = 0;
    while (req) {
        struct leg_req *next = req->next;
        req->answered = error != ENOTCONN;
        req->done(req, error);
        req = next;
    }
}

static void fake_down(struct fake *f, enum leg_loss loss, const char *why)
{
    answer_held(f, ENOTCONN);
    f->leg.state = LEG_DOWN;
    f->leg.loss = loss;
    dv_fail(&f->leg.why, loss == LEG_LOSS_REFUSED ? DV_DENIED : DV_UNREACHABLE, "%s", why);
    f->leg.on_state(&f->leg, f->leg.owner);
}

static void on_end(struct pump_timer *t)
{
    struct fake *f = (struct fake *)((char *)t - offsetof(struct fake, end_timer));
    fake_down(f, f->leg.loss, "ended");
}

static void fake_disconnect(struct leg *leg, enum leg_loss loss, const char *why)
{
    struct fake *f = (struct fake *)leg;
    assert_non_null(why);
    if (leg->state == LEG_DOWN)
        return;
    f->disconnects++;
    leg->loss = loss;
    f->end_timer.fn = on_end;
    pump_timer_set(f->pump, &f->end_timer, 0);
}

static const struct leg_ops fake_ops = {
    .connect = fake_connect,
    .disconnect = fake_disconnect,
    .submit = fake_submit,
    .free = fake_free,
};

struct fixture {
    struct pump *pump;
    struct volume_session *volume;
    struct fake *fake;
    atomic_uint bad, good; // events
    atomic_bool stuck;     // on_event does not return
};

static void on_event(void *arg, bool good, const char *text)
{
    struct fixture *f = arg;
    assert_non_null(text);
    while (atomic_load(&f->stuck))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
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
    f->fake->pump = f->pump;
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

static void answer(struct fixture *f, int error)
{
    pump_enter(f->pump);
    answer_held(f->fake, error);
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
    fake_down(f->fake, loss, "because");
    pump_leave(f->pump);
}

// Tells which boot the unit is in, at the next ready; 0: none.
static void boot(struct fixture *f, uint8_t which)
{
    pump_enter(f->pump);
    f->fake->leg.info.tells_boot = which != 0;
    f->fake->leg.info.boot = (struct dv_uuid){{which}};
    pump_leave(f->pump);
}

static void await_events(const atomic_uint *what, unsigned value)
{
    for (int ms = 0; ms < PATIENCE_MS && atomic_load(what) != value; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(atomic_load(what), value);
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
    struct volume_client client;
    uint64_t offset;
    int error;
    atomic_bool done;
};

static void *client_main(void *arg)
{
    struct client *c = arg;
    char data[512] = "";
    c->error = volume_io(c->f->volume, &c->client, c->op, 0, c->offset, sizeof(data), data);
    atomic_store(&c->done, true);
    return NULL;
}

static void start(struct client *c, unsigned n, struct fixture *f)
{
    for (unsigned i = 0; i < n; i++) {
        c[i] = (struct client){.f = f, .op = i % 2 ? LEG_WRITE : LEG_READ, .offset = i * 512};
        volume_client_init(f->volume, &c[i].client);
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
    await_events(&f->good, 1); // told once, with a number
    assert_int_equal(f->bad, 1);
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
    await_events(&f->good, 1);
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
    unsigned connects = 1;
    while (!all_done(c, CLIENTS)) { // as long as it takes until refusals count
        assert_true(connects < 100);
        down(f, LEG_LOSS_REFUSED);
        await(f, &f->fake->connects, ++connects);
    }
    assert_true(connects > 3);
    join(c, CLIENTS, EACCES);
    start(c, CLIENTS, f); // and later ones at once
    join(c, CLIENTS, EACCES);
    down(f, LEG_LOSS_REFUSED);
    await(f, &f->fake->connects, ++connects); // it goes on trying
    ready(f);
    start(c, CLIENTS, f);
    await(f, &f->fake->count, CLIENTS);
    answer(f, 0);
    join(c, CLIENTS, 0);
    tear_down(f);
}

// A target that is not there, or not ready, is no refusal: requests wait for their deadline.
static void absence_is_waited_for(void **state)
{
    (void)state;
    static const enum leg_loss losses[] = {LEG_LOSS_ABSENT, LEG_LOSS_NOT_READY, LEG_LOSS_CLOSED};
    struct fixture *f = set_up(PATIENCE_MS);
    struct client c[CLIENTS], opener;
    start_open(&opener, f);
    ready(f);
    join(&opener, 1, 0);
    down(f, LEG_LOSS_CLOSED);
    start(c, CLIENTS, f);
    for (unsigned i = 0; i < 6; i++) {
        await(f, &f->fake->connects, 2 + i);
        down(f, losses[i % DV_COUNT(losses)]);
    }
    await(f, &f->fake->connects, 8);
    assert_false(all_done(c, 1));
    ready(f);
    await(f, &f->fake->count, CLIENTS);
    answer(f, 0);
    join(c, CLIENTS, 0);
    tear_down(f);
}

// timeout_ms is the deadline of a request whatever it waits for.
static void a_request_that_the_leg_holds_ends_in_time(void **state)
{
    (void)state;
    struct fixture *f = set_up(50);
    struct client c[CLIENTS];
    ready(f);
    start(c, CLIENTS, f);
    join(c, CLIENTS, EIO);
    assert_true(f->fake->disconnects > 0); // or it would still write into the request's memory
    tear_down(f);
}

static void one_that_is_late_takes_no_other_along(void **state)
{
    (void)state;
    struct fixture *f = set_up(300);
    struct client late, c[CLIENTS];
    ready(f);
    start(&late, 1, f);
    await(f, &f->fake->count, 1);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL); // so that these have time left
    start(c, CLIENTS, f);
    join(&late, 1, EIO);
    for (bool again = true; again;) { // what the lost session gave back is sent again
        pump_enter(f->pump);
        if (f->fake->leg.state == LEG_CONNECTING) {
            f->fake->leg.state = LEG_READY;
            f->fake->leg.on_state(&f->fake->leg, f->fake->leg.owner);
        }
        answer_held(f->fake, 0);
        pump_leave(f->pump);
        again = !all_done(c, CLIENTS);
    }
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
    struct fixture *f = set_up(PATIENCE_MS * 6);
    struct client c[CLIENTS], opener;
    start_open(&opener, f);
    ready(f);
    join(&opener, 1, 0);
    start(c, CLIENTS, f);
    for (unsigned round = 1; round <= 5; round++) {
        await(f, &f->fake->count, CLIENTS);
        assert_false(all_done(c, 1));
        down(f, LEG_LOSS_CLOSED);
        await(f, &f->fake->connects, round + 1);
        ready(f);
    }
    join(c, CLIENTS, EIO);
    tear_down(f);
}

static void shutting_ends_all(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS * 6);
    struct client held[CLIENTS], waiting[CLIENTS], late[CLIENTS];
    ready(f);
    start(held, CLIENTS, f);
    await(f, &f->fake->count, CLIENTS);
    volume_shut(f->volume);
    join(held, CLIENTS, ESHUTDOWN);
    start(late, CLIENTS, f);
    join(late, CLIENTS, ESHUTDOWN);
    assert_int_equal(f->fake->connects, 0);
    tear_down(f);
    f = set_up(PATIENCE_MS * 6);
    start(waiting, CLIENTS, f);
    volume_shut(f->volume);
    join(waiting, CLIENTS, ESHUTDOWN);
    tear_down(f);
}

// A log that blocks must not hold up requests.
static void a_stuck_log_holds_up_nothing(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS * 6);
    struct client c[CLIENTS];
    atomic_store(&f->stuck, true);
    ready(f);
    down(f, LEG_LOSS_CLOSED);
    await(f, &f->fake->connects, 1);
    ready(f);
    for (unsigned i = 0; i < 20; i++) {
        start(c, CLIENTS, f);
        await(f, &f->fake->count, CLIENTS);
        answer(f, 0);
        join(c, CLIENTS, 0);
    }
    assert_int_equal(f->bad, 0);
    atomic_store(&f->stuck, false);
    await_events(&f->good, 1);
    assert_int_equal(f->bad, 1);
    tear_down(f);
}

// One request of one client, answered with success.
static int carry_out(struct fixture *f, struct volume_client *client, enum leg_op op)
{
    struct client c = {.f = f, .op = op, .client = *client};
    assert_int_equal(pthread_create(&c.thread, NULL, client_main, &c), 0);
    await(f, &f->fake->count, 1);
    answer(f, 0);
    pthread_join(c.thread, NULL);
    *client = c.client;
    return c.error;
}

static void restart(struct fixture *f, uint8_t which)
{
    unsigned connects = f->fake->connects;
    down(f, LEG_LOSS_SILENT);
    await(f, &f->fake->connects, connects + 1);
    boot(f, which);
    ready(f);
}

static void a_reboot_fails_the_next_flush_of_every_client(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_MS);
    struct volume_client a, b, late;
    boot(f, 1);
    ready(f);
    volume_client_init(f->volume, &a);
    volume_client_init(f->volume, &b);
    assert_int_equal(carry_out(f, &a, LEG_WRITE), 0);
    restart(f, 1); // only tgtd was restarted
    assert_int_equal(carry_out(f, &a, LEG_FLUSH), 0);
    restart(f, 2); // all was flushed
    assert_int_equal(carry_out(f, &a, LEG_FLUSH), 0);
    assert_int_equal(carry_out(f, &a, LEG_ZERO), 0);
    restart(f, 3);
    restart(f, 3);
    volume_client_init(f->volume, &late); // nobody knows yet: the next that comes may be a again
    assert_int_equal(carry_out(f, &b, LEG_READ), 0);
    assert_int_equal(carry_out(f, &b, LEG_FLUSH), EIO);
    assert_int_equal(carry_out(f, &b, LEG_FLUSH), 0);
    assert_int_equal(carry_out(f, &a, LEG_WRITE), 0);
    assert_int_equal(carry_out(f, &a, LEG_FLUSH), EIO);
    assert_int_equal(carry_out(f, &a, LEG_FLUSH), 0);
    assert_int_equal(carry_out(f, &late, LEG_FLUSH), EIO);
    volume_client_init(f->volume, &late);
    assert_int_equal(carry_out(f, &late, LEG_FLUSH), 0);
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
        cmocka_unit_test(absence_is_waited_for),
        cmocka_unit_test(waiting_ends),
        cmocka_unit_test(a_request_that_the_leg_holds_ends_in_time),
        cmocka_unit_test(one_that_is_late_takes_no_other_along),
        cmocka_unit_test(a_request_under_which_sessions_end_fails),
        cmocka_unit_test(shutting_ends_all),
        cmocka_unit_test(a_stuck_log_holds_up_nothing),
        cmocka_unit_test(a_reboot_fails_the_next_flush_of_every_client),
        cmocka_unit_test(opening_fails_at_once_when_refused),
        cmocka_unit_test(opening_waits_for_an_unreachable_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
