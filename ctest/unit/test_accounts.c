// Tests of which account a unit is given next while a host's secret is exchanged.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/accounts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CURRENT  2 // marks
#define PREVIOUS 1

struct next_case {
    const char *name;
    const char *before;               // the host's previous user; it has web.2 now
    const char *user, *previous_user; // the rule's
    uint32_t mark;
    struct account_step step;
};

static const struct next_case cases[] = {
    {"as wanted", "", "web.2", "", CURRENT, {false, false, false}},
    {"as wanted, with both", "web", "web.2", "web", CURRENT, {false, false, false}},
    {"its secret is another one", "", "web.2", "", 9, {true, false, false}},
    {"its secret is another one, with both", "web", "web.2", "web", 9, {true, false, false}},
    {"not changed over yet", "web", "web", "", PREVIOUS, {true, false, false}},
    {"not changed over twice", "web", "web", "old", PREVIOUS, {true, false, false}},
    {"not changed over, and with another secret", "web", "web", "", 9, {true, true, false}},
    {"the old one ended", "", "web.2", "web", CURRENT, {true, false, true}},
    {"it ended while the unit was away", "", "web", "", PREVIOUS, {true, false, true}},
    {"another one there", "", "other", "", 9, {true, false, true}},
    {"another one there, and a previous one is valid", "web", "other", "", 9, {true, true, true}},
    {"the previous one was lost", "web", "web.2", "", CURRENT, {true, true, false}},
    {"another previous one", "web", "web.2", "other", CURRENT, {true, true, false}},
};

static struct host_record host(const char *before)
{
    struct host_record h = {.sealed_len = 50, .secret_mark = CURRENT, .chap_user = "web.2"};
    dv_copy(h.previous.user, sizeof(h.previous.user), before);
    h.previous.mark = before[0] ? PREVIOUS : 0;
    return h;
}

static void each_step_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        const struct next_case *c = &cases[i];
        struct host_record h = host(c->before);
        struct access_rule r = {.secret_mark = c->mark};
        dv_copy(r.chap_user, sizeof(r.chap_user), c->user);
        dv_copy(r.previous_user, sizeof(r.previous_user), c->previous_user);
        struct account_step got = account_next(&h, &r);
        if (got.due != c->step.due || got.previous != c->step.previous ||
            got.alone != c->step.alone)
            fail_msg("%s: %d %d %d", c->name, got.due, got.previous, got.alone);
    }
}

struct ended_case {
    const char *name;
    const char *before;               // the host's previous user; it has web.2 now
    const char *user, *previous_user; // the rule's
    uint32_t mark;
    bool ended;
};

static const struct ended_case ended[] = {
    {"as wanted", "", "web.2", "", CURRENT, false},
    {"as wanted, with both", "web", "web.2", "web", CURRENT, false},
    {"not changed over yet", "web", "web", "", PREVIOUS, false},
    {"the old one was given back", "web", "web", "web.2", PREVIOUS, false},
    {"the old one ended while the unit was away", "", "web", "", PREVIOUS, true},
    {"it ended where both are", "", "web.2", "web", CURRENT, true},
    {"one of long before", "web", "web", "old", PREVIOUS, true},
    {"one that nobody knows", "web", "other", "", 9, true},
    {"another secret", "", "web.2", "", 9, true},
};

static void what_has_ended_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(ended); i++) {
        const struct ended_case *c = &ended[i];
        struct host_record h = host(c->before);
        struct access_rule r = {.secret_mark = c->mark};
        dv_copy(r.chap_user, sizeof(r.chap_user), c->user);
        dv_copy(r.previous_user, sizeof(r.previous_user), c->previous_user);
        if (account_has_ended(&h, &r) != c->ended)
            fail_msg("%s", c->name);
    }
}

struct adopt_case {
    const char *name;
    const char *before;               // the host's previous user; it has web.2 now
    const char *user, *previous_user; // the rule's
    uint32_t mark;
    bool changes;
    const char *then, *then_before; // the host's
};

static const struct adopt_case adopted[] = {
    {"as recorded", "", "web.2", "", CURRENT, false, "web.2", ""},
    {"as recorded, with both", "web", "web.2", "web", CURRENT, false, "web.2", "web"},
    {"not changed over yet", "web", "web", "", PREVIOUS, false, "web.2", "web"},
    {"the old one ended", "web", "web.2", "", CURRENT, true, "web.2", ""},
    {"the old one was kept", "", "web.2", "web", CURRENT, false, "web.2", ""},
    {"changed over since", "", "web.3", "web.2", 9, true, "web.3", "web.2"},
    {"changed over twice since", "", "web.4", "web.3", 9, true, "web.4", ""},
    {"ended, and changed over since", "web", "web.3", "web.2", 9, true, "web.3", "web.2"},
    {"changed over at once", "web", "web.3", "", 9, true, "web.3", ""},
    {"another secret", "", "web.2", "", 9, true, "web.2", ""},
    {"another secret, with both", "web", "web.2", "web", 9, true, "web.2", "web"},
    {"another secret of the old one", "web", "web", "", 9, true, "web", ""},
};

