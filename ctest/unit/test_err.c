// Tests of base/err: sentences, and the one table of translations.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fill(void **state)
{
    (void)state;
    struct dv_err err;
    assert_int_equal(dv_fail(&err, DV_NOT_FOUND, "no unit \"%s\"", "u7"), -1);
    assert_int_equal(err.code, DV_NOT_FOUND);
    assert_string_equal(err.text, "no unit \"u7\"");
    assert_int_equal(dv_fail(NULL, DV_IO, "nobody reads this"), -1);
}

static void words_in_front(void **state)
{
    (void)state;
    struct dv_err err;
    dv_fail(&err, DV_IO, "disk failed");
    dv_fail(&err, err.code, "volume 7: %s", err.text);
    assert_int_equal(err.code, DV_IO);
    assert_string_equal(err.text, "volume 7: disk failed");
}

static void long_text_is_cut(void **state)
{
    (void)state;
    struct dv_err err;
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    dv_fail(&err, DV_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_string_equal(err.text + strlen(err.text) - 4, "x...");
    dv_fail_errno(&err, ENOENT, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_non_null(strstr(err.text, "x...: No such file or directory"));
    // The longest that fits is left alone.
    text[sizeof(err.text) - 1] = '\0';
    dv_fail(&err, DV_INVALID, "%s", text);
    assert_string_equal(err.text, text);
}

static void outside_bytes_become_printable(void **state)
{
    (void)state;
    struct dv_err err;
    dv_fail(&err, DV_INVALID, "name \"%s\"", "a\nb\x1b[0m\xff\xc3\xa9");
    assert_string_equal(err.text, "name \"a?b?[0m?\xc3\xa9\"");
}

static void from_errno(void **state)
{
    (void)state;
    struct dv_err err;
    dv_fail_errno(&err, ENOSPC, "cannot write %s", "/x");
    assert_int_equal(err.code, DV_NO_SPACE);
    assert_string_equal(err.text, "cannot write /x: No space left on device");
    assert_int_equal(dv_code_from_errno(0), DV_OK);
    assert_int_equal(dv_code_from_errno(ENOENT), DV_NOT_FOUND);
    assert_int_equal(dv_code_from_errno(ECONNREFUSED), DV_UNREACHABLE);
    assert_int_equal(dv_code_from_errno(ENOMSG), DV_IO);
}

static void every_class_is_mapped(void **state)
{
    (void)state;
    for (int code = 0; code < DV_CODES; code++) {
        assert_non_null(dv_code_name(code));
        assert_true(dv_code_exit(code) >= 0 && dv_code_exit(code) <= 10);
        if (code == DV_OK) {
            assert_int_equal(dv_code_http(code), 200);
            assert_int_equal(dv_code_exit(code), 0);
            continue;
        }
        assert_true(dv_code_http(code) >= 400 && dv_code_http(code) < 600);
        assert_int_not_equal(dv_code_exit(code), 0);
        for (int other = 0; other < code; other++)
            assert_string_not_equal(dv_code_name(code), dv_code_name(other));
    }
}

static void samples(void **state)
{
    (void)state;
    static const struct {
        enum dv_code code;
        const char *name;
        int http, exit;
    } table[] = {
        {DV_INVALID, "invalid", 400, 2},        {DV_NOT_FOUND, "not_found", 404, 3},
        {DV_NO_SPACE, "no_space", 507, 5},      {DV_DENIED, "denied", 403, 6},
        {DV_DAMAGED, "damaged", 500, 10},       {DV_INTERNAL, "internal", 500, 1},
        {(enum dv_code)99, "internal", 500, 1},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_string_equal(dv_code_name(table[i].code), table[i].name);
        assert_int_equal(dv_code_http(table[i].code), table[i].http);
        assert_int_equal(dv_code_exit(table[i].code), table[i].exit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fill),
        cmocka_unit_test(words_in_front),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(outside_bytes_become_printable),
        cmocka_unit_test(from_errno),
        cmocka_unit_test(every_class_is_mapped),
        cmocka_unit_test(samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
