// Tests of extents: a table of cases, and a random walk against a bitmap model.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/extent.h"
#include "model/unit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define A ((uint64_t)ALLOC_BLOCKS)

struct find_case {
    const char *name;
    struct extent used[4];
    size_t count;
    uint64_t total, blocks;
    enum dv_code code;
    uint64_t start;
};

static const struct find_case find_cases[] = {
    {"an empty medium", {{0}}, 0, 10 * A, 4 * A, DV_OK, 0},
    {"the whole medium", {{0}}, 0, 10 * A, 10 * A, DV_OK, 0},
    {"one too many", {{0}}, 0, 10 * A, 11 * A, DV_NO_SPACE, 0},
    {"a medium of no blocks", {{0}}, 0, 0, A, DV_NO_SPACE, 0},
    {"a medium under one unit", {{0}}, 0, A - 1, A, DV_NO_SPACE, 0},
    {"size zero", {{0}}, 0, 10 * A, 0, DV_INVALID, 0},
    {"a size that is no multiple", {{0}}, 0, 10 * A, A + 1, DV_INVALID, 0},
    {"the largest size", {{0}}, 0, 10 * A, UINT64_MAX / A *A, DV_NO_SPACE, 0},
    {"behind the first", {{0, A}}, 1, 10 * A, A, DV_OK, A},
    {"before the first", {{2 * A, A}}, 1, 10 * A, 2 * A, DV_OK, 0},
    {"the first gap that fits", {{A, A}, {4 * A, A}}, 2, 10 * A, 2 * A, DV_OK, 2 * A},
    {"not the small gap", {{A, A}, {4 * A, A}}, 2, 10 * A, 3 * A, DV_OK, 5 * A},
    {"neighbours leave no gap", {{0, A}, {A, A}, {2 * A, 8 * A}}, 3, 10 * A, A, DV_NO_SPACE, 0},
    {"aligned up behind an odd end", {{0, A + 1}}, 1, 10 * A, A, DV_OK, 2 * A},
    {"aligned down before an odd start", {{2 * A - 1, A}}, 1, 10 * A, 2 * A, DV_OK, 3 * A},
    {"an end past 2^64", {{A, UINT64_MAX}}, 1, 10 * A, 2 * A, DV_NO_SPACE, 0},
    {"an extent behind the medium", {{20 * A, A}}, 1, 10 * A, 10 * A, DV_OK, 0},
    {"overlaps only shrink gaps", {{0, 4 * A}, {A, A}}, 2, 10 * A, A, DV_OK, 4 * A},
    {"the largest medium", {{0, A}}, 1, UINT64_MAX, UINT64_MAX / A *A - A, DV_OK, A},
};

static void test_find(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(find_cases); i++) {
        const struct find_case *c = &find_cases[i];
        struct dv_err err = {0};
        uint64_t start = 0;
        int r = extent_find(c->used, c->count, c->total, c->blocks, &start, &err);
        if ((r == 0 ? DV_OK : err.code) != c->code || start != c->start)
            fail_msg("%s: got %s at %llu: %s", c->name, dv_code_name(r == 0 ? DV_OK : err.code),
                     (unsigned long long)start, err.text);
    }
}

struct resize_case {
    const char *name;
    struct extent free[3];
    size_t count;
    struct extent now;
    uint64_t blocks;
    enum medium_moves moves;
    const char *why; // NULL: it can be had
    uint64_t start;
};

