// Tests of the iSCSI leg against a target that lies: nothing it says is believed without a count.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/leg_box.h"
#include "ctest/support/liar.h"

#include "base/mem.h"
#include "block/steady.h"
#include "iscsi/iscsi_leg.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_S     60 // bounds a test that hangs; no test waits for it
#define BYTES          (40u << 20)
#define LARGE          (32u << 20) // more than a socket takes at once
#define KIB            1024u
#define MANGLED_ROUNDS 15 // or DVSAN_ROUNDS

struct fixture {
    struct liar *liar;
    struct leg_box box;
    struct leg_client client;
    atomic_uint bad, good;
    char last[512]; // the last bad event; with the lock
    pthread_mutex_t lock;
};

static void on_event(void *arg, bool good, const char *text)
{
    struct fixture *f = arg;
    pthread_mutex_lock(&f->lock);
    if (!good)
        snprintf(f->last, sizeof(f->last), "%s", text);
    pthread_mutex_unlock(&f->lock);
    atomic_fetch_add(good ? &f->good : &f->bad, 1);
}

static struct leg *make_leg(struct fixture *f, bool quick)
{
    struct iscsi_leg_config config = {.portal = liar_portal(f->liar),
                                      .target = LIAR_TARGET,
                                      .initiator = "iqn.2026-11.test.dvsan:host",
                                      .lun = 1};
    iscsi_leg_defaults(&config);
    if (quick) {
        config.connect_ms = 1500;
        config.nop_ms = 1000;
    }
    return iscsi_leg_new(f->box.loop, &config);
}

static struct fixture *set_up_leg(uint32_t timeout_ms, bool quick)
{
    struct fixture *f = dv_calloc(1, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    f->liar = liar_new("127.0.0.1", 0, BYTES);
    assert_non_null(f->liar);
    f->box.loop = loop_new();
    struct steady_config config = {.timeout_ms = timeout_ms, .on_event = on_event, .arg = f};
    box_start(&f->box, steady_new(f->box.loop, make_leg(f, quick), &config));
    return f;
}

static struct fixture *set_up(uint32_t timeout_ms)
{
    return set_up_leg(timeout_ms, false);
}

// With a session; a short timeout is for what comes then.
static struct fixture *opened(uint32_t timeout_ms)
{
    struct dv_err err = {0};
    struct fixture *f = set_up(timeout_ms);
    unsigned tries = 0;
    while (box_open(&f->box, &err) != 0)
        if (++tries * timeout_ms > PATIENCE_S * 1000)
            fail_msg("%s", err.text);
    box_client(&f->box, &f->client);
    return f;
}

static void tear_down(struct fixture *f)
{
    box_end(&f->box);
    liar_free(f->liar);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static int io(struct fixture *f, enum leg_op op, uint64_t offset, size_t bytes, void *data)
{
    return box_io(&f->box, &f->client, op, 0, offset, bytes, data);
}

static void fill(uint8_t *data, size_t bytes, uint8_t seed)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

// Data that nobody has sent by chance.
static void expect_works(struct fixture *f, size_t bytes)
{
    uint8_t *out = dv_calloc(1, bytes), *back = dv_calloc(1, bytes);
    fill(out, bytes, (uint8_t)bytes);
    int wrote = io(f, LEG_WRITE, 4096, bytes, out);
    int read = io(f, LEG_READ, 4096, bytes, back);
    bool same = memcmp(out, back, bytes) == 0;
    liar_peek(f->liar, 4096, back, bytes);
    same = same && memcmp(out, back, bytes) == 0;
    free(out);
    free(back);
    if (wrote || read || !same)
        fail_msg("writing: %d, reading: %d, %s; last event: %s", wrote, read,
                 same ? "the same" : "not the same", f->last);
}

static void await_events(const atomic_uint *what, unsigned value)
{
    for (unsigned ms = 0; ms < PATIENCE_S * 1000 && atomic_load(what) != value; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(atomic_load(what), value);
}

static void an_honest_target_works(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_S * 1000);
    static const size_t sizes[] = {512, 4096, 64 * KIB, 300 * KIB, 2048 * KIB};
    for (size_t i = 0; i < DV_COUNT(sizes); i++)
        expect_works(f, sizes[i]);
    assert_int_equal(io(f, LEG_FLUSH, 0, 0, NULL), 0);
    assert_int_equal(io(f, LEG_ZERO, 0, 64 * KIB, NULL), 0);
    assert_int_equal(io(f, LEG_SIZE, 0, 0, NULL), 0);
    assert_int_equal(box_look(&f->box).info.bytes, BYTES);
    assert_int_equal(f->bad, 0);
    tear_down(f);
}

// Each answer is GOOD and wrong: EIO, and the session lives on for what comes next.
static void bytes_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum liar_about about;
        enum liar_lie lie;
        uint64_t arg;
        enum leg_op op;
        size_t bytes;
    } cases[] = {
        {"a read without data", LIAR_READ, LIAR_SHORT, 0, LEG_READ, 4096},
        {"a read of half", LIAR_READ, LIAR_SHORT, 2048, LEG_READ, 4096},
        {"a read that lacks a byte", LIAR_READ, LIAR_SHORT, 4095, LEG_READ, 4096},
        {"a read of one byte", LIAR_READ, LIAR_SHORT, 1, LEG_READ, 4096},
        {"a read of a block too much", LIAR_READ, LIAR_LONG, 512, LEG_READ, 4096},
        {"a large read that lacks its last piece", LIAR_READ, LIAR_SHORT, 448 * KIB, LEG_READ,
         512 * KIB},
        {"a read with all data and an underflow", LIAR_READ, LIAR_UNDERFLOW, 512, LEG_READ, 4096},
        {"a read with all data and an overflow", LIAR_READ, LIAR_OVERFLOW, 512, LEG_READ, 4096},
        {"a write with an underflow", LIAR_WRITE, LIAR_UNDERFLOW, 512, LEG_WRITE, 4096},
        {"a write with an overflow", LIAR_WRITE, LIAR_OVERFLOW, 1, LEG_WRITE, 4096},
        {"a capacity without data", LIAR_CAPACITY, LIAR_SHORT, 0, LEG_SIZE, 0},
        {"a capacity of half", LIAR_CAPACITY, LIAR_SHORT, 12, LEG_SIZE, 0},
        {"a capacity in other blocks", LIAR_CAPACITY, LIAR_CLAIM, 4096, LEG_SIZE, 0},
        {"a capacity in blocks of nothing", LIAR_CAPACITY, LIAR_CLAIM, 0, LEG_SIZE, 0},
    };
    struct fixture *f = opened(PATIENCE_S * 1000);
    uint8_t *data = dv_calloc(1, 1 << 20);
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        liar_rule(f->liar, cases[i].about, 0, 1, cases[i].lie, cases[i].arg);
        int error = io(f, cases[i].op, 0, cases[i].bytes, data);
        if (error != EIO)
            fail_msg("%s: error %d", cases[i].what, error);
        liar_honest(f->liar);
    }
    assert_int_equal(box_look(&f->box).info.bytes, BYTES);
    expect_works(f, 8192);
    assert_int_equal(liar_count(f->liar, LIAR_LOGIN), 1);
    free(data);
    tear_down(f);
}

