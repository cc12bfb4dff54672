// Tests of which keys are tried and what is done next when a member's keys are rotated.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/rekey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define Y        REKEY_ANSWERED
#define SPENT(n) (0x80000000U + (n))

static void candidates(void **state)
{
    (void)state;
    static const struct {
        uint32_t current, wanted;
        unsigned place;
        uint32_t want[REKEY_CANDIDATES + 1]; // up to UINT32_MAX
    } rows[] = {
        {5, 0, 1, {5, 7, 9, 11, 13, 15, 17, 19, 21, UINT32_MAX}},
        {5, 6, 1, {5, 7, 9, 11, 13, 15, 17, 19, 21, UINT32_MAX}},
        {5, 0, 0, {4, SPENT(4), 6, 8, 10, 12, 14, 16, 18, 20, UINT32_MAX}},
        {5, 6, 0, {6, 4, SPENT(4), 8, 10, 12, 14, 16, 18, 20, UINT32_MAX}},
        {4, 5, 1, {5, 3, SPENT(3), 7, 9, 11, 13, 15, 17, 19, UINT32_MAX}},
        // The place of a member that never rotated has the keys of number 0.
        {1, 2, 0, {2, 0, SPENT(0), 4, 6, 8, 10, 12, 14, 16, UINT32_MAX}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t got[REKEY_CANDIDATES];
        size_t n = rekey_candidates(rows[i].current, rows[i].wanted, rows[i].place, got);
        size_t want = 0;
        while (rows[i].want[want] != UINT32_MAX)
            want++;
        assert_int_equal(n, want);
        assert_memory_equal(got, rows[i].want, n * sizeof *got);
    }
}

static void steps(void **state)
{
    (void)state;
    static const struct {
        struct rekey_facts facts;
        struct rekey_order want;
    } rows[] = {
        {{.current = 5}, {REKEY_NONE, 0, 0}},
        {{.current = 5, .wanted = 6}, {REKEY_TRY, 0, 6}},
        {{.current = 5, .wanted = 6, .asked = {REKEY_SILENT}}, {REKEY_LOST, 0, 6}},
        // From whatever was proven, never from a guess.
        {{.current = 5, .wanted = 6, .asked = {Y}, .proven = {4}}, {REKEY_CHANGE, 0, 6}},
        {{.current = 5, .wanted = 6, .asked = {Y}, .proven = {SPENT(4)}}, {REKEY_CHANGE, 0, 6}},
        {{.current = 1, .wanted = 2, .asked = {Y}, .proven = {0}}, {REKEY_CHANGE, 0, 2}},
        // A member that is further is never led back.
        {{.current = 5, .wanted = 6, .asked = {Y}, .proven = {8}}, {REKEY_RAISE, 0, 8}},
        // A run that was cut off after the change may not have saved.
        {{.current = 5, .wanted = 6, .asked = {Y}, .proven = {6}}, {REKEY_SAVE, 0, 6}},
        {{.current = 5, .wanted = 6, .asked = {Y}, .proven = {6}, .saved = {true}},
         {REKEY_GIVE, 0, 6}},
        {{.current = 5, .wanted = 6, .asked = {Y}, .proven = {6}, .saved = {true}, .given = true},
         {REKEY_RECORD, 0, 6}},
        // The number before ends only after the new one is recorded.
        {{.current = 5, .wanted = 6, .asked = {Y}, .proven = {6}, .saved = {true}, .alone = true},
         {REKEY_GIVE, 0, 6}},
        {{.current = 6, .alone = true, .asked = {Y, Y}, .proven = {6, 7}}, {REKEY_RAISE, 1, 7}},
        {{.current = 6, .wanted = 6, .alone = true}, {REKEY_TRY, 1, SPENT(5)}},
        {{.current = 6, .alone = true, .asked = {Y, Y}, .proven = {6, 5}},
         {REKEY_CHANGE, 1, SPENT(5)}},
        {{.current = 6, .alone = true, .asked = {Y, Y}, .proven = {6, SPENT(5)}},
         {REKEY_SAVE, 1, SPENT(5)}},
        {{.current = 6,
          .alone = true,
          .asked = {Y, Y},
          .proven = {6, SPENT(5)},
          .saved = {true, true}},
         {REKEY_END, 0, 6}},
        {{.current = 6, .asked = {Y, Y}, .proven = {6, 5}}, {REKEY_NONE, 0, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rekey_order got = rekey_next(&rows[i].facts);
        assert_int_equal(got.step, rows[i].want.step);
        assert_int_equal(got.place, rows[i].want.place);
        assert_int_equal(got.number, rows[i].want.number);
    }
}

static void searching(void **state)
{
    (void)state;
    struct unit_record u = {.key_number = 5, .key_before = true};
    uint32_t got[REKEY_SEARCHED];
    assert_int_equal(rekey_search(&u, got), 17);
    assert_int_equal(got[0], 4);
    assert_int_equal(got[1], 6);
    assert_int_equal(got[16], 21);
    // What was ended, is to end, or lost its place, is never gone back to.
    u.key_before = false;
    assert_int_equal(rekey_search(&u, got), 16);
    assert_int_equal(got[0], 6);
    u = (struct unit_record){.key_number = 5, .key_before = true, .key_alone = true};
    assert_int_equal(rekey_search(&u, got), 16);
    u = (struct unit_record){.key_number = 5, .key_before = true, .key_wanted = 6};
    assert_int_equal(rekey_search(&u, got), 16);
}

static void finding(void **state)
{
    (void)state;
    static const struct {
        struct unit_record before;
        uint32_t found;
        struct unit_record after;
        uint32_t listens; // then, beside the number itself
        bool open;
    } rows[] = {
        // The unit's backup: it is given what it had lost.
        {{.key_number = 5, .key_before = true}, 4, {.key_number = 4, .key_wanted = 5}, 5, true},
        // The station's.
        {{.key_number = 5, .key_before = true}, 7, {.key_number = 7}, 8, false},
        {{.key_number = 5}, 6, {.key_number = 6}, 7, false},
        // A rotation that was asked for ends with keys that are new.
        {{.key_number = 5, .key_wanted = 6, .key_alone = true},
         6,
         {.key_number = 6, .key_wanted = 7, .key_alone = true},
         7,
         true},
        {{.key_number = 5, .key_wanted = 8}, 7, {.key_number = 7, .key_wanted = 8}, 8, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct unit_record u = rows[i].before;
        rekey_found(&u, rows[i].found);
        assert_memory_equal(&u, &rows[i].after, sizeof u);
        assert_int_equal(rekey_listens(&u), rows[i].listens);
        assert_int_equal(rekey_is_open(&u), rows[i].open);
    }
    const struct unit_record rotated = {.key_number = 5, .key_before = true};
    const struct unit_record ending = {.key_number = 5, .key_before = true, .key_alone = true};
    assert_int_equal(rekey_listens(&rotated), 4);
    assert_false(rekey_is_open(&rotated));
    assert_true(rekey_is_open(&ending));
}

static void catching_up(void **state)
{
    (void)state;
    struct unit_record u = {.key_number = 5};
    assert_int_equal(rekey_behind(&u, 5), 0);
    assert_int_equal(rekey_behind(&u, 0), 0);
    assert_int_equal(rekey_behind(&u, 6), 6);
    assert_int_equal(rekey_behind(&u, 4), 6); // there is no way back
    u.key_wanted = 6;
    assert_int_equal(rekey_behind(&u, 6), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(candidates), cmocka_unit_test(steps),
                                       cmocka_unit_test(searching), cmocka_unit_test(finding),
                                       cmocka_unit_test(catching_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
