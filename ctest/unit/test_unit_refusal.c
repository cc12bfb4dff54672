// Tests of at which volume a login was refused: only one is certain.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/refusal.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ALICE "iqn.2026-11.host:alice"
#define BOB   "iqn.2026-11.host:bob"

// Volumes 1 and 3 are tgtd 1's, volume 2 is tgtd 2's.
static struct state *make(void)
{
    struct state *s = state_new(0, 2);
    for (uint32_t i = 1; i <= 3; i++) {
        struct volume v = {.index = i, .state = VOLUME_ONLINE};
        struct unit_volume *row = state_add_volume(s, &v);
        row->made = true;
        row->tgtd = row->v.group;
    }
    return s;
}

static void let_in(struct state *s, uint32_t volume, uint32_t index, const char *initiator,
                   enum access_state in)
{
    struct access_rule r = {.volume = volume, .index = index, .state = in};
    dv_copy(r.initiator, sizeof(r.initiator), initiator);
    state_add_rule(s, &r, "secret-of-host");
}

static uint32_t at(const struct state *s, uint32_t tgtd, const char *initiator)
{
    const struct unit_volume *v = refusal_volume(s, tgtd, initiator);
    return v ? v->v.index : 0;
}

static void one_volume(void **state)
{
    (void)state;
    struct state *s = make();
    assert_int_equal(at(s, 1, ALICE), 0);
    let_in(s, 1, 1, ALICE, ACCESS_ACTIVE);
    let_in(s, 1, 2, BOB, ACCESS_ACTIVE);
    assert_int_equal(at(s, 1, ALICE), 1);
    assert_int_equal(at(s, 1, BOB), 1);
    assert_int_equal(at(s, 2, ALICE), 0);
    assert_int_equal(at(s, 1, "iqn.2026-11.host:alic"), 0);
    let_in(s, 2, 1, ALICE, ACCESS_ACTIVE); // of another tgtd
    assert_int_equal(at(s, 1, ALICE), 1);
    assert_int_equal(at(s, 2, ALICE), 2);
    let_in(s, 3, 1, ALICE, ACCESS_ACTIVE);
    assert_int_equal(at(s, 1, ALICE), 0);
    assert_int_equal(at(s, 2, ALICE), 2);
    state_free(s);
}

static void rules_on_the_way(void **state)
{
    (void)state;
    static const enum access_state unsure[] = {ACCESS_PENDING, ACCESS_FAILED, ACCESS_REVOKING};
    for (size_t i = 0; i < DV_COUNT(unsure); i++) {
        struct state *s = make();
        let_in(s, 1, 1, ALICE, unsure[i]);
        assert_int_equal(at(s, 1, ALICE), 0);
        let_in(s, 3, 1, ALICE, ACCESS_ACTIVE);
        assert_int_equal(at(s, 1, ALICE), 0);
        state_free(s);
    }
}

static void volumes_on_the_way(void **state)
{
    (void)state;
    struct state *s = make();
    let_in(s, 1, 1, ALICE, ACCESS_ACTIVE);
    let_in(s, 2, 1, ALICE, ACCESS_ACTIVE);
    state_volume(s, 2)->tgtd = 1; // still, and to be the second one's
    assert_int_equal(at(s, 1, ALICE), 0);
    assert_int_equal(at(s, 2, ALICE), 0);
    state_free(s);
}

static void expect_text(const struct state *s, uint32_t volume, const char *begin, bool others)
{
    char *text = refusal_text(state_rule(s, volume, 1));
    if (begin)
        assert_non_null(strstr(text, begin));
    else
        assert_string_equal(text, "");
    assert_int_equal(strstr(text, "another volume") != NULL, others);
    free(text);
}

// At all rules that may be meant, until the initiator gets in there.
static void what_a_rule_says(void **state)
{
    (void)state;
    struct state *s = make();
    let_in(s, 1, 1, ALICE, ACCESS_ACTIVE);
    let_in(s, 2, 1, BOB, ACCESS_ACTIVE);
    let_in(s, 3, 1, "iqn.2026-11.host:CAROL", ACCESS_ACTIVE);
    expect_text(s, 1, NULL, false);
    refusal_note(s, 1, ALICE, 0);
    refusal_note(s, 2, ALICE, 0); // no volume of his is there
    expect_text(s, 1, "1 login refused", false);
    refusal_note(s, 1, ALICE, 86399);
    expect_text(s, 1, "2 logins refused", false);
    expect_text(s, 1, "at 1970-01-01T23:59:59Z", false);
    expect_text(s, 2, NULL, false);
    state_rule(s, 1, 1)->counting.logins++;
    expect_text(s, 1, NULL, false);
    refusal_note(s, 1, ALICE, 0);
    expect_text(s, 1, "1 login refused", false);
    refusal_note(s, 1, "iqn.2026-11.host:carol", 0);
    expect_text(s, 3, "1 login refused", false);
    let_in(s, 3, 2, ALICE, ACCESS_ACTIVE);
    expect_text(s, 1, "1 login refused", false); // it was not meant then
    refusal_note(s, 1, ALICE, 0);
    expect_text(s, 1, "2 logins refused", true);
    state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_rule_says),
        cmocka_unit_test(one_volume),
        cmocka_unit_test(rules_on_the_way),
        cmocka_unit_test(volumes_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