// The same while a volume gets ready: what is cut is left out, or the volume waits.
static void what_a_lun_says_of_itself_is_counted(void **state)
{
    (void)state;
    static const enum liar_about optional[] = {LIAR_INQUIRY, LIAR_MODE_SENSE};
    for (unsigned cut = 0; cut < 8; cut++)
        for (size_t i = 0; i < DV_COUNT(optional); i++) {
            struct fixture *f = set_up(PATIENCE_S * 1000);
            struct dv_err err = {0};
            liar_rule(f->liar, optional[i], 0, 0, LIAR_CLAIM, cut);
            assert_int_equal(box_open(&f->box, &err), 0);
            struct leg_info info = box_look(&f->box).info;
            if (optional[i] == LIAR_INQUIRY)
                assert_false(info.can_trim || info.can_zero);
            else
                assert_false(info.tells_boot);
            expect_works(f, 4096);
            tear_down(f);
        }
    static const struct {
        enum liar_lie lie;
        uint64_t arg;
    } refused[] = {{LIAR_SHORT, 31},       {LIAR_SHORT, 0},       {LIAR_CLAIM, 0},
                   {LIAR_CLAIM, 513},      {LIAR_CLAIM, 256},     {LIAR_CLAIM, 131072},
                   {LIAR_SENSE, 0x000000}, {LIAR_SENSE, 0x010000}};
    for (size_t i = 0; i < DV_COUNT(refused); i++) {
        struct fixture *f = set_up(PATIENCE_S * 1000);
        struct dv_err err = {0};
        liar_rule(f->liar, LIAR_CAPACITY, 0, 3, refused[i].lie, refused[i].arg);
        assert_int_equal(box_open(&f->box, &err), 0); // by the fourth session
        assert_int_equal(liar_count(f->liar, LIAR_LOGIN), 4);
        tear_down(f);
    }
}

