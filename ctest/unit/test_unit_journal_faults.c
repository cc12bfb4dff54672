// Tests of a unit's journal that cannot be read: damage is told from faults that pass.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/db_faults.h"

#include "unit/journal.h"

static const char *db_file(void)
{
    return "unit.db";
}

#define HINT "; where there is no backup, see --rebuild in dvsan-unit(8)"

// What is to be done is said once, and to its end.
static void assert_advice(const char *text)
{
    size_t len = strlen(text);
    const char *advice = strstr(text, "stop the ");
    if (!advice || strstr(advice + 1, "stop the ") || len < strlen(HINT) ||
        strcmp(text + len - strlen(HINT), HINT) != 0)
        fail_msg("%s", text);
}

static bool open_it(struct dv_err *err)
{
    struct journal *j = journal_open(dir, err);
    struct state *state = state_new(1, 1);
    bool opened = j && journal_load(j, state, err) == 0 && journal_count_start(j, err) == 0;
    state_free(state);
    journal_close(j);
    if (!opened && err->code == DV_DAMAGED)
        assert_advice(err->text);
    return opened;
}

static void tables_of_another_shape_are_damage(void **state)
{
    (void)state;
    assert_damage("ALTER TABLE member DROP COLUMN last_index");
    assert_damage("DROP TABLE counted");
    assert_damage("PRAGMA user_version = 1"); // steps that were made already
}

static void what_is_damaged_is_told_with_one_advice(void **state)
{
    static const char *const changes[] = {
        "ALTER TABLE volume RENAME COLUMN iqn TO name_of_target", // a statement that cannot be made
        "INSERT INTO listener (tgtd, address, port) VALUES ('/run/t.0', 'nowhere', 3260)", // a
                                                                                           // value
        "UPDATE member SET epoch = -1",
    };
    (void)state;
    for (size_t i = 0; i < DV_COUNT(changes); i++)
        assert_damage(changes[i]);
}

static void a_long_path_cuts_no_advice(void **state)
{
    struct dv_err err;
    char *shorter = dv_strdup(dir);
    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(dir);
        snprintf(dir + len, sizeof(dir) - len, "/%.*s", 90,
                 "a-folder-with-a-long-name-"
                 "a-folder-with-a-long-name-a-folder-with-a-long-name-a-folder-with-a-long-name");
    }
    assert_true(open_it(&err));
    DV_FREE char *path = dv_printf("%s/unit.db", dir);
    assert_int_equal(
        file_write_atomic(path, "this is no database, whatever its name is", 40, 0600, &err), 0);
    assert_false(open_it(&err));
    assert_int_equal(err.code, DV_DAMAGED);
    strcpy(dir, shorter);
    free(shorter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(passing_faults_are_no_damage),       TEST(too_little_memory_is_no_damage),
        TEST(tables_of_another_shape_are_damage), TEST(what_is_damaged_is_told_with_one_advice),
        TEST(a_long_path_cuts_no_advice),
    };
    return cmocka_run_group_tests_name("unit journal faults", tests, set_up_all, NULL);
}
