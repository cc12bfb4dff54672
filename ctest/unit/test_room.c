// Tests of what becomes of free extents.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/room.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_changes(void **state)
{
    static const struct {
        const char *name;
        struct free_extent was[4], is[4]; // an end has no blocks
        size_t most;
        const char *changes; // each: from, to (- at the end), first and count of the new list
    } cases[] = {
        {"none at all", {{0}}, {{0}}, 9, ""},
        {"as before", {{1, 0, 8}, {2, 0, 8}}, {{1, 0, 8}, {2, 0, 8}}, 9, ""},
        {"the first ones", {{0}}, {{1, 0, 8}, {1, 16, 8}}, 9, "[1.0 - 0 2]"},
        {"all go", {{1, 0, 8}, {2, 0, 8}}, {{0}}, 9, "[1.0 - 0 0]"},
        {"one becomes shorter",
         {{1, 0, 8}, {1, 16, 8}},
         {{1, 0, 4}, {1, 16, 8}},
         9,
         "[1.0 1.16 0 1]"},
        {"one comes between",
         {{1, 0, 8}, {1, 32, 8}},
         {{1, 0, 8}, {1, 16, 8}, {1, 32, 8}},
         9,
         "[1.16 1.32 1 1]"},
        {"one goes",
         {{1, 0, 8}, {1, 16, 8}, {2, 0, 8}},
         {{1, 0, 8}, {2, 0, 8}},
         9,
         "[1.16 2.0 1 0]"},
        {"one moves", {{1, 0, 8}, {2, 0, 8}}, {{1, 8, 8}, {2, 0, 8}}, 9, "[1.0 2.0 0 1]"},
        {"two apart",
         {{1, 0, 8}, {1, 16, 8}, {1, 32, 8}},
         {{1, 0, 4}, {1, 16, 8}, {1, 32, 4}},
         9,
         "[1.0 1.16 0 1][1.32 - 2 1]"},
        {"more than there is time for",
         {{0}},
         {{1, 0, 8}, {1, 16, 8}, {1, 32, 8}},
         2,
         "[1.0 1.32 0 2][1.32 - 2 1]"},
    };
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct room_list was = {cases[i].was, 0}, is = {cases[i].is, 0};
        struct room_change c = {0};
        char text[200] = "", to[30];
        while (was.count < 4 && was.items[was.count].blocks)
            was.count++;
        while (is.count < 4 && is.items[is.count].blocks)
            is.count++;
        while (room_next(was, is, cases[i].most, &c)) {
            size_t len = strlen(text);
            snprintf(to, sizeof(to), "%u.%u", c.to.medium, (unsigned)c.to.start_lba);
            snprintf(text + len, sizeof(text) - len, "[%u.%u %s %zu %zu]", c.from.medium,
                     (unsigned)c.from.start_lba, c.to.medium == UINT32_MAX ? "-" : to, c.first,
                     c.count);
        }
        if (strcmp(text, cases[i].changes) != 0)
            fail_msg("%s: %s", cases[i].name, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
