// Tests of placement: what is chosen, and what is said when nothing fits.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/placement.h"
#include "model/pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define G ((uint64_t)2097152) // blocks of 512 bytes

struct row {
    const char *unit, *medium;
    enum unit_state unit_state;
    enum medium_state state;
    uint64_t free, largest, promised; // G
};

struct placement_case {
    const char *name;
    struct row rows[4];
    uint64_t want; // G
    const char *unit, *medium;
    const char *place; // "unit/medium", or NULL
    enum dv_code code;
    const char *text;
};

static const struct placement_case cases[] = {
    {"the most free space",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 10, 10, 0},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 20, 20, 0},
      {"unit3", "pool0", UNIT_UP, MEDIUM_ONLINE, 15, 15, 0}},
     5,
     NULL,
     NULL,
     "unit2/pool0",
     DV_OK,
     ""},
    {"that fits in one piece",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 30, 4, 0},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 20, 20, 0}},
     5,
     NULL,
     NULL,
     "unit2/pool0",
     DV_OK,
     ""},
    {"exactly",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 5, 5, 0}},
     5,
     NULL,
     NULL,
     "unit1/pool0",
     DV_OK,
     ""},
    {"ties go by the unit's name, then the medium's",
     {{"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 20, 20, 0},
      {"unit1", "pool1", UNIT_UP, MEDIUM_ONLINE, 20, 20, 0},
      {"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 20, 20, 0}},
     5,
     NULL,
     NULL,
     "unit1/pool0",
     DV_OK,
     ""},
    {"what is promised is not free",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 20, 20, 12},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 10, 10, 0}},
     5,
     NULL,
     NULL,
     "unit2/pool0",
     DV_OK,
     ""},
    {"a unit that is down is passed over",
     {{"unit1", "pool0", UNIT_DOWN, MEDIUM_ONLINE, 20, 20, 0},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 10, 10, 0}},
     5,
     NULL,
     NULL,
     "unit2/pool0",
     DV_OK,
     ""},
    {"a degraded unit comes last",
     {{"unit1", "pool0", UNIT_DEGRADED, MEDIUM_ONLINE, 20, 20, 0},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 10, 10, 0}},
     5,
     NULL,
     NULL,
     "unit2/pool0",
     DV_OK,
     ""},
    {"but it is used when no other has room",
     {{"unit1", "pool0", UNIT_DEGRADED, MEDIUM_ONLINE, 20, 20, 0},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 4, 4, 0}},
     5,
     NULL,
     NULL,
     "unit1/pool0",
     DV_OK,
     ""},
    {"so is a medium that is not online",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_FAILED, 20, 20, 0},
      {"unit1", "pool1", UNIT_UP, MEDIUM_LOW, 20, 20, 0},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 10, 10, 0}},
     5,
     NULL,
     NULL,
     "unit2/pool0",
     DV_OK,
     ""},
    {"a unit that was asked for",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 20, 20, 0},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 10, 10, 0}},
     5,
     "unit2",
     NULL,
     "unit2/pool0",
     DV_OK,
     ""},
    {"a medium that was asked for",
     {{"unit1", "fast", UNIT_UP, MEDIUM_ONLINE, 10, 10, 0},
      {"unit1", "slow", UNIT_UP, MEDIUM_ONLINE, 20, 20, 0}},
     5,
     NULL,
     "fast",
     "unit1/fast",
     DV_OK,
     ""},

    {"nothing is large enough",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 30, 3, 0},
      {"unit2", "pool0", UNIT_UP, MEDIUM_ONLINE, 20, 4, 0}},
     10,
     NULL,
     NULL,
     NULL,
     DV_NO_SPACE,
     "no medium has 10GiB free in one piece: the largest is 4GiB on unit2/pool0"},
    {"all is promised",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 30, 30, 30}},
     10,
     NULL,
     NULL,
     NULL,
     DV_NO_SPACE,
     "no medium has 10GiB free: pool0 is full"},
    {"the unit that was asked for is down",
     {{"unit1", "pool0", UNIT_DOWN, MEDIUM_ONLINE, 30, 30, 0}},
     10,
     "unit1",
     NULL,
     NULL,
     DV_UNREACHABLE,
     "unit unit1 is not up: start it, or choose another unit"},
    {"no such medium",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 30, 30, 0}},
     10,
     "unit1",
     "pool7",
     NULL,
     DV_NOT_FOUND,
     "there is no medium pool7 in unit1"},
    {"no such medium anywhere",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_ONLINE, 30, 30, 0}},
     10,
     NULL,
     "pool7",
     NULL,
     DV_NOT_FOUND,
     "there is no medium pool7 in the pool"},
    {"an empty pool",
     {{0}},
     10,
     NULL,
     NULL,
     NULL,
     DV_NO_SPACE,
     "the pool has no medium: no unit has joined yet"},
    {"all units are down",
     {{"unit1", "pool0", UNIT_DOWN, MEDIUM_ONLINE, 30, 30, 0},
      {"unit2", "pool0", UNIT_DOWN, MEDIUM_ONLINE, 30, 30, 0}},
     10,
     NULL,
     NULL,
     NULL,
     DV_NO_SPACE,
     "no medium that could be used is online"},
    {"the only medium has failed",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_FAILED, 30, 30, 0}},
     10,
     NULL,
     NULL,
     NULL,
     DV_NO_SPACE,
     "medium unit1/pool0 has failed: see the unit's log"},
    {"the only medium runs out of room below",
     {{"unit1", "pool0", UNIT_UP, MEDIUM_LOW, 30, 30, 0}},
     10,
     NULL,
     NULL,
     NULL,
     DV_NO_SPACE,
     "medium unit1/pool0 is running out of room below: free some there first"},
};

