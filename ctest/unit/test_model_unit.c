// Tests of model/unit: names of enums, also of numbers outside them.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/chap.h"

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

// Each by: printf %s:%s SECRET UUID | openssl dgst -sha256 -binary | openssl base64 | cut -c1-16 |
// tr +/ ab
static void chap(void **state)
{
    static const struct {
        const char *secret, *uuid, *wanted;
    } rows[] = {
        {"Sixteen-chars-ab", "00000000-0000-0000-0000-000000000001", "WbGMx9T7LXnUG83w"},
        {"Sixteen-chars-ab", "00000000-0000-0000-0000-000000000003", "1U5kazJ8aAUjR15x"},
        {"twelve-chars", "00000000-0000-0000-0000-000000000001", "P6JOtCXLpYyV3h0S"},
        {"Sixteen-chars-ab", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "tv5cdggsJr8YYz2J"},
        {"twelve-chars", "6BA7B810-9dad-11d1-80b4-00c04fd430c8", "gG1R3u0ScG6m1MqK"},
        {"Sixteen-chars-ab", "ffffffff-ffff-ffff-ffff-ffffffffffff", "tluU93KbAvg4Zk7q"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[CHAP_SECRET_MAX + 1];
        struct dv_uuid uuid;
        assert_true(uuid_parse(rows[i].uuid, &uuid));
        chap_unit_secret(rows[i].secret, &uuid, out);
        assert_string_equal(out, rows[i].wanted);
        assert_int_equal(chap_secret_check(out, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),  cmocka_unit_test(outside), cmocka_unit_test(end_lba),
        cmocka_unit_test(groups), cmocka_unit_test(even),    cmocka_unit_test(chap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
