// Tests of the standard tables' rows: found by index, and in order.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/std/rows.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct shape VOLUMES = {SHAPE_VOLUMES, "1x", 0};
static const struct shape RULES = {SHAPE_RULES, "1x0x", 0};
static const struct shape BELOW = {SHAPE_VOLUMES, "1x1x", 3};
static const struct shape ONE = {SHAPE_ONE, "1", 0};

#define INDEX(...)                                                                                 \
    (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)

static void expect_behind(const struct shape *s, const uint32_t *index, size_t len, bool any,
                          uint64_t first, uint64_t second)
{
    uint64_t keys[SHAPE_KEYS];
    assert_int_equal(shape_behind(s, index, len, keys), any);
    if (any) {
        assert_int_equal(keys[0], first);
        assert_int_equal(keys[1], second);
    }
}

static void what_is_behind_an_index(void **state)
{
    (void)state;
    expect_behind(&RULES, NULL, 0, true, 0, 0);
    expect_behind(&RULES, INDEX(0, 9, 0, 9), true, 0, 0);
    expect_behind(&RULES, INDEX(1), true, 0, 0);
    expect_behind(&RULES, INDEX(1, 5), true, 5, 0);
    expect_behind(&RULES, INDEX(1, 5, 0), true, 5, 0);
    expect_behind(&RULES, INDEX(1, 5, 0, 3), true, 5, 4);
    expect_behind(&RULES, INDEX(1, 5, 0, 3, 1), true, 5, 4);
    expect_behind(&RULES, INDEX(1, 5, 1, 3), true, 6, 0);
    expect_behind(&RULES, INDEX(2), false, 0, 0);
    expect_behind(&VOLUMES, INDEX(1, UINT32_MAX), true, UINT32_MAX + UINT64_C(1), 0);
    expect_behind(&ONE, NULL, 0, true, 0, 0);
    expect_behind(&ONE, INDEX(1), false, 0, 0);
}

static void an_index_is_exact_or_not(void **state)
{
    (void)state;
    uint64_t keys[SHAPE_KEYS];
    uint32_t back[SN_INDEX_MAX];
    assert_true(shape_exact(&RULES, INDEX(1, 5, 0, 3), keys));
    assert_int_equal(keys[0], 5);
    assert_int_equal(keys[1], 3);
    assert_int_equal(shape_index(&RULES, keys, back), 4);
    assert_memory_equal(back, ((const uint32_t[]){1, 5, 0, 3}), 4 * sizeof(uint32_t));
    assert_false(shape_exact(&RULES, INDEX(1, 5, 1, 3), keys));
    assert_false(shape_exact(&RULES, INDEX(1, 5, 0), keys));
    assert_false(shape_exact(&RULES, INDEX(1, 5, 0, 3, 1), keys));
}

// ---- Rows of a state ----------------------------------------------------------------------------

static void add_volume(struct state *s, uint32_t index, bool made)
{
    struct volume v = {.index = index, .blocks = ALLOC_BLOCKS};
    state_add_volume(s, &v)->made = made;
}

static void add_rule(struct state *s, uint32_t volume, uint32_t index)
{
    struct access_rule r = {.volume = volume, .index = index};
    state_add_rule(s, &r, "secret");
}

struct step {
    uint64_t first, second;
};

static void expect_rows(const struct std *std, const struct shape *shape, const struct step *steps,
                        size_t count)
{
    uint64_t keys[SHAPE_KEYS] = {0};
    uint32_t index[SN_INDEX_MAX];
    struct std_row row;
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(shape_behind(shape, index, len, keys));
        assert_true(std_row_from(std, shape, keys, &row));
        assert_int_equal(keys[0], steps[i].first);
        assert_int_equal(keys[1], steps[i].second);
        assert_int_equal(row.volume->v.index, steps[i].first);
        len = shape_index(shape, keys, index);
    }
    assert_true(shape_behind(shape, index, len, keys));
    assert_false(std_row_from(std, shape, keys, &row));
}

