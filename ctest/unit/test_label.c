// Tests of a volume's label: between what is wanted and what a unit shows.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/text.h"
#include "dvsan_oids.h"
#include "model/kind.h"
#include "model/pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NO_DESCRIPTION (UINT64_C(1) << SUB_dvsanVolumeDescription)

// What is wanted is shown under the same name, as a text with the same room and a column.
static void test_both_kinds_have_it(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < kind_volume.field_count; i++) {
        const struct kind_field *f = &kind_volume.fields[i];
        const struct kind_field *g = kind_named(&kind_shown, f->name);
        if (!(f->flags & KIND_CHANGEABLE))
            continue;
        n++;
        assert_non_null(g);
        assert_true(f->type == KIND_TEXT && g->type == KIND_TEXT && f->room == g->room);
        assert_true(f->check && (g->flags & KIND_CHANGEABLE));
        assert_in_range(g->mib, 1, 31); // a bit of a SET's columns, and of lacks
        // Of words there may be none, and an older agent does not have their column.
        assert_int_equal(f->flags & KIND_OPTIONAL, g->flags & KIND_OPTIONAL);
    }
    assert_true(n >= 2);
}

static void test_shown_and_lost(void **state)
{
    (void)state;
    struct volume_record want = {.name = "v", .description = "mine"};
    struct volume shown = {.name = "v", .description = "mine"};
    assert_true(volume_is_labelled(&want, &shown));
    assert_false(volume_lost_words(&want, &shown));
    shown.description[0] = '\0';
    assert_false(volume_is_labelled(&want, &shown));
    assert_true(volume_lost_words(&want, &shown));
    dv_copy(shown.description, sizeof(shown.description), "another");
    assert_false(volume_is_labelled(&want, &shown));
    assert_false(volume_lost_words(&want, &shown));
    // Of an agent that has no column for them nothing is missed but the name.
    shown.description[0] = '\0';
    shown.lacks = NO_DESCRIPTION;
    assert_true(volume_is_labelled(&want, &shown));
    assert_false(volume_lost_words(&want, &shown));
    dv_copy(shown.name, sizeof(shown.name), "w");
    assert_false(volume_is_labelled(&want, &shown));
}

static void test_take_and_follow(void **state)
{
    (void)state;
    struct volume_record want = {.name = "v", .description = "mine"};
    struct volume shown = {.name = "w", .description = "theirs"};
    volume_follow_words(&want, &shown);
    assert_string_equal(want.description, "theirs");
    assert_string_equal(want.name, "v");
    shown.description[0] = '\0';
    volume_follow_words(&want, &shown);
    assert_string_equal(want.description, "theirs");
    shown.lacks = NO_DESCRIPTION;
    volume_take_label(&want, &shown);
    assert_string_equal(want.description, "theirs");
    assert_string_equal(want.name, "w");
    shown.lacks = 0;
    volume_take_label(&want, &shown);
    assert_string_equal(want.description, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_kinds_have_it),
        cmocka_unit_test(test_shown_and_lost),
        cmocka_unit_test(test_take_and_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