static void failures_are_not_successes(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum liar_lie lie;
        uint64_t arg;
        size_t raw_len;
        uint8_t raw[24];
        int error;
    } cases[] = {
        {"no sense", LIAR_RAW, 0, 0, {0}, EIO},
        {"a byte of sense", LIAR_RAW, 0, 1, {0}, EIO},
        {"a length without sense", LIAR_RAW, 0, 2, {0, 18}, EIO},
        {"deferred: recovered", LIAR_RAW, 0, 20, {0, 18, 0x71, 0, 0x01}, EIO},
        {"an unknown format", LIAR_RAW, 0, 20, {0, 18, 0x60, 0, 0x01}, EIO},
        {"descriptors, key 0", LIAR_RAW, 0, 10, {0, 8, 0x72}, EIO},
        {"key 0", LIAR_SENSE, 0x000000, 0, {0}, EIO},
        {"a medium error", LIAR_SENSE, 0x031100, 0, {0}, EIO},
        {"write-protected", LIAR_SENSE, 0x072700, 0, {0}, EPERM},
        {"no room", LIAR_SENSE, 0x072707, 0, {0}, ENOSPC},
        {"a status of nobody", LIAR_STATUS, 0x18, 0, {0}, EPERM},
    };
    static const struct {
        enum liar_about about;
        enum leg_op op;
        size_t bytes;
    } commands[] = {{LIAR_READ, LEG_READ, 4096},
                    {LIAR_WRITE, LEG_WRITE, 4096},
                    {LIAR_FLUSH, LEG_FLUSH, 0},
                    {LIAR_UNMAP, LEG_TRIM, 4096}};
    struct fixture *f = opened(PATIENCE_S * 1000);
    uint8_t data[4096] = {0};
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        for (size_t k = 0; k < DV_COUNT(commands); k++) {
            liar_raw(f->liar, cases[i].raw, cases[i].raw_len);
            liar_rule(f->liar, commands[k].about, 0, 1, cases[i].lie, cases[i].arg);
            int error = io(f, commands[k].op, 0, commands[k].bytes, data);
            if (error != cases[i].error)
                fail_msg("%s to %#x: error %d", cases[i].what, (unsigned)commands[k].about, error);
            liar_honest(f->liar);
        }
    // A recovered error is a success where no data had to come with it.
    liar_rule(f->liar, LIAR_WRITE, 0, 1, LIAR_SENSE, 0x010000);
    assert_int_equal(io(f, LEG_WRITE, 0, 4096, data), 0);
    assert_int_equal(liar_count(f->liar, LIAR_LOGIN), 1);
    tear_down(f);
}

// BUSY, NOT READY, unit attentions and aborts are asked again, more often than any count.
static void passing_answers_are_ridden_out(void **state)
{
    (void)state;
    static const struct {
        enum liar_lie lie;
        uint64_t arg;
        unsigned count;
    } cases[] = {{LIAR_STATUS, 0x08, 7},    {LIAR_STATUS, 0x28, 7},    {LIAR_STATUS, 0x40, 7},
                 {LIAR_SENSE, 0x023a00, 7}, {LIAR_SENSE, 0x062900, 7}, {LIAR_SENSE, 0x0b0000, 7},
                 {LIAR_SENSE, 0x020401, 55}};
    struct fixture *f = opened(PATIENCE_S * 1000);
    uint8_t data[4096] = {0};
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        unsigned before = liar_count(f->liar, LIAR_READ);
        liar_rule(f->liar, LIAR_READ, 0, cases[i].count, cases[i].lie, cases[i].arg);
        assert_int_equal(io(f, LEG_READ, 0, sizeof(data), data), 0);
        assert_int_equal(liar_count(f->liar, LIAR_READ), before + cases[i].count + 1);
        liar_honest(f->liar);
    }
    assert_int_equal(f->bad, 0);
    tear_down(f);
}

static void they_end_at_the_deadline(void **state)
{
    (void)state;
    struct fixture *f = opened(300);
    uint8_t data[4096] = {0};
    liar_rule(f->liar, LIAR_READ, 0, 0, LIAR_STATUS, 0x08);
    assert_int_equal(io(f, LEG_READ, 0, sizeof(data), data), EIO);
    tear_down(f);
}