static void what_a_unit_has_is_taken_over(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(adopted); i++) {
        const struct adopt_case *c = &adopted[i];
        struct host_record h = host(c->before), again;
        struct access_rule r = {.secret_mark = c->mark};
        dv_copy(r.chap_user, sizeof(r.chap_user), c->user);
        dv_copy(r.previous_user, sizeof(r.previous_user), c->previous_user);
        bool was_known = account_is_known(&h, &r), other = c->mark == 9;
        if (account_adopt(&h, &r, 77) != c->changes || was_known == other ||
            strcmp(h.chap_user, c->then) != 0 || strcmp(h.previous.user, c->then_before) != 0 ||
            (h.sealed_len == 0) != other)
            fail_msg("%s: %s, %s, %d", c->name, h.chap_user, h.previous.user, h.sealed_len);
        if (strcmp(c->then_before, "web.2") == 0) {
            assert_int_equal(h.previous.sealed_len, 50);
            assert_int_equal(h.previous.mark, CURRENT);
            assert_int_equal(h.previous.since, 77);
        }
        again = h;
        assert_false(account_adopt(&again, &r, 78));
        assert_true(account_is_known(&again, &r));
    }
}

// As a unit does.
static void take(const struct host_record *h, struct account_step step, struct access_rule *r)
{
    struct host_record given = step.previous ? account_before(h) : *h;
    if (strcmp(r->chap_user, given.chap_user) != 0)
        memcpy(r->previous_user, r->chap_user, sizeof(r->previous_user));
    if (step.alone)
        r->previous_user[0] = '\0';
    memcpy(r->chap_user, given.chap_user, sizeof(r->chap_user));
    r->secret_mark = given.secret_mark;
}

// Whatever is there; and a host that has the previous account and may use it is not cut off.
static void the_steps_end_with_what_is_wanted(void **state)
{
    (void)state;
    static const char *const users[] = {"", "web", "web.2", "web.3"};
    for (size_t before = 0; before < 2; before++) {
        struct host_record h = host(users[before]);
        for (size_t n = 0; n < 3 * 4 * 4; n++) {
            struct access_rule r = {.secret_mark = (uint32_t)(n / 12)};
            dv_copy(r.chap_user, sizeof(r.chap_user), users[1 + n % 3]);
            dv_copy(r.previous_user, sizeof(r.previous_user), users[n / 3 % 4]);
            bool had = false;
            for (int steps = 0; account_next(&h, &r).due; steps++) {
                assert_true(steps < 4);
                take(&h, account_next(&h, &r), &r);
                bool has = strcmp(r.chap_user, "web") == 0 || strcmp(r.previous_user, "web") == 0;
                assert_true(has || !had || !before);
                had = has;
            }
            assert_true(account_is_given(&h, &r));
            assert_string_equal(r.previous_user, users[before]);
        }
    }
}

static void a_mark_tells_whose_secret_it_is(void **state)
{
    (void)state;
    struct host_record h = host("web");
    assert_true(account_has_mark(&h, CURRENT));
    assert_true(account_has_mark(&h, PREVIOUS));
    assert_false(account_has_mark(&h, 9));
    h = host("");
    assert_false(account_has_mark(&h, 0));
    assert_false(account_has_mark(&h, PREVIOUS));
}

static void users_are_counted(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"web", "web.2"},
        {"web.2", "web.3"},
        {"web.9", "web.10"},
        {"web.", "web..2"},
        {"web.a", "web.a.2"},
        {"web.01", "web.01.2"},
        {".5", ".5.2"},
        {"web.2.7", "web.2.8"},
        {"iqn.2026-11.x:a", "iqn.2026-11.x:a.2"},
        {"x.1234567890", "x.1234567890.2"},
    };
    char out[CHAP_USER_MAX + 1], longest[CHAP_USER_MAX + 1];
    for (size_t i = 0; i < DV_COUNT(names); i++) {
        account_next_user(names[i][0], out);
        assert_string_equal(out, names[i][1]);
    }
    memset(longest, 'x', CHAP_USER_MAX);
    longest[CHAP_USER_MAX] = '\0';
    account_next_user(longest, out);
    assert_int_equal(strlen(out), CHAP_USER_MAX);
    assert_string_equal(out + CHAP_USER_MAX - 3, "x.2");
    account_next_user(out, longest);
    assert_string_equal(longest + CHAP_USER_MAX - 3, "x.3");
}

static void users_of_a_name_are_known(void **state)
{
    static const struct {
        const char *user, *name;
        bool is;
    } users[] = {{"web", "web", true},    {"web.2", "web", true},  {"web.17", "web", true},
                 {"web.", "web", false},  {"web.0", "web", false}, {"web.2x", "web", false},
                 {"webs", "web", false},  {"we", "web", false},    {"thief", "web", false},
                 {"web.2", "web.2", true}};
    (void)state;
    for (size_t i = 0; i < DV_COUNT(users); i++)
        if (account_is_named(users[i].user, users[i].name) != users[i].is)
            fail_msg("%s of %s", users[i].user, users[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_right),
        cmocka_unit_test(the_steps_end_with_what_is_wanted),
        cmocka_unit_test(what_has_ended_is_told),
        cmocka_unit_test(what_a_unit_has_is_taken_over),
        cmocka_unit_test(a_mark_tells_whose_secret_it_is),
        cmocka_unit_test(users_are_counted),
        cmocka_unit_test(users_of_a_name_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
