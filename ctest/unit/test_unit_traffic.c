// Tests of counting: what tgtd tells of its sessions, summed up over sessions and runs of tgtd.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/traffic.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ALICE "iqn.2026-11.host:alice"
#define BOB   "iqn.2026-11.host:bob"

struct fixture {
    struct state *state;
    struct traffic *traffic;
    uint64_t now;
};

static void add_rule(struct fixture *f, uint32_t index, const char *initiator)
{
    struct access_rule r = {.volume = 7, .index = index};
    dv_copy(r.initiator, sizeof(r.initiator), initiator);
    dv_copy(r.chap_user, sizeof(r.chap_user), "user");
    state_add_rule(f->state, &r, "secret");
}

static int setup(void **state)
{
    struct fixture *f = dv_calloc(1, sizeof(*f));
    struct volume v = {.index = 7, .blocks = ALLOC_BLOCKS};
    f->state = state_new(0, 1);
    f->traffic = traffic_new(1);
    f->now = 1000;
    state_add_volume(f->state, &v);
    add_rule(f, 1, ALICE);
    add_rule(f, 2, BOB);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    traffic_free(f->traffic);
    state_free(f->state);
    free(f);
    return 0;
}

// A look a second after the last; sessions are alice's when their number is odd.
static bool look(struct fixture *f, const char *tgtd, const struct tgt_statistics *rows,
                 size_t count)
{
    struct sighting *o = dv_calloc(1, sizeof(*o));
    o->at_ms = f->now += 1000;
    dv_copy(o->tgtd, sizeof(o->tgtd), tgtd);
    for (size_t i = 0; i < count; i++) {
        *DV_APPEND(o->rows, o->row_count) = rows[i];
        if (i > 0 && rows[i].sid == rows[i - 1].sid)
            continue;
        struct observed_session *s = DV_APPEND(o->sessions, o->session_count);
        *s = (struct observed_session){.tid = rows[i].tid, .sid = rows[i].sid};
        dv_copy(s->initiator, sizeof(s->initiator), rows[i].sid % 2 ? ALICE : BOB);
    }
    return traffic_take(f->traffic, o, f->state);
}

static void expect(const struct volume_counters *c, uint64_t read_ops, uint64_t write_ops,
                   uint64_t read_bytes, uint64_t written_bytes)
{
    assert_int_equal(c->read_ops, read_ops);
    assert_int_equal(c->write_ops, write_ops);
    assert_int_equal(c->read_bytes, read_bytes);
    assert_int_equal(c->written_bytes, written_bytes);
}

static void sums_only_grow(void **state)
{
    struct fixture *f = *state;
    const struct unit_volume *v = state_volume(f->state, 7);
    const struct unit_rule *alice = state_rule(f->state, 7, 1), *bob = state_rule(f->state, 7, 2);
    const struct tgt_statistics first[] = {
        {.tid = 7, .lun = 0, .sid = 1},
        {.tid = 7, .lun = 1, .sid = 1, .write_bytes = 50, .write_commands = 5},
        {.tid = 7, .lun = 1, .sid = 2, .read_bytes = 100, .read_commands = UINT32_MAX}};
    assert_true(look(f, "a", first, 3));
    expect(&v->counters, UINT32_MAX, 5, 100, 50);
    expect(&alice->counters, 0, 5, 0, 50);
    expect(&bob->counters, UINT32_MAX, 0, 100, 0);
    assert_int_equal(v->counting.logins, 2);
    assert_int_equal(alice->counting.logins, 1);
    assert_false(look(f, "a", first, 3)); // nothing happened

    // Alice's session ended and another one of hers began; the count of bob's wrapped.
    const struct tgt_statistics second[] = {
        {.tid = 7, .lun = 1, .sid = 2, .read_bytes = 130, .read_commands = 2},
        {.tid = 7, .lun = 1, .sid = 3, .write_bytes = 10, .write_commands = 1}};
    assert_true(look(f, "a", second, 2));
    expect(&v->counters, UINT32_MAX + UINT64_C(3), 6, 130, 60);
    expect(&alice->counters, 0, 6, 0, 60);
    assert_int_equal(alice->counting.logins, 2);
    assert_int_equal(bob->counting.logins, 1);

    // Another session took the number 2.
    const struct tgt_statistics third[] = {
        {.tid = 7, .lun = 1, .sid = 2, .read_bytes = 5, .read_commands = 1},
        {.tid = 7, .lun = 1, .sid = 3, .write_bytes = 10, .write_commands = 1}};
    assert_true(look(f, "a", third, 2));
    expect(&v->counters, UINT32_MAX + UINT64_C(4), 6, 135, 60);
    assert_int_equal(bob->counting.logins, 2);

    // All ended; then another tgtd, whose first session has a number that was there before.
    assert_true(look(f, "a", NULL, 0));
    const struct tgt_statistics fourth[] = {
        {.tid = 7, .lun = 1, .sid = 3, .write_bytes = 20, .write_commands = 2}};
    assert_true(look(f, "b", fourth, 1));
    expect(&v->counters, UINT32_MAX + UINT64_C(4), 8, 135, 80);
    assert_int_equal(v->counting.logins, 5);
}

