// Tests of iscsi/split: requests to commands within the target's limits.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/split.h"

#include "base/mem.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void limits_come_from_pages(void **state)
{
    (void)state;
    static const struct {
        struct split_pages pages;
        struct split_limits is;
    } cases[] = {
        // A target that states nothing.
        {{.block_size = 512}, {512, SPLIT_TRANSFER_CAP, 0, 0}},
        // tgtd with thin provisioning.
        {{512, 0, 0xffffffff, 0xffffffff, 0, true, true},
         {512, SPLIT_TRANSFER_CAP, 1u << 30, 1u << 30}},
        // tgtd without: the pages are there, and say no.
        {{512, 0, 0, 0, 0, false, false}, {512, SPLIT_TRANSFER_CAP, 0, 0}},
        // A target with small limits.
        {{4096, 16, 256, 1, 8, true, true}, {4096, 65536, 1u << 20, 32768}},
        // UNMAP claimed, with no descriptor to do it with.
        {{512, 0, 100, 0, 0, true, false}, {512, SPLIT_TRANSFER_CAP, 0, 0}},
        // 64-bit limits do not wrap.
        {{512, 0xffffffff, 1, 1, UINT64_MAX, true, true}, {512, SPLIT_TRANSFER_CAP, 512, 1u << 30}},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct split_limits l = split_limits_from(&cases[i].pages);
        assert_int_equal(l.block_size, cases[i].is.block_size);
        assert_int_equal(l.transfer, cases[i].is.transfer);
        assert_int_equal(l.unmap, cases[i].is.unmap);
        assert_int_equal(l.same, cases[i].is.same);
    }
}

static void commands_fit_operations(void **state)
{
    (void)state;
    const struct split_limits full = {512, 65536, 1u << 30, 1u << 30}, none = {512, 65536, 0, 0};
    static const struct {
        enum leg_op op;
        unsigned flags;
        enum split_command with, without;
    } cases[] = {
        {LEG_READ, 0, SPLIT_READ, SPLIT_READ},
        {LEG_WRITE, LEG_FUA, SPLIT_WRITE, SPLIT_WRITE},
        {LEG_FLUSH, 0, SPLIT_SYNC, SPLIT_SYNC},
        {LEG_SIZE, 0, SPLIT_CAPACITY, SPLIT_CAPACITY},
        {LEG_TRIM, 0, SPLIT_UNMAP, SPLIT_NOTHING},
        {LEG_ZERO, LEG_MAY_TRIM, SPLIT_SAME, SPLIT_WRITE_ZEROS},
        {LEG_ZERO, 0, SPLIT_WRITE_ZEROS, SPLIT_WRITE_ZEROS}, // the blocks are to stay allocated
        {LEG_ZERO, LEG_MAY_TRIM | LEG_FAST, SPLIT_SAME, SPLIT_REFUSE},
        {LEG_ZERO, LEG_FAST, SPLIT_REFUSE, SPLIT_REFUSE},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        assert_int_equal(split_command_for(cases[i].op, cases[i].flags, &full), cases[i].with);
        assert_int_equal(split_command_for(cases[i].op, cases[i].flags, &none), cases[i].without);
    }
}

// Cutting up any length yields exactly that length, in whole blocks, within the limit.
static void parts_add_up(void **state)
{
    (void)state;
    const struct split_limits l = {512, 65536, 1 << 20, 512};
    static const uint64_t lengths[] = {512, 65536, 65536 + 512, 33554432, 10000 * 512ull};
    static const enum split_command commands[] = {SPLIT_READ, SPLIT_WRITE_ZEROS, SPLIT_UNMAP,
                                                  SPLIT_SAME};
    static const uint32_t most[] = {65536, 65536, 1 << 20, 512};
    for (size_t c = 0; c < DV_COUNT(commands); c++)
        for (size_t i = 0; i < DV_COUNT(lengths); i++) {
            uint64_t left = lengths[i];
            while (left) {
                uint32_t n = split_next(commands[c], left, &l);
                assert_true(n > 0 && n <= left && n <= most[c] && n % 512 == 0);
                left -= n;
            }
        }
    assert_int_equal(split_next(SPLIT_UNMAP, UINT64_MAX, &l), 1 << 20);
}

static void requests_are_checked(void **state)
{
    (void)state;
    const struct leg_info info = {.bytes = 1 << 20, .block_size = 512};
    static const struct {
        enum leg_op op;
        uint64_t offset, bytes;
        int error;
    } cases[] = {
        {LEG_READ, 0, 1 << 20, 0},
        {LEG_READ, (1 << 20) - 512, 512, 0},
        {LEG_READ, 1, 512, EINVAL},
        {LEG_READ, 0, 513, EINVAL},
        {LEG_WRITE, 0, 0, EINVAL},
        {LEG_READ, 1 << 20, 512, EIO},
        {LEG_WRITE, 1 << 20, 512, ENOSPC},
        {LEG_WRITE, 512, 1 << 20, ENOSPC},
        {LEG_TRIM, UINT64_MAX - 511, 512, ENOSPC},
        {LEG_ZERO, 512, UINT64_MAX - 511, ENOSPC},
        {LEG_FLUSH, 0, 0, 0},
        {LEG_SIZE, 0, 0, 0},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        assert_int_equal(split_check(cases[i].op, cases[i].offset, cases[i].bytes, &info),
                         cases[i].error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_come_from_pages),
        cmocka_unit_test(commands_fit_operations),
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(requests_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
