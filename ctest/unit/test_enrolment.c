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
        int rc = enrolment_may_be_tried(&code, NULL, NOW, table[i].from, &why);
        if (rc != (table[i].why ? -1 : 0) || (rc < 0 && !strstr(why.text, table[i].why)))
            fail_msg("row %zu: %d %s", i, rc, rc < 0 ? why.text : "");
    }
    assert_int_equal(enrolment_may_be_tried(NULL, NULL, NOW, "192.0.2.9", &why), -1);
    assert_int_equal(why.code, DV_DENIED);
}

// One network's wrong tries end the code for that one, and none of those that are let in waits for
// another of them.
static void test_what_one_network_may_try(void **arg)
{
    (void)arg;
    static const struct {
        uint32_t wrong, open, count;
        enum dv_code code; // 0: it may
    } table[] = {
        {0, 0, 1, 0},         {4, 0, 1, 0},          {5, 0, 1, DV_DENIED}, {0, 4, 1, 0},
        {0, 5, 1, DV_BUSY},   {1, 4, 1, DV_BUSY},    {4, 1, 1, DV_BUSY},   {5, 3, 1, DV_DENIED},
        {0, 5, 50, 0},        {0, 53, 50, 0},        {0, 54, 50, DV_BUSY}, {4, 49, 50, 0},
        {4, 50, 50, DV_BUSY}, {5, 0, 50, DV_DENIED},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct code_record code = a_code();
        const struct code_source source = {"192.0.2.9", table[i].wrong, table[i].open};
        struct dv_err why = {.code = 0};
        code.count = table[i].count;
        int rc = enrolment_may_be_tried(&code, &source, NOW, "192.0.2.9", &why);
        if (rc != (table[i].code ? -1 : 0) || (rc < 0 && why.code != table[i].code))
            fail_msg("row %zu: %d %d", i, rc, why.code);
    }
}

static void test_what_counts_as_one_network(void **arg)
{
    (void)arg;
    static const struct {
        const char *from, *network;
    } table[] = {
        {"192.0.2.9", "192.0.2.9"},
        {"::ffff:192.0.2.9", "192.0.2.9"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
        {"2001:db8:1:2::7", "2001:db8:1:2::/64"},
        {"fe80::1%eth0", "fe80::/64"},
        {"::1", "::/64"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        char network[TRY_SOURCE_ROOM];
        enrolment_try_source(table[i].from, network);
        assert_string_equal(network, table[i].network);
    }
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
                                    table[i].namesake ? &namesake : NULL,
                                    NULL,
                                    0};
        const struct code_use *before = NULL;
        enum enrolment_verdict verdict = enrolment_decide(&e, &before, &why);
        if (verdict != table[i].verdict || !strstr(why.text, table[i].why))
            fail_msg("%s: %d %s", table[i].what, verdict, why.text);
        assert_ptr_equal(before, verdict == ENROL_AGAIN ? &uses[table[i].used - 1] : NULL);
    }
}

