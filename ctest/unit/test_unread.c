// Tests of what a reading keeps of rows that could not be read.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/unread.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// A unit with two media, two portals, and a volume 7 with rules 1 and 2.
static struct pool *make(void)
{
    struct pool *p = pool_new();
    struct changes c = {0};
    struct unit_record unit = {.uuid = {{1}}, .name = "unit1", .state = UNIT_UP};
    struct volume_record rec = {
        .uuid = {{2}}, .unit = unit.uuid, .index = 7, .name = "seven", .wanted = true};
    const struct medium media[] = {{.index = 1, .name = "one"}, {.index = 2, .name = "two"}};
    const struct portal portals[] = {{.index = 1, .group = 1, .port = 1},
                                     {.index = 1, .group = 2, .port = 2}};
    const struct volume shown = {.uuid = {{2}},
                                 .index = 7,
                                 .name = "seven",
                                 .blocks = 2048,
                                 .iqn = "iqn.2026-11.x:02000000-0000-0000-0000-000000000000"};
    const struct access_rule rules[] = {{.volume = 7, .index = 1, .initiator = "iqn.a"},
                                        {.volume = 7, .index = 2, .initiator = "iqn.b"}};
    changes_unit(&c, &unit);
    changes_media(&c, &unit.uuid, media, DV_COUNT(media));
    changes_portals(&c, &unit.uuid, portals, DV_COUNT(portals));
    changes_volume(&c, &rec);
    changes_shown(&c, &shown, rules, DV_COUNT(rules));
    pool_apply(p, &c);
    changes_free(&c);
    return p;
}

struct unread_case {
    const char *name;
    struct reading_unread row;
    size_t media, portals, volumes, rules; // that the reading has then
};

static const struct unread_case cases[] = {
    {"a medium", {READING_MEDIA, {2, 0}}, 1, 0, 0, 0},
    {"a medium that was never there", {READING_MEDIA, {3, 0}}, 0, 0, 0, 0},
    {"a portal of the second group", {READING_PORTALS, {1, 2}}, 0, 1, 0, 0},
    {"a portal of no group", {READING_PORTALS, {1, 3}}, 0, 0, 0, 0},
    {"a volume", {READING_VOLUMES, {7, 0}}, 0, 0, 1, 0},
    {"a volume that was never there", {READING_VOLUMES, {8, 0}}, 0, 0, 0, 0},
    {"a rule", {READING_RULES, {7, 2}}, 0, 0, 0, 1},
    {"a rule that was never there", {READING_RULES, {7, 3}}, 0, 0, 0, 0},
    {"a rule of no volume", {READING_RULES, {8, 1}}, 0, 0, 0, 0},
    {"a free extent", {READING_FREE, {1, 0}}, 0, 0, 0, 0},
};

static void test_rows_are_kept(void **state)
{
    (void)state;
    struct pool *p = make();
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct reading *r = dv_calloc(1, sizeof(*r));
        print_message("%s\n", cases[i].name);
        *DV_APPEND(r->unread, r->unread_count) = cases[i].row;
        unread_keep(r, p->units);
        assert_int_equal(r->media_count, cases[i].media);
        assert_int_equal(r->portal_count, cases[i].portals);
        assert_int_equal(r->volume_count, cases[i].volumes);
        assert_int_equal(r->rule_count, cases[i].rules);
        if (r->media_count)
            assert_string_equal(r->media[0].name, "two");
        if (r->portal_count)
            assert_int_equal(r->portals[0].port, 2);
        if (r->volume_count)
            assert_int_equal(r->volumes[0].blocks, 2048);
        if (r->rule_count)
            assert_string_equal(r->rules[0].initiator, "iqn.b");
        reading_free(r);
    }
    pool_free(p);
}

static void test_nothing_is_known_of_a_new_unit(void **state)
{
    (void)state;
    struct reading *r = dv_calloc(1, sizeof(*r));
    *DV_APPEND(r->unread, r->unread_count) = cases[0].row;
    unread_keep(r, NULL);
    assert_int_equal(r->media_count, 0);
    reading_free(r);
}

static void test_tail(void **state)
{
    (void)state;
    struct sn_oid oids[READING_TAIL_MAX];
    struct sn_var vars[READING_TAIL_MAX];
    struct reading_tail tail;
    size_t n = reading_tail_oids(oids);
    for (size_t i = 0; i < n; i++)
        vars[i] = (struct sn_var){oids[i], sn_uint((uint32_t)i + 5)};
    struct sn_result answer = {.code = DV_OK, .vars = vars, .count = n, .text = ""};
    assert_true(reading_tail(&answer, &tail));
    assert_int_equal(tail.epoch, 5);
    assert_int_equal(tail.generation, 6);
    assert_int_equal(tail.volumes, 7);
    assert_int_equal(tail.media, 8);
    for (size_t i = 0; i < n; i++) { // an agent that is away just now
        struct sn_value was = vars[i].value;
        vars[i].value = (struct sn_value){.type = SN_NO_OBJECT};
        assert_false(reading_tail(&answer, &tail));
        vars[i].value = was;
    }
    answer.count--;
    assert_false(reading_tail(&answer, &tail));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_kept),
        cmocka_unit_test(test_nothing_is_known_of_a_new_unit),
        cmocka_unit_test(test_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
