// Tables, records and progress lines, as a person sees them.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "console/cli/progress.h"
#include "console/cli/table.h"
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
    {"NAME", "name", COLUMN_TEXT},    {"SIZE", "blocks", COLUMN_BLOCKS},
    {"STATE", "state", COLUMN_STATE}, {"DONE", "progress", COLUMN_PERCENT},
    {"THIN", "thin", COLUMN_YES},     {"LBA", "lba", COLUMN_NUMBER},
    {"MADE", "made", COLUMN_TIME},    {"HOSTS", "hosts", COLUMN_LIST},
};
static const char volumes[] =
    "[{\"name\":\"db1\",\"blocks\":20971520,\"state\":\"online\",\"progress\":100,\"thin\":true,"
    "\"lba\":0,\"made\":\"2026-11-22T13:30:23.123Z\",\"hosts\":[\"web\",\"db\"]},"
    "{\"name\":\"a-longer-name\",\"blocks\":3072,\"state\":\"failed\",\"progress\":5,\"thin\":"
    "false,"
    "\"lba\":20971520,\"made\":null,\"hosts\":[]},"
    "{\"name\":\"esc\\u001b[31m\",\"blocks\":null,\"state\":\"creating\"}]";

// What is printed to a stream.
static char *printed(const struct table_style *style, bool record, const char *json)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    json_t *value = json_loads(json, 0, NULL);
    assert_non_null(value);
    if (record)
        table_print_record(out, columns, DV_COUNT(columns), json_array_get(value, 0), style);
    else
        table_print(out, columns, DV_COUNT(columns), value, style);
    json_decref(value);
    fclose(out);
    return text;
}

static void test_plain_table(void **state)
{
    (void)state;
    struct table_style style = {.headings = true};
    DV_FREE char *text = printed(&style, false, volumes);
    assert_string_equal(
        text, "NAME            SIZE STATE    DONE THIN      LBA MADE                      HOSTS\n"
              "db1            10GiB online   100% yes         0 2026-11-22T13:30:23+00:00 web,db\n"
              "a-longer-name 1.5MiB failed     5% no   20971520 -                         -\n"
              "esc?[31m           - creating    - -           - -                         -\n");
}

// Measured room is rounded down where it would be long; what was given is exact.
static void test_room(void **state)
{
    (void)state;
    static const struct table_column room[] = {{"ROOM", "b", COLUMN_ROOM},
                                               {"SIZE", "b", COLUMN_BLOCKS}};
    const struct table_style style = {0};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    json_t *rows =
        json_pack("[{s:I},{s:I},{s:I},{s:I}]", "b", (json_int_t)20971520, "b",
                  (json_int_t)3906250002, "b", (json_int_t)2147483646, "b", (json_int_t)1);
    table_print(out, room, DV_COUNT(room), rows, &style);
    json_decref(rows);
    fclose(out);
    assert_string_equal(text, "    10GiB         10GiB\n"
                              "   1.8TiB 1953125001KiB\n"
                              "1023.9GiB 1073741823KiB\n"
                              "     512B          512B\n");
    free(text);
}

// A time that is there only sometimes is shown as all times are, or not at all.
static void test_since(void **state)
{
    (void)state;
    static const struct table_column as_of[] = {{"Name", "name", COLUMN_TEXT},
                                                {"As of", "as_of", COLUMN_SINCE}};
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{\"name\":\"db1\",\"as_of\":\"2026-11-22T13:30:23.123Z\"}",
         "Name:   db1\nAs of:  2026-11-22T13:30:23+00:00\n"},
        {"{\"name\":\"db1\",\"as_of\":null}", "Name:   db1\n"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        DV_FREE char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        json_t *value = json_loads(cases[i].json, 0, NULL);
        table_print_record(out, as_of, DV_COUNT(as_of), value, &(struct table_style){0});
        json_decref(value);
        fclose(out);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_empty_table(void **state)
{
    (void)state;
    struct table_style style = {.headings = true};
    DV_FREE char *text = printed(&style, false, "[]");
    assert_string_equal(text, "");
}

// On a narrow terminal the last column gives way, and no line is longer than the terminal.
static void test_narrow_table(void **state)
{
    (void)state;
    struct table_style style = {.headings = true, .width = 80};
    DV_FREE char *text = printed(&style, false, volumes);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 80);
}

static void test_colours(void **state)
{
    (void)state;
    struct table_style style = {.headings = true, .colour = true, .width = 200};
    DV_FREE char *text = printed(&style, false, volumes);
    assert_non_null(strstr(text, "\033[32monline"));
    assert_non_null(strstr(text, "\033[31mfailed"));
    assert_non_null(strstr(text, "\033[33mcreating"));
}

static void test_record(void **state)
{
    (void)state;
    struct table_style style = {0};
    DV_FREE char *text = printed(&style, true, volumes);
    assert_string_equal(text, "NAME:   db1\n"
                              "SIZE:   10GiB\n"
                              "STATE:  online\n"
                              "DONE:   100%\n"
                              "THIN:   yes\n"
                              "LBA:    0\n"
                              "MADE:   2026-11-22T13:30:23+00:00\n"
                              "HOSTS:  web,db\n");
}

static void test_progress(void **state)
{
    (void)state;
    char line[320];
    json_t *task = json_loads(
        "{\"id\":7,\"summary\":\"create volume db1 (10G)\",\"progress\":50,\"state\":\"running\","
        "\"waiting\":null,\"steps\":[{\"text\":\"make it on unit1\",\"state\":\"running\"}]}",
        0, NULL);
    progress_line(task, 0, line, sizeof(line));
    assert_string_equal(line, "task 7, create volume db1 (10G): 50%, make it on unit1");
    progress_line(task, 80, line, sizeof(line));
    assert_string_equal(line,
                        "create volume db1 (10G) [############------------]  50% make it on unit1");
    progress_line(task, 40, line, sizeof(line));
    assert_int_equal(strlen(line), 39);
    json_object_set_new(task, "waiting", json_string("unit1 does not answer"));
    progress_line(task, 0, line, sizeof(line));
    assert_string_equal(line,
                        "task 7, create volume db1 (10G): 50%, waiting: unit1 does not answer");
    json_decref(task);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_table),  cmocka_unit_test(test_room),
        cmocka_unit_test(test_since),        cmocka_unit_test(test_empty_table),
        cmocka_unit_test(test_narrow_table), cmocka_unit_test(test_colours),
        cmocka_unit_test(test_record),       cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
