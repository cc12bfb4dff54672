// Tests of the worker's orders: what is wanted, and what is believed of the results.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/adopt.h"
#include "unit/order.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    struct journal *journal;
    struct state *state;
};

static int setup(void **state)
{
    struct fixture *f = dv_calloc(1, sizeof(*f));
    struct medium m = {.index = 1, .state = MEDIUM_ONLINE, .blocks = 100 * ALLOC_BLOCKS};
    strcpy(f->dir, "/tmp/dvsan-test-order-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->journal = journal_open(f->dir, NULL);
    f->state = state_new(0, 1);
    state_add_tgtd(f->state, "/run/tgtd.0");
    state_add_medium(f->state, &m, true);
    *state = f;
    return f->journal ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    state_free(f->state);
    journal_close(f->journal);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    free(f);
    return system(command);
}

static struct unit_volume *add_volume(struct fixture *f, uint32_t index, bool made)
{
    struct volume v = {.index = index,
                       .uuid = uuid_random(),
                       .medium = 1,
                       .start_lba = index * (uint64_t)ALLOC_BLOCKS,
                       .blocks = ALLOC_BLOCKS,
                       .admin_online = true,
                       .state = made ? VOLUME_FAILED : VOLUME_CREATING};
    snprintf(v.name, sizeof(v.name), "v%u", index);
    snprintf(v.iqn, sizeof(v.iqn), "iqn.2026-11.test:%u", index);
    assert_int_equal(journal_put_volume(f->journal, &v, made, NULL), 0);
    struct unit_volume *row = state_add_volume(f->state, &v);
    row->made = made;
    return row;
}

static struct unit_rule *add_rule(struct fixture *f, uint32_t volume, uint32_t index,
                                  const char *user, const char *secret)
{
    struct access_rule r = {.volume = volume, .index = index, .state = ACCESS_PENDING};
    snprintf(r.initiator, sizeof(r.initiator), "iqn.2026-11.host:%u", index);
    dv_copy(r.chap_user, sizeof(r.chap_user), user);
    assert_int_equal(journal_put_rule(f->journal, &r, secret, NULL), 0);
    return state_add_rule(f->state, &r, secret);
}

static void apply(struct fixture *f, struct order *o)
{
    struct dv_err err;
    if (order_apply(o, f->state, f->journal, &err) != 0)
        fail_msg("%s", err.text);
    order_free(o);
}

static struct order *done(struct order *o)
{
    for (size_t i = 0; i < o->volume_count; i++)
        o->volumes[i].done = true;
    return o;
}

// What is in the journal, as a start would find it.
static struct state *journaled(struct fixture *f)
{
    struct state *s = state_new(0, 1);
    assert_int_equal(journal_load(f->journal, s, NULL), 0);
    return s;
}

static void an_order_copies_what_is_wanted(void **state)
{
    struct fixture *f = *state;
    add_volume(f, 1, true);
    add_volume(f, 2, false);
    add_volume(f, 3, true)->v.state = VOLUME_DELETING;
    add_rule(f, 1, 1, "alice", "secret-of-alice");
    add_rule(f, 1, 2, "bob", "secret-of-bob!!")->r.state = ACCESS_REVOKING;
    add_rule(f, 1, 3, "carol", "");
    add_rule(f, 2, 1, "alice", "secret-of-alice");
    struct order *o = order_new(f->state);
    assert_int_equal(o->volume_count, 3);
    assert_int_equal(o->volumes[0].task, ORDER_SERVE);
    assert_int_equal(o->volumes[1].task, ORDER_MAKE);
    assert_int_equal(o->volumes[2].task, ORDER_DELETE);
    assert_int_equal(o->volumes[0].rule_count, 1); // carol has no secret, bob is to go
    assert_string_equal(o->volumes[0].rules[0].user, "alice");
    assert_int_equal(o->volumes[0].revoked_count, 1);
    assert_int_equal(o->account_count, 1);
    assert_true(order_has_failures(o)); // nothing was done yet
    order_free(o);
}

static void what_was_made_is_recorded_before_it_is_served(void **state)
{
    struct fixture *f = *state;
    add_volume(f, 1, false);
    add_volume(f, 2, false);
    struct order *o = order_new(f->state);
    o->volumes[0].made = true;
    assert_int_equal(order_record_made(o, f->state, f->journal, NULL), 0);
    assert_true(state_volume(f->state, 1)->made);
    assert_false(state_volume(f->state, 2)->made);
    struct state *s = journaled(f);
    assert_true(state_volume(s, 1)->made);
    assert_false(state_volume(s, 2)->made);
    state_free(s);
    order_free(o);
}

static void a_volumes_tgtd_is_recorded(void **state)
{
    struct fixture *f = *state;
    state_add_tgtd(f->state, "/run/tgtd.5"); // of another configuration
    add_volume(f, 1, true)->tgtd = 2;
    add_volume(f, 2, true);
    struct order *o = order_new(f->state);
    assert_int_equal(o->tgtd_count, 2);
    assert_int_equal(o->groups, 1);
    assert_int_equal(o->volumes[0].tgtd, 2);
    assert_int_equal(o->volumes[1].tgtd, 0);
    assert_false(o->volumes[0].unrecorded);
    assert_true(o->volumes[1].unrecorded);
    o->volumes[0].tgtd = 1;
    o->volumes[0].moved = true;
    assert_int_equal(order_record_made(o, f->state, f->journal, NULL), 0);
    assert_int_equal(state_volume(f->state, 1)->tgtd, 1);
    struct state *s = journaled(f);
    assert_string_equal(state_tgtd(s, state_volume(s, 1)->tgtd), "/run/tgtd.0");
    assert_int_equal(state_volume(s, 2)->tgtd, 0);
    state_free(s);
    order_free(o);
}

static void a_resized_volume_gets_its_place(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 3; i++) {
        struct unit_volume *row = add_volume(f, i, true);
        row->v.target_start_lba = i == 1 ? 10 * ALLOC_BLOCKS : row->v.start_lba;
        row->v.target_blocks = i == 3 ? ALLOC_BLOCKS / 2 : 2 * ALLOC_BLOCKS;
    }
    struct order *o = done(order_new(f->state));
    assert_true(order_grows(&o->volumes[0]));
    assert_true(order_shrinks(&o->volumes[2]));
    o->volumes[0].resized = true;
    dv_fail(&o->volumes[1].resize_err, DV_NO_SPACE, "the disk is full");
    assert_int_equal(order_record_made(o, f->state, f->journal, NULL), 0);
    assert_int_equal(o->volumes[0].v.blocks, 2 * ALLOC_BLOCKS);
    assert_in_range(state_volume(f->state, 1)->v.progress, 0, 99); // tgtd does not offer it yet
    uint32_t before = state_volume(f->state, 1)->v.generation;
    state_volume(f->state, 1)->v.state = VOLUME_ONLINE; // as it was all the time
    assert_true(order_shrinks(&o->volumes[2]));         // its turn comes later
    o->volumes[2].done = false;
    apply(f, o);
    assert_int_equal(state_volume(f->state, 1)->v.progress, 100);
    assert_true(state_volume(f->state, 1)->v.generation > before);
    struct state *s = journaled(f);
    struct state *both[] = {f->state, s};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(state_volume(both[i], 1)->v.start_lba, 10 * ALLOC_BLOCKS);
        assert_int_equal(state_volume(both[i], 1)->v.blocks, 2 * ALLOC_BLOCKS);
        assert_int_equal(state_volume(both[i], 1)->v.target_blocks, 0);
        assert_int_equal(state_volume(both[i], 2)->v.blocks, ALLOC_BLOCKS);
        assert_int_equal(state_volume(both[i], 2)->v.target_blocks, 0);
    }
    assert_int_equal(state_volume(f->state, 3)->v.target_blocks, ALLOC_BLOCKS / 2);
    assert_int_equal(state_volume(f->state, 2)->v.state, VOLUME_ONLINE);
    assert_non_null(strstr(state_volume(f->state, 2)->v.last_error, "the disk is full"));
    state_free(s);
}