// Once it has its keys on disk the code is used up, for who has seen the code, too.
static void test_who_comes_again(void **arg)
{
    (void)arg;
    static const struct {
        enum unit_trust now; // 0: it is not in the pool
        bool kept;
        uint32_t number, number_now; // of its keys then, and now or, if it is not there, next
        int64_t seen;                // seconds after it was let in; 0: never
        enum enrolment_verdict verdict;
        const char *why;
    } table[] = {
        {TRUST_ENROLLED, false, 1, 1, 0, ENROL_AGAIN, ""},
        {TRUST_ENROLLED, false, 1, 1, -1, ENROL_AGAIN, ""}, // by the keys it had before
        {TRUST_SHARED, false, 1, 0, -1, ENROL_AGAIN, ""},
        {0, false, 1, 1, 0, ENROL_AGAIN, ""},         // the station crashed before it had it
        {0, false, 1, 3, 0, ENROL_NO, "was used at"}, // forgotten since
        {0, true, 1, 1, 0, ENROL_NO, "was used at"},
        {TRUST_ENROLLED, true, 1, 1, 0, ENROL_NO, "was used at"},
        {TRUST_ENROLLED, false, 1, 1, 1, ENROL_NO, "was used at"},
        {TRUST_ENROLLED, false, 1, 2, 0, ENROL_NO, "was used at"},
        {TRUST_REVOKED, false, 1, 1, 0, ENROL_NO, "is revoked"},
        {TRUST_QUARANTINED, false, 1, 1, 0, ENROL_NO, "is quarantined"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct code_record code = a_code();
        const struct code_use *before, use = {.member = ONE,
                                              .name = "old1",
                                              .engine = ENGINE,
                                              .number = table[i].number,
                                              .time = NOW - 5,
                                              .kept = table[i].kept};
        const struct enrol_request request = {
            .kind = MEMBER_UNIT, .uuid = ONE, .name = "old1", .engine = ENGINE};
        struct unit_record known = a_unit(table[i].now);
        struct dv_err why = {.text = ""};
        known.key_number = table[i].number_now;
        known.last_seen = table[i].seen ? use.time + table[i].seen : 0;
        code.count = 3; // the others' places are not its own
        const struct enrolment e = {.code = &code,
                                    .uses = &use,
                                    .use_count = 1,
                                    .now = NOW,
                                    .request = &request,
                                    .known = table[i].now ? &known : NULL,
                                    .number = table[i].now ? 0 : table[i].number_now};
        enum enrolment_verdict verdict = enrolment_decide(&e, &before, &why);
        if (verdict != table[i].verdict || !strstr(why.text, table[i].why))
            fail_msg("row %zu: %d %s", i, verdict, why.text);
    }
}

// What helps is another thing for one that came by a file, and for a name that the code gives.
static void test_what_helps(void **arg)
{
    (void)arg;
    struct code_record code = a_code();
    const struct enrol_request request = {
        .kind = MEMBER_UNIT, .uuid = ONE, .name = "unit1", .engine = ENGINE};
    const struct unit_record known = a_unit(TRUST_REVOKED), namesake = {.name = "unit1"};
    struct enrolment e = {.code = &code, .now = NOW, .from = "", .request = &request};
    const struct code_use *before;
    struct dv_err why;
    e.known = &known;
    assert_int_equal(enrolment_decide(&e, &before, &why), ENROL_NO);
    assert_non_null(strstr(why.text, "dvsan unit import --again"));
    assert_non_null(strstr(why.text, "If this machine is a copy of "));
    e.from = "192.0.2.1";
    assert_int_equal(enrolment_decide(&e, &before, &why), ENROL_NO);
    assert_non_null(strstr(why.text, " --again. If this machine is a copy of "));
    assert_non_null(strstr(why.text, "/var/lib/dvsan/unit"));
    e.from = "";
    e.known = NULL;
    e.namesake = &namesake;
    dv_copy(code.name, sizeof(code.name), "");
    assert_int_equal(enrolment_decide(&e, &before, &why), ENROL_NO);
    assert_non_null(strstr(why.text, "dvsan-unit.xml"));
    dv_copy(code.name, sizeof(code.name), "unit1");
    assert_int_equal(enrolment_decide(&e, &before, &why), ENROL_NO);
    assert_non_null(strstr(why.text, "make a code for another name"));
    assert_non_null(strstr(why.text, "dvsan unit forget unit1"));
}

// Two engines of one ID have the same users, and could not be told apart.
static void test_each_has_an_engine_of_its_own(void **arg)
{
    (void)arg;
    struct code_record code = a_code();
    const struct enrol_request request = {
        .kind = MEMBER_UNIT, .uuid = ONE, .name = "unit1", .engine = ENGINE};
    struct unit_record known = a_unit(TRUST_ENROLLED);
    struct enrolment e = {.code = &code, .now = NOW, .request = &request, .engine_of = "unit7"};
    const struct code_use *before;
    struct dv_err why;
    assert_int_equal(enrolment_decide(&e, &before, &why), ENROL_NO);
    assert_non_null(strstr(why.text, "has the ID of unit7"));
    code.member = ONE;
    e.known = &known;
    assert_int_equal(enrolment_decide(&e, &before, &why), ENROL_NO);
    assert_non_null(strstr(why.text, "exactEngineID"));
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
        {"192.0.2.0/024", NULL, NULL},
        {"192.0.02.0/24", NULL, NULL},
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
        cmocka_unit_test(test_what_one_network_may_try),
        cmocka_unit_test(test_what_counts_as_one_network),
        cmocka_unit_test(test_who_is_let_in),
        cmocka_unit_test(test_who_comes_again),
        cmocka_unit_test(test_what_helps),
        cmocka_unit_test(test_each_has_an_engine_of_its_own),
        cmocka_unit_test(test_what_it_is_called),
        cmocka_unit_test(test_ranges_of_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