static const struct resize_case resize_cases[] = {
    {"behind it", {{2 * A, 3 * A}}, 1, {A, A}, 4 * A, MOVES_NOT, NULL, A},
    {"behind it, though there is room before",
     {{0, 9 * A}, {10 * A, A}},
     2,
     {9 * A, A},
     2 * A,
     MOVES_FREELY,
     NULL,
     9 * A},
    {"one too many", {{2 * A, 3 * A}}, 1, {A, A}, 5 * A, MOVES_NOT, "3 are free there", 0},
    {"elsewhere", {{0, A}, {5 * A, 4 * A}}, 2, {A, 2 * A}, 4 * A, MOVES_FREELY, NULL, 5 * A},
    {"but not where nothing moves",
     {{0, A}, {5 * A, 4 * A}},
     2,
     {A, 2 * A},
     4 * A,
     MOVES_NOT,
     "the extent behind it is taken",
     0},
    {"by a copy", {{0, A}, {5 * A, 4 * A}}, 2, {A, 2 * A}, 4 * A, MOVES_BY_COPY, NULL, 5 * A},
    {"but no copy over itself",
     {{A, 2 * A}, {5 * A, A}},
     2,
     {3 * A, 2 * A},
     4 * A,
     MOVES_BY_COPY,
     "the longest extent it could have has",
     0},
    {"downwards over its own blocks",
     {{A, 2 * A}},
     1,
     {3 * A, 2 * A},
     4 * A,
     MOVES_FREELY,
     NULL,
     A},
    {"over all around it", {{0, 2 * A}, {3 * A, A}}, 2, {2 * A, A}, 4 * A, MOVES_FREELY, NULL, 0},
    {"the first of two", {{A, 4 * A}, {8 * A, 4 * A}}, 2, {6 * A, A}, 4 * A, MOVES_FREELY, NULL, A},
    {"nowhere", {{0, A}, {5 * A, 2 * A}}, 2, {A, 2 * A}, 4 * A, MOVES_FREELY, "in one piece", 0},
    {"a full medium", {{0}}, 0, {0, 4 * A}, 5 * A, MOVES_FREELY, "in one piece", 0},
    {"shorter", {{0}}, 0, {2 * A, 4 * A}, A, MOVES_NOT, NULL, 2 * A},
    {"as it is", {{0}}, 0, {2 * A, 4 * A}, 4 * A, MOVES_NOT, NULL, 2 * A},
    {"to nothing", {{0}}, 0, {2 * A, 4 * A}, 0, MOVES_NOT, "multiple", 0},
    {"not whole", {{0}}, 0, {2 * A, 4 * A}, A + 1, MOVES_NOT, "multiple", 0},
};

static void test_resize(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(resize_cases); i++) {
        const struct resize_case *c = &resize_cases[i];
        struct dv_err err = {0};
        struct extent out;
        int r = extent_resize(c->free, c->count, &c->now, c->blocks, c->moves, &out, &err);
        if ((r == 0) != (c->why == NULL) || (c->why && !strstr(err.text, c->why)))
            fail_msg("%s: got %d: %s", c->name, r, err.text);
        if (r == 0 && (out.start != c->start || out.blocks != c->blocks))
            fail_msg("%s: got %llu blocks at %llu", c->name, (unsigned long long)out.blocks,
                     (unsigned long long)out.start);
    }
}

static void test_add_both(void **state)
{
    (void)state;
    const struct {
        struct extent from, to, out[2];
        size_t count;
    } cases[] = {
        {{A, A}, {A, A}, {{A, A}}, 1},
        {{A, A}, {A, 3 * A}, {{A, 3 * A}}, 1},
        {{2 * A, A}, {A, 2 * A}, {{A, 2 * A}}, 1},
        {{A, 2 * A}, {0, 2 * A}, {{0, 3 * A}}, 1},
        {{A, A}, {2 * A, A}, {{A, 2 * A}}, 1},
        {{A, A}, {3 * A, A}, {{A, A}, {3 * A, A}}, 2},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct extent *list = NULL;
        size_t n = 0;
        extent_add_both(&cases[i].from, &cases[i].to, &list, &n);
        assert_int_equal(n, cases[i].count);
        assert_memory_equal(list, cases[i].out, n * sizeof(*list));
        free(list);
    }
}

static void test_check(void **state)
{
    (void)state;
    const struct {
        struct extent used[2];
        size_t count;
        bool ok;
    } cases[] = {
        {{{0}}, 0, true},
        {{{0, 10}}, 1, true},
        {{{0, 5}, {5, 5}}, 2, true},
        {{{0, 0}}, 1, false},
        {{{0, 6}, {5, 5}}, 2, false},
        {{{5, 5}, {0, 5}}, 2, false},
        {{{0, 11}}, 1, false},
        {{{11, 1}}, 1, false},
        {{{5, UINT64_MAX}}, 1, false},
        {{{UINT64_MAX, 1}}, 1, false},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct dv_err err = {0};
        int r = extent_check(cases[i].used, cases[i].count, 10, &err);
        assert_int_equal(r == 0, cases[i].ok);
        if (r != 0)
            assert_int_equal(err.code, DV_CONFLICT);
    }
}

static void test_space(void **state)
{
    (void)state;
    struct extent used[] = {{7 * A, A}, {A, A}};
    extent_sort(used, 2);
    struct extent_space s = extent_space(used, 2, 10 * A + 5);
    assert_int_equal(s.free_blocks, 8 * A);
    assert_int_equal(s.largest_blocks, 5 * A);
    assert_int_equal(s.free_extents, 3);
    struct extent *list;
    assert_int_equal(extent_free_list(used, 2, 10 * A + 5, &list), 3);
    assert_int_equal(list[2].start, 8 * A);
    assert_int_equal(list[2].blocks, 2 * A);
    free(list);
    assert_int_equal(extent_free_list(NULL, 0, 0, &list), 0);
    assert_null(list);
}

