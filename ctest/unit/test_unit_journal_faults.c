// Tests of a unit's journal that cannot be read: damage is told from faults that pass.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/db_faults.h"

#include "snmp-agents/unit/journal.h"

static const char *db_file(void)
{
    return "unit.db";
}

static bool open_it(struct dv_err *err)
{
    struct journal *j = journal_open(dir, err);
    bool opened = j && journal_count_start(j, err) == 0;
    journal_close(j);
    return opened;
}

static void tables_of_another_shape_are_damage(void **state)
{
    (void)state;
    assert_damage("ALTER TABLE member DROP COLUMN last_index");
    assert_damage("DROP TABLE counted");
    assert_damage("PRAGMA user_version = 1"); // steps that were made already
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(passing_faults_are_no_damage),
        TEST(too_little_memory_is_no_damage),
        TEST(tables_of_another_shape_are_damage),
    };
    return cmocka_run_group_tests_name("unit journal faults", tests, set_up_all, NULL);
}