// What of a growth could not be undone is the volume's; what a copy leaves behind is not free.
static void a_growth_that_failed_keeps_what_is_there(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 2; i++) {
        struct unit_volume *row = add_volume(f, i, true);
        row->v.target_start_lba = 10 * i * ALLOC_BLOCKS;
        row->v.target_blocks = 4 * ALLOC_BLOCKS;
    }
    struct order *o = order_new(f->state);
    dv_fail(&o->volumes[0].resize_err, DV_NO_SPACE, "the disk is full");
    o->volumes[0].kept_blocks = 3 * ALLOC_BLOCKS;
    o->volumes[1].resized = true;
    o->volumes[1].left = (struct extent){2 * ALLOC_BLOCKS, ALLOC_BLOCKS};
    assert_int_equal(order_record_made(o, f->state, f->journal, NULL), 0);
    struct state *s = journaled(f);
    struct state *both[] = {f->state, s};
    for (size_t i = 0; i < 2; i++) {
        const struct volume *v = &state_volume(both[i], 1)->v;
        assert_int_equal(v->start_lba, 10 * ALLOC_BLOCKS);
        assert_int_equal(v->blocks, 3 * ALLOC_BLOCKS);
        assert_int_equal(v->target_blocks, 0);
        assert_int_equal(state_volume(both[i], 2)->v.start_lba, 20 * ALLOC_BLOCKS);
    }
    const struct unit_medium *m = state_medium(f->state, 1);
    assert_int_equal(m->free_count, 4);
    assert_int_equal(m->free[0].blocks, 2 * ALLOC_BLOCKS);
    assert_int_equal(m->free[1].start, 3 * ALLOC_BLOCKS);
    state_free(s);
    order_free(o);
}

