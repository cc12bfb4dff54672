// Routes: which handler a method and a path lead to.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "console/api/call.h"
#include <string.h>

static const struct route routes[] = {
    {"GET", "/api/v1/volumes", NULL, NULL, NULL, NULL},
    {"POST", "/api/v1/volumes", NULL, NULL, NULL, NULL},
    {"GET", "/api/v1/volumes/{volume}", NULL, NULL, NULL, NULL},
    {"DELETE", "/api/v1/volumes/{volume}", NULL, NULL, NULL, NULL},
    {"DELETE", "/api/v1/assignments/{volume}/{host}", NULL, NULL, NULL, NULL},
    {"POST", "/api/v1/tasks/{task}/cancel", NULL, NULL, NULL, NULL},
};

static void test_match(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        enum route_result result;
        int route; // -1: none
        const char *first, *second;
    } cases[] = {
        {"GET", "/api/v1/volumes", ROUTE_FOUND, 0, "", ""},
        {"HEAD", "/api/v1/volumes", ROUTE_FOUND, 0, "", ""},
        {"POST", "/api/v1/volumes", ROUTE_FOUND, 1, "", ""},
        {"GET", "/api/v1/volumes/db1", ROUTE_FOUND, 2, "db1", ""},
        {"DELETE", "/api/v1/volumes/db1", ROUTE_FOUND, 3, "db1", ""},
        {"GET", "/api/v1/volumes/a%2Fb", ROUTE_FOUND, 2, "a/b", ""},
        {"GET", "/api/v1/volumes/a+b", ROUTE_FOUND, 2, "a+b", ""},
        {"GET", "/api/v1/volumes/..", ROUTE_FOUND, 2, "..", ""},
        {"DELETE", "/api/v1/assignments/db1/web", ROUTE_FOUND, 4, "db1", "web"},
        {"POST", "/api/v1/tasks/7/cancel", ROUTE_FOUND, 5, "7", ""},
        {"GET", "/api/v1/volumes/", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "/api/v1/volumes/db1/", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "/api/v1//volumes", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "/api/v1/volume", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "/api/v1/volumesx", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "api/v1/volumes", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "/", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "/api/v1/tasks//cancel", ROUTE_NO_PATH, -1, "", ""},
        {"GET", "/api/v1/volumes/%", ROUTE_BAD_PATH, 2, "", ""},
        {"GET", "/api/v1/volumes/%zz", ROUTE_BAD_PATH, 2, "", ""},
        {"GET", "/api/v1/volumes/a%00b", ROUTE_BAD_PATH, 2, "a", ""},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct route_match match;
        enum route_result result =
            route_match(routes, DV_COUNT(routes), cases[i].method, cases[i].path, &match);
        if (result != cases[i].result)
            fail_msg("%s %s: %d", cases[i].method, cases[i].path, (int)result);
        if (cases[i].route >= 0)
            assert_ptr_equal(match.route, &routes[cases[i].route]);
        if (result != ROUTE_FOUND)
            continue;
        assert_string_equal(match.params[0], cases[i].first);
        assert_string_equal(match.params[1], cases[i].second);
    }
}

static void test_wrong_method(void **state)
{
    (void)state;
    struct route_match match;
    assert_int_equal(route_match(routes, DV_COUNT(routes), "PATCH", "/api/v1/volumes/db1", &match),
                     ROUTE_WRONG_METHOD);
    assert_string_equal(match.allow, "GET, HEAD, DELETE");
    assert_int_equal(route_match(routes, DV_COUNT(routes), "GET", "/api/v1/tasks/7/cancel", &match),
                     ROUTE_WRONG_METHOD);
    assert_string_equal(match.allow, "POST");
}

static void test_long_parameter(void **state)
{
    (void)state;
    char path[64 + ROUTE_PARAM_ROOM] = "/api/v1/volumes/";
    size_t len = strlen(path);
    struct route_match match;
    memset(path + len, 'a', ROUTE_PARAM_ROOM - 1);
    assert_int_equal(route_match(routes, DV_COUNT(routes), "GET", path, &match), ROUTE_FOUND);
    path[len + ROUTE_PARAM_ROOM - 1] = 'a';
    assert_int_equal(route_match(routes, DV_COUNT(routes), "GET", path, &match), ROUTE_BAD_PATH);
}

// What a body takes of a record is there.
static void check_fields(const struct route *r, const struct field *fields)
{
    for (const struct field *f = fields; f && f->name; f++)
        if (f->kind == FIELD_OF_KIND && (!f->of || !kind_field(f->of, f->name)))
            fail_msg("%s %s: %s is no field of a kind", r->method, r->pattern, f->name);
}

static void test_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_route_count; i++) {
        check_fields(&api_routes[i], api_routes[i].body);
        check_fields(&api_routes[i], api_routes[i].query);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_wrong_method),
        cmocka_unit_test(test_long_parameter),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