static void run_case(const struct placement_case *c)
{
    struct medium media[4] = {0};
    struct placement_medium list[4];
    size_t n = 0, chosen = 99;
    for (; n < 4 && c->rows[n].unit; n++) {
        const struct row *r = &c->rows[n];
        dv_copy(media[n].name, sizeof(media[n].name), r->medium);
        media[n].state = r->state;
        media[n].blocks = 100 * G;
        media[n].free_blocks = r->free * G;
        media[n].largest_free_blocks = r->largest * G;
        list[n] =
            (struct placement_medium){r->unit, r->unit_state != UNIT_DOWN,
                                      r->unit_state == UNIT_DEGRADED, &media[n], r->promised * G};
    }
    struct placement_request request = {c->want * G, c->unit, c->medium};
    struct dv_err err = {0};
    int rc = placement_choose(placement_policy_find(NULL), &request, list, n, &chosen, &err);
    char place[160] = "";
    if (rc == 0)
        snprintf(place, sizeof(place), "%s/%s", list[chosen].unit, list[chosen].medium->name);
    if (strcmp(place, c->place ? c->place : "") != 0 || err.code != c->code ||
        strcmp(err.text, c->text) != 0)
        fail_msg("%s: got \"%s\", %s, \"%s\"", c->name, place, dv_code_name(err.code), err.text);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        run_case(&cases[i]);
}

static void test_policies(void **state)
{
    (void)state;
    assert_ptr_equal(placement_policy_find(NULL), placement_policy_find("most-free-space"));
    assert_null(placement_policy_find("random"));
}

static void test_index(void **state)
{
    (void)state;
    static const struct {
        uint32_t top, counts[4], groups, index;
    } indexes[] = {
        {0, {0}, 1, 1},
        {41, {7}, 1, 42},
        {0, {0, 0}, 2, 1},
        {1, {1, 0}, 2, 2},
        {2, {1, 0}, 2, 4},
        {40, {3, 3}, 2, 41},
        {41, {3, 3}, 2, 42},
        {41, {2, 3}, 2, 43},
        {7, {1, 1, 0, 1}, 4, 11},
        {8, {1, 0, 0, 1}, 4, 10},
        {INT32_MAX - 4, {0, 1, 1, 1}, 4, INT32_MAX - 2},
    };
    for (size_t i = 0; i < DV_COUNT(indexes); i++)
        assert_int_equal(placement_index(indexes[i].top, indexes[i].counts, indexes[i].groups),
                         indexes[i].index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