static void results_become_states(void **state)
{
    struct fixture *f = *state;
    add_volume(f, 1, true);
    add_volume(f, 2, true);
    add_volume(f, 3, true)->v.state = VOLUME_DELETING;
    add_rule(f, 1, 1, "alice", "secret-of-alice");
    add_rule(f, 1, 2, "bob", "secret-of-bob!!")->r.state = ACCESS_REVOKING;
    add_rule(f, 2, 1, "alice", "secret-of-alice");
    struct order *o = order_new(f->state);
    o->tgtds[0].there = true;
    o->volumes[0].done = o->volumes[2].done = true;
    add_rule(f, 1, 3, "carol", "");
    dv_fail(&o->volumes[1].err, DV_IO, "no luck");
    apply(f, o);
    assert_int_equal(state_volume(f->state, 1)->v.state, VOLUME_ONLINE);
    assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_ACTIVE);
    assert_null(state_rule(f->state, 1, 2));
    assert_int_equal(state_rule(f->state, 1, 3)->r.state, ACCESS_FAILED);
    assert_non_null(strstr(state_rule(f->state, 1, 3)->r.last_error, "secret"));
    assert_int_equal(state_volume(f->state, 2)->v.state, VOLUME_FAILED);
    assert_string_equal(state_volume(f->state, 2)->v.last_error, "no luck");
    assert_int_equal(state_rule(f->state, 2, 1)->r.state, ACCESS_FAILED);
    assert_null(state_volume(f->state, 3));
    struct state *s = journaled(f);
    assert_null(state_rule(s, 1, 2));
    assert_null(state_volume(s, 3));
    assert_non_null(state_rule(s, 1, 1));
    state_free(s);
}

static void what_waits_for_tgtd_has_not_failed(void **state)
{
    struct fixture *f = *state;
    add_volume(f, 1, false);
    add_volume(f, 2, false);
    add_volume(f, 3, true)->v.state = VOLUME_ONLINE;
    add_rule(f, 1, 1, "alice", "secret-of-alice");
    add_rule(f, 3, 1, "alice", "secret-of-alice");
    struct order *o = order_new(f->state);
    for (size_t i = 0; i < 3; i++)
        dv_fail(&o->volumes[i].err, DV_TIMEOUT, "tgtd did not answer");
    o->volumes[0].made = true;
    dv_fail(&o->volumes[1].err, DV_IO, "the disk is full"); // that is no matter of tgtd's
    apply(f, o);
    assert_int_equal(state_volume(f->state, 1)->v.state, VOLUME_CREATING);
    assert_string_equal(state_volume(f->state, 1)->v.last_error, "tgtd did not answer");
    assert_int_equal(state_volume(f->state, 2)->v.state, VOLUME_FAILED);
    assert_int_equal(state_volume(f->state, 3)->v.state, VOLUME_FAILED);
    for (uint32_t v = 1; v <= 3; v += 2) {
        assert_int_equal(state_rule(f->state, v, 1)->r.state, ACCESS_PENDING);
        assert_string_equal(state_rule(f->state, v, 1)->r.last_error, "tgtd did not answer");
    }
}