static void rows_come_in_order(void **state)
{
    (void)state;
    struct state *s = state_new(0, 1);
    struct traffic *traffic = traffic_new(1);
    const struct traffic *of_group = traffic;
    struct std *std = std_bare(NULL, s, &of_group);
    add_volume(s, 2, true);
    add_volume(s, 3, false); // is being made
    add_volume(s, INDEX_MAX, true);
    add_rule(s, 2, 4);
    add_rule(s, 2, INDEX_MAX);
    add_rule(s, 3, 1);
    add_rule(s, INDEX_MAX, 1);
    static const struct step volumes[] = {{2, 0}, {INDEX_MAX, 0}};
    static const struct step rules[] = {{2, 4}, {2, INDEX_MAX}, {INDEX_MAX, 1}};
    static const struct step below[] = {{2, 1},         {2, 2},         {2, 3},
                                        {INDEX_MAX, 1}, {INDEX_MAX, 2}, {INDEX_MAX, 3}};
    expect_rows(std, &VOLUMES, volumes, DV_COUNT(volumes));
    expect_rows(std, &RULES, rules, DV_COUNT(rules));
    expect_rows(std, &BELOW, below, DV_COUNT(below));
    std_free(std);
    traffic_free(traffic);
    state_free(s);
}

// ---- Rows by portal groups ----------------------------------------------------------------------

static const struct shape INSTANCES = {SHAPE_ONE, "g", 0};
static const struct shape PORTALS_OF = {SHAPE_PORTALS, "gx0", 0};
static const struct shape VOLUMES_OF = {SHAPE_VOLUMES, "gx", 0};
static const struct shape RULES_OF = {SHAPE_RULES, "gxx", 0};
static const struct shape SESSIONS_OF = {SHAPE_SESSIONS, "gxx1", 0};
static const struct shape SESSIONS = {SHAPE_SESSIONS, "1x1x", 0};

struct triple {
    uint64_t keys[SHAPE_KEYS];
};

static void expect_triples(const struct std *std, const struct shape *shape,
                           const struct triple *wanted, size_t count)
{
    uint64_t keys[SHAPE_KEYS] = {0}, exact[SHAPE_KEYS];
    uint32_t index[SN_INDEX_MAX];
    struct std_row row;
    size_t len = 0;
    for (size_t i = 0; i < count && shape_behind(shape, index, len, keys); i++) {
        assert_true(std_row_from(std, shape, keys, &row));
        assert_memory_equal(keys, wanted[i].keys, sizeof(keys));
        assert_int_equal(row.group, shape_is_grouped(shape) ? keys[0] : 0);
        len = shape_index(shape, keys, index);
        assert_true(shape_exact(shape, index, len, exact));
        assert_memory_equal(exact, keys, sizeof(keys));
    }
    assert_false(shape_behind(shape, index, len, keys) && std_row_from(std, shape, keys, &row));
}

// A look at a tgtd that saw one session for each of these targets.
static void see_sessions(struct traffic *t, struct state *s, const uint32_t *tids, size_t count)
{
    struct sighting *o = dv_calloc(1, sizeof(*o));
    o->at_ms = loop_now_ms();
    for (size_t i = 0; i < count; i++) {
        *DV_APPEND(o->rows, o->row_count) =
            (struct tgt_statistics){.tid = tids[i], .sid = i + 1, .lun = 1};
        *DV_APPEND(o->sessions, o->session_count) =
            (struct observed_session){.tid = tids[i], .sid = i + 1};
    }
    traffic_take(t, o, s);
}

