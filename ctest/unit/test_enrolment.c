// Who is let in by a code: the table.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/enrolment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/mem.h"

#define NOW 1800000000

static const struct dv_uuid ONE = {{1}}, TWO = {{2}};
static const struct engine_id ENGINE = {5, {0x80, 0, 0x1f, 0x88, 1}};
static const struct engine_id OTHER = {5, {0x80, 0, 0x1f, 0x88, 2}};

static struct code_record a_code(void)
{
    return (struct code_record){.id = "01ABC",
                                .kind = MEMBER_UNIT,
                                .count = 1,
                                .tries = CODE_TRIES,
                                .created = NOW - 10,
                                .expires = NOW + 10};
}

static struct unit_record a_unit(enum unit_trust trust)
{
    struct unit_record u = {.uuid = ONE, .name = "old1", .trust = trust, .engine_id_len = 5};
    memcpy(u.engine_id, ENGINE.b, ENGINE.len);
    return u;
}

static void test_which_codes_may_be_tried(void **arg)
{
    (void)arg;
    static const struct {
        uint32_t tries;
        int64_t expires;
        const char *range, *from, *why;
    } table[] = {
        {5, NOW + 1, "", "192.0.2.9", NULL},
        {1, NOW + 1, "", "::1", NULL},
        {0, NOW + 1, "", "192.0.2.9", "too often"},
        {5, NOW, "", "192.0.2.9", "expired at 2027-01-15T08:00:00Z"},
        {5, NOW - 9, "", "192.0.2.9", "expired"},
        {5, NOW + 1, "192.0.2.0/24", "192.0.2.9", NULL},
        {5, NOW + 1, "192.0.2.0/24", "::ffff:192.0.2.9", NULL},
        {5, NOW + 1, "192.0.2.0/24", "192.0.3.9", "for addresses in 192.0.2.0/24"},
        {5, NOW + 1, "2001:db8::/32", "192.0.2.9", "for addresses in"},
    };
    struct dv_err why;
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct code_record code = a_code();
        code.tries = table[i].tries;
        code.expires = table[i].expires;
        strcpy(code.range, table[i].range);
        int rc = code_may_be_tried(&code, NOW, table[i].from, &why);
        if (rc != (table[i].why ? -1 : 0) || (rc < 0 && !strstr(why.text, table[i].why)))
            fail_msg("row %zu: %d %s", i, rc, rc < 0 ? why.text : "");
    }
    assert_int_equal(code_may_be_tried(NULL, NOW, "192.0.2.9", &why), -1);
    assert_int_equal(why.code, DV_DENIED);
}

