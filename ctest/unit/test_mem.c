// Tests of base/mem and base/search: growing arrays, places in them, clean-up bound to a scope.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/search.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    int a, b;
};

static void append(void **state)
{
    (void)state;
    struct pair *pairs = NULL;
    size_t count = 0;
    for (int i = 0; i < 1000; i++) {
        struct pair *p = DV_APPEND(pairs, count);
        assert_ptr_equal(p, &pairs[i]);
        assert_int_equal(p->a, 0);
        assert_int_equal(p->b, 0);
        p->a = i;
        p->b = -1;
    }
    assert_int_equal(count, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pairs[i].a, i);
    // Taken off the end and put on again, over every boundary.
    for (size_t n = 0; n < 70; n++) {
        count = n;
        for (size_t i = n; i < 70; i++)
            DV_APPEND(pairs, count)->a = (int)i;
        for (int i = 0; i < 70; i++)
            assert_int_equal(pairs[i].a, i);
    }
    free(pairs);
}

static void text(void **state)
{
    (void)state;
    assert_null(dv_strdup(NULL));
    DV_FREE char *copy = dv_strdup("abc");
    assert_string_equal(copy, "abc");
    DV_FREE char *made = dv_printf("%s-%d", copy, 7);
    assert_string_equal(made, "abc-7");
    DV_FREE void *none = dv_calloc(0, 0);
    assert_non_null(none);
}

static void scope_closes(void **state)
{
    (void)state;
    int seen;
    {
        DV_CLOSE int fd = open("/dev/null", O_RDONLY);
        DV_CLOSE int none = -1;
        assert_true(fd >= 0);
        assert_int_equal(none, -1);
        seen = fd;
    }
    assert_int_equal(fcntl(seen, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

static void overflow_ends_the_program(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        dv_realloc(NULL, SIZE_MAX / 2, 3);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void places(void **state)
{
    (void)state;
    enum { MOST = 40 };
    // All lists of pairs of equals, 0 0 2 2 4 4 ..., and all keys in, between and around them.
    int list[MOST];
    for (int i = 0; i < MOST; i++)
        list[i] = i / 2 * 2;
    for (size_t count = 0; count <= MOST; count++) {
        for (int key = -1; key <= MOST + 1; key++) {
            size_t first = 0, behind = 0, place;
            while (first < count && list[first] < key)
                first++;
            while (behind < count && list[behind] <= key)
                behind++;
            DV_SEARCH(place, count, list[place] < key);
            assert_int_equal(place, first);
            DV_SEARCH(place, count, list[place] <= key);
            assert_int_equal(place, behind);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append),
        cmocka_unit_test(places),
        cmocka_unit_test(text),
        cmocka_unit_test(scope_closes),
        cmocka_unit_test(overflow_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