static void rows_come_group_by_group(void **state)
{
    (void)state;
    struct state *s = state_new(0, 3);
    struct traffic *traffic[] = {traffic_new(1), traffic_new(2), traffic_new(3)};
    struct std *std = std_bare(NULL, s, (const struct traffic *const *)traffic);
    const struct portal portals[] = {{.index = 9, .group = 3},
                                     {.index = 9, .group = 1},
                                     {.index = 4, .group = 1},
                                     {.index = 9, .group = 2}};
    for (size_t i = 0; i < DV_COUNT(portals); i++)
        state_add_portal(s, &portals[i]);
    add_volume(s, 1, true);
    add_volume(s, 3, true);
    add_volume(s, 4, true);
    add_volume(s, 6, false);
    add_rule(s, 4, 8);
    add_rule(s, 3, 1);
    add_rule(s, 1, 2);
    add_rule(s, 6, 2);
    // 3 is of group 3: what group 1 shows of it is about to end.
    see_sessions(traffic[0], s, (const uint32_t[]){1, 3, 4}, 3);
    see_sessions(traffic[2], s, (const uint32_t[]){3, 99}, 2);
    static const struct triple instances[] = {{{1}}, {{2}}, {{3}}};
    static const struct triple at[] = {{{1, 4}}, {{1, 9}}, {{2, 9}}, {{3, 9}}};
    static const struct triple volumes[] = {{{1, 1}}, {{1, 4}}, {{3, 3}}};
    static const struct triple rules[] = {{{1, 1, 2}}, {{1, 4, 8}}, {{3, 3, 1}}};
    static const struct triple sessions[] = {{{1, 1, 1}}, {{1, 4, 3}}, {{3, 3, 1}}};
    static const struct triple together[] = {{{1, 1}}, {{3, 1}}, {{4, 3}}};
    expect_triples(std, &INSTANCES, instances, DV_COUNT(instances));
    expect_triples(std, &PORTALS_OF, at, DV_COUNT(at));
    expect_triples(std, &VOLUMES_OF, volumes, DV_COUNT(volumes));
    expect_triples(std, &RULES_OF, rules, DV_COUNT(rules));
    expect_triples(std, &SESSIONS_OF, sessions, DV_COUNT(sessions));
    expect_triples(std, &SESSIONS, together, DV_COUNT(together));
    assert_int_equal(std_volumes(std, 1), 2);
    assert_int_equal(std_volumes(std, 2), 0);
    std_free(std);
    for (size_t i = 0; i < DV_COUNT(traffic); i++)
        traffic_free(traffic[i]);
    state_free(s);
}

static void identifiers_are_those_of_inquiry(void **state)
{
    (void)state;
    struct state *s = state_new(0, 1);
    struct traffic *traffic = traffic_new(1);
    const struct traffic *of_group = traffic;
    struct std *std = std_bare(NULL, s, &of_group);
    const struct unit_volume v = {
        .tid = 0x01020304,
        .v = {.index = 7,
              .lun = 1,
              .uuid = {{0x9a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}}};
    static const uint8_t number[] = {0x31, 2, 3, 4, 0, 0, 0, 1};
    static const uint8_t extended[] = {0x60, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct sn_value id = std_scsi_id(std, &v, 1);
    assert_int_equal(id.octets.len, 36);
    assert_memory_equal(id.octets.data, "DVSAN   02030405060708090a0b0c0d0e0f", 36);
    id = std_scsi_id(std, &v, 2);
    assert_int_equal(id.octets.len, sizeof(number));
    assert_memory_equal(id.octets.data, number, sizeof(number));
    id = std_scsi_id(std, &v, 3);
    assert_int_equal(id.octets.len, sizeof(extended));
    assert_memory_equal(id.octets.data, extended, sizeof(extended));
    std_free(std);
    traffic_free(traffic);
    state_free(s);
}

// Every column list is ascending, as the agent wants it, and every index fits.
static void tables_are_in_order(void **state)
{
    (void)state;
    const struct std_table *const lists[] = {std_iscsi_tables, std_iscsi_session_tables,
                                             std_scsi_tables, std_scsi_unit_tables,
                                             std_ips_auth_tables};
    for (size_t i = 0; i < DV_COUNT(lists); i++)
        for (const struct std_table *t = lists[i]; t->name; t++) {
            assert_in_range(strlen(t->shape.form), 1, SN_INDEX_MAX);
            for (size_t c = 1; c < t->column_count; c++)
                assert_true(t->columns[c - 1].number < t->columns[c].number);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_behind_an_index),
        cmocka_unit_test(an_index_is_exact_or_not),
        cmocka_unit_test(rows_come_in_order),
        cmocka_unit_test(rows_come_group_by_group),
        cmocka_unit_test(identifiers_are_those_of_inquiry),
        cmocka_unit_test(tables_are_in_order),
    };
    return cmocka_run_group_tests_name("standard tables", tests, NULL, NULL);
}