static void listeners_are_kept_until_they_are_closed(void **state)
{
    struct fixture *f = *state;
    const struct portal p = {.index = 1, .group = 1, .address = "192.0.2.1", .port = 3260};
    const struct listener old = {.tgtd = 1, .address = "192.0.2.9", .port = 3260};
    state_add_portal(f->state, &p);
    state_add_tgtd(f->state, "/run/tgtd.0");
    struct order *o = order_new(f->state);
    assert_int_equal(o->portal_count, 0); // not before it is on record
    order_free(o);
    assert_int_equal(order_record_listeners(f->state, f->journal, NULL), 0);
    assert_int_equal(journal_put_listener(f->journal, "/run/tgtd.0", &old, NULL), 0);
    state_add_listener(f->state, &old);
    o = order_new(f->state);
    assert_int_equal(o->portal_count, 1);
    assert_int_equal(o->listener_count, 1);
    assert_string_equal(o->listeners[0].l.address, "192.0.2.9");
    o->tgtds[0].there = o->tgtds[0].portals_there = true;
    assert_true(order_has_failures(o));
    order_apply_listeners(o, f->state, f->journal);
    assert_true(state_has_listener(f->state, &old));
    o->listeners[0].closed = true;
    assert_false(order_has_failures(o));
    order_apply_listeners(o, f->state, f->journal);
    order_free(o);
    struct state *s = journaled(f);
    size_t count;
    for (int i = 0; i < 2; i++) {
        const struct listener *left = state_listeners(i ? s : f->state, &count);
        assert_int_equal(count, 1);
        assert_string_equal(left[0].address, "192.0.2.1");
    }
    state_free(s);
}

static void a_failed_end_is_no_end(void **state)
{
    struct fixture *f = *state;
    add_volume(f, 1, true);
    add_volume(f, 2, true)->v.state = VOLUME_DELETING;
    add_rule(f, 1, 1, "bob", "secret-of-bob!!")->r.state = ACCESS_REVOKING;
    struct order *o = order_new(f->state);
    dv_fail(&o->volumes[0].err, DV_IO, "no luck");
    dv_fail(&o->volumes[1].err, DV_IO, "no luck");
    apply(f, o);
    assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_REVOKING);
    assert_string_equal(state_rule(f->state, 1, 1)->r.last_error, "no luck");
    assert_int_equal(state_volume(f->state, 2)->v.state, VOLUME_DELETING);
    assert_string_equal(state_volume(f->state, 2)->v.last_error, "no luck");
}

// What is wrong with its volume does not keep a rule from ending, but a tgtd that may serve it
// does.
static void a_rule_ends_when_tgtd_has_let_go(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 2; i++) {
        add_volume(f, i, true);
        add_rule(f, i, 1, "bob", "secret-of-bob!!")->r.state = ACCESS_REVOKING;
    }
    struct order *o = order_new(f->state);
    for (size_t i = 0; i < 2; i++)
        dv_fail(&o->volumes[i].err, DV_IO, "its medium is away");
    o->volumes[0].let_go = true;
    dv_fail(&o->volumes[1].held, DV_TIMEOUT, "no answer");
    apply(f, o);
    assert_null(state_rule(f->state, 1, 1));
    assert_int_equal(state_volume(f->state, 1)->v.state, VOLUME_FAILED);
    assert_int_equal(state_rule(f->state, 2, 1)->r.state, ACCESS_REVOKING);
    assert_string_equal(state_rule(f->state, 2, 1)->r.last_error,
                        "it ends when tgtd has let go of the volume: no answer");
    struct state *s = journaled(f);
    assert_null(state_rule(s, 1, 1));
    assert_non_null(state_rule(s, 2, 1));
    state_free(s);
}