static void test_who_is_let_in(void **arg)
{
    (void)arg;
    static const struct {
        const char *what;
        enum unit_trust known; // 0: it is not
        const struct engine_id *engine;
        const struct dv_uuid *meant;
        uint32_t count, used;
        bool by_itself; // the last use is its own
        bool namesake;
        enum member_kind kind;
        enum enrolment_verdict verdict;
        const char *why;
    } table[] = {
        {"a new unit", 0, &ENGINE, NULL, 1, 0, 0, 0, MEMBER_UNIT, ENROL_YES, ""},
        {"a host", 0, &ENGINE, NULL, 1, 0, 0, 0, MEMBER_HOST, ENROL_NO, "not for a host"},
        {"again", 0, &ENGINE, NULL, 1, 1, 1, 0, MEMBER_UNIT, ENROL_AGAIN, ""},
        {"again, enrolled", TRUST_ENROLLED, &ENGINE, NULL, 1, 1, 1, 0, MEMBER_UNIT, ENROL_AGAIN,
         ""},
        {"again, another engine", 0, &OTHER, NULL, 1, 1, 1, 0, MEMBER_UNIT, ENROL_NO,
         "was used at"},
        {"used by another", 0, &ENGINE, NULL, 1, 1, 0, 0, MEMBER_UNIT, ENROL_NO, "was used at"},
        {"one of many", 0, &ENGINE, NULL, 3, 2, 0, 0, MEMBER_UNIT, ENROL_YES, ""},
        {"one too many", 0, &ENGINE, NULL, 3, 3, 0, 0, MEMBER_UNIT, ENROL_NO, "was used at"},
        {"of the old way", TRUST_SHARED, &ENGINE, NULL, 1, 0, 0, 0, MEMBER_UNIT, ENROL_YES, ""},
        {"waiting", TRUST_WAITING, &ENGINE, NULL, 1, 0, 0, 0, MEMBER_UNIT, ENROL_YES, ""},
        {"another engine", TRUST_SHARED, &OTHER, NULL, 1, 0, 0, 0, MEMBER_UNIT, ENROL_NO, "engine"},
        {"another engine, meant", TRUST_SHARED, &OTHER, &ONE, 1, 0, 0, 0, MEMBER_UNIT, ENROL_YES,
         ""},
        {"enrolled", TRUST_ENROLLED, &ENGINE, NULL, 1, 0, 0, 0, MEMBER_UNIT, ENROL_NO, "--again"},
        {"enrolled, meant", TRUST_ENROLLED, &ENGINE, &ONE, 1, 0, 0, 0, MEMBER_UNIT, ENROL_YES, ""},
        {"quarantined", TRUST_QUARANTINED, &ENGINE, NULL, 1, 0, 0, 0, MEMBER_UNIT, ENROL_NO,
         "quaran"},
        {"revoked", TRUST_REVOKED, &ENGINE, NULL, 1, 0, 0, 0, MEMBER_UNIT, ENROL_NO, "revoked"},
        {"revoked, meant", TRUST_REVOKED, &OTHER, &ONE, 1, 0, 0, 0, MEMBER_UNIT, ENROL_YES, ""},
        {"another is meant", 0, &ENGINE, &TWO, 1, 0, 0, 0, MEMBER_UNIT, ENROL_NO, "alone"},
        {"its name is taken", 0, &ENGINE, NULL, 1, 0, 0, 1, MEMBER_UNIT, ENROL_NO, "another name"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct code_record code = a_code();
        struct code_use uses[3] = {{.member = TWO, .engine = OTHER, .name = "other"},
                                   {.member = TWO, .engine = OTHER, .name = "other"},
                                   {.member = TWO, .engine = OTHER, .name = "other"}};
        struct enrol_request request = {
            .kind = table[i].kind, .uuid = ONE, .name = "unit1", .engine = *table[i].engine};
        struct unit_record known = a_unit(table[i].known), namesake = {.name = "unit1"};
        struct dv_err why = {.text = ""};
        code.count = table[i].count;
        if (table[i].meant)
            code.member = *table[i].meant;
        if (table[i].by_itself)
            uses[table[i].used - 1] = (struct code_use){.member = ONE, .engine = ENGINE};
        const struct enrolment e = {&code,
                                    uses,
                                    table[i].used,
                                    NOW,
                                    "192.0.2.9",
                                    &request,
                                    table[i].known ? &known : NULL,
                                    table[i].namesake ? &namesake : NULL};
        const struct code_use *before = NULL;
        enum enrolment_verdict verdict = enrolment_decide(&e, &before, &why);
        if (verdict != table[i].verdict || !strstr(why.text, table[i].why))
            fail_msg("%s: %d %s", table[i].what, verdict, why.text);
        assert_ptr_equal(before, verdict == ENROL_AGAIN ? &uses[table[i].used - 1] : NULL);
    }
}

static void test_what_it_is_called(void **arg)
{
    (void)arg;
    struct code_record code = a_code();
    struct unit_record known = a_unit(TRUST_SHARED);
    const struct enrol_request request = {.name = "self"};
    struct enrolment e = {.code = &code, .request = &request};
    assert_string_equal(enrolment_name(&e), "self");
    e.known = &known;
    assert_string_equal(enrolment_name(&e), "self");
    known.named = true;
    assert_string_equal(enrolment_name(&e), "old1");
    strcpy(code.name, "given");
    assert_string_equal(enrolment_name(&e), "given");
}

static void test_ranges_of_addresses(void **arg)
{
    (void)arg;
    static const struct {
        const char *range, *in, *out; // in NULL: it is no range
    } table[] = {
        {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
        {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
        {"0.0.0.0/0", "203.0.113.9", "2001:db8::1"},
        {"192.0.2.128/25", "192.0.2.200", "192.0.2.127"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
        {"::/0", "2001:db8::1", "192.0.2.1"},
        {"192.0.2.1/24", NULL, NULL},
        {"192.0.2.0/33", NULL, NULL},
        {"192.0.2.0/", NULL, NULL},
        {"192.0.2.0/-1", NULL, NULL},
        {"192.0.2.0/24 ", NULL, NULL},
        {"192.0.2/24", NULL, NULL},
        {"", NULL, NULL},
        {"example.net/24", NULL, NULL},
        {"2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000/32", NULL, NULL},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err;
        int rc = address_range_check(table[i].range, &err);
        assert_int_equal(rc, table[i].in ? 0 : -1);
        if (!table[i].in)
            continue;
        assert_true(address_in_range(table[i].range, table[i].in));
        assert_false(address_in_range(table[i].range, table[i].out));
        assert_false(address_in_range(table[i].range, "somewhere"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_codes_may_be_tried),
        cmocka_unit_test(test_who_is_let_in),
        cmocka_unit_test(test_what_it_is_called),
        cmocka_unit_test(test_ranges_of_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
