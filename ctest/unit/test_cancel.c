// What becomes of a task that is taken back while its order may be on its way: the table.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/cancel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CREATE TASK_VOLUME_CREATE
#define ASSIGN TASK_ASSIGN
#define RESIZE TASK_VOLUME_RESIZE
#define RENAME TASK_VOLUME_RENAME

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        struct cancel_look look; // kind, out, fresh, volume, right, other size, other name
        enum cancel_end end;
    } table[] = {
        // An order that may still be carried out, whatever was seen of it.
        {{CREATE, true, true, false, false, false, false}, CANCEL_WAITS},
        {{CREATE, true, true, true, false, false, false}, CANCEL_WAITS},
        {{ASSIGN, true, true, true, false, false, false}, CANCEL_WAITS},
        {{RESIZE, true, true, true, false, false, false}, CANCEL_WAITS},
        {{RENAME, true, true, true, false, false, false}, CANCEL_WAITS},
        // It will not be any more, and what came of it was not looked at.
        {{CREATE, false, false, false, false, false, false}, CANCEL_WAITS},
        {{ASSIGN, false, false, true, false, false, false}, CANCEL_WAITS},
        {{RESIZE, false, false, true, false, false, false}, CANCEL_WAITS},
        {{RENAME, false, false, true, false, false, false}, CANCEL_WAITS},
        // It was not carried out.
        {{CREATE, false, true, false, false, false, false}, CANCEL_TAKEN_BACK},
        {{ASSIGN, false, true, true, false, true, true}, CANCEL_TAKEN_BACK},
        {{ASSIGN, false, true, false, false, false, false}, CANCEL_TAKEN_BACK},
        {{RESIZE, false, true, true, true, false, true}, CANCEL_TAKEN_BACK},
        {{RENAME, false, true, true, true, true, false}, CANCEL_TAKEN_BACK},
        {{RESIZE, false, true, false, false, true, true}, CANCEL_TAKEN_BACK},
        {{RENAME, false, true, false, false, true, true}, CANCEL_TAKEN_BACK},
        // It was.
        {{CREATE, false, true, true, false, false, false}, CANCEL_UNDONE},
        {{ASSIGN, false, true, true, true, false, false}, CANCEL_UNDONE},
        {{RESIZE, false, true, true, false, true, false}, CANCEL_CARRIED_OUT},
        {{RENAME, false, true, true, false, false, true}, CANCEL_CARRIED_OUT},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        print_message("line %zu\n", i);
        assert_int_equal(cancel_ends(&table[i].look), table[i].end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