static void a_session_that_ends_at_each_read(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_S * 1000);
    uint8_t data[4096] = {0};
    liar_rule(f->liar, LIAR_READ, 0, 0, LIAR_CLOSE, 0);
    assert_int_equal(io(f, LEG_READ, 0, sizeof(data), data), EIO);
    assert_int_equal(liar_count(f->liar, LIAR_READ), 5);
    assert_in_range(liar_count(f->liar, LIAR_LOGIN), 5, 6);
    liar_honest(f->liar);
    expect_works(f, 4096);
    await_events(&f->good, 1);
    assert_int_equal(f->bad, 2); // one loss, and the request
    tear_down(f);
}

// Requests that no command is sent for are completed, and forget none of the attempts.
static void what_never_reaches_a_target_proves_nothing(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_S * 1000);
    struct dv_err err;
    uint8_t data[4096] = {0};
    liar_rule(f->liar, LIAR_INQUIRY, 0, 0, LIAR_CLAIM, 0); // neither UNMAP nor WRITE SAME
    assert_int_equal(box_open(&f->box, &err), 0);
    liar_rule(f->liar, LIAR_READ, 0, 0, LIAR_CLOSE, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(io(f, LEG_READ, 0, sizeof(data), data), EIO);
        assert_int_equal(io(f, LEG_READ, BYTES, sizeof(data), data), EIO);
        assert_int_equal(io(f, LEG_WRITE, 0, 0, data), EINVAL);
        assert_int_equal(io(f, LEG_TRIM, 0, sizeof(data), NULL), 0);
        assert_int_equal(box_io(&f->box, &f->client, LEG_ZERO, LEG_FAST, 0, 4096, NULL), ENOTSUP);
    }
    assert_int_equal(f->good, 0);
    liar_honest(f->liar);
    expect_works(f, 4096);
    await_events(&f->good, 1);
    tear_down(f);
}

static void count_done(struct leg_req *req, int error)
{
    unsigned *errors = req->data;
    assert_int_equal(error, ENOTCONN);
    ++*errors;
}

// A request that is refused by the leg itself is completed later; also when the leg ends first.
static void a_leg_that_ends_completes_what_it_refused(void **state)
{
    (void)state;
    unsigned errors = 0;
    struct leg_req reqs[] = {
        {.op = LEG_READ, .bytes = 4096, .data = &errors, .done = count_done},
        {.op = LEG_FLUSH, .data = &errors, .done = count_done},
    };
    struct fixture *f = dv_calloc(1, sizeof(*f));
    f->liar = liar_new("127.0.0.1", 0, BYTES);
    assert_non_null(f->liar);
    f->box.loop = loop_new();
    struct leg *leg = make_leg(f, false);
    for (size_t i = 0; i < DV_COUNT(reqs); i++)
        leg_submit(leg, &reqs[i]);
    assert_int_equal(errors, 0);
    leg_free(leg);
    assert_int_equal(errors, DV_COUNT(reqs));
    loop_free(f->box.loop);
    liar_free(f->liar);
    free(f);
}

// Other ends than a closed connection: a Reject, data asked of a read, an answer to nothing.
static void a_session_that_is_broken_at_each_command(void **state)
{
    (void)state;
    static const enum liar_lie lies[] = {LIAR_REJECT, LIAR_ASK_DATA, LIAR_CLOSE};
    static const struct {
        enum liar_about about;
        enum leg_op op;
        size_t bytes;
    } commands[] = {
        {LIAR_READ, LEG_READ, 4096}, {LIAR_FLUSH, LEG_FLUSH, 0}, {LIAR_CAPACITY, LEG_SIZE, 0}};
    uint8_t data[4096] = {0};
    for (size_t i = 0; i < DV_COUNT(lies); i++)
        for (size_t k = 0; k < DV_COUNT(commands); k++) {
            struct fixture *f = opened(PATIENCE_S * 1000);
            liar_rule(f->liar, commands[k].about, 0, 1, lies[i], 9);
            (void)io(f, commands[k].op, 0, commands[k].bytes, data);
            liar_honest(f->liar);
            expect_works(f, 4096);
            assert_int_equal(liar_count(f->liar, LIAR_LOGIN), 2);
            tear_down(f);
        }
}

