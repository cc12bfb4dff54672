// Reading bodies, queries and headers.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "console/api/request.h"
#include <string.h>

static const struct field volume[] = {
    {.name = "name", .kind = FIELD_NAME, .required = true, .what = "volume"},
    {.name = "size", .kind = FIELD_SIZE, .required = true},
    {.name = "thin", .kind = FIELD_BOOL},
    {.name = "count", .kind = FIELD_NUMBER, .min = 1, .max = 9},
    {.name = NULL},
};
static const struct field host[] = {
    {.name = "iqn", .of = &kind_host},
    {.name = "chap_user", .kind = FIELD_TEXT, .max = 8},
    {.name = "chap_secret", .kind = FIELD_SECRET},
    {.name = NULL},
};

static void refused(const char *text, const struct field *fields, const char *sentence)
{
    json_t *out = NULL;
    struct dv_err err = {0};
    int result = request_parse_body(text, strlen(text), fields, &out, &err);
    if (result == 0)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.code, DV_INVALID);
    if (!strstr(err.text, sentence))
        fail_msg("%s: \"%s\" is not in \"%s\"", text, sentence, err.text);
}

static void test_body(void **state)
{
    (void)state;
    static const char text[] = "{\"name\":\"db1\",\"size\":\"10G\",\"thin\":true,\"count\":3}";
    json_t *out = NULL;
    struct dv_err err;
    assert_int_equal(request_parse_body(text, strlen(text), volume, &out, &err), 0);
    assert_string_equal(json_string_value(json_object_get(out, "name")), "db1");
    assert_int_equal(json_integer_value(json_object_get(out, "size")), INT64_C(10) << 30);
    assert_true(json_is_true(json_object_get(out, "thin")));
    json_decref(out);

    static const char number[] = "{\"name\":\"db1\",\"size\":9223372036854775807}";
    assert_int_equal(request_parse_body(number, strlen(number), volume, &out, &err), 0);
    assert_int_equal(json_integer_value(json_object_get(out, "size")), INT64_MAX);
    json_decref(out);
}

static void test_body_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"[]", "must be a JSON object"},
        {"null", "must be a JSON object"},
        {"3", "must be a JSON object"},
        {"{} {}", "not JSON"},
        {"{\"name\":\"a\",\"name\":\"b\",\"size\":1}", "duplicate object key"},
        {"{\"name\":\"a\\u0000\",\"size\":1}", "\\u0000 cannot be in a text"},
        {"{\"a\\u0000\":1}", "\\u0000 cannot be in"},
        {"{\"name\":\"\xff\",\"size\":1}", "not JSON"},
        {"{\"size\":1}", "the field \"name\" is missing"},
        {"{\"name\":\"a\"}", "the field \"size\" is missing"},
        {"{\"name\":\"a\",\"size\":1,\"color\":1}",
         "unknown field \"color\"; known are: name, size"},
        {"{\"name\":7,\"size\":1}", "\"name\" must be text"},
        {"{\"name\":null,\"size\":1}", "\"name\" must be text"},
        {"{\"name\":\"\",\"size\":1}", "volume name is empty"},
        {"{\"name\":\"a/b\",\"size\":1}", "volume name \"a/b\" may have only"},
        {"{\"name\":\"a'b\",\"size\":1}", "may have only"},
        {"{\"name\":\"a\",\"size\":0}", "more than zero"},
        {"{\"name\":\"a\",\"size\":-1}", "more than zero"},
        {"{\"name\":\"a\",\"size\":\"-1\"}", "negative"},
        {"{\"name\":\"a\",\"size\":\"0B\"}", "zero"},
        {"{\"name\":\"a\",\"size\":1.5}", "whole number of bytes"},
        {"{\"name\":\"a\",\"size\":true}", "whole number of bytes"},
        {"{\"name\":\"a\",\"size\":9223372036854775808}", "the number is too large"},
        {"{\"name\":\"a\",\"size\":\"9223372036854775808B\"}", "too large"},
        {"{\"name\":\"a\",\"size\":1,\"thin\":1}", "\"thin\" must be true or false"},
        {"{\"name\":\"a\",\"size\":1,\"count\":10}", "\"count\" is 10; it must be a number from 1"},
        {"{\"name\":\"a\",\"size\":1,\"count\":-3}", "\"count\" is -3"},
        {"{\"name\":\"a\",\"size\":1,\"count\":\"3\"}", "\"count\" must be a whole number"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        refused(cases[i].text, volume, cases[i].sentence);
    refused("{\"iqn\":\"IQN.x\"}", host, "iSCSI name");
    refused("{\"chap_user\":\"\"}", host, "\"chap_user\" is empty");
    refused("{\"chap_user\":\"123456789\"}", host, "has 9 bytes; 8 is the most");
}

