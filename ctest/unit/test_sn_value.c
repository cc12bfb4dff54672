// Object identifiers and values: comparing, joining, parsing, and the checks on input.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "snmp/resolve.h"
#include "snmp/value.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sn_oid oid(const char *dotted)
{
    struct sn_oid out;
    assert_true(sn_oid_parse(dotted, &out));
    return out;
}

static void test_parse(void **state)
{
    (void)state;
    static const char *const good[] = {"1", "1.3.6.1", "0.0", "1.3.4294967295"};
    for (size_t i = 0; i < DV_COUNT(good); i++) {
        struct sn_oid o = oid(good[i]);
        char text[64];
        assert_string_equal(sn_oid_format(&o, text, sizeof(text)), good[i]);
    }
    struct sn_oid o = oid(".1.3.6");
    assert_int_equal(o.len, 3);

    static const char *const bad[] = {"",    ".",      "1.",           "1..3", "a",
                                      "1.x", "1.3.-1", "1.4294967296", " 1",   "1 ",
                                      "..1", "1.3.6a", "iso.3.6.1",    "1.+3"};
    for (size_t i = 0; i < DV_COUNT(bad); i++)
        assert_false(sn_oid_parse(bad[i], &o));
}

static void test_parse_longest(void **state)
{
    (void)state;
    char text[2 * (SN_OID_MAX + 1)] = "";
    for (int i = 0; i < SN_OID_MAX; i++)
        strcat(text, i ? ".1" : "1");
    struct sn_oid o = oid(text);
    assert_int_equal(o.len, SN_OID_MAX);
    strcat(text, ".1");
    assert_false(sn_oid_parse(text, &o));
}

static void test_format_cuts(void **state)
{
    (void)state;
    struct sn_oid o = oid("1.3.6.1.4.1");
    char text[6];
    assert_string_equal(sn_oid_format(&o, text, sizeof(text)), "1.3.6");
    assert_string_equal(sn_oid_format(&o, text, 1), "");
}