// libiscsi gathers what comes; it must not gather without end.
static void data_without_end(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_S * 1000);
    uint8_t data[4096] = {0};
    liar_rule(f->liar, LIAR_READ, 0, 0, LIAR_ENDLESS, 0);
    assert_int_equal(io(f, LEG_READ, 0, sizeof(data), data), EIO);
    assert_int_equal(liar_count(f->liar, LIAR_READ), 5);
    liar_honest(f->liar);
    liar_rule(f->liar, LIAR_MODE_SENSE, 0, 1, LIAR_ENDLESS, 0);
    liar_drop(f->liar);
    expect_works(f, 64 * KIB);
    for (unsigned i = 0; i < 3; i++) // and what is asked for may be much
        expect_works(f, 4096 * KIB);
    tear_down(f);
}

static void a_read_that_is_never_answered(void **state)
{
    (void)state;
    struct fixture *f = opened(300);
    uint8_t data[4096] = {0};
    liar_rule(f->liar, LIAR_READ, 0, 1, LIAR_SILENCE, 0);
    assert_int_equal(io(f, LEG_READ, 0, sizeof(data), data), EIO);
    memset(data, 0xee, sizeof(data)); // it is ours again: nothing may be written into it
    liar_honest(f->liar);
    while (io(f, LEG_FLUSH, 0, 0, NULL) != 0) // 300 ms may be little on a busy machine
        ;
    for (size_t i = 0; i < sizeof(data); i++)
        assert_int_equal(data[i], 0xee);
    tear_down(f);
}

struct shutter {
    pthread_t thread;
    struct fixture *f;
    enum liar_about about;
    unsigned after;
};

static void *shut_main(void *arg)
{
    struct shutter *s = arg;
    while (liar_count(s->f->liar, s->about) <= s->after)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    box_shut(&s->f->box);
    return NULL;
}

// Shutting ends a request in every state that it can be in, long before its deadline.
static void shutting_ends_a_request_in_every_state(void **state)
{
    (void)state;
    static const struct {
        enum liar_about about; // is never answered
        bool drop;             // the session is lost first
    } cases[] = {{LIAR_WRITE, false}, {LIAR_LOGIN, true},    {LIAR_LOOK, true},
                 {LIAR_RESET, true},  {LIAR_CAPACITY, true}, {LIAR_TEST_READY, true}};
    uint8_t data[4096] = {0};
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct fixture *f = opened(PATIENCE_S * 1000);
        struct shutter s = {
            .f = f, .about = cases[i].about, .after = liar_count(f->liar, cases[i].about)};
        if (cases[i].drop) // a lost write, so that the LUN is reset
            liar_rule(f->liar, LIAR_WRITE, 0, 1, LIAR_CLOSE, 0);
        if (cases[i].about == LIAR_LOOK)
            liar_rule(f->liar, LIAR_LOGIN, 0, 0, LIAR_REFUSE, 0x0203);
        liar_rule(f->liar, cases[i].about, 0, 0, LIAR_SILENCE, 0);
        assert_int_equal(pthread_create(&s.thread, NULL, shut_main, &s), 0);
        assert_int_equal(io(f, LEG_WRITE, 0, sizeof(data), data), ENOTCONN);
        pthread_join(s.thread, NULL);
        tear_down(f);
    }
}

// A large request takes its turns among others: here its commands are never answered.
static void a_large_request_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_S * 1000);
    const size_t bytes = 65 * 512 * KIB; // a command more than may be out
    struct box_io large = {.box = &f->box};
    uint8_t *data = dv_calloc(1, bytes), other[4096];
    large.req = (struct leg_req){.op = LEG_WRITE, .bytes = bytes, .data = data, .done = box_done};
    sem_init(&large.done, 0, 0);
    liar_rule(f->liar, LIAR_WRITE, 0, 0, LIAR_SILENCE, 0);
    assert_true(loop_call(f->box.loop, box_submit, &large));
    assert_int_equal(io(f, LEG_READ, 0, sizeof(other), other), 0);
    box_shut(&f->box);
    sem_wait(&large.done);
    assert_int_equal(large.error, ENOTCONN);
    sem_destroy(&large.done);
    free(data);
    tear_down(f);
}