static void test_secret_is_not_quoted(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"chap_secret\":\"tooshort\"}",
        "{\"chap_secret\":\"has blank tooshort\"}",
        "{\"chap_secret\":\"tooshort\" \"tooshort\"}",
        "{\"chap_secret\":\"tooshort\\u0000\"}",
        "{\"chap_secret\":tooshort}",
        "{\"chap_secret\":\"tooshort",
    };
    for (size_t i = 0; i < DV_COUNT(texts); i++) {
        json_t *out;
        struct dv_err err;
        assert_int_equal(request_parse_body(texts[i], strlen(texts[i]), host, &out, &err), -1);
        assert_null(strstr(err.text, "tooshort"));
    }
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    char text[30000];
    memset(text, '[', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    refused(text, volume, "nested more than 8 deep");
    refused("{\"a\":[[[[[[[[1]]]]]]]]}", volume, "nested more than 8 deep");
    refused("{\"[[[[[[[[[[\":1}", volume, "unknown");
    refused("{\"\\\"[[[[[[[[[[\":1}", volume, "unknown");
}

static const struct field task_query[] = {
    {.name = "seen", .kind = FIELD_NUMBER, .max = INT64_MAX},
    {.name = "all", .kind = FIELD_BOOL},
    {.name = "volume", .kind = FIELD_NAME},
    {.name = NULL},
};

static void test_query(void **state)
{
    (void)state;
    json_t *out;
    struct dv_err err;
    assert_int_equal(request_parse_query("seen=9223372036854775807&all=true&volume=db%31",
                                         task_query, &out, &err),
                     0);
    assert_int_equal(json_integer_value(json_object_get(out, "seen")), INT64_MAX);
    assert_true(json_is_true(json_object_get(out, "all")));
    assert_string_equal(json_string_value(json_object_get(out, "volume")), "db1");
    json_decref(out);
    assert_int_equal(request_parse_query(NULL, NULL, &out, &err), 0);
    assert_int_equal(json_object_size(out), 0);
    json_decref(out);

    static const char *const bad[] = {
        "seen=",         "seen",  "seen=-1", "seen=1.0",   "seen=9223372036854775808",
        "seen=1&seen=1", "sen=1", "all=yes", "volume=",    "volume=a%2Fb",
        "volume=%zz",    "%00=1", "=1",      "volume=%ff",
    };
    for (size_t i = 0; i < DV_COUNT(bad); i++)
        if (request_parse_query(bad[i], task_query, &out, &err) == 0)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(request_parse_query("a=1", NULL, &out, &err), -1);
    assert_non_null(strstr(err.text, "none is allowed here"));
}

static void test_content_type(void **state)
{
    (void)state;
    assert_true(request_type_is_json("application/json"));
    assert_true(request_type_is_json("Application/JSON; charset=UTF-8"));
    assert_true(request_type_is_json("application/json;charset=\"utf-8\""));
    assert_false(request_type_is_json(NULL));
    assert_false(request_type_is_json("text/plain"));
    assert_false(request_type_is_json("application/jsonx"));
    assert_false(request_type_is_json("application/json; charset=latin1"));
}

static void test_host(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1",    "127.0.0.1:8480", "localhost",
                                       "LOCALHOST:80", "[::1]:8480",     "10.1.2.3"};
    static const char *const bad[] = {"evil.example",
                                      "evil.example:8480",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "127.0.0.1:8480x",
                                      "[::1",
                                      "::1",
                                      "",
                                      "127.0.0.1@evil"};
    for (size_t i = 0; i < DV_COUNT(good); i++)
        if (!request_host_is_local(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < DV_COUNT(bad); i++)
        if (request_host_is_local(bad[i]))
            fail_msg("%s", bad[i]);
    assert_false(request_host_is_local(NULL));
}

static void test_origin(void **state)
{
    (void)state;
    assert_true(request_same_origin(NULL, "127.0.0.1:8480"));
    assert_true(request_same_origin("http://127.0.0.1:8480", "127.0.0.1:8480"));
    assert_false(request_same_origin("http://evil.example", "127.0.0.1:8480"));
    assert_false(request_same_origin("http://127.0.0.1:81", "127.0.0.1:8480"));
    assert_false(request_same_origin("null", "127.0.0.1:8480"));
    assert_false(request_same_origin("http://a", NULL));
}

static void test_credentials(void **state)
{
    (void)state;
    struct credentials c;
    assert_true(request_credentials("Bearer abc.def", &c));
    assert_null(c.user);
    assert_string_equal(c.secret, "abc.def");
    credentials_free(&c);
    assert_true(request_credentials("basic YWRtaW46cGFzczp3b3Jk", &c)); // admin:pass:word
    assert_string_equal(c.user, "admin");
    assert_string_equal(c.secret, "pass:word");
    credentials_free(&c);
    static const char *const bad[] = {
        "",         "Bearer",         "Bearer ",
        "Basic",    "Basic !",        "Basic YWJj",
        "Digest x", "Basic AGE6Yg==", "Basic YWRtaW46cGFzczp3b3Jk YQ=="};
    for (size_t i = 0; i < DV_COUNT(bad); i++)
        if (request_credentials(bad[i], &c))
            fail_msg("%s", bad[i]);
    assert_false(request_credentials(NULL, &c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_body_refused),
        cmocka_unit_test(test_secret_is_not_quoted),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_content_type),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