static void what_changed_meanwhile_is_not_believed(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 4; i++)
        add_volume(f, i, true);
    add_rule(f, 1, 1, "alice", "secret-of-alice");
    add_rule(f, 1, 2, "bob", "secret-of-bob!!");
    struct order *o = done(order_new(f->state));
    state_rule(f->state, 1, 1)->r.state = ACCESS_REVOKING;
    state_set_secret(f->state, "bob", "another-secret", 0);
    add_rule(f, 1, 3, "bob", "another-secret");
    state_volume(f->state, 2)->v.state = VOLUME_DELETING;
    state_volume(f->state, 3)->v.admin_online = false;
    state_remove_volume(f->state, 4);
    add_volume(f, 5, false);
    assert_int_equal(journal_drop_volume(f->journal, 4, NULL), 0);
    add_volume(f, 4, false); // another one with its number
    apply(f, o);
    assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_REVOKING);
    assert_int_equal(state_rule(f->state, 1, 2)->r.state, ACCESS_PENDING);
    assert_int_equal(state_rule(f->state, 1, 3)->r.state, ACCESS_PENDING);
    assert_int_equal(state_volume(f->state, 2)->v.state, VOLUME_DELETING);
    assert_int_equal(state_volume(f->state, 3)->v.state, VOLUME_FAILED);
    assert_int_equal(state_volume(f->state, 4)->v.state, VOLUME_CREATING);
    assert_int_equal(state_volume(f->state, 5)->v.state, VOLUME_CREATING);
}

