// Tests of model/unit: names of enums, also of numbers outside them.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names(void **state)
{
    (void)state;
    assert_string_equal(member_kind_name(MEMBER_UNIT), "unit");
    assert_string_equal(member_kind_name(MEMBER_HOST), "host");
    assert_string_equal(member_state_name(MEMBER_STARTING), "starting");
    assert_string_equal(member_state_name(MEMBER_SHUTTING_DOWN), "shutting_down");
    assert_string_equal(medium_kind_name(MEDIUM_DIR), "dir");
    assert_string_equal(medium_kind_name(MEDIUM_RBD), "rbd");
    assert_string_equal(medium_state_name(MEDIUM_ONLINE), "online");
    assert_string_equal(medium_state_name(MEDIUM_FAILED), "failed");
    assert_string_equal(volume_state_name(VOLUME_CREATING), "creating");
    assert_string_equal(volume_state_name(VOLUME_DELETING), "deleting");
    assert_string_equal(access_state_name(ACCESS_PENDING), "pending");
    assert_string_equal(access_state_name(ACCESS_REVOKING), "revoking");
}

static void outside(void **state)
{
    (void)state;
    static const int numbers[] = {0, 6, 77, -1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_string_equal(member_kind_name(numbers[i]), "unknown");
        assert_string_equal(member_state_name(numbers[i]), "unknown");
        assert_string_equal(medium_kind_name(numbers[i]), "unknown");
        assert_string_equal(medium_state_name(numbers[i]), "unknown");
        assert_string_equal(volume_state_name(numbers[i]), "unknown");
        assert_string_equal(access_state_name(numbers[i]), "unknown");
    }
}

static void end_lba(void **state)
{
    (void)state;
    struct volume v = {.start_lba = ALLOC_BLOCKS, .blocks = 2 * ALLOC_BLOCKS};
    assert_true(volume_end_lba(&v) == 3 * ALLOC_BLOCKS - 1);
}

static void groups(void **state)
{
    (void)state;
    static const struct {
        uint32_t index, groups, group;
    } cases[] = {
        {1, 1, 1},   {2, 1, 1},   {INT32_MAX, 1, 1}, {1, 2, 1},           {2, 2, 2},
        {3, 2, 1},   {10, 3, 1},  {11, 3, 2},        {12, 3, 3},          {16, UNIT_GROUPS_MAX, 16},
        {17, 16, 1}, {100, 7, 2}, {INT32_MAX, 2, 1}, {INT32_MAX, 16, 15},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(volume_group(cases[i].index, cases[i].groups), cases[i].group);
}

// Whatever run of indexes a unit's volumes have, no group has two volumes more than another.
static void even(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= UNIT_GROUPS_MAX; n++)
        for (uint32_t first = 1; first <= n + 1; first++) {
            uint32_t count[UNIT_GROUPS_MAX + 1] = {0}, most = 0, least = UINT32_MAX;
            for (uint32_t index = first; index < first + 100; index++)
                count[volume_group(index, n)]++;
            for (uint32_t group = 1; group <= n; group++) {
                most = count[group] > most ? count[group] : most;
                least = count[group] < least ? count[group] : least;
            }
            assert_true(most - least <= 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),  cmocka_unit_test(outside), cmocka_unit_test(end_lba),
        cmocka_unit_test(groups), cmocka_unit_test(even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