static void early_answers(struct fixture *f, uint64_t stall_ms, size_t bytes)
{
    uint8_t *data = dv_calloc(1, bytes);
    fill(data, bytes, 3);
    liar_rule(f->liar, LIAR_WRITE, 0, 2, LIAR_EARLY, stall_ms);
    int error = io(f, LEG_WRITE, 0, bytes, data);
    assert_true(error == 0 || error == EIO);
    free(data); // under ASan: nobody sends it any more
    liar_honest(f->liar);
    unsigned logins = liar_count(f->liar, LIAR_LOGIN);
    liar_drop(f->liar); // with the answers that went ahead of their commands
    while (liar_count(f->liar, LIAR_LOGIN) == logins)
        (void)io(f, LEG_FLUSH, 0, 0, NULL);
    expect_works(f, 64 * KIB);
}

// A write that is answered while pieces of it are queued: a socket takes some megabytes, so that of
// some sizes the last piece does not fit.
static void a_write_that_is_answered_early(void **state)
{
    (void)state;
    for (size_t bytes = 512 * KIB; bytes <= 6144 * KIB; bytes += 512 * KIB) {
        struct fixture *f = set_up(PATIENCE_S * 1000);
        struct dv_err err;
        liar_limits(f->liar, 8192, 262144);
        assert_int_equal(box_open(&f->box, &err), 0);
        early_answers(f, 50, bytes);
        tear_down(f);
    }
}

static void writes_that_are_always_answered_early_fail(void **state)
{
    (void)state;
    struct fixture *f = set_up(PATIENCE_S * 1000);
    struct dv_err err;
    uint8_t *data = dv_calloc(1, LARGE);
    liar_limits(f->liar, 8192, 262144);
    assert_int_equal(box_open(&f->box, &err), 0);
    liar_rule(f->liar, LIAR_WRITE, 0, 0, LIAR_EARLY, 20);
    int error = io(f, LEG_WRITE, 0, LARGE, data);
    free(data); // under ASan: nobody sends it any more
    (void)io(f, LEG_FLUSH, 0, 0, NULL);
    assert_int_equal(error, EIO);
    await_events(&f->bad, 2);
    assert_non_null(strstr(f->last, "ended under it"));
    tear_down(f);
}

// A target says how large a piece of data it takes. What no piece can have is refused before any is
// sent: libiscsi would queue pieces of no bytes for ever.
static void pieces_that_nobody_can_send(void **state)
{
    (void)state;
    static const unsigned wrong[] = {0, 1, 511, 1u << 24, UINT32_MAX}, right[] = {512, 65536};
    struct dv_err err;
    uint8_t data[64 * KIB] = {0};
    for (size_t i = 0; i < DV_COUNT(wrong); i++) {
        struct fixture *f = opened(500);
        liar_limits(f->liar, wrong[i], 65536);
        liar_drop(f->liar);
        assert_int_equal(io(f, LEG_WRITE, 0, sizeof(data), data), EIO);
        unsigned tries = 0;
        do
            err = box_look(&f->box).why;
        while (!strstr(err.text, "cannot be sent") && ++tries < 100 &&
               io(f, LEG_FLUSH, 0, 0, NULL) != 0);
        assert_non_null(strstr(err.text, "cannot be sent"));
        tear_down(f);
    }
    for (size_t i = 0; i < DV_COUNT(right); i++) {
        struct fixture *f = set_up(PATIENCE_S * 1000);
        liar_limits(f->liar, right[i], i == 0 ? 0 : 65536);
        assert_int_equal(box_open(&f->box, &err), 0);
        expect_works(f, sizeof(data));
        tear_down(f);
    }
}

// Getting ready: the session ends below it, again and again, and the LUN is not ready for long.
static void getting_ready_takes_as_long_as_it_takes(void **state)
{
    (void)state;
    static const struct {
        enum liar_about about;
        enum liar_lie lie;
        uint64_t arg;
        unsigned count, logins;
    } cases[] = {
        {LIAR_TEST_READY, LIAR_CLOSE, 0, 3, 4},         {LIAR_MODE_SENSE, LIAR_CLOSE, 0, 3, 4},
        {LIAR_TEST_READY, LIAR_SENSE, 0x020401, 22, 1}, {LIAR_CAPACITY, LIAR_STATUS, 0x08, 3, 1},
        {LIAR_CAPACITY, LIAR_SENSE, 0x062900, 3, 1},    {LIAR_LOGIN, LIAR_REFUSE, 0x0301, 3, 4}};
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct fixture *f = opened(PATIENCE_S * 1000);
        uint8_t data[4096] = {0};
        liar_rule(f->liar, cases[i].about, 0, cases[i].count, cases[i].lie, cases[i].arg);
        unsigned logins = liar_count(f->liar, LIAR_LOGIN);
        liar_drop(f->liar);
        int error = io(f, LEG_WRITE, 0, sizeof(data), data);
        if (error)
            fail_msg("case %zu: error %d: %s", i, error, f->last);
        assert_int_equal(liar_count(f->liar, LIAR_LOGIN), logins + cases[i].logins);
        tear_down(f);
    }
}

