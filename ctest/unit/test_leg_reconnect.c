// Tests of iscsi/backoff, iscsi/reconnect and iscsi/verdict: what a failure leads to.
// SPDX-License-Identifier: BSD-2-Clause
#include "block/backoff.h"
#include "block/reconnect.h"
#include "iscsi/verdict.h"

#include "base/mem.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void pauses_grow_to_the_cap(void **state)
{
    (void)state;
    static const uint32_t full[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
    for (unsigned i = 0; i < DV_COUNT(full); i++) {
        assert_int_equal(backoff_ms(i, 100, 5000, 0), full[i] - full[i] / 2);
        assert_int_equal(backoff_ms(i, 100, 5000, full[i] / 2), full[i]);
        for (uint32_t r = 1; r < 1u << 31; r = r * 3 + 1) {
            uint32_t ms = backoff_ms(i, 100, 5000, r);
            assert_true(ms >= full[i] / 2 && ms <= full[i]);
        }
    }
    assert_in_range(backoff_ms(UINT32_MAX, 100, 5000, 12345), 2500, 5000);
    assert_int_equal(backoff_ms(5, 0, 0, 99), 0);
}

static uint32_t lost(struct reconnect *r, enum leg_loss loss, uint64_t now)
{
    return reconnect_lost(r, loss, now, 7).pause_ms;
}

static void a_lost_session_is_sought_at_once(void **state)
{
    (void)state;
    struct reconnect r = {0};
    assert_int_equal(lost(&r, LEG_LOSS_CLOSED, 0), 0);
    assert_in_range(lost(&r, LEG_LOSS_UNREACHABLE, 0), 50, 100);
    assert_in_range(lost(&r, LEG_LOSS_UNREACHABLE, 0), 100, 200);
    reconnect_ready(&r, 0);
    assert_int_equal(reconnect_proven(&r), 3);
    assert_int_equal(reconnect_proven(&r), 0);
    assert_int_equal(lost(&r, LEG_LOSS_SILENT, 0), 0);
    static const enum leg_loss waits[] = {LEG_LOSS_UNREACHABLE, LEG_LOSS_ABSENT, LEG_LOSS_NOT_READY,
                                          LEG_LOSS_CLOSED, LEG_LOSS_PROTOCOL};
    for (uint64_t i = 0; i < 1000; i++) // such a unit is waited for, however long
        assert_true(lost(&r, waits[i % DV_COUNT(waits)], i * 1000) <= 5000 && !r.refused);
}

// A login alone proves nothing: the command behind it may be what ends the session.
static void attempts_are_forgotten_by_proof_alone(void **state)
{
    (void)state;
    struct reconnect r = {0};
    uint64_t now = 1000, waited = 0;
    for (unsigned i = 0; i < 100; i++) {
        reconnect_ready(&r, now);
        uint32_t pause = lost(&r, LEG_LOSS_CLOSED, now + 10);
        now += 10 + pause;
        waited += pause;
    }
    assert_true(waited > 100000); // and not 100 times nothing
    reconnect_ready(&r, now);
    assert_int_equal(lost(&r, LEG_LOSS_CLOSED, now + RECONNECT_PROVEN_MS), 0);
    reconnect_ready(&r, now);
    assert_in_range(lost(&r, LEG_LOSS_CLOSED, now + RECONNECT_PROVEN_MS - 1), 50, 100);
}

static void losses_are_told_once_then_counted(void **state)
{
    (void)state;
    struct reconnect r = {0};
    struct reconnect_plan plan = reconnect_lost(&r, LEG_LOSS_CLOSED, 5, 0);
    assert_true(plan.say && plan.untold == 0);
    for (unsigned i = 0; i < 50; i++) {
        reconnect_ready(&r, 100 + i);
        reconnect_proven(&r);
        assert_false(reconnect_lost(&r, LEG_LOSS_CLOSED, 100 + i, 0).say);
    }
    plan = reconnect_lost(&r, LEG_LOSS_CLOSED, 5 + RECONNECT_SAY_MS, 0);
    assert_true(plan.say && plan.untold == 50);
}

static unsigned losses_to_refusal(enum leg_loss loss, uint64_t apart_ms)
{
    struct reconnect r = {0};
    unsigned n = 0;
    while (!r.refused && n < 100) {
        lost(&r, loss, n * apart_ms);
        n++;
    }
    return n;
}

static void refusals_in_a_row_count(void **state)
{
    (void)state;
    assert_int_equal(losses_to_refusal(LEG_LOSS_REFUSED, 10000), RECONNECT_REFUSALS);
    assert_int_equal(losses_to_refusal(LEG_LOSS_REFUSED, 100), 11); // not within a moment
    assert_int_equal(losses_to_refusal(LEG_LOSS_ABSENT, 10000), 100);
    assert_int_equal(losses_to_refusal(LEG_LOSS_NOT_READY, 10000), 100);
    assert_int_equal(losses_to_refusal(LEG_LOSS_CLOSED, 10000), 100);
    struct reconnect r = {0};
    for (unsigned i = 0; i < 20; i++) { // never enough in a row
        lost(&r, i % 3 ? LEG_LOSS_REFUSED : LEG_LOSS_UNREACHABLE, i * 10000);
        assert_false(r.refused);
    }
    uint64_t now = 1000000, took = 0;
    r = (struct reconnect){.attempts = 9}; // also after a long search they come soon enough
    while (!r.refused) {
        uint32_t pause = lost(&r, LEG_LOSS_REFUSED, now + took);
        if (!r.refused)
            took += pause;
    }
    assert_in_range(took, RECONNECT_REFUSED_MS, 1500);
    lost(&r, LEG_LOSS_UNREACHABLE, now); // still refused until it works again
    assert_true(r.refused);
    reconnect_ready(&r, now);
    assert_false(r.refused);
}

// Status codes as in SAM-5, sense as in SPC-4; the 0x0f00.... are libiscsi's own.
static void answers_have_verdicts(void **state)
{
    (void)state;
    static const struct {
        int status, key, ascq;
        enum verdict verdict;
        int error;
    } cases[] = {
        {0, 0, 0, VERDICT_DONE, 0},
        {4, 0, 0, VERDICT_FAILED, EIO},   // CONDITION MET, of no command that is sent
        {2, 0x0, 0, VERDICT_FAILED, EIO}, // a failure without a reason is none the less one
        {2, 0x0, 0x5d00, VERDICT_FAILED, EIO},
        {2, 0x1, 0, VERDICT_DONE, 0},
        {2, 0x1, 0x1701, VERDICT_DONE, 0},
        {2, 0x2, 0x0403, VERDICT_LATER, 0},
        {2, 0x2, 0x3a00, VERDICT_LATER, 0},
        {2, 0x3, 0x1100, VERDICT_FAILED, EIO},
        {2, 0x4, 0x4400, VERDICT_FAILED, EIO},
        {2, 0x5, 0x2100, VERDICT_FAILED, ENOSPC},
        {2, 0x5, 0x2400, VERDICT_FAILED, EINVAL},
        {2, 0x5, 0x2500, VERDICT_LOST, 0}, // the LUN went away: see whether it comes back
        {2, 0x6, 0x2900, VERDICT_AGAIN, 0},
        {2, 0x7, 0x2700, VERDICT_FAILED, EPERM},
        {2, 0x7, 0x2707, VERDICT_FAILED, ENOSPC},
        {2, 0x8, 0x0000, VERDICT_FAILED, EIO},
        {2, 0x9, 0x0000, VERDICT_FAILED, EIO},
        {2, 0xa, 0x0000, VERDICT_FAILED, EIO},
        {2, 0xb, 0x0000, VERDICT_AGAIN, 0},
        {2, 0xc, 0x0000, VERDICT_FAILED, EIO},
        {2, 0xd, 0x0000, VERDICT_FAILED, EIO},
        {2, 0xe, 0x1d00, VERDICT_FAILED, EIO},
        {2, 0xf, 0x0000, VERDICT_FAILED, EIO},
        {0x08, 0, 0, VERDICT_LATER, 0},
        {0x10, 0, 0, VERDICT_FAILED, EIO}, // obsolete: INTERMEDIATE
        {0x14, 0, 0, VERDICT_FAILED, EIO},
        {0x18, 0, 0, VERDICT_FAILED, EPERM},
        {0x22, 0, 0, VERDICT_FAILED, EIO},
        {0x28, 0, 0, VERDICT_LATER, 0},
        {0x30, 0, 0, VERDICT_LATER, 0},
        {0x40, 0, 0, VERDICT_AGAIN, 0},
        {0x77, 0, 0, VERDICT_FAILED, EIO},
        {0x0f000000, 0, 0, VERDICT_LOST, 0},
        {0x0f000001, 0, 0, VERDICT_LOST, 0},
        {0x0f000002, 0, 0, VERDICT_LOST, 0},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        int error = -1;
        struct sense sense = {.known = true, .key = cases[i].key, .ascq = cases[i].ascq};
        enum verdict v = verdict_of(cases[i].status, &sense, &error);
        if (v != cases[i].verdict || error != cases[i].error)
            fail_msg("status %#x key %#x ascq %#x: verdict %d error %d", cases[i].status,
                     cases[i].key, cases[i].ascq, v, error);
    }
}

// The data segment of a CHECK CONDITION, in all the forms that a target may give it.
static void sense_is_read_with_care(void **state)
{
    (void)state;
#define RECOVERED_FIXED 0x70, 0, 0x01, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x17, 0x01, 0, 0, 0, 0
    static const struct {
        const char *what;
        uint8_t data[24];
        size_t len;
        bool known;
        int key, ascq;
    } cases[] = {
        {"nothing", {0}, 0, false, 0, 0},
        {"half a length", {0}, 1, false, 0, 0},
        {"a length of none", {0, 0}, 2, false, 0, 0},
        {"a length of none before sense", {0, 0, RECOVERED_FIXED}, 20, false, 0, 0},
        {"a length without sense", {0, 18}, 2, false, 0, 0},
        {"fixed", {0, 18, RECOVERED_FIXED}, 20, true, 1, 0x1701},
        {"fixed, valid",
         {0, 18, 0xf0, 0, 0x03, 0, 0, 0, 9, 10, 0, 0, 0, 0, 0x11, 0},
         20,
         true,
         3,
         0x1100},
        {"fixed, without code", {0, 8, 0x70, 0, 0x06, 0, 0, 0, 0, 0}, 10, true, 6, 0},
        {"fixed, cut before the key", {0, 18, 0x70, 0}, 4, false, 0, 0},
        {"fixed, cut by its length", {0, 2, RECOVERED_FIXED}, 20, false, 0, 0},
        {"descriptors", {0, 8, 0x72, 0x02, 0x3a, 0x00, 0, 0, 0, 0}, 10, true, 2, 0x3a00},
        {"descriptors, cut", {0, 3, 0x72, 0x01, 0x17}, 5, false, 0, 0},
        {"deferred, fixed", {0, 18, 0x71, 0, 0x01}, 20, false, 0, 0},
        {"deferred, descriptors", {0, 8, 0x73, 0x01, 0, 0}, 10, false, 0, 0},
        {"of a vendor", {0, 18, 0x7f, 0, 0x01}, 20, false, 0, 0},
        {"zeros", {0, 18}, 20, false, 0, 0},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct sense s = verdict_sense(cases[i].data, cases[i].len);
        if (s.known != cases[i].known || s.key != cases[i].key || s.ascq != cases[i].ascq)
            fail_msg("%s: known %d key %#x ascq %#x", cases[i].what, s.known, s.key, s.ascq);
        int error = 0;
        enum verdict v = verdict_of(2, &s, &error);
        if (!cases[i].known && (v != VERDICT_FAILED || error != EIO))
            fail_msg("%s: verdict %d error %d", cases[i].what, v, error);
    }
}

static void logins_have_losses(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_login(0x0201), LEG_LOSS_REFUSED);
    assert_int_equal(verdict_of_login(0x0202), LEG_LOSS_REFUSED);
    assert_int_equal(verdict_of_login(0x0203), LEG_LOSS_ABSENT);
    assert_int_equal(verdict_of_login(0x02ff), LEG_LOSS_REFUSED);
    assert_int_equal(verdict_of_login(0x0301), LEG_LOSS_UNREACHABLE);
    assert_int_equal(verdict_of_login(0), LEG_LOSS_UNREACHABLE);
    assert_string_equal(verdict_login_text(0x0201), "authentication failure");
    assert_string_equal(verdict_login_text(0xffff), "login failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_to_the_cap),
        cmocka_unit_test(a_lost_session_is_sought_at_once),
        cmocka_unit_test(attempts_are_forgotten_by_proof_alone),
        cmocka_unit_test(losses_are_told_once_then_counted),
        cmocka_unit_test(refusals_in_a_row_count),
        cmocka_unit_test(answers_have_verdicts),
        cmocka_unit_test(sense_is_read_with_care),
        cmocka_unit_test(logins_have_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