// The model: one byte for each unit of ALLOC_BLOCKS.
#define UNITS 64

static size_t model_find(const char *map, size_t want)
{
    for (size_t i = 0, run = 0; i < UNITS; i++) {
        run = map[i] ? 0 : run + 1;
        if (run == want)
            return i + 1 - want;
    }
    return UNITS;
}

static struct extent_space model_space(const char *map)
{
    struct extent_space s = {0};
    for (size_t i = 0, run = 0; i < UNITS; i++) {
        run = map[i] ? 0 : run + 1;
        s.free_blocks += map[i] ? 0 : A;
        s.free_extents += run == 1;
        if (run * A > s.largest_blocks)
            s.largest_blocks = run * A;
    }
    return s;
}

static void test_random_walk(void **state)
{
    (void)state;
    const char *given = getenv("DVSAN_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    print_message("seed %u (repeat with DVSAN_SEED=%u)\n", seed, seed);
    struct extent used[UNITS];
    size_t n = 0;
    char map[UNITS] = {0};
    for (int round = 0; round < 20000; round++) {
        if (rand_r(&seed) % 2 == 0) {
            size_t want = 1 + (size_t)rand_r(&seed) % 12;
            size_t at = model_find(map, want);
            uint64_t start = 0;
            int r = extent_find(used, n, UNITS * A, want * A, &start, NULL);
            assert_int_equal(r == 0, at < UNITS);
            if (r == 0) {
                assert_int_equal(start, at * A);
                memset(map + at, 1, want);
                used[n++] = (struct extent){start, want * A};
                extent_sort(used, n);
            }
        } else if (n > 0) {
            size_t i = (size_t)rand_r(&seed) % n;
            memset(map + used[i].start / A, 0, used[i].blocks / A);
            memmove(&used[i], &used[i + 1], (--n - i) * sizeof(used[0]));
        }
        assert_int_equal(extent_check(used, n, UNITS * A, NULL), 0);
        struct extent_space got = extent_space(used, n, UNITS * A), want = model_space(map);
        assert_int_equal(got.free_blocks, want.free_blocks);
        assert_int_equal(got.largest_blocks, want.largest_blocks);
        assert_int_equal(got.free_extents, want.free_extents);
    }
}

// One by one as extent_find would, with work that grows hardly more than the count.
static size_t steps_to_place(size_t count)
{
    DV_FREE struct extent *used = dv_calloc(2 * count, sizeof(*used));
    size_t n = 0;
    for (size_t i = 0; i < count; i++) // a gap behind each, of 1 to 7 MiB
        used[n++] = (struct extent){i * 16 * ALLOC_BLOCKS, (15 - i * 5 % 7) * ALLOC_BLOCKS};
    const uint64_t total = count * 16 * (uint64_t)ALLOC_BLOCKS;
    struct extent_fit *fit = extent_fit_new(used, n, total);
    for (size_t i = 0; i < count; i++) {
        const uint64_t blocks = (1 + i * 3 % 8) * (uint64_t)ALLOC_BLOCKS; // 8 MiB fit nowhere
        uint64_t start = 0, wanted = 0;
        bool fits = extent_fit_take(fit, blocks, &start);
        if (count > 1000)
            continue; // which extent_find would take long for
        assert_int_equal(fits, extent_find(used, n, total, blocks, &wanted, NULL) == 0);
        if (!fits)
            continue;
        assert_int_equal(start, wanted);
        used[n++] = (struct extent){start, blocks};
        extent_sort(used, n);
    }
    size_t steps = extent_fit_steps(fit);
    extent_fit_free(fit);
    return steps;
}

static void many_are_placed_by_little_work(void **state)
{
    (void)state;
    uint64_t start;
    struct extent_fit *none = extent_fit_new(NULL, 0, 0);
    assert_false(extent_fit_take(none, ALLOC_BLOCKS, &start));
    extent_fit_free(none);
    const size_t few = steps_to_place(1000), many = steps_to_place(10000);
    assert_in_range(many, 10 * few, 16 * few); // the tree is 14 deep instead of 10
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),        cmocka_unit_test(many_are_placed_by_little_work),
        cmocka_unit_test(test_resize),      cmocka_unit_test(test_add_both),
        cmocka_unit_test(test_check),       cmocka_unit_test(test_space),
        cmocka_unit_test(test_random_walk),
    };
    return cmocka_run_group_tests_name("extent", tests, NULL, NULL);
}
