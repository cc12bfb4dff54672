// How often a unit is looked at: the bound.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#define START UINT64_C(100000000)

// How many looks there are until the end, each as soon as may be.
static unsigned looks(struct pace *p, uint64_t now, uint64_t end)
{
    unsigned n = 0;
    for (;;) {
        uint64_t at = pace_next(p, now);
        if (at >= end)
            return n;
        assert_in_range(at, now, now + PACE_LOOK_MS);
        pace_look(p, now = at);
        n++;
    }
}

static void test_as_fast_as_it_answers(void **state)
{
    struct pace p = {0};
    const unsigned in_a_minute = 60000 / PACE_LOOK_MS;
    (void)state;
    assert_in_range(looks(&p, START, START + 1), PACE_AT_ONCE, PACE_AT_ONCE + 1);
    assert_in_range(looks(&p, START + 1, START + 60000), in_a_minute - 1, in_a_minute);
}

static void test_a_rest_is_worth_no_more_than_a_burst(void **state)
{
    struct pace p = {0};
    (void)state;
    (void)looks(&p, START, START + 1);
    assert_in_range(looks(&p, START + 1000, START + 1001), 1000 / PACE_LOOK_MS - 1,
                    1000 / PACE_LOOK_MS + 1);
    assert_in_range(looks(&p, 2 * START, 2 * START + 1), PACE_AT_ONCE, PACE_AT_ONCE + 1);
}

static void test_polls_never_wait(void **state)
{
    struct pace p = {0};
    (void)state;
    for (uint64_t now = 5; now < 100000; now += 1000) {
        assert_int_equal(pace_next(&p, now), now);
        pace_look(&p, now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_fast_as_it_answers),
        cmocka_unit_test(test_a_rest_is_worth_no_more_than_a_burst),
        cmocka_unit_test(test_polls_never_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
