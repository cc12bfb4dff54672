// Tests of base/uuid.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/uuid.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void there_and_back(void **state)
{
    (void)state;
    struct dv_uuid u, again;
    char text[UUID_TEXT_LEN];
    assert_true(uuid_parse("F81D4FAE-7dec-11d0-a765-00a0c91e6bf6", &u));
    assert_int_equal(u.b[0], 0xf8);
    assert_int_equal(u.b[15], 0xf6);
    assert_string_equal(uuid_format(&u, text), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    assert_true(uuid_parse(text, &again));
    assert_true(uuid_equal(&u, &again));
}

static void refused(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "f81d4fae",
        "f81d4fae7dec11d0a76500a0c91e6bf6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf66",
        "f81d4fae-7dec-11d0-a76500-a0c91e6bf6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bfg",
        "{f81d4fae-7dec-11d0-a765-00a0c91e6b}",
        " 81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6b\xc3\xa9",
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_uuid u = {{1}};
        assert_false(uuid_parse(table[i], &u));
        assert_int_equal(u.b[0], 1);
    }
}

static void random_ones(void **state)
{
    (void)state;
    struct dv_uuid zero = {{0}}, last = zero;
    assert_true(uuid_is_zero(&zero));
    for (int i = 0; i < 100; i++) {
        struct dv_uuid u = uuid_random();
        assert_int_equal(u.b[6] >> 4, 4);
        assert_int_equal(u.b[8] >> 6, 2);
        assert_false(uuid_is_zero(&u));
        assert_false(uuid_equal(&u, &last));
        last = u;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(refused),
        cmocka_unit_test(random_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