// One LUN reset, waited for while the other side lives; a second would confuse tgtd.
static void a_reset_is_sent_once(void **state)
{
    (void)state;
    struct fixture *f = set_up_leg(1000, true);
    struct dv_err err;
    uint8_t data[4096] = {0};
    while (box_open(&f->box, &err) != 0)
        ; // until ctest's own deadline
    liar_rule(f->liar, LIAR_WRITE, 0, 1, LIAR_CLOSE, 0);
    liar_rule(f->liar, LIAR_RESET, 0, 1, LIAR_SILENCE, 0);
    unsigned nops = liar_count(f->liar, LIAR_NOP);
    for (unsigned i = 0; liar_count(f->liar, LIAR_NOP) < nops + 4; i++) { // beyond connect_ms
        assert_true(i < 120);
        assert_int_equal(io(f, LEG_WRITE, 0, sizeof(data), data), EIO);
    }
    assert_int_equal(liar_count(f->liar, LIAR_RESET), 1);
    assert_int_equal(liar_count(f->liar, LIAR_LOGIN), 2);
    tear_down(f);
}

struct asked {
    int error;
    unsigned logins, looks;
};

// What a request gets when logins are refused so, as often as it takes, for timeout_ms.
static struct asked ask(uint32_t timeout_ms, uint16_t login, enum liar_lie look_lie, uint64_t look)
{
    struct fixture *f = opened(timeout_ms);
    uint8_t data[4096] = {0};
    liar_rule(f->liar, LIAR_LOGIN, 0, 0, LIAR_REFUSE, login);
    if (look_lie != LIAR_HONEST)
        liar_rule(f->liar, LIAR_LOOK, 0, 0, look_lie, look);
    liar_drop(f->liar);
    struct asked a = {.error = io(f, LEG_READ, 0, sizeof(data), data),
                      .logins = liar_count(f->liar, LIAR_LOGIN),
                      .looks = liar_count(f->liar, LIAR_LOOK)};
    tear_down(f);
    return a;
}

static void a_refusal_is_told_from_an_absence(void **state)
{
    (void)state;
    struct asked a = ask(PATIENCE_S * 1000, 0x0203, LIAR_REFUSE, 0x0201);
    assert_int_equal(a.error, EACCES); // it hides from us
    assert_true(a.looks >= 3);
    a = ask(PATIENCE_S * 1000, 0x0203, LIAR_REFUSE, 0x0202);
    assert_int_equal(a.error, EACCES);
    a = ask(PATIENCE_S * 1000, 0x0201, LIAR_HONEST, 0);
    assert_int_equal(a.error, EACCES);
    assert_int_equal(a.looks, 0);
    // It is not there, or does not say: waited for until the deadline.
    a = ask(2000, 0x0203, LIAR_REFUSE, 0x0203);
    assert_int_equal(a.error, EIO);
    assert_true(a.looks >= 3);
    assert_int_equal(ask(400, 0x0203, LIAR_REFUSE, 0x0301).error, EIO);
    assert_int_equal(ask(400, 0x0203, LIAR_CLOSE, 0).error, EIO);
    assert_int_equal(ask(400, 0x0203, LIAR_SILENCE, 0).error, EIO);
    assert_int_equal(ask(400, 0x0203, LIAR_HONEST, 0).error, EIO); // it lets us in after all
    assert_int_equal(ask(400, 0x0301, LIAR_HONEST, 0).error, EIO);
}