static void another_tgtd_counts_from_zero(void **state)
{
    struct fixture *f = *state;
    const struct tgt_statistics rows[] = {
        {.tid = 7, .lun = 1, .sid = 1, .write_bytes = 50, .write_commands = 5}};
    look(f, "a", rows, 1);
    assert_true(look(f, "b", rows, 1));
    expect(&state_volume(f->state, 7)->counters, 0, 10, 0, 100);
    assert_int_equal(state_volume(f->state, 7)->counting.logins, 2);
}

static void a_restarted_agent_counts_nothing_twice(void **state)
{
    struct fixture *f = *state;
    const struct tgt_statistics before[] = {
        {.tid = 7, .lun = 1, .sid = 2, .read_bytes = 5, .read_commands = 1},
        {.tid = 7, .lun = 1, .sid = 1, .write_bytes = 50, .write_commands = 5}};
    const struct tgt_statistics now[] = {
        {.tid = 7, .lun = 1, .sid = 1, .write_bytes = 70, .write_commands = 7}};
    traffic_resume(f->traffic, "a", before, 2);
    assert_null(traffic_session(f->traffic, f->now, 0, 0)); // what lives is not known yet
    assert_true(look(f, "a", now, 1));                      // one ended meanwhile
    expect(&state_volume(f->state, 7)->counters, 0, 2, 0, 20);
    assert_int_equal(state_volume(f->state, 7)->counting.logins, 0);
    const struct traffic_session *s = traffic_session(f->traffic, f->now, 0, 0);
    assert_int_equal(s->write_bytes, 70);
    assert_int_equal(s->commands, 7);
}

static void sessions_are_shown_while_they_are_known_to_live(void **state)
{
    struct fixture *f = *state;
    const struct tgt_statistics rows[] = {{.tid = 7, .lun = 1, .sid = 1},
                                          {.tid = 7, .lun = 1, .sid = 4},
                                          {.tid = 9, .lun = 1, .sid = 2}};
    look(f, "a", rows, 3);
    uint64_t began = f->now;
    look(f, "a", rows, 3);
    assert_int_equal(traffic_sessions(f->traffic, f->now), 3);
    const struct traffic_session *s = traffic_session(f->traffic, f->now, 7, 2);
    assert_int_equal(s->of.sid, 4);
    assert_int_equal(s->since_ms, began);
    assert_int_equal(traffic_session(f->traffic, f->now, 7, 5)->of.tid, 9);
    assert_null(traffic_session(f->traffic, f->now, 9, 3));
    assert_int_equal(traffic_sessions(f->traffic, f->now + TRAFFIC_FRESH_MS), 3);
    assert_int_equal(traffic_sessions(f->traffic, f->now + TRAFFIC_FRESH_MS + 1), 0);
    traffic_lost(f->traffic);
    assert_null(traffic_session(f->traffic, f->now, 0, 0));
}

static void rows_tell_since_when_they_are_counted(void **state)
{
    struct fixture *f = *state;
    look(f, "a", NULL, 0);
    add_rule(f, 3, "iqn.2026-11.host:carol");
    look(f, "a", NULL, 0);
    assert_int_equal(state_volume(f->state, 7)->counting.since_ms, 1); // before the agent
    assert_int_equal(state_rule(f->state, 7, 3)->counting.since_ms, f->now);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sums_only_grow),
        TEST(another_tgtd_counts_from_zero),
        TEST(a_restarted_agent_counts_nothing_twice),
        TEST(sessions_are_shown_while_they_are_known_to_live),
        TEST(rows_tell_since_when_they_are_counted),
    };
    return cmocka_run_group_tests_name("unit traffic", tests, NULL, NULL);
}
