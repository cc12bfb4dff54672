// Tests of what counts as done to an access rule by somebody else.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/foreign.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct shown {
    enum access_state state; // 0: there is no rule
    const char *user;        // "a+b": b is the previous one
    uint32_t mark;           // GONE: it has no secret
};
#define GONE UINT32_MAX

struct foreign_case {
    const char *name;
    struct shown before, now;
    enum { NO_RIGHT, UNWANTED, WANTED } right;
    const char *user; // the host's
    uint32_t mark;    // likewise
    bool secret;      // it is known here
    enum foreign what;
};

#define NONE                                                                                       \
    {                                                                                              \
        0, "", 0                                                                                   \
    }

static const struct foreign_case cases[] = {
    {"as it was", {2, "a", 7}, {2, "a", 7}, WANTED, "a", 7, true, FOREIGN_NOTHING},
    {"it works now", {1, "a", 7}, {2, "a", 7}, WANTED, "a", 7, true, FOREIGN_NOTHING},
    // Added.
    {"one that was asked for", NONE, {1, "a", 7}, WANTED, "a", 7, true, FOREIGN_NOTHING},
    {"one that is taken back meanwhile",
     NONE,
     {1, "a", 7},
     UNWANTED,
     "a",
     7,
     true,
     FOREIGN_NOTHING},
    {"one that nobody asked for", NONE, {2, "a", 7}, NO_RIGHT, "", 0, false, FOREIGN_ADDED},
    {"one of that kind that ends", NONE, {4, "a", 7}, NO_RIGHT, "", 0, false, FOREIGN_NOTHING},
    // Removed.
    {"one that was to go", {2, "a", 7}, NONE, UNWANTED, "a", 7, true, FOREIGN_NOTHING},
    {"one that nobody wanted", {2, "a", 7}, NONE, NO_RIGHT, "", 0, false, FOREIGN_NOTHING},
    {"one that was ending, and is wanted again",
     {4, "a", 7},
     NONE,
     WANTED,
     "a",
     7,
     true,
     FOREIGN_NOTHING},
    {"one that is wanted", {2, "a", 7}, NONE, WANTED, "a", 7, true, FOREIGN_REMOVED},
    {"one that is wanted, of a secret not known here",
     {2, "a", 7},
     NONE,
     WANTED,
     "a",
     0,
     false,
     FOREIGN_REMOVED},
    {"one that is being removed", {2, "a", 7}, {4, "a", 7}, WANTED, "a", 7, true, FOREIGN_REMOVED},
    {"one of another user than the host's",
     {2, "a", 7},
     NONE,
     WANTED,
     "b",
     8,
     true,
     FOREIGN_NOTHING},
    // Changed.
    {"another secret", {2, "a", 7}, {2, "a", 9}, WANTED, "a", 7, true, FOREIGN_SECRET},
    {"a secret without a mark", {2, "a", 7}, {2, "a", 0}, WANTED, "a", 7, true, FOREIGN_SECRET},
    {"the host's secret at last", {2, "a", 6}, {2, "a", 7}, WANTED, "a", 7, true, FOREIGN_NOTHING},
    {"the host has a new one by now",
     {2, "a", 6},
     {2, "a", 9},
     WANTED,
     "a",
     7,
     true,
     FOREIGN_NOTHING},
    {"a secret that is not known here",
     {2, "a", 0},
     {2, "a", 9},
     WANTED,
     "a",
     0,
     false,
     FOREIGN_NOTHING},
    {"no secret any more", {2, "a", 7}, {3, "a", GONE}, WANTED, "a", 7, true, FOREIGN_NO_SECRET},
    {"likewise, of one that is not known here",
     {2, "a", 0},
     {3, "a", GONE},
     WANTED,
     "a",
     0,
     false,
     FOREIGN_NO_SECRET},
    {"still none", {3, "a", GONE}, {3, "a", GONE}, WANTED, "a", 7, true, FOREIGN_NOTHING},
    {"the secret again", {3, "a", GONE}, {1, "a", 7}, WANTED, "a", 7, true, FOREIGN_NOTHING},
    {"none, of one that was to go",
     {2, "a", 7},
     {3, "a", GONE},
     UNWANTED,
     "a",
     7,
     true,
     FOREIGN_NOTHING},
    {"another user", {2, "a", 7}, {2, "b", 7}, WANTED, "a", 7, true, FOREIGN_USER},
    {"a user beside it", {2, "a", 7}, {2, "a+b", 7}, WANTED, "a", 7, true, FOREIGN_USER},
    {"the user of before ended", {2, "a+b", 7}, {2, "a", 7}, WANTED, "a", 7, true, FOREIGN_NOTHING},
};

static const struct access_rule *rule(const struct shown *s, struct access_rule *out)
{
    *out = (struct access_rule){.index = 1,
                                .volume = 1,
                                .initiator = "iqn.2026-01.x:h",
                                .secret_is_set = s->mark != GONE,
                                .secret_mark = s->mark != GONE ? s->mark : 0,
                                .state = s->state};
    dv_copy(out->chap_user, sizeof(out->chap_user), s->user);
    char *plus = strchr(out->chap_user, '+');
    if (plus)
        dv_copy(out->previous_user, sizeof(out->previous_user), plus + 1);
    if (plus)
        *plus = '\0';
    return s->state ? out : NULL;
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        const struct foreign_case *c = &cases[i];
        struct access_rule before, now;
        struct assignment_record right = {.wanted = c->right == WANTED};
        struct host_record host = {
            .iqn = "iqn.2026-01.x:h", .secret_mark = c->mark, .sealed_len = c->secret ? 60 : 0};
        dv_copy(host.chap_user, sizeof(host.chap_user), c->user);
        bool has = c->right != NO_RIGHT;
        enum foreign what = foreign_rule(rule(&c->before, &before), rule(&c->now, &now),
                                         has ? &right : NULL, has ? &host : NULL);
        if (what != c->what)
            fail_msg("%s: %d", c->name, (int)what);
    }
}

// Of a rule that came with a volume.
static void test_found(void **state)
{
    (void)state;
    static const struct {
        const char *user, *previous; // the host's
        uint32_t mark;
        bool secret;
        struct shown found;
        enum foreign what;
    } found[] = {
        {"a", "", 7, true, {2, "a", 7}, FOREIGN_NOTHING},
        {"a", "", 7, true, {2, "z", 7}, FOREIGN_USER},
        {"a", "", 7, true, {2, "z", 0}, FOREIGN_USER},
        {"a", "", 7, true, {2, "a", 8}, FOREIGN_SECRET},
        {"a", "b", 7, true, {2, "b", 5}, FOREIGN_NOTHING},
        {"a", "b", 7, true, {2, "b", 6}, FOREIGN_SECRET},
        {"a", "", 7, false, {2, "z", 0}, FOREIGN_NOTHING}, // there is nothing to compare
    };
    struct access_rule r;
    for (size_t i = 0; i < DV_COUNT(found); i++) {
        struct host_record host = {.secret_mark = found[i].mark,
                                   .sealed_len = found[i].secret ? 60 : 0};
        dv_copy(host.chap_user, sizeof(host.chap_user), found[i].user);
        dv_copy(host.previous.user, sizeof(host.previous.user), found[i].previous);
        host.previous.mark = host.previous.user[0] ? 5 : 0;
        assert_int_equal(foreign_found(rule(&found[i].found, &r), &host), found[i].what);
    }
    assert_int_equal(foreign_found(rule(&found[0].found, &r), NULL), FOREIGN_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