static void what_a_reboot_took_is_told_to_every_flush(void **state)
{
    (void)state;
    struct fixture *f = opened(PATIENCE_S * 1000);
    struct leg_client other;
    uint8_t data[4096];
    box_client(&f->box, &other);
    fill(data, sizeof(data), 1);
    assert_true(box_look(&f->box).info.tells_boot);
    assert_int_equal(io(f, LEG_WRITE, 0, sizeof(data), data), 0);
    liar_drop(f->liar); // the daemon was restarted
    assert_int_equal(io(f, LEG_FLUSH, 0, 0, NULL), 0);
    liar_reboot(f->liar); // all was flushed
    assert_int_equal(io(f, LEG_FLUSH, 0, 0, NULL), 0);
    assert_int_equal(io(f, LEG_WRITE, 8192, sizeof(data), data), 0);
    liar_reboot(f->liar);
    assert_int_equal(io(f, LEG_FLUSH, 0, 0, NULL), EIO);
    assert_int_equal(io(f, LEG_FLUSH, 0, 0, NULL), 0);
    assert_int_equal(box_io(&f->box, &other, LEG_FLUSH, 0, 0, 0, NULL), EIO);
    assert_int_equal(box_io(&f->box, &other, LEG_FLUSH, 0, 0, 0, NULL), 0);
    // A write that went to stable storage by itself is not lost.
    assert_int_equal(box_io(&f->box, &other, LEG_WRITE, LEG_FUA, 0, sizeof(data), data), 0);
    liar_reboot(f->liar);
    assert_int_equal(io(f, LEG_FLUSH, 0, 0, NULL), 0);
    // A target that does not tell shows nothing.
    liar_tell_boot(f->liar, false);
    liar_drop(f->liar);
    assert_int_equal(io(f, LEG_WRITE, 0, sizeof(data), data), 0);
    liar_reboot(f->liar);
    assert_int_equal(io(f, LEG_FLUSH, 0, 0, NULL), 0);
    tear_down(f);
}

// Some requests to a target that changes bytes of its answers.
static unsigned ask_mangled(struct fixture *f, uint64_t seed, uint8_t *data)
{
    static const enum leg_op ops[] = {LEG_READ, LEG_WRITE, LEG_FLUSH, LEG_ZERO, LEG_SIZE, LEG_READ};
    unsigned failed = 0;
    for (unsigned i = 0; i < DV_COUNT(ops); i++) {
        enum leg_op op = ops[(i + seed) % DV_COUNT(ops)];
        size_t bytes = op == LEG_FLUSH || op == LEG_SIZE ? 0 : (seed + i) % 3 ? 8192 : 256 * KIB;
        liar_mangle(f->liar, seed * 100 + i, 1 + (unsigned)(seed + i) % 4);
        failed += io(f, op, 0, bytes, data) != 0;
    }
    liar_mangle(f->liar, 0, 0);
    return failed;
}

// Whatever such answers do, requests end, no memory is touched that is not theirs, and the next
// volume works.
static void mangled_answers(void **state)
{
    (void)state;
    const char *given = getenv("DVSAN_SEED"), *many = getenv("DVSAN_ROUNDS");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    unsigned rounds = many ? (unsigned)strtoul(many, NULL, 0) : MANGLED_ROUNDS, failed = 0;
    print_message("DVSAN_SEED=%llu\n", (unsigned long long)seed);
    uint8_t *data = dv_calloc(1, 256 * KIB);
    for (unsigned i = 0; i < rounds; i++) {
        struct fixture *f = opened(200);
        failed += ask_mangled(f, seed + i, data);
        tear_down(f);
    }
    print_message("%u requests failed in %u rounds\n", failed, rounds);
    free(data);
    struct fixture *f = opened(PATIENCE_S * 1000);
    expect_works(f, 64 * KIB);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_target_works),
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(what_a_lun_says_of_itself_is_counted),
        cmocka_unit_test(failures_are_not_successes),
        cmocka_unit_test(passing_answers_are_ridden_out),
        cmocka_unit_test(they_end_at_the_deadline),
        cmocka_unit_test(a_session_that_ends_at_each_read),
        cmocka_unit_test(what_never_reaches_a_target_proves_nothing),
        cmocka_unit_test(a_leg_that_ends_completes_what_it_refused),
        cmocka_unit_test(a_session_that_is_broken_at_each_command),
        cmocka_unit_test(data_without_end),
        cmocka_unit_test(a_read_that_is_never_answered),
        cmocka_unit_test(shutting_ends_a_request_in_every_state),
        cmocka_unit_test(a_large_request_keeps_nobody_waiting),
        cmocka_unit_test(a_write_that_is_answered_early),
        cmocka_unit_test(writes_that_are_always_answered_early_fail),
        cmocka_unit_test(pieces_that_nobody_can_send),
        cmocka_unit_test(getting_ready_takes_as_long_as_it_takes),
        cmocka_unit_test(a_reset_is_sent_once),
        cmocka_unit_test(a_refusal_is_told_from_an_absence),
        cmocka_unit_test(what_a_reboot_took_is_told_to_every_flush),
        cmocka_unit_test(mangled_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
