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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(outside),
        cmocka_unit_test(end_lba),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
