// Tests of the accounts of folders: what is wrong in them is mended, or told.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/accounts.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t)ALLOC_BLOCKS)

struct row { // in MiB
    uint64_t start, blocks, target_start, target;
};

struct table {
    uint64_t total;
    struct row rows[4]; // of no blocks: no more
    uint64_t starts[4]; // as mended
    bool fits;
};

static const struct table TABLES[] = {
    {20, {{0, 4, 0, 0}, {4, 4, 0, 0}}, {0, 4}, true},                    // good as it is
    {20, {{0, 4, 0, 0}, {2, 4, 0, 0}}, {0, 4}, true},                    // overlaps
    {20, {{0, 4, 0, 0}, {0, 4, 0, 0}, {0, 4, 0, 0}}, {0, 4, 8}, true},   // the same place
    {20, {{0, 4, 0, 0}, {18, 4, 0, 0}}, {0, 4}, true},                   // sticks out
    {20, {{0, 4, 0, 0}, {100, 4, 0, 0}}, {0, 4}, true},                  // outside
    {20, {{0, 4, 0, 8}, {6, 4, 0, 0}}, {0, 8}, true},                    // over what is to be
    {20, {{0, 4, 0, 0}, {2, 4, 2, 6}}, {0, 4}, true},                    // itself to be
    {20, {{0, 4, 0, 0}, {2, 4, 12, 6}, {6, 4, 0, 0}}, {0, 10, 6}, true}, // there and elsewhere
    {10, {{0, 4, 0, 0}, {2, 8, 0, 0}}, {0, 2}, false},                   // no room
    {10, {{0, 4, 0, 0}, {3, 4, 0, 0}, {2, 8, 0, 0}}, {0, 4, 2}, false},  // no room for one
    {20,
     {{0, 4, 0, 0}, {(uint64_t)INT64_MAX / ALLOC_BLOCKS - 1, 4, 0, 0}},
     {0, 4},
     true}, // overflows
};

static void fill(const struct table *t, struct state *s, struct journal *j)
{
    const struct medium m = {
        .index = 1, .kind = MEDIUM_DIR, .name = "m1", .blocks = t->total * MIB};
    state_add_medium(s, &m, true);
    for (uint32_t i = 0; i < 4 && t->rows[i].blocks; i++) {
        struct volume v = {.index = i + 1,
                           .uuid = uuid_random(),
                           .medium = 1,
                           .start_lba = t->rows[i].start * MIB,
                           .blocks = t->rows[i].blocks * MIB,
                           .target_start_lba = t->rows[i].target_start * MIB,
                           .target_blocks = t->rows[i].target * MIB};
        snprintf(v.name, sizeof(v.name), "v%u", i);
        snprintf(v.iqn, sizeof(v.iqn), "iqn.2026-11.test:%u", i);
        state_add_volume(s, &v)->made = true;
        assert_int_equal(journal_put_volume(j, &v, true, NULL), 0);
    }
}

static void accounts_are_mended(void **state)
{
    (void)state;
    for (size_t n = 0; n < DV_COUNT(TABLES); n++) {
        char dir[] = "/tmp/dvsan-test-accounts-XXXXXX", command[64];
        struct dv_err err;
        assert_non_null(mkdtemp(dir));
        struct journal *j = journal_open(dir, &err);
        struct state *s = state_new(0, 1);
        fill(&TABLES[n], s, j);
        assert_int_equal(accounts_mend(s, j, &err), 0);
        for (uint32_t i = 0; i < 4 && TABLES[n].rows[i].blocks; i++)
            assert_int_equal(state_volume(s, i + 1)->v.start_lba, TABLES[n].starts[i] * MIB);
        int rc = state_check_accounts(s, state_medium(s, 1), &err);
        assert_int_equal(rc == 0, TABLES[n].fits);
        state_free(s);
        s = state_new(0, 1);
        assert_int_equal(journal_load(j, s, &err), 0);
        for (uint32_t i = 0; TABLES[n].fits && i < 4 && TABLES[n].rows[i].blocks; i++)
            assert_int_equal(state_volume(s, i + 1)->v.start_lba, TABLES[n].starts[i] * MIB);
        state_free(s);
        journal_close(j);
        snprintf(command, sizeof(command), "rm -rf '%s'", dir);
        assert_int_equal(system(command), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_are_mended),
    };
    return cmocka_run_group_tests_name("unit accounts", tests, NULL, NULL);
}
