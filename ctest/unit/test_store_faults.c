// Tests of a station's store that cannot be read: damage is told from faults that pass.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/db_faults.h"

#include "store/store.h"

static const char *db_file(void)
{
    return "pool.db";
}

static bool open_it(struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/%s", dir, db_file());
    struct store *s = store_open(path, err);
    store_free(s);
    return s != NULL;
}

static void tables_of_another_shape_are_damage(void **state)
{
    (void)state;
    assert_damage("DROP TABLE event");
    assert_damage("ALTER TABLE host RENAME TO guest");
    assert_damage("PRAGMA user_version = 1"); // steps that were made already
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(passing_faults_are_no_damage),
        TEST(too_little_memory_is_no_damage),
        TEST(tables_of_another_shape_are_damage),
    };
    return cmocka_run_group_tests_name("store faults", tests, set_up_all, NULL);
}