static void a_medium_is_remembered(void **state)
{
    struct fixture *f = *state;
    struct dv_uuid there = uuid_random();
    struct order *o = order_new(f->state);
    assert_true(uuid_is_zero(&o->media[0].uuid));
    o->media[0].uuid = there;
    o->media[0].state = MEDIUM_LOW;
    strcpy(o->media[0].error, "nearly full");
    apply(f, o);
    assert_int_equal(state_medium(f->state, 1)->m.state, MEDIUM_LOW);
    o = order_new(f->state);
    assert_true(uuid_equal(&o->media[0].uuid, &there));
    order_free(o);
    struct state *s = state_new(0, 1);
    struct medium m = {.index = 1};
    state_add_medium(s, &m, true);
    assert_int_equal(journal_load(f->journal, s, NULL), 0);
    assert_true(uuid_equal(&state_medium(s, 1)->uuid, &there));
    state_free(s);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static struct media_found *found(struct order *o, const struct dv_uuid *uuid, const char *name,
                                 uint64_t mib)
{
    struct media_layout *l = &o->media[0].layout;
    struct media_found *f = DV_APPEND(l->found, l->found_count);
    *f = (struct media_found){
        .uuid = *uuid, .start_lba = mib * ALLOC_BLOCKS, .blocks = ALLOC_BLOCKS};
    dv_copy(f->name, sizeof(f->name), name);
    o->media[0].has_layout = true;
    l->blocks = 50 * ALLOC_BLOCKS;
    l->lists_volumes = true;
    o->iqn_prefix = "iqn.2026-11.test";
    return f;
}

static void what_a_medium_brings_is_taken_in(void **state)
{
    struct fixture *f = *state;
    struct dv_uuid a = uuid_random(), b = uuid_random();
    const struct unit_volume *known = add_volume(f, 4, true);
    struct order *o = done(order_new(f->state));
    found(o, &known->v.uuid, "v4", 4);
    found(o, &a, "brought", 10);
    found(o, &b, "v4", 11); // the name is taken
    const struct extent reserved = {0, ALLOC_BLOCKS};
    *DV_APPEND(o->media[0].layout.reserved, o->media[0].layout.reserved_count) = reserved;
    assert_true(adopt_brings_volumes(o, f->state));
    apply(f, o);
    struct state *kept = journaled(f);
    for (int i = 0; i < 2; i++) {
        const struct unit_volume *v = state_volume_uuid(i ? kept : f->state, &a);
        const struct unit_volume *w = state_volume_uuid(i ? kept : f->state, &b);
        char uuid[UUID_TEXT_LEN];
        assert_non_null(v);
        assert_non_null(w);
        assert_int_equal(v->v.index, 5);
        assert_string_equal(v->v.name, "brought");
        assert_true(v->made);
        assert_int_equal(v->v.start_lba, 10 * ALLOC_BLOCKS);
        assert_int_equal(w->v.index, 6);
        assert_string_equal(w->v.name, uuid_format(&b, uuid));
        assert_false(state_volume_has_rules(i ? kept : f->state, 5));
    }
    state_free(kept);
    const struct unit_medium *m = state_medium(f->state, 1);
    assert_int_equal(m->m.blocks, 50 * ALLOC_BLOCKS);
    assert_int_equal(m->m.free_blocks, (50 - 4) * ALLOC_BLOCKS); // three volumes, and 0
}

// A SET may be about to use the number, the name or the place that it was given.
static void nothing_is_taken_in_while_a_set_is_under_way(void **state)
{
    struct fixture *f = *state;
    struct dv_uuid a = uuid_random();
    for (int under_way = 1; under_way >= 0; under_way--) {
        struct order *o = done(order_new(f->state));
        found(o, &a, "brought", 10);
        o->set_under_way = under_way;
        assert_true(adopt_has_strangers(o));
        assert_int_equal(adopt_brings_volumes(o, f->state), !under_way);
        apply(f, o);
        assert_int_equal(state_volume_count(f->state), !under_way);
    }
}

// Behind the last index there is none, so those that are free before it are used.
static void strangers_get_free_indexes(void **state)
{
    struct fixture *f = *state;
    struct dv_uuid a = uuid_random(), b = uuid_random();
    add_volume(f, 1, true);
    struct volume last = {.index = INT32_MAX,
                          .uuid = uuid_random(),
                          .medium = 1,
                          .start_lba = 40 * ALLOC_BLOCKS,
                          .blocks = ALLOC_BLOCKS};
    snprintf(last.name, sizeof(last.name), "last");
    snprintf(last.iqn, sizeof(last.iqn), "iqn.2026-11.test:last");
    assert_int_equal(journal_put_volume(f->journal, &last, true, NULL), 0);
    state_add_volume(f->state, &last)->made = true;
    struct order *o = done(order_new(f->state));
    found(o, &a, "a", 10);
    found(o, &b, "b", 11);
    apply(f, o);
    assert_int_equal(state_volume_uuid(f->state, &a)->v.index, 2);
    assert_int_equal(state_volume_uuid(f->state, &b)->v.index, 3);
}

// What only looks like a volume is told, and its medium stays in use. Of a volume that is known,
// a second name of its file changes nothing.
static void odd_files_are_not_taken_in(void **state)
{
    struct fixture *f = *state;
    struct dv_uuid a = uuid_random();
    const struct unit_volume *known = add_volume(f, 4, true);
    for (int odd = 1; odd >= 0; odd--) {
        struct order *o = done(order_new(f->state));
        found(o, &known->v.uuid, "v4", 4)->odd = "it has another name";
        found(o, &a, "brought", 10)->odd = odd ? "its name is odd" : NULL;
        assert_int_equal(adopt_has_strangers(o), !odd);
        assert_int_equal(adopt_brings_volumes(o, f->state), !odd);
        apply(f, o);
        assert_int_equal(state_volume_count(f->state), odd ? 1 : 2);
        const struct unit_medium *m = state_medium(f->state, 1);
        assert_int_equal(m->m.state, MEDIUM_ONLINE);
        assert_int_equal(m->left_out, 0);
        assert_string_equal(m->m.last_error,
                            odd ? "brought.img is not taken in as a volume: its name is odd" : "");
    }
}

// The medium tells of a copy of a volume that is on another one, which nobody uses.
static void a_copy_on_another_medium_is_told(void **state)
{
    struct fixture *f = *state;
    const struct medium second = {
        .index = 2, .name = "m2", .state = MEDIUM_ONLINE, .blocks = 100 * ALLOC_BLOCKS};
    struct unit_volume *known = add_volume(f, 4, true);
    state_add_medium(f->state, &second, true);
    for (int there = 0; there <= 1; there++) {
        known->v.medium = there ? 2 : 1;
        struct order *o = done(order_new(f->state));
        found(o, &known->v.uuid, "v4", 4);
        apply(f, o);
        const struct unit_medium *m = state_medium(f->state, 1);
        assert_int_equal(m->m.state, MEDIUM_ONLINE);
        assert_string_equal(m->m.last_error,
                            there ? "what it holds of volume v4 is a copy that is not used: the "
                                    "volume is on medium m2"
                                  : "");
    }
    known->v.medium = 1;
}

// As many as a folder may bring: each has its own place, name and number.
static void thousands_are_taken_in(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 10000 };
    struct order *o = done(order_new(f->state));
    for (uint32_t i = 0; i < MANY; i++) {
        const struct dv_uuid uuid = {{(uint8_t)(i * 7), 1, (uint8_t)(i >> 8), (uint8_t)i}};
        found(o, &uuid, i % 2 ? "all the same" : "or this one", 0)->start_lba = MEDIA_ANYWHERE;
    }
    o->media[0].layout.blocks = (MANY - 1) * (uint64_t)ALLOC_BLOCKS; // one finds no room
    state_medium(f->state, 1)->m.blocks = o->media[0].layout.blocks;
    assert_true(adopt_brings_volumes(o, f->state));
    apply(f, o);
    assert_int_equal(state_volume_count(f->state), MANY - 1);
    const struct unit_volume *v = NULL;
    uint64_t next = 0;
    while ((v = state_volume_next(f->state, v ? v->v.index : 0))) {
        assert_int_equal(v->v.start_lba, next);
        assert_ptr_equal(state_volume_named(f->state, v->v.name), v);
        next += ALLOC_BLOCKS;
    }
    assert_int_equal(state_medium(f->state, 1)->m.free_blocks, 0);
}

