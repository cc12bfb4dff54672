// What becomes of a task that is taken back while its order may be on its way: the table.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/cancel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        struct cancel_look look; // out, fresh, done, stays
        enum cancel_end end;
    } table[] = {
        // An order that may still be carried out, whatever was seen of it.
        {{true, true, false, false}, CANCEL_WAITS},
        {{true, true, true, false}, CANCEL_WAITS},
        {{true, true, true, true}, CANCEL_WAITS},
        // It will not be any more, and what came of it was not looked at.
        {{false, false, false, false}, CANCEL_WAITS},
        {{false, false, true, false}, CANCEL_WAITS},
        {{false, false, true, true}, CANCEL_WAITS},
        // It was not carried out.
        {{false, true, false, false}, CANCEL_TAKEN_BACK},
        {{false, true, false, true}, CANCEL_TAKEN_BACK},
        // It was.
        {{false, true, true, false}, CANCEL_UNDONE},
        {{false, true, true, true}, CANCEL_CARRIED_OUT},
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
