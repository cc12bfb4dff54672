// Tests of a unit's state from its answers and silences.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/health.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// A history: 's' starting, 'r' running, 'd' degraded, 'b' shutting down, '-' silence.
struct history {
    enum unit_state from;
    const char *looks;
    enum unit_state to;
};

static const struct history histories[] = {
    {UNIT_JOINING, "r", UNIT_UP},
    {UNIT_JOINING, "ssr", UNIT_UP},
    {UNIT_JOINING, "s", UNIT_JOINING},
    {UNIT_UP, "-", UNIT_UP},
    {UNIT_UP, "--", UNIT_UP},
    {UNIT_UP, "---", UNIT_DOWN},
    {UNIT_UP, "--r--", UNIT_UP}, // only silences in a row count
    {UNIT_UP, "--r---", UNIT_DOWN},
    {UNIT_UP, "----------", UNIT_DOWN},
    {UNIT_UP, "---r", UNIT_UP},
    {UNIT_UP, "d", UNIT_DEGRADED},
    {UNIT_DEGRADED, "r", UNIT_UP},
    {UNIT_DEGRADED, "---", UNIT_DOWN},
    {UNIT_UP, "b", UNIT_STOPPED},
    {UNIT_UP, "b---", UNIT_STOPPED}, // silence after a good-bye is what is expected
    {UNIT_STOPPED, "---", UNIT_STOPPED},
    {UNIT_STOPPED, "r", UNIT_UP},
    {UNIT_STOPPED, "s", UNIT_JOINING},
    {UNIT_DOWN, "sr", UNIT_UP},
    {UNIT_CONFLICT, "r", UNIT_CONFLICT},
    {UNIT_CONFLICT, "---", UNIT_CONFLICT},
};

static struct health_look look_of(char c)
{
    static const char letters[] = "?srdb";
    const char *at = strchr(letters, c);
    if (!at)
        return (struct health_look){.answered = false};
    return (struct health_look){.answered = true, .oper = (enum member_state)(at - letters)};
}

static void test_histories(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(histories); i++) {
        const struct history *h = &histories[i];
        enum unit_state s = h->from;
        unsigned misses = 0;
        for (const char *c = h->looks; *c; c++) {
            struct health_look look = look_of(*c);
            s = health_next(s, &look, &misses);
        }
        if (s != h->to)
            fail_msg("%s and \"%s\": got %s, want %s", unit_state_name(h->from), h->looks,
                     unit_state_name(s), unit_state_name(h->to));
    }
}

static void test_who_takes_orders(void **state)
{
    (void)state;
    for (int s = UNIT_JOINING; s <= UNIT_CONFLICT; s++)
        assert_int_equal(health_takes_orders((enum unit_state)s),
                         s == UNIT_UP || s == UNIT_DEGRADED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_who_takes_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
