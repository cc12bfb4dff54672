// Tests of logic/strangers: who has to go, and who never has to.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/strangers.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void decisions(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct stranger list[6];
        size_t count, weakest;
    } table[] = {
        {"one alone", {{"a", 5, false}}, 1, 0},
        {"the oldest of one sender", {{"a", 7, false}, {"a", 5, false}, {"a", 6, false}}, 3, 1},
        {"of the one with most places, though others are older",
         {{"b", 1, false}, {"a", 7, false}, {"a", 6, false}, {"c", 2, false}},
         4,
         2},
        {"of senders with one place each the oldest",
         {{"c", 3, false}, {"b", 2, false}, {"a", 4, false}},
         3,
         1},
        {"of senders with two places each that with the oldest",
         {{"a", 5, false}, {"b", 2, false}, {"a", 3, false}, {"b", 9, false}},
         4,
         1},
        {"not one that has answered",
         {{"a", 1, true}, {"a", 2, true}, {"a", 3, true}, {"b", 9, false}},
         4,
         3},
        {"unless all have", {{"a", 3, true}, {"b", 1, true}, {"a", 2, true}}, 3, 2},
        {"answered places do not count against a sender",
         {{"a", 4, true}, {"a", 4, true}, {"a", 4, false}, {"b", 6, false}, {"b", 5, false}},
         5,
         4},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++)
        if (strangers_weakest(table[i].list, table[i].count) != table[i].weakest)
            fail_msg("%s: %zu", table[i].what, strangers_weakest(table[i].list, table[i].count));
}

// 600 announcements from one sender, then one from another, again and again: that one stays.
static void flood(void **state)
{
    (void)state;
    enum { PLACES = 256 };
    struct stranger list[PLACES];
    size_t honest = PLACES;
    for (size_t i = 0; i < PLACES; i++)
        list[i] = (struct stranger){"192.0.2.66", i, false};
    for (uint64_t now = PLACES; now < 4 * PLACES; now++) {
        size_t at = strangers_weakest(list, PLACES);
        assert_int_not_equal(at, honest);
        bool is_honest = now == PLACES + 3;
        list[at] = (struct stranger){is_honest ? "192.0.2.7" : "192.0.2.66", now, false};
        if (is_honest)
            honest = at;
    }
    assert_string_equal(list[honest].sender, "192.0.2.7");
}

static void senders(void **state)
{
    (void)state;
    char out[SENDER_ROOM], wide[200];
    assert_string_equal(stranger_sender("UDP: [192.0.2.7]:4711->[192.0.2.1]:1162", out),
                        "192.0.2.7");
    assert_string_equal(stranger_sender("UDP/IPv6: [2001:db8::7]:4711->[2001:db8::1]:1162", out),
                        "2001:db8::7");
    assert_string_equal(stranger_sender("TCP: [127.0.0.1]:1->[127.0.0.1]:2", out), "127.0.0.1");
    assert_string_equal(stranger_sender("", out), "");
    assert_string_equal(stranger_sender("callback: 1", out), "callback:");
    memset(wide, 'x', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    assert_int_equal(strlen(stranger_sender(wide, out)), SENDER_ROOM - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions),
        cmocka_unit_test(flood),
        cmocka_unit_test(senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