// What was deleted in the pass that still saw it does not come back.
static void what_is_just_deleted_is_not_taken_in(void **state)
{
    struct fixture *f = *state;
    struct unit_volume *v = add_volume(f, 1, true);
    v->v.state = VOLUME_DELETING;
    struct order *o = done(order_new(f->state));
    found(o, &v->v.uuid, "v1", 1);
    apply(f, o);
    assert_int_equal(state_volume_count(f->state), 0);
}

// Files of a folder have no place of their own: one that is just deleted is no stranger for which
// there is no room, and one of which nobody here knows is.
static void what_is_just_deleted_is_not_left_out(void **state)
{
    struct fixture *f = *state;
    const struct dv_uuid stranger = {{0x77}};
    struct unit_volume *v = add_volume(f, 1, true);
    v->v.state = VOLUME_DELETING;
    struct order *o = done(order_new(f->state));
    found(o, &v->v.uuid, "v1", 1)->start_lba = MEDIA_ANYWHERE;
    apply(f, o);
    assert_int_equal(state_medium(f->state, 1)->left_out, 0);
    o = done(order_new(f->state));
    *found(o, &stranger, "stranger", 1) = (struct media_found){
        .uuid = stranger, .start_lba = MEDIA_ANYWHERE, .blocks = 60 * ALLOC_BLOCKS};
    apply(f, o);
    assert_int_equal(state_medium(f->state, 1)->left_out, 1);
}

static void what_is_unfinished_stays_what_it_is(void **state)
{
    struct fixture *f = *state;
    add_volume(f, 1, false);
    add_volume(f, 2, true)->v.state = VOLUME_DELETING;
    add_rule(f, 1, 1, "alice", "secret-of-alice");
    struct order *o = order_new(f->state);
    for (int i = 0; i < 2; i++) {
        o->volumes[i].unfinished = true;
        o->volumes[i].percent = 30;
    }
    assert_true(order_is_unfinished(o));
    assert_true(order_has_failures(o));
    o->tgtds[0].there = o->tgtds[0].portals_there = true;
    assert_false(order_has_failures(o));
    assert_true(order_progress(&o->volumes[0], f->state, 31));
    assert_true(order_progress(&o->volumes[1], f->state, 31));
    apply(f, o);
    assert_int_equal(state_volume(f->state, 1)->v.state, VOLUME_CREATING);
    assert_int_equal(state_volume(f->state, 1)->v.progress, 30);
    assert_int_equal(state_volume(f->state, 2)->v.state, VOLUME_DELETING);
    assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_PENDING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_copies_what_is_wanted),
        TEST(what_was_made_is_recorded_before_it_is_served),
        TEST(a_volumes_tgtd_is_recorded),
        TEST(a_resized_volume_gets_its_place),
        TEST(a_growth_that_failed_keeps_what_is_there),
        TEST(results_become_states),
        TEST(what_waits_for_tgtd_has_not_failed),
        TEST(listeners_are_kept_until_they_are_closed),
        TEST(a_failed_end_is_no_end),
        TEST(a_rule_ends_when_tgtd_has_let_go),
        TEST(what_changed_meanwhile_is_not_believed),
        TEST(a_medium_is_remembered),
        TEST(what_a_medium_brings_is_taken_in),
        TEST(nothing_is_taken_in_while_a_set_is_under_way),
        TEST(strangers_get_free_indexes),
        TEST(odd_files_are_not_taken_in),
        TEST(a_copy_on_another_medium_is_told),
        TEST(thousands_are_taken_in),
        TEST(what_is_just_deleted_is_not_taken_in),
        TEST(what_is_just_deleted_is_not_left_out),
        TEST(what_is_unfinished_stays_what_it_is),
    };
    return cmocka_run_group_tests_name("unit order", tests, NULL, NULL);
}
