// Who may order what of a unit, and whether a station may lead it: tables of both decisions.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/lead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define A                                                                                          \
    {                                                                                              \
        {                                                                                          \
            0xaa                                                                                   \
        }                                                                                          \
    }
#define B                                                                                          \
    {                                                                                              \
        {                                                                                          \
            0xbb                                                                                   \
        }                                                                                          \
    }
#define NONE                                                                                       \
    {                                                                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

static const struct lead KEPT = {.word = {A, 10, 7}, .name = "pool one"};
static const struct lead NOBODY = {.word = {NONE, 0, 0}};

static void test_the_unit_decides(void **arg)
{
    (void)arg;
    static const struct {
        const char *what;
        const struct lead *now;
        bool held;
        struct lead_ask ask;
        const char *why; // in the sentence; NULL: it may be
    } table[] = {
        // Without a word.
        {"a tool, nobody leads", &NOBODY, false, {.undone = true}, NULL},
        {"a tool, a plain lease holds", &NOBODY, true, {.undone = true}, NULL},
        {"a tool, the lease has run out", &KEPT, false, {.undone = true}, NULL},
        {"a tool, a station leads", &KEPT, true, {.undone = true}, "pool one"},
        {"a tool, what is taken over", &KEPT, true, {.undone = false}, NULL},
        {"a plain lease, a station leads", &KEPT, true, {.lease = true}, "names no station"},
        {"a plain lease, by force", &KEPT, true, {.lease = true, .take_over = true}, "no station"},
        {"a plain lease, none leads", &KEPT, false, {.lease = true}, NULL},
        // The station that leads, or led.
        {"its order", &KEPT, true, {.word = {A, 10, 7}, .undone = true}, NULL},
        {"its order, newer", &KEPT, true, {.word = {A, 11, 7}, .undone = true}, NULL},
        {"its order, after a restart",
         &KEPT,
         true,
         {.word = {A, 11, 8}, .undone = true},
         "does not know"},
        {"its lease, after a restart",
         &KEPT,
         true,
         {.word = {A, 11, 8}, .lease = true, .knows = true},
         NULL},
        {"its lease, after a restart, late",
         &KEPT,
         false,
         {.word = {A, 11, 8}, .lease = true, .knows = true},
         NULL},
        {"its lease, blind", &KEPT, true, {.word = {A, 11, 8}, .lease = true}, "does not know"},
        {"its lease, blind, by force",
         &KEPT,
         true,
         {.word = {A, 11, 8}, .lease = true, .take_over = true},
         "does not know"},
        {"its lease, of a copy",
         &KEPT,
         true,
         {.word = {A, 10, 8}, .lease = true, .knows = true},
         "another copy"},
        {"its order, late", &KEPT, false, {.word = {A, 10, 7}, .undone = true}, NULL},
        {"its order, older", &KEPT, true, {.word = {A, 9, 7}, .undone = true}, "older store"},
        {"its order, of a copy", &KEPT, true, {.word = {A, 10, 8}, .undone = true}, "another copy"},
        {"its lease, older", &KEPT, true, {.word = {A, 9, 7}, .lease = true}, "older store"},
        {"its lease, older, held no more",
         &KEPT,
         false,
         {.word = {A, 9, 7}, .lease = true},
         "older"},
        {"its lease, older, by force",
         &KEPT,
         true,
         {.word = {A, 9, 7}, .lease = true, .take_over = true},
         "older store"},
        // Another one.
        {"another's order", &KEPT, true, {.word = {B, 99, 1}, .undone = true}, "does not lead"},
        {"another's order, none leads",
         &KEPT,
         false,
         {.word = {B, 99, 1}, .undone = true},
         "does not lead"},
        {"another's order, nobody led",
         &NOBODY,
         false,
         {.word = {B, 99, 1}, .undone = true},
         "does not lead"},
        {"another's lease",
         &KEPT,
         true,
         {.word = {B, 99, 1}, .lease = true, .name = "pool two"},
         "pool two asked for the lead"},
        {"another's lease, run out",
         &KEPT,
         false,
         {.word = {B, 1, 1}, .lease = true, .knows = true},
         NULL},
        {"another's lease, run out, blind",
         &KEPT,
         false,
         {.word = {B, 1, 1}, .lease = true},
         "does not know"},
        {"another's lease, that knows",
         &KEPT,
         true,
         {.word = {B, 99, 1}, .lease = true, .knows = true},
         "leads this unit"},
        {"another's lease, by force, blind",
         &KEPT,
         true,
         {.word = {B, 1, 1}, .lease = true, .take_over = true},
         "does not know"},
        {"another's lease, by force",
         &KEPT,
         true,
         {.word = {B, 1, 1}, .lease = true, .take_over = true, .knows = true},
         NULL},
        {"a first lease", &NOBODY, false, {.word = {B, 1, 1}, .lease = true}, NULL},
        {"lease and orders at once",
         &NOBODY,
         false,
         {.word = {B, 1, 1}, .lease = true, .undone = true},
         NULL},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        char why[LEAD_WHY_ROOM];
        bool may = lead_may_set(table[i].now, table[i].held, &table[i].ask, why);
        if (may != !table[i].why || (table[i].why && !strstr(why, table[i].why)))
            fail_msg("%s: %s, \"%s\"", table[i].what, may ? "it may" : "refused", why);
        assert_true(may == (why[0] == '\0'));
    }
}

static void test_the_longest_names_fit(void **arg)
{
    (void)arg;
    struct lead now = KEPT;
    char name[LEAD_NAME_MAX + 1], why[LEAD_WHY_ROOM];
    memset(now.name, 'x', LEAD_NAME_MAX);
    memset(name, 'y', LEAD_NAME_MAX);
    name[LEAD_NAME_MAX] = '\0';
    struct lead_ask ask = {.word = {B, 1, 1}, .lease = true, .name = name};
    assert_false(lead_may_set(&now, true, &ask, why));
    assert_true(strlen(why) < LEAD_WHY_ROOM);
    assert_non_null(strstr(why, "leads this unit"));
}

static void test_the_station_decides(void **arg)
{
    (void)arg;
    static const struct lead_run runs[] = {{100, 5}, {200, 9}, {300, 12}}; // 300 is this start
    static const struct {
        const char *what;
        struct lead_word shown;
        bool held;
        struct lead_word accepted;
        enum lead_standing standing;
    } table[] = {
        {"nobody led", {NONE, 0, 0}, false, {NONE, 0, 0}, LEAD_FREE},
        {"this start's", {A, 12, 300}, true, {NONE, 0, 0}, LEAD_OURS},
        {"this start's, some orders ago", {A, 10, 300}, false, {NONE, 0, 0}, LEAD_OURS},
        {"the start before", {A, 9, 200}, true, {NONE, 0, 0}, LEAD_OURS},
        {"long ago", {A, 2, 100}, false, {NONE, 0, 0}, LEAD_OURS},
        // The store was put back: the unit heard what was ordered since.
        {"later in a known start", {A, 10, 200}, true, {NONE, 0, 0}, LEAD_NEWER},
        {"later in this start, of a copy of the machine",
         {A, 13, 300},
         true,
         {NONE, 0, 0},
         LEAD_NEWER},
        {"a start that is not known, lower", {A, 3, 400}, false, {NONE, 0, 0}, LEAD_NEWER},
        {"a start that is not known, equal", {A, 12, 400}, true, {NONE, 0, 0}, LEAD_NEWER},
        {"a start that is not known, higher", {A, 50, 400}, true, {NONE, 0, 0}, LEAD_NEWER},
        {"the same, and it was taken in", {A, 50, 400}, true, {A, 50, 400}, LEAD_FREE},
        {"the same, and more was ordered", {A, 51, 400}, true, {A, 50, 400}, LEAD_NEWER},
        // Another station.
        {"it leads", {B, 12, 300}, true, {NONE, 0, 0}, LEAD_HELD},
        {"it leads, and its word was taken in", {B, 4, 1}, true, {B, 4, 1}, LEAD_HELD},
        {"it led, and its word was taken in", {B, 4, 1}, false, {B, 4, 1}, LEAD_FREE},
        {"it led, and ordered more", {B, 5, 1}, false, {B, 4, 1}, LEAD_FOREIGN},
        {"it led", {B, 12, 300}, false, {NONE, 0, 0}, LEAD_FOREIGN},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct lead_look look = {.shown = table[i].shown,
                                 .held = table[i].held,
                                 .station = A,
                                 .runs = runs,
                                 .run_count = DV_COUNT(runs),
                                 .accepted = table[i].accepted};
        if (lead_stand(&look) != table[i].standing)
            fail_msg("%s: %d", table[i].what, (int)lead_stand(&look));
    }
}

static void test_an_order_without_an_answer(void **arg)
{
    (void)arg;
    static const struct dv_uuid a = A;
    static const struct {
        struct lead_word shown;
        uint32_t number;
        bool may;
    } table[] = {
        {{A, 10, 7}, 10, true},  // its word is the order's
        {{A, 9, 7}, 10, true},   // it knows an older one
        {{A, 9, 7}, 4, false},   // and this one is older still
        {{A, 11, 7}, 10, false}, // told something newer
        {{A, 11, 8}, 10, false}, // after a restart of the station
        {{B, 9, 1}, 10, false},  // another station leads
        {{NONE, 0, 0}, 10, false},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        print_message("line %zu\n", i);
        assert_int_equal(lead_may_carry_out(&table[i].shown, &a, table[i].number), table[i].may);
        // The unit's own decision says the same of the order.
        struct lead now = {.word = table[i].shown};
        struct lead_ask ask = {.word = {A, table[i].number, table[i].shown.mark}};
        char why[LEAD_WHY_ROOM];
        assert_int_equal(lead_may_set(&now, true, &ask, why), table[i].may);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_unit_decides),
        cmocka_unit_test(test_the_longest_names_fit),
        cmocka_unit_test(test_the_station_decides),
        cmocka_unit_test(test_an_order_without_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
