// Tests of the unit's state: rows in order, generations, the change table.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/state.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct unit_volume *add_volume(struct state *s, uint32_t index)
{
    struct volume v = {.index = index,
                       .uuid = uuid_random(),
                       .medium = 1,
                       .start_lba = index * (uint64_t)ALLOC_BLOCKS,
                       .blocks = ALLOC_BLOCKS};
    snprintf(v.name, sizeof(v.name), "v%u", index);
    return state_add_volume(s, &v);
}

static struct unit_rule *add_rule(struct state *s, uint32_t volume, uint32_t index,
                                  const char *user, const char *secret)
{
    struct access_rule r = {.volume = volume, .index = index, .state = ACCESS_PENDING};
    snprintf(r.initiator, sizeof(r.initiator), "iqn.2026-11.test:%u", index);
    dv_copy(r.chap_user, sizeof(r.chap_user), user);
    return state_add_rule(s, &r, secret);
}

// What lies below a medium is told of when it has moved by a hundredth, or has got to the end of
// what there is; what hovers there is not told of in each pass.
static void storage_that_hovers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t free, over;
        bool reserves, told;
    } steps[] = {
        {"the first look", 5000, 0, true, true},
        {"nothing moved", 5000, 0, true, false},
        {"less by a little", 4901, 0, true, false},
        {"less by a hundredth in all", 4900, 0, true, true},
        {"a little is promised beyond it", 4900, 1, true, true},
        {"that is over", 4900, 0, true, false},
        {"and is there again", 4900, 99, true, false},
        {"and is over again", 4900, 0, true, false},
        {"much is promised", 4900, 101, true, true},
        {"that is over, too", 4900, 0, true, true},
        {"it is full", 0, 0, true, true},
        {"a little is free", 1, 0, true, false},
        {"it is full again", 0, 0, true, false},
        {"much is free", 100, 0, true, true},
        {"it is another kind of storage", 100, 0, false, true},
    };
    struct state *s = state_new(0, 1);
    const struct medium m = {.index = 1, .name = "m1", .blocks = ALLOC_BLOCKS, .reserves = true};
    struct unit_medium *row = state_add_medium(s, &m, true);
    for (size_t i = 0; i < DV_COUNT(steps); i++) {
        uint32_t before = state_generation(s);
        state_set_storage(s, row, 10000, steps[i].free, steps[i].over, steps[i].reserves);
        if ((state_generation(s) != before) != steps[i].told)
            fail_msg("%s: %s", steps[i].name, steps[i].told ? "not told" : "told");
        assert_int_equal(row->m.storage_free_blocks, steps[i].free); // shown in any case
        assert_int_equal(row->m.overcommitted_blocks, steps[i].over);
    }
    state_free(s);
}

static void rows_are_in_order(void **state)
{
    (void)state;
    struct state *s = state_new(0, 1);
    static const uint32_t added[] = {7, 2147483647, 3, 5, 1};
    static const uint32_t sorted[] = {1, 3, 5, 7, 2147483647};
    for (size_t i = 0; i < DV_COUNT(added); i++)
        add_volume(s, added[i]);
    const struct unit_volume *v = NULL;
    for (size_t i = 0; i < DV_COUNT(sorted); i++) {
        v = state_volume_next(s, v ? v->v.index : 0);
        assert_non_null(v);
        assert_int_equal(v->v.index, sorted[i]);
        assert_ptr_equal(state_volume(s, sorted[i]), v);
    }
    assert_null(state_volume_next(s, v->v.index));
    assert_null(state_volume(s, 4));
    assert_int_equal(state_volume_count(s), DV_COUNT(added));
    assert_ptr_equal(state_volume_named(s, "v5"), state_volume(s, 5));
    assert_ptr_equal(state_volume_uuid(s, &state_volume(s, 7)->v.uuid), state_volume(s, 7));
    state_free(s);
}

