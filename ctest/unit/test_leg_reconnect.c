// Tests of iscsi/backoff, iscsi/reconnect and iscsi/verdict: what a failure leads to.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/backoff.h"
#include "iscsi/reconnect.h"
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

static void a_lost_session_is_sought_at_once(void **state)
{
    (void)state;
    struct reconnect r = {0};
    assert_int_equal(reconnect_lost(&r, LEG_LOSS_CLOSED, 7), 0);
    assert_in_range(reconnect_lost(&r, LEG_LOSS_UNREACHABLE, 7), 50, 100);
    assert_in_range(reconnect_lost(&r, LEG_LOSS_UNREACHABLE, 7), 100, 200);
    reconnect_ready(&r);
    assert_int_equal(reconnect_lost(&r, LEG_LOSS_SILENT, 7), 0);
    for (int i = 0; i < 1000; i++) // an unreachable unit is waited for, however long
        assert_true(reconnect_lost(&r, LEG_LOSS_UNREACHABLE, 7) <= 5000 && !r.refused);
}

static unsigned losses_to_refusal(enum leg_loss loss)
{
    struct reconnect r = {0};
    unsigned n = 0;
    while (!r.refused && n < 100) {
        reconnect_lost(&r, loss, 0);
        n++;
    }
    return n;
}

static void refusals_in_a_row_count(void **state)
{
    (void)state;
    assert_int_equal(losses_to_refusal(LEG_LOSS_REFUSED), RECONNECT_REFUSALS);
    assert_int_equal(losses_to_refusal(LEG_LOSS_ABSENT), RECONNECT_ABSENCES);
    assert_int_equal(losses_to_refusal(LEG_LOSS_CLOSED), 100);
    struct reconnect r = {0};
    for (int i = 0; i < 20; i++) { // never enough in a row
        reconnect_lost(&r, i % 3 ? LEG_LOSS_REFUSED : LEG_LOSS_UNREACHABLE, 0);
        assert_false(r.refused);
    }
    for (int i = 0; i < RECONNECT_REFUSALS; i++)
        reconnect_lost(&r, LEG_LOSS_REFUSED, 0);
    assert_true(r.refused);
    reconnect_lost(&r, LEG_LOSS_UNREACHABLE, 0); // still refused until it works again
    assert_true(r.refused);
    reconnect_ready(&r);
    assert_false(r.refused);
}

// Status and sense codes as in SAM-5 and SPC-4; the 0x0f00.... are libiscsi's own.
static void answers_have_verdicts(void **state)
{
    (void)state;
    static const struct {
        int status, key, ascq;
        enum verdict verdict;
        int error;
    } cases[] = {
        {0, 0, 0, VERDICT_DONE, 0},
        {4, 0, 0, VERDICT_DONE, 0},
        {2, 0x0, 0, VERDICT_DONE, 0},
        {2, 0x1, 0, VERDICT_DONE, 0},
        {2, 0x2, 0x0403, VERDICT_LATER, 0},
        {2, 0x3, 0x1100, VERDICT_FAILED, EIO},
        {2, 0x4, 0x4400, VERDICT_FAILED, EIO},
        {2, 0x5, 0x2100, VERDICT_FAILED, ENOSPC},
        {2, 0x5, 0x2400, VERDICT_FAILED, EINVAL},
        {2, 0x5, 0x2500, VERDICT_LOST, 0}, // the LUN went away: see whether it comes back
        {2, 0x6, 0x2900, VERDICT_AGAIN, 0},
        {2, 0x7, 0x2700, VERDICT_FAILED, EPERM},
        {2, 0x7, 0x2707, VERDICT_FAILED, ENOSPC},
        {2, 0xb, 0x0000, VERDICT_AGAIN, 0},
        {2, 0xe, 0x1d00, VERDICT_FAILED, EIO},
        {0x08, 0, 0, VERDICT_LATER, 0},
        {0x18, 0, 0, VERDICT_FAILED, EPERM},
        {0x28, 0, 0, VERDICT_LATER, 0},
        {0x40, 0, 0, VERDICT_AGAIN, 0},
        {0x77, 0, 0, VERDICT_FAILED, EIO},
        {0x0f000000, 0, 0, VERDICT_LOST, 0},
        {0x0f000001, 0, 0, VERDICT_LOST, 0},
        {0x0f000002, 0, 0, VERDICT_LOST, 0},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        int error = -1;
        enum verdict v = verdict_of(cases[i].status, cases[i].key, cases[i].ascq, &error);
        if (v != cases[i].verdict || error != cases[i].error)
            fail_msg("status %#x key %#x ascq %#x: verdict %d error %d", cases[i].status,
                     cases[i].key, cases[i].ascq, v, error);
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
        cmocka_unit_test(refusals_in_a_row_count),
        cmocka_unit_test(answers_have_verdicts),
        cmocka_unit_test(logins_have_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
