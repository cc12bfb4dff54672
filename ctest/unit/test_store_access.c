// Tests of what the store keeps of who may ask, join, and know: tokens, codes, keys, secrets.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/store_lab.h"

static void test_tokens_and_settings(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    struct token_record t = {.id = 1, .name = "ci", .hash = {1, 2, 3}, .created = 1800000000},
                        other = t, *list;
    size_t n, len;
    void *data;
    struct changes c = {0};
    changes_token(&c, &t);
    apply(f, &c);
    reopen(f);
    assert_int_equal(store_tokens(f->store, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&list[0], &t, sizeof(t));
    free(list);
    other.id = 2; // the name is taken
    changes_token(&c, &other);
    refuse(f, &c, DV_CONFLICT);
    changes_token_gone(&c, 1);
    apply(f, &c);
    assert_int_equal(store_tokens(f->store, &list, &n, &err), 0);
    assert_int_equal(n, 0);

    assert_int_equal(store_get(f->store, "key", &data, &len, &err), 0);
    assert_null(data);
    assert_int_equal(store_set(f->store, "key", "a\0b", 3, &err), 0);
    assert_int_equal(store_set(f->store, "key", "c\0d", 3, &err), 0);
    reopen(f);
    assert_int_equal(store_get(f->store, "key", &data, &len, &err), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "c\0d", 3);
    free(data);
}

static void test_codes(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    static const struct code_record one = {.id = "01ABC",
                                           .kind = MEMBER_UNIT,
                                           .name = "unit1",
                                           .member = {{1}},
                                           .range = "192.0.2.0/24",
                                           .count = 2,
                                           .tries = 5,
                                           .created = 1800000000,
                                           .expires = 1800003600,
                                           .sealed_key = {1, 2, 3}},
                                    two = {.id = "01ABD",
                                           .kind = MEMBER_UNIT,
                                           .count = CODE_COUNT_MAX,
                                           .tries = 0,
                                           .created = 1,
                                           .expires = 2};
    struct code_record less, *codes;
    static const struct code_use use = {.code = "01ABC",
                                        .member = {{7}},
                                        .name = "unit7",
                                        .engine = {6, {1, 2, 3, 4, 5, 6}},
                                        .number = 4294967295u,
                                        .from = "2001:db8::7",
                                        .time = 1800000001,
                                        .kept = true};
    struct code_use *uses, other = use;
    other.kept = false;
    size_t count, use_count;
    struct changes c = {0};
    changes_code(&c, &one);
    changes_code(&c, &two);
    changes_code_use(&c, &other);
    changes_code_use(&c, &use); // it is kept since
    apply(f, &c);
    strcpy(other.code, "01XYZ"); // of no code
    changes_code_use(&c, &other);
    refuse(f, &c, DV_CONFLICT);
    memcpy(&less, &one, sizeof(less)); // with its padding
    less.tries = 4;
    changes_code(&c, &less);
    apply(f, &c);
    reopen(f);
    assert_int_equal(store_codes(f->store, &codes, &count, &uses, &use_count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(use_count, 1);
    assert_memory_equal(&codes[0], &less, sizeof(less));
    assert_memory_equal(&codes[1], &two, sizeof(two));
    assert_memory_equal(&uses[0], &use, sizeof(use));
    free(codes);
    free(uses);
    changes_code_gone(&c, "01ABC");
    apply(f, &c);
    assert_int_equal(store_codes(f->store, &codes, &count, &uses, &use_count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(use_count, 0);
    free(codes);
    free(uses);
}

static void test_numbers_of_keys_outlive_their_units(void **arg)
{
    struct fixture *f = *arg;
    struct dv_err err;
    struct unit_record unit = {.uuid = {{7}},
                               .trust = TRUST_ENROLLED,
                               .key_number = 9,
                               .name = "unit7",
                               .state = UNIT_DOWN};
    uint32_t number;
    for (uint32_t i = 0; i < 3; i++) { // the last one is of an older store
        struct changes c = {0};
        unit.key_number = i < 2 ? 9 + i : 3;
        changes_unit(&c, &unit);
        changes_unit_gone(&c, &unit.uuid);
        assert_int_equal(store_apply(f->store, &c, true, &err), 0);
        changes_free(&c);
        assert_int_equal(store_retired_keys(f->store, &unit.uuid, &number, &err), 0);
        assert_int_equal(number, i < 2 ? 9 + i : 10);
    }
    reopen(f);
    assert_int_equal(store_retired_keys(f->store, &unit.uuid, &number, &err), 0);
    assert_int_equal(number, 10);
    unit.uuid.b[0] = 8;
    assert_int_equal(store_retired_keys(f->store, &unit.uuid, &number, &err), 0);
    assert_int_equal(number, 0);
}

static const struct dv_uuid here = {{1}}, there = {{2}}, volume = {{5}}, told_host = {{3}};

static size_t count_told(struct fixture *f, const struct dv_uuid *unit)
{
    struct dv_err err;
    DV_FREE struct dv_uuid *hosts = NULL;
    size_t count;
    if (store_told(f->store, unit, &hosts, &count, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(&hosts[i], &told_host, sizeof(told_host));
    return count;
}

static void put_right(struct fixture *f, const struct host_record *host, bool found)
{
    const struct volume_record v = {
        .uuid = volume, .name = "v", .unit = here, .index = 1, .blocks = 2048};
    const struct assignment_record a = {
        .volume = volume, .host = told_host, .index = 1, .wanted = true, .found = found};
    struct changes c = {0};
    changes_volume(&c, &v);
    changes_host(&c, host);
    changes_assignment(&c, &a);
    apply(f, &c);
}

static void test_who_was_told_a_secret_for_all(void **arg)
{
    struct fixture *f = *arg;
    struct unit_record units[] = {{.uuid = here, .name = "a"}, {.uuid = there, .name = "b"}};
    struct host_record host = {.uuid = told_host,
                               .name = "web",
                               .iqn = "iqn.2026-11.x:web",
                               .chap_user = "web",
                               .sealed_len = 56,
                               .secret_mark = 7,
                               .one_secret = true};
    struct changes c = {0};
    for (size_t i = 0; i < DV_COUNT(units); i++) {
        units[i].state = UNIT_DOWN;
        units[i].trust = TRUST_ENROLLED;
        changes_unit(&c, &units[i]);
    }
    apply(f, &c);
    // A right says so itself, until it goes; one by the unit's word alone told nothing.
    put_right(f, &host, true);
    changes_assignment_gone(&c, &volume, &told_host);
    apply(f, &c);
    assert_int_equal(count_told(f, &here), 0);
    put_right(f, &host, false);
    assert_int_equal(count_told(f, &here), 0);
    changes_assignment_gone(&c, &volume, &told_host);
    apply(f, &c);
    assert_int_equal(count_told(f, &here), 1);
    // Another secret, beside which the one that the unit knows is valid, until it ends.
    host.previous = (struct host_account){
        .user = "web", .sealed_len = 56, .mark = 7, .one_secret = true, .since = 1};
    host.secret_mark = 8;
    host.one_secret = false;
    dv_copy(host.chap_user, sizeof(host.chap_user), "web.2");
    changes_host(&c, &host);
    apply(f, &c);
    reopen(f);
    assert_int_equal(count_told(f, &here), 1);
    // The volume goes elsewhere, and then away: either unit knows the previous one.
    put_right(f, &host, false);
    struct volume_record moved = {
        .uuid = volume, .name = "v", .unit = there, .index = 1, .blocks = 2048};
    changes_volume(&c, &moved);
    apply(f, &c);
    assert_int_equal(count_told(f, &there), 0); // the right says so
    changes_volume_gone(&c, &volume);
    apply(f, &c);
    assert_int_equal(count_told(f, &there), 1);
    host.previous = (struct host_account){0};
    changes_host(&c, &host);
    apply(f, &c);
    assert_int_equal(count_told(f, &here) + count_told(f, &there), 0);
    // A right that is one by the unit's word from now on; and a volume that moves with its right.
    host.one_secret = true;
    put_right(f, &host, false);
    put_right(f, &host, true);
    assert_int_equal(count_told(f, &here), 1);
    host.secret_mark = 9;
    put_right(f, &host, false);
    assert_int_equal(count_told(f, &here), 0);
    changes_volume(&c, &moved);
    apply(f, &c);
    assert_int_equal(count_told(f, &here), 1);
    changes_volume_gone(&c, &volume);
    changes_host_gone(&c, &told_host);
    apply(f, &c);
    assert_int_equal(count_told(f, &here), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tokens_and_settings),
        TEST(test_codes),
        TEST(test_numbers_of_keys_outlive_their_units),
        TEST(test_who_was_told_a_secret_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