static void volumes_are_found_by_uuid(void **state)
{
    (void)state;
    struct state *s = state_new(0, 1);
    struct dv_uuid uuids[100], none = {.b = {0}};
    assert_int_equal(state_volume_last(s), 0);
    for (uint32_t i = 0; i < DV_COUNT(uuids); i++)
        uuids[i] = add_volume(s, i + 1)->v.uuid;
    for (uint32_t i = 0; i < DV_COUNT(uuids); i += 3)
        state_remove_volume(s, i + 1);
    for (uint32_t i = 0; i < DV_COUNT(uuids); i++)
        assert_ptr_equal(state_volume_uuid(s, &uuids[i]), state_volume(s, i + 1));
    assert_null(state_volume_uuid(s, &none));
    assert_int_equal(state_volume_last(s), 100); // also of one that is gone
    state_free(s);
}

static void rules_belong_to_volumes(void **state)
{
    (void)state;
    struct state *s = state_new(0, 1);
    add_volume(s, 1);
    add_volume(s, 2);
    add_rule(s, 2, 9, "bob", "");
    add_rule(s, 1, 4, "alice", "secret-of-alice");
    assert_true(state_volume_has_rules(s, 1));
    const struct unit_rule *r = state_rule_next(s, 1, 0);
    assert_int_equal(r->r.index, 4);
    assert_true(r->r.secret_is_set);
    r = state_rule_next(s, 1, 4);
    assert_int_equal(r->r.volume, 2);
    assert_false(r->r.secret_is_set);
    assert_null(state_rule_next(s, 2, 9));
    // What a walk asks for behind the largest index there can be.
    assert_null(state_rule_next(s, UINT32_MAX, UINT32_MAX));
    assert_ptr_equal(state_rule_next(s, 1, UINT32_MAX), state_rule(s, 2, 9));
    assert_null(state_volume_next(s, UINT32_MAX));
    assert_null(state_medium_next(s, UINT32_MAX));
    assert_null(state_portal_next(s, UINT32_MAX, UINT32_MAX));
    assert_null(state_change_next(s, UINT32_MAX));
    state_remove_rule(s, 1, 4);
    assert_false(state_volume_has_rules(s, 1));
    state_free(s);
}

// Walks the change table as a manager does, and checks that it is ascending.
static size_t walk(const struct state *s, uint32_t after, struct state_change *last)
{
    size_t n = 0;
    const struct state_change *c;
    while ((c = state_change_next(s, after))) {
        assert_true(c->generation > after);
        assert_ptr_equal(state_change(s, c->generation), c);
        after = c->generation;
        *last = *c;
        n++;
    }
    return n;
}

static void each_thing_is_once_in_the_changes(void **state)
{
    (void)state;
    struct state *s = state_new(100, 1);
    struct state_change last;
    struct medium m = {.index = 1, .blocks = 100 * ALLOC_BLOCKS};
    struct portal p = {.index = 1, .address = "::1", .port = 3260};
    assert_int_equal(walk(s, 0, &last), 0);
    state_add_medium(s, &m, true);
    assert_int_equal(state_add_portal(s, &p)->raw_len, 16);
    struct unit_volume *v = add_volume(s, 6);
    assert_int_equal(v->v.generation, 103);
    assert_int_equal(walk(s, 100, &last), 3);
    state_set_volume(s, v, VOLUME_ONLINE, 100, "");
    assert_int_equal(walk(s, 100, &last), 3);
    assert_int_equal(last.kind, STATE_CHANGE_VOLUME);
    assert_int_equal(last.index, 6);
    assert_int_equal(last.generation, 104);
    assert_int_equal(v->v.generation, 104);
    state_set_volume(s, v, VOLUME_ONLINE, 50, ""); // progress alone is no change
    assert_int_equal(state_generation(s), 104);
    add_rule(s, 6, 1, "alice", "secret-of-alice"); // a rule is its volume's change
    assert_int_equal(v->v.generation, 105);
    assert_false(state_set_secret(s, "alice", "secret-of-alice", 0));
    assert_true(state_set_secret(s, "alice", "secret-of-alice", 7)); // the mark moves alone
    assert_false(state_set_secret(s, "alice", "secret-of-alice", 7));
    assert_true(state_set_secret(s, "alice", "another-secret", 7));
    assert_int_equal(v->v.generation, 107);
    state_remove_rule(s, 6, 1);
    state_remove_volume(s, 6);
    assert_int_equal(walk(s, 100, &last), 3);
    assert_int_equal(last.kind, STATE_CHANGE_VOLUME_DELETED);
    assert_int_equal(state_generation(s), 109);
    assert_int_equal(state_changes_since(s), 100);
    state_free(s);
}

