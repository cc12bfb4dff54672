// What becomes of a unit's trust: the table.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_what_people_say(void **arg)
{
    (void)arg;
    static const struct {
        enum unit_trust is;
        uint32_t number;
        enum trust_act act;
        enum unit_trust becomes; // 0: refused
        const char *says;
    } cases[] = {
        {TRUST_WAITING, 0, TRUST_ACCEPT, TRUST_SHARED, ""},
        {TRUST_QUARANTINED, 0, TRUST_ACCEPT, TRUST_SHARED, ""},
        {TRUST_QUARANTINED, 3, TRUST_ACCEPT, TRUST_ENROLLED, ""},
        {TRUST_SHARED, 0, TRUST_ACCEPT, 0, "accepted already"},
        {TRUST_ENROLLED, 1, TRUST_ACCEPT, 0, "accepted already"},
        {TRUST_REVOKED, 1, TRUST_ACCEPT, 0, "dvsan unit add u1 --again"},
        {TRUST_SHARED, 0, TRUST_QUARANTINE, TRUST_QUARANTINED, ""},
        {TRUST_ENROLLED, 1, TRUST_QUARANTINE, TRUST_QUARANTINED, ""},
        {TRUST_WAITING, 0, TRUST_QUARANTINE, 0, "waits to be accepted"},
        {TRUST_QUARANTINED, 1, TRUST_QUARANTINE, 0, "quarantined already"},
        {TRUST_REVOKED, 1, TRUST_QUARANTINE, 0, "revoked already"},
        {TRUST_SHARED, 0, TRUST_REVOKE, TRUST_REVOKED, ""},
        {TRUST_WAITING, 0, TRUST_REVOKE, TRUST_REVOKED, ""},
        {TRUST_ENROLLED, 1, TRUST_REVOKE, TRUST_REVOKED, ""},
        {TRUST_QUARANTINED, 1, TRUST_REVOKE, TRUST_REVOKED, ""},
        {TRUST_REVOKED, 1, TRUST_REVOKE, 0, "revoked already"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        const struct unit_record u = {
            .name = "u1", .trust = cases[i].is, .key_number = cases[i].number};
        enum unit_trust now = 0;
        struct dv_err err = {.text = ""};
        int rc = trust_change(&u, cases[i].act, &now, &err);
        if ((rc == 0) != (cases[i].becomes != 0) || now != cases[i].becomes ||
            !strstr(err.text, cases[i].says))
            fail_msg("case %zu: %d, %d, %s", i, rc, now, err.text);
    }
}

static void test_who_is_left_alone_says_what_to_do(void **arg)
{
    (void)arg;
    static const char *const ways_out[] = {
        [TRUST_SHARED] = NULL,
        [TRUST_WAITING] = "dvsan unit accept u1",
        [TRUST_ENROLLED] = NULL,
        [TRUST_QUARANTINED] = "dvsan unit accept u1",
        [TRUST_REVOKED] = "dvsan unit add u1 --again",
    };
    for (unsigned trust = TRUST_SHARED; trust < DV_COUNT(ways_out); trust++) {
        const struct unit_record u = {.name = "u1", .trust = trust, .key_number = 1};
        char why[TRUST_WHY_ROOM];
        trust_why_not(&u, why);
        assert_int_equal(trust_is_taken(trust), ways_out[trust] == NULL);
        if (ways_out[trust])
            assert_non_null(strstr(why, ways_out[trust]));
        else
            assert_string_equal(why, "");
    }
}

// Who has a revoked unit that shares pass-phrases has all that take them.
static void test_what_is_shared_is_not_said_to_be_worth_nothing(void **arg)
{
    (void)arg;
    struct unit_record u = {.name = "u1", .trust = TRUST_REVOKED, .key_number = 1};
    char why[TRUST_WHY_ROOM];
    trust_why_not(&u, why);
    assert_non_null(strstr(why, "its keys open nothing any more"));
    u.key_number = 0;
    trust_why_not(&u, why);
    assert_null(strstr(why, "nothing any more"));
    assert_non_null(strstr(why, "they open each unit that is not enrolled"));
    assert_non_null(strstr(why, "dvsan unit add u1 --again"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_people_say),
        cmocka_unit_test(test_who_is_left_alone_says_what_to_do),
        cmocka_unit_test(test_what_is_shared_is_not_said_to_be_worth_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