static void test_compare(void **state)
{
    (void)state;
    // In ascending order.
    static const char *const order[] = {"1",     "1.0",  "1.2",          "1.2.0",
                                        "1.2.9", "1.10", "1.4294967295", "2"};
    for (size_t i = 0; i < DV_COUNT(order); i++) {
        for (size_t j = 0; j < DV_COUNT(order); j++) {
            struct sn_oid a = oid(order[i]), b = oid(order[j]);
            int c = sn_oid_compare(&a, &b);
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
    }
}

static void test_join_and_under(void **state)
{
    (void)state;
    struct sn_oid base = oid("1.3.6"), more = sn_oid_append(&base, 7);
    uint32_t two[] = {8, 9};
    struct sn_oid most = sn_oid_join(&more, two, 2);
    struct sn_oid want = oid("1.3.6.7.8.9");
    assert_int_equal(sn_oid_compare(&most, &want), 0);

    const uint32_t *suffix;
    size_t len;
    assert_true(sn_oid_under(&most, &base, &suffix, &len));
    assert_int_equal(len, 3);
    assert_int_equal(suffix[0], 7);
    assert_false(sn_oid_under(&base, &base, &suffix, &len));
    assert_false(sn_oid_under(&base, &most, &suffix, &len));
    struct sn_oid other = oid("1.3.5.7");
    assert_false(sn_oid_under(&other, &base, &suffix, &len));
    struct sn_oid same = sn_oid_join(&base, NULL, 0);
    assert_int_equal(sn_oid_compare(&same, &base), 0);
}

static void test_getters(void **state)
{
    (void)state;
    struct sn_value i = sn_int(-5), u = sn_uint(7), c = sn_counter64(UINT64_MAX);
    struct sn_value text = sn_text("abc"), empty = sn_text(""), nul = sn_octets("a\0b", 3);
    int32_t got_i = 1;
    uint32_t got_u = 1;
    uint64_t got_c = 1;
    char got[4] = "x";

    assert_true(sn_get_int(&i, -5, -5, &got_i));
    assert_int_equal(got_i, -5);
    got_i = 1;
    assert_false(sn_get_int(&i, -4, 10, &got_i));
    assert_false(sn_get_int(&u, 0, 10, &got_i));
    assert_int_equal(got_i, 1);

    assert_true(sn_get_uint(&u, &got_u));
    assert_int_equal(got_u, 7);
    assert_false(sn_get_uint(&i, &got_u));
    assert_true(sn_get_u64(&c, &got_c));
    assert_true(got_c == UINT64_MAX);
    assert_false(sn_get_u64(&u, &got_c));

    assert_true(sn_get_text(&text, got, sizeof(got)));
    assert_string_equal(got, "abc");
    assert_true(sn_get_text(&empty, got, sizeof(got)));
    assert_string_equal(got, "");
    strcpy(got, "x");
    assert_false(sn_get_text(&text, got, 3)); // no room for the NUL
    assert_false(sn_get_text(&nul, got, sizeof(got)));
    assert_false(sn_get_text(&i, got, sizeof(got)));
    assert_string_equal(got, "x");

    assert_true(sn_get_octets(&nul, got, 3));
    assert_memory_equal(got, "a\0b", 3);
    assert_false(sn_get_octets(&nul, got, 2));
    assert_false(sn_get_octets(&nul, got, 4));
}

static void test_exceptions_and_names(void **state)
{
    (void)state;
    for (enum sn_type t = SN_NULL; t <= SN_END; t++) {
        struct sn_value v = {.type = t};
        assert_int_equal(sn_is_exception(&v),
                         t == SN_NO_OBJECT || t == SN_NO_INSTANCE || t == SN_END);
    }
    assert_string_equal(sn_status_name(SN_NO_ERROR), "noError");
    assert_string_equal(sn_status_name(SN_INCONSISTENT_VALUE), "inconsistentValue");
    assert_string_equal(sn_status_name(SN_INCONSISTENT_NAME), "inconsistentName");
    assert_string_equal(sn_status_name(19), "unknown error-status");
    assert_string_equal(sn_status_name(-1), "unknown error-status");
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *address, *transport, *host, *port;
    } names[] = {
        {"udp:unit7.example.net", "udp", "unit7.example.net", ""},
        {"udp:unit7.example.net:1161", "udp", "unit7.example.net", "1161"},
        {"unit7:161", "udp", "unit7", "161"},
        {"unit7", "udp", "unit7", ""},
        {"UDP6:unit_7:161", "udp6", "unit_7", "161"},
        {"tcp:3com.example:161", "tcp", "3com.example", "161"},
    };
    struct sn_name n;
    for (size_t i = 0; i < DV_COUNT(names); i++) {
        assert_true(sn_name_split(names[i].address, &n));
        assert_string_equal(n.transport, names[i].transport);
        assert_string_equal(n.host, names[i].host);
        assert_string_equal(n.port, names[i].port);
    }
    static const char *const others[] = {
        "",          "udp:",      "127.0.0.1",    "udp:127.0.0.1:161", "udp6:[::1]:161", "161",
        "udp:161",   "[::1]:161", "udp6:fe80::1", "unix:/run/x",       "udp:unit7:",     ":161",
        "unit7:16x", "unit7:1:2", "udp:unit 7",   "dtlsudp:unit7:161", "unit7:123456",   "udp::161",
    };
    for (size_t i = 0; i < DV_COUNT(others); i++)
        assert_false(sn_name_split(others[i], &n));
    char longest[SN_HOST_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[SN_HOST_MAX] = '\0';
    assert_true(sn_name_split(longest, &n));
    longest[SN_HOST_MAX] = 'a';
    longest[SN_HOST_MAX + 1] = '\0';
    assert_false(sn_name_split(longest, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_longest),
        cmocka_unit_test(test_format_cuts),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_join_and_under),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_exceptions_and_names),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