static void the_oldest_deletions_are_forgotten(void **state)
{
    (void)state;
    struct state *s = state_new(0, 1);
    struct state_change last;
    for (uint32_t i = 1; i <= STATE_DELETIONS + 2; i++) {
        add_volume(s, i);
        state_remove_volume(s, i);
    }
    assert_int_equal(walk(s, 0, &last), STATE_DELETIONS);
    assert_int_equal(state_changes_since(s), 4); // the deletions of 1 and 2 took 2 and 4
    // The same index again takes the place of its last deletion.
    assert_int_equal(state_change_next(s, 0)->index, 3);
    add_volume(s, 500);
    state_remove_volume(s, 500);
    assert_int_equal(walk(s, 0, &last), STATE_DELETIONS);
    assert_int_equal(state_changes_since(s), 4);
    state_free(s);
}

// Each change takes the place of the one before it, in whatever order things change, and many of
// them are no more work each than few.
static void many_changes(void **state)
{
    enum { COUNT = 3000, ROUNDS = 4 };
    (void)state;
    struct state *s = state_new(0, 1);
    struct state_change last;
    uint32_t changes = COUNT;
    for (uint32_t i = 1; i <= COUNT; i++)
        add_volume(s, i);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        for (uint32_t i = 1; i <= COUNT; i++) {
            struct unit_volume *v = state_volume(s, round % 2 ? i : COUNT + 1 - i);
            uint32_t before = v->v.generation;
            state_set_volume(s, v, round % 2 ? VOLUME_ONLINE : VOLUME_FAILED, 100, "");
            assert_null(state_change(s, before));
            assert_int_equal(state_change(s, v->v.generation)->index, v->v.index);
            assert_int_equal(v->v.generation, ++changes);
        }
        assert_int_equal(walk(s, 0, &last), COUNT);
        assert_int_equal(last.generation, changes);
        assert_int_equal(state_change_next(s, 0)->index, round % 2 ? 1 : COUNT);
    }
    state_free(s);
}

static void free_blocks_follow_the_volumes(void **state)
{
    (void)state;
    struct state *s = state_new(0, 1);
    struct medium m = {.index = 1, .blocks = 10 * ALLOC_BLOCKS};
    struct unit_medium *row = state_add_medium(s, &m, true);
    state_count_free(s, 1);
    assert_int_equal(row->m.free_blocks, 10 * ALLOC_BLOCKS);
    add_volume(s, 4);
    state_count_free(s, 1);
    assert_int_equal(row->m.free_blocks, 9 * ALLOC_BLOCKS);
    assert_int_equal(row->m.largest_free_blocks, 5 * ALLOC_BLOCKS);
    uint32_t before = state_generation(s);
    state_count_free(s, 1);
    assert_int_equal(state_generation(s), before);
    state_free(s);
}

static void long_errors_are_cut(void **state)
{
    (void)state;
    struct state *s = state_new(0, 1);
    char text[2 * LAST_ERROR_ROOM];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    struct unit_volume *v = add_volume(s, 1);
    state_set_volume(s, v, VOLUME_FAILED, 0, text);
    assert_int_equal(strlen(v->v.last_error), LAST_ERROR_ROOM - 1);
    uint32_t before = state_generation(s);
    state_set_volume(s, v, VOLUME_FAILED, 0, text);
    assert_int_equal(state_generation(s), before);
    state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_in_order),
        cmocka_unit_test(volumes_are_found_by_uuid),
        cmocka_unit_test(rules_belong_to_volumes),
        cmocka_unit_test(each_thing_is_once_in_the_changes),
        cmocka_unit_test(the_oldest_deletions_are_forgotten),
        cmocka_unit_test(many_changes),
        cmocka_unit_test(free_blocks_follow_the_volumes),
        cmocka_unit_test(long_errors_are_cut),
        cmocka_unit_test(storage_that_hovers),
    };
    return cmocka_run_group_tests_name("unit state", tests, NULL, NULL);
}
