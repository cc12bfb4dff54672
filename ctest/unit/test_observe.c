// Tests of how a reading becomes part of the pool: part by part, and as a whole in the end.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "cms/unit/left_out.h"
#include "cms/unit/observe.h"
#include "ctest/support/observe_lab.h"
#include "ctest/support/store_all.h"

// Each row: a reading, and how its first part that begins at a volume ends.
static void test_where_parts_end(void **state)
{
    static const struct {
        const char *name;
        unsigned volumes, rules;
        size_t at, end;
    } cases[] = {
        {"none", 0, 0, 0, 0},
        {"one", 1, 0, 0, 1},
        {"as many as there is time for", 60, 0, 0, 60},
        {"one more", 61, 0, 0, 60},
        {"the rest", 61, 0, 60, 61},
        {"with rules they are fewer", 61, 3, 0, 15},
        {"one with very many rules has a turn of its own", 3, 200, 1, 2},
    };
    struct lab *lab = *state;
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        reads(lab, 2, cases[i].volumes, cases[i].rules);
        size_t end = observe_part_end(lab->link.reading, cases[i].at);
        if (end != cases[i].end)
            fail_msg("%s: it ends at %zu", cases[i].name, end);
    }
}

static int by_place(const void *a, const void *b)
{
    return free_place_order(free_place_of(a), free_place_of(b));
}

static void test_many_volumes_come_and_go(void **state)
{
    struct lab *lab = *state;
    reads(lab, 2, 3000, 0);
    takes_all(lab);
    assert_int_equal(shown_volumes(lab), 3000);
    assert_in_range(lab->link.names.tries, 3000, 2 * 3000); // however many parts there were
    assert_int_equal(events_with(lab, "was found on unit1"), 16);
    assert_int_equal(events_with(lab, "in all, 3000 volumes and 0 hosts"), 1);
    reads(lab, 3, 3000, 0); // again: all are there still
    takes_all(lab);
    assert_int_equal(shown_volumes(lab), 3000);
    reads(lab, 4, 100, 0);
    takes_all(lab);
    assert_int_equal(shown_volumes(lab), 100);
    assert_int_equal(HASH_COUNT(lab->cms.pool->volumes), 3000); // they are wanted still
    assert_int_equal(events_with(lab, "has vanished from unit1"), 16);
    assert_int_equal(events_with(lab, "in all, 2900 volumes have vanished"), 1);
}

static void reads_room(struct lab *lab, uint32_t generation, unsigned extents, unsigned blocks)
{
    reads(lab, generation, 0, 0);
    struct reading *r = lab->link.reading;
    r->has_media = true;
    for (unsigned i = 1; i <= extents; i++)
        *DV_APPEND(r->free_extents, r->free_count) =
            (struct free_extent){1 + i % 2, (uint64_t)i * BLOCKS_PER_MIB, blocks};
    if (extents > 0)
        qsort(r->free_extents, r->free_count, sizeof(*r->free_extents), by_place);
}

static void has_that_room(struct lab *lab)
{
    const struct reading *r = lab->link.reading;
    const struct pool_unit *u = lab->unit;
    struct changes c = {0};
    struct dv_err err;
    assert_int_equal(u->free_count, r->free_count);
    for (size_t i = 0; i < r->free_count; i++)
        assert_memory_equal(&u->free_extents[i], &r->free_extents[i], sizeof(*r->free_extents));
    assert_int_equal(store_all(lab->cms.store, &c, &err), 0);
    for (size_t i = 0; i < c.count; i++) {
        if (c.items[i].kind != &kind_free_extent)
            continue;
        assert_int_equal(c.items[i].count, r->free_count);
        for (size_t k = 0; k < r->free_count; k++)
            assert_memory_equal((const struct free_extent *)c.items[i].records + k,
                                &r->free_extents[k], sizeof(*r->free_extents));
    }
    changes_free(&c);
}

// Free extents become others part by part, in memory and in the store; few at once.
static void test_room(void **state)
{
    struct lab *lab = *state;
    reads_room(lab, 2, 2000, 1024);
    assert_int_equal(takes_parts(lab, UINT32_MAX), 6);
    takes_all(lab);
    has_that_room(lab);
    reads_room(lab, 3, 2000, 1024); // as before
    assert_int_equal(takes_parts(lab, UINT32_MAX), 0);
    takes_all(lab);
    has_that_room(lab);
    reads_room(lab, 4, 2100, 1024); // some more in two places
    lab->link.reading->free_extents[7].blocks = 8;
    assert_int_equal(takes_parts(lab, UINT32_MAX), 0);
    takes_all(lab);
    has_that_room(lab);
    reads_room(lab, 5, 1900, 512); // all others
    assert_true(takes_parts(lab, UINT32_MAX) > 5);
    takes_all(lab);
    has_that_room(lab);
    reads_room(lab, 6, 0, 0);
    takes_all(lab);
    has_that_room(lab);
}

// A crash in the middle leaves the unit's generation as it was, so all is read again: here in
// another number, before and behind the part that was taken in.
static void test_a_reading_that_ends_early(void **state)
{
    struct lab *lab = *state;
    reads(lab, 2, 1000, 0);
    assert_int_equal(takes_parts(lab, 5), 5);
    assert_int_equal(shown_volumes(lab), 300);
    reads(lab, 3, 900, 0);
    takes_all(lab);
    assert_int_equal(shown_volumes(lab), 900);
    reads(lab, 4, 1, 0);
    assert_int_equal(takes_parts(lab, 2), 2); // some are gone, none of them for good
    assert_in_range(shown_volumes(lab), 2, 899);
    reads(lab, 5, 950, 0);
    takes_all(lab);
    assert_int_equal(shown_volumes(lab), 950);
}

// Another volume is at each index than before, as behind a rebuild of the unit's journal.
static void renumbers(struct lab *lab, uint32_t generation, unsigned volumes, unsigned rules,
                      uint32_t (*place)(unsigned i, unsigned volumes))
{
    reads(lab, generation, volumes, rules);
    struct reading *r = lab->link.reading;
    struct volume *rows = r->volumes;
    r->volumes = dv_calloc(volumes, sizeof(*rows));
    for (unsigned i = 0; i < volumes; i++) { // a walk brings them by index
        uint32_t index = place(i, volumes);
        r->volumes[index - 1] = rows[i];
        r->volumes[index - 1].index = index;
        for (unsigned k = 0; k < rules; k++)
            r->rules[i * rules + k].volume = index;
    }
    free(rows);
    observe_begin(&lab->link);
}

static uint32_t reversed(unsigned i, unsigned volumes)
{
    return volumes - i;
}

static uint32_t next_one(unsigned i, unsigned volumes)
{
    return (i + 1) % volumes + 1;
}

// What the store holds is a whole at any time.
static void store_is_good(struct lab *lab)
{
    struct dv_err err = {0};
    struct changes c = {0};
    if (store_all(lab->cms.store, &c, &err) < 0)
        fail_msg("%s", err.text);
    changes_free(&c);
}

// All are shown at any time, and at the end each where the reading has it, with its rules.
static void takes_renumbered(struct lab *lab, unsigned volumes, unsigned rules)
{
    unsigned parts = 0;
    while (!observe_is_at_last(&lab->link)) {
        takes_part(lab);
        parts++;
        assert_int_equal(shown_volumes(lab), volumes);
        for (const struct pool_volume *v = lab->unit->volumes; v; v = v->unit_next)
            assert_int_equal(
                left_out_judge(v, &v->unit->rec.uuid, VOLUME_FAILED, &(struct medium_proof){0}),
                MOVE_STAYS);
        struct settling s = {SETTLE_JUDGE, {{0}}};
        while (tasks_settle(&lab->cms, lab->unit, false, &s))
            test_ledger_run(&lab->cms);
        store_is_good(lab);
    }
    assert_true(parts > 1);
    takes_part(lab);
    store_is_good(lab);
    assert_int_equal(shown_volumes(lab), volumes);
    for (size_t i = 0; i < volumes; i++) {
        const struct volume *row = &lab->link.reading->volumes[i];
        const struct pool_volume *v = pool_volume_by_index(lab->unit, row->index);
        assert_non_null(v);
        assert_true(uuid_equal(&v->rec.uuid, &row->uuid));
        assert_int_equal(v->rec.index, row->index);
        assert_int_equal(v->rule_count, rules);
        for (size_t k = 0; k < rules; k++)
            assert_int_equal(v->rules[k].volume, row->index);
    }
}

static void test_all_indexes_are_others(void **state)
{
    enum { COUNT = 300, RULES = 2 };
    struct lab *lab = *state;
    struct changes c = {0};
    struct task_record t;
    struct dv_uuid last = id('v', COUNT);
    reads(lab, 2, COUNT, RULES);
    takes_all(lab);
    tasks_new(&lab->cms, &t, TASK_VOLUME_CREATE); // it is being made
    t.volume = last;
    changes_task(&c, &t);
    struct volume making = pool_volume_by_uuid(lab->cms.pool, &last)->actual;
    making.state = VOLUME_CREATING;
    changes_shown(&c, &making, NULL, 0);
    apply(lab, &c);
    renumbers(lab, 3, COUNT, RULES, reversed);
    lab->link.reading->volumes[0].state = VOLUME_CREATING;
    takes_renumbered(lab, COUNT, RULES);
    assert_false(task_is_over(&pool_find_task(lab->cms.pool, t.id)->rec));
    assert_true(pool_volume_by_uuid(lab->cms.pool, &last)->rec.wanted);
    renumbers(lab, 4, COUNT, RULES, next_one);
    takes_renumbered(lab, COUNT, RULES);
    assert_int_equal(events_with(lab, "vanished"), 0);
    assert_int_equal(events_with(lab, "moved"), 0);
}

// What has another index is told apart from what is gone, in parts and in a list of changes.
static void test_indexes_of_what_is_gone(void **state)
{
    enum { COUNT = 300 };
    struct lab *lab = *state;
    struct dv_uuid first = id('v', 1), second = id('v', 2);
    reads(lab, 2, COUNT, 0);
    takes_all(lab);
    renumbers(lab, 3, COUNT, 0, reversed);
    lab->link.reading->volumes[0].uuid = id('n', 1); // it is new, and the last one is gone
    takes_all(lab);
    store_is_good(lab);
    assert_int_equal(shown_volumes(lab), COUNT);
    assert_int_equal(events_with(lab, "has vanished from unit1"), 1);
    struct reading *r = lab->link.reading;
    struct volume one = r->volumes[COUNT - 1], two = r->volumes[COUNT - 2];
    assert_true(uuid_equal(&one.uuid, &first) && uuid_equal(&two.uuid, &second));
    reads(lab, 4, 0, 0); // these two change places
    r = lab->link.reading;
    r->whole = false;
    uint32_t index = one.index;
    one.index = two.index;
    two.index = index;
    *DV_APPEND(r->volumes, r->volume_count) = one;
    *DV_APPEND(r->volumes, r->volume_count) = two;
    observe_begin(&lab->link);
    takes_all(lab);
    store_is_good(lab);
    assert_int_equal(shown_volumes(lab), COUNT);
    assert_true(pool_volume_by_index(lab->unit, one.index) ==
                pool_volume_by_uuid(lab->cms.pool, &first));
    assert_int_equal(events_with(lab, "vanished"), 1);
    reads(lab, 5, 0, 0); // one has the other's place, which is gone
    r = lab->link.reading;
    r->whole = false;
    *DV_APPEND(r->gone, r->gone_count) = one.index;
    one.index = two.index;
    *DV_APPEND(r->volumes, r->volume_count) = one;
    observe_begin(&lab->link);
    takes_all(lab);
    store_is_good(lab);
    assert_int_equal(shown_volumes(lab), COUNT - 1);
    assert_int_equal(events_with(lab, "vanished"), 2);
}

// Where it was shown by another unit it looked as it does here, so only its unit is another one.
static void test_a_volume_comes_as_it_was_elsewhere(void **state)
{
    enum { COUNT = 200 };
    struct lab *lab = *state;
    struct unit_record other = {.uuid = id('u', 2),
                                .trust = TRUST_SHARED,
                                .name = "unit2",
                                .address = "udp:127.0.0.1:16162",
                                .engine_id = "23456",
                                .engine_id_len = 5,
                                .state = UNIT_DOWN};
    struct changes c = {0};
    reads(lab, 2, COUNT, 0);
    takes_all(lab);
    renumbers(lab, 3, COUNT, 0, reversed);
    struct volume *row = &lab->link.reading->volumes[0];
    row->uuid = id('w', 1);
    struct volume_record rec = {.uuid = row->uuid,
                                .unit = other.uuid,
                                .name = "w1",
                                .medium = 1,
                                .index = 1,
                                .blocks = row->blocks,
                                .wanted = true,
                                .seen = true,
                                .proof = "its medium"};
    struct medium *m = DV_APPEND(lab->link.reading->media, lab->link.reading->media_count);
    *m = (struct medium){.index = 1, .proof = {.now = "taken", .before = "its medium"}};
    changes_unit(&c, &other);
    changes_volume(&c, &rec);
    changes_shown(&c, row, NULL, 0);
    apply(lab, &c);
    takes_all(lab);
    store_is_good(lab);
    assert_int_equal(shown_volumes(lab), COUNT);
    assert_true(uuid_equal(&pool_volume_by_index(lab->unit, 1)->rec.uuid, &rec.uuid));
    assert_int_equal(events_with(lab, "has moved from unit2 to unit1, as its medium proves"), 1);
    assert_int_equal(events_with(lab, "vanished"), 1); // the last one, which is shown no more
}

// Some indexes are not known then, so nothing is ordered before all has been read.
static void test_no_orders_behind_a_part(void **state)
{
    struct lab *lab = *state;
    reads(lab, 2, 300, 0);
    takes_all(lab);
    assert_false(lab->link.taken_in_part);
    renumbers(lab, 3, 300, 0, reversed);
    assert_int_equal(takes_parts(lab, 1), 1);
    assert_true(lab->link.taken_in_part);
    reads(lab, 4, 300, 0);
    takes_all(lab);
    assert_false(lab->link.taken_in_part);
    store_is_good(lab);
    assert_int_equal(events_with(lab, "vanished"), 0);
}

// Hosts that were found for this or that, and whose volumes never came.
static struct host_record finds_hosts(struct lab *lab, unsigned count)
{
    struct changes c = {0};
    struct host_record host;
    for (unsigned n = 1; n <= count; n++) {
        host = (struct host_record){.uuid = id('h', n), .chap_user = "user"};
        snprintf(host.name, sizeof(host.name), "lone%u", n);
        snprintf(host.iqn, sizeof(host.iqn), "iqn.2026-01.x:lone%u", n);
        changes_host(&c, &host);
    }
    apply(lab, &c);
    return host;
}

static void test_hosts_whose_volume_never_came(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    struct dv_uuid one = id('v', 1);
    struct host_record host = finds_hosts(lab, 9901);
    reads(lab, 2, 1, 100); // the last of its hosts is one too many
    takes_all(lab);
    assert_null(pool_volume_by_uuid(lab->cms.pool, &one));
    assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), 9901);
    assert_int_equal(events_with(lab, "1 of its volumes is not taken in, since more than 10000"),
                     1);
    assert_false(left_out_is_wanted(&lab->link));
    // One host goes and another comes: their number is the same.
    changes_host_gone(&c, &host.uuid);
    host.uuid = id('o', 1);
    changes_host(&c, &host);
    apply(lab, &c);
    assert_true(left_out_is_wanted(&lab->link));
    reads(lab, 3, 1, 100);
    takes_all(lab);
    assert_null(pool_volume_by_uuid(lab->cms.pool, &one));
    assert_false(left_out_is_wanted(&lab->link));
    // Its secret comes to be known: it counts no longer, and the volume is taken in.
    host.sealed_len = sizeof(host.sealed_secret);
    host.secret_mark = 1;
    changes_host(&c, &host);
    apply(lab, &c);
    assert_true(left_out_is_wanted(&lab->link));
    reads(lab, 4, 1, 100);
    takes_all(lab);
    assert_non_null(pool_volume_by_uuid(lab->cms.pool, &one));
    assert_false(left_out_is_wanted(&lab->link));
}

// A reading that ended early left hosts behind. Those that it goes on with are known already.
static void test_hosts_that_came_ahead_count(void **state)
{
    struct lab *lab = *state;
    struct dv_uuid one = id('v', 1), two = id('v', 2);
    (void)finds_hosts(lab, 9700);
    reads(lab, 2, 1, 250);
    assert_int_equal(takes_parts(lab, 1), 1);
    assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), 9780);
    reads(lab, 3, 2, 250); // the first has room for all, the other has none
    takes_all(lab);
    assert_non_null(pool_volume_by_uuid(lab->cms.pool, &one));
    assert_null(pool_volume_by_uuid(lab->cms.pool, &two));
    assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), 9950);
}

// A unit can show other volumes each time.
static void test_what_changes_all_the_time(void **state)
{
    enum { TIMES = 40, MINUTES = 3, VOLUMES = 100 };
    struct lab *lab = *state;
    uint32_t generation = 2;
    for (unsigned i = 0; i < TIMES; i++) {
        reads(lab, generation++, 1, 0);
        takes_all(lab);
        reads(lab, generation++, 0, 0);
        takes_all(lab);
    }
    size_t told = events_with(lab, "has vanished from unit1");
    assert_in_range(told, 9, 10 * MINUTES);     // ten in a minute, in one that is slow
    lab->link.readings = (struct log_limit){0}; // later
    reads(lab, generation++, VOLUMES, 0);
    takes_all(lab);
    reads(lab, generation++, VOLUMES, 0);
    for (size_t i = 0; i < VOLUMES; i++)
        lab->link.reading->volumes[i].blocks *= 2;
    takes_all(lab);
    assert_int_equal(events_with(lab, "has another size on unit1 than here"), 16);
    assert_int_equal(events_with(lab, "in all, 100 volumes were resized on it"), 1);
}

// A list of changes names some of its volumes alone.
static void test_not_taken_in_is_told_once(void **state)
{
    struct lab *lab = *state;
    reads(lab, 2, 2, READING_RULES_A_VOLUME + 1);
    takes_all(lab);
    for (uint32_t generation = 3; generation < 8; generation++) {
        reads(lab, generation, generation % 2 ? 1 : 2, READING_RULES_A_VOLUME + 1);
        lab->link.reading->whole = generation % 2 == 0;
        takes_all(lab);
    }
    assert_int_equal(events_with(lab, "not taken in, since"), 1);
    reads(lab, 8, 1, READING_RULES_A_VOLUME + 1);
    takes_all(lab);
    assert_int_equal(events_with(lab, "1 of its volumes is not taken in, since it has"), 1);
}

static void part_is_not_taken(struct unit_link *link, bool taken, bool last)
{
    (void)link;
    assert_true(last && !taken);
}

// What was to be told and could not be recorded is told when it can be.
static void test_what_could_not_be_recorded_is_told_later(void **state)
{
    struct lab *lab = *state;
    DV_FREE char *away = dv_printf("%s/away", lab->dir);
    reads(lab, 2, 2, READING_RULES_A_VOLUME + 1);
    (void)takes_parts(lab, UINT32_MAX);
    assert_int_equal(rename(lab->path, away), 0);
    observe_part(&lab->link, part_is_not_taken);
    test_ledger_run(&lab->cms);
    assert_int_equal(rename(away, lab->path), 0);
    assert_int_equal(events_with(lab, "not taken in, since"), 0);
    reads(lab, 2, 2, READING_RULES_A_VOLUME + 1);
    takes_all(lab);
    assert_int_equal(events_with(lab, "2 of its volumes are not taken in, since"), 1);
}

static void test_a_unit_is_up_once(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    struct unit_record rec = lab->unit->rec;
    rec.state = UNIT_DOWN;
    changes_unit(&c, &rec);
    apply(lab, &c);
    lab->link.state_before = UNIT_DOWN; // the station has just started
    reads(lab, 2, 300, 0);
    assert_true(takes_parts(lab, 3) == 3);
    takes_all(lab);
    assert_int_equal(events_with(lab, "is up"), 1);
    assert_int_equal(lab->unit->rec.state, UNIT_UP);
}

// A person's name is no news, whatever the unit calls itself.
static void test_a_name_that_a_code_gave(void **state)
{
    struct lab *lab = *state;
    for (int named = 0; named < 2; named++) {
        struct changes c = {0};
        struct unit_record rec = lab->unit->rec;
        memset(rec.name, 0, sizeof(rec.name));
        dv_copy(rec.name, sizeof(rec.name), "nu");
        rec.named = named;
        rec.last_seen = 0; // it is enrolled, and was not heard of yet
        changes_unit(&c, &rec);
        apply(lab, &c);
        reads(lab, 2, 1, 0);
        dv_copy(lab->link.reading->name, sizeof(lab->link.reading->name), "nu");
        if (named)
            dv_copy(lab->link.reading->name, sizeof(lab->link.reading->name), "new2");
        takes_all(lab);
        assert_int_equal(events_with(lab, "joined at"), 1 + named);
        assert_int_equal(events_with(lab, "calls itself"), 0);
    }
}

static void test_changes_that_name_what_is_gone(void **state)
{
    struct lab *lab = *state;
    reads(lab, 2, 1000, 0);
    takes_all(lab);
    reads(lab, 3, 0, 0);
    lab->link.reading->whole = false;
    for (uint32_t i = 1; i <= 950; i++)
        *DV_APPEND(lab->link.reading->gone, lab->link.reading->gone_count) = i % 900 + 1;
    takes_all(lab);
    assert_int_equal(shown_volumes(lab), 100); // some were named twice
}

// A volume that many hosts use is taken in with all of them or not at all.
static void test_hosts_come_before_their_volume(void **state)
{
    struct lab *lab = *state;
    struct dv_uuid one = id('v', 1);
    reads(lab, 2, 1, READING_RULES_A_VOLUME);
    assert_int_equal(takes_parts(lab, 1), 1);
    assert_true(HASH_COUNT(lab->cms.pool->hosts) > 0);
    assert_null(pool_volume_by_uuid(lab->cms.pool, &one));
    takes_all(lab);
    const struct pool_volume *v = pool_volume_by_uuid(lab->cms.pool, &one);
    assert_non_null(v);
    assert_int_equal(HASH_CNT(hh, v->hosts), READING_RULES_A_VOLUME);
    assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), READING_RULES_A_VOLUME);
}

static void test_more_hosts_than_a_volume_can_have(void **state)
{
    struct lab *lab = *state;
    reads(lab, 2, 2, READING_RULES_A_VOLUME + 1);
    takes_all(lab);
    assert_int_equal(HASH_COUNT(lab->cms.pool->volumes), 0);
    assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), 0);
    assert_int_equal(events_with(lab, "2 of its volumes are not taken in"), 1);
    assert_true(HASH_COUNT(lab->link.left_out) == 2 && !left_out_is_wanted(&lab->link));
}

// Another unit has all of them. The look-ups are by a hash: with a list this took seconds.
static void test_what_is_left_out(void **state)
{
    enum { COUNT = 6000, REMEMBERED = 4096 };
    struct lab *lab = *state;
    struct unit_record other = {
        .uuid = id('u', 2), .trust = TRUST_SHARED, .name = "unit2", .state = UNIT_UP};
    struct changes c = {0};
    changes_unit(&c, &other);
    for (unsigned n = 1; n <= COUNT; n++) {
        struct volume_record rec = {.uuid = id('v', n),
                                    .unit = other.uuid,
                                    .medium = 1,
                                    .index = n,
                                    .blocks = 2048,
                                    .wanted = true,
                                    .seen = true,
                                    .proof = "its medium"};
        const struct volume shown = {.uuid = rec.uuid, .index = n, .state = VOLUME_ONLINE};
        snprintf(rec.name, sizeof(rec.name), "v%u", n);
        changes_volume(&c, &rec);
        changes_shown(&c, &shown, NULL, 0);
    }
    apply(lab, &c);
    for (uint32_t generation = 2, told = 1; generation < 4; generation++, told++) {
        reads(lab, generation, COUNT, 0);
        takes_all(lab);
        assert_int_equal(shown_volumes(lab), 0);
        assert_int_equal(HASH_COUNT(lab->link.left_out), REMEMBERED);
        assert_false(left_out_is_wanted(&lab->link));
        assert_int_equal(events_with(lab, "but unit1 shows a volume of the same UUID"), 16 * told);
    }
    struct pool_unit *u = pool_unit_by_uuid(lab->cms.pool, &other.uuid);
    u->rec.state = UNIT_DOWN;
    reads(lab, 4, 10, 0);
    takes_all(lab);
    assert_int_equal(HASH_COUNT(lab->link.left_out), 10);
    assert_false(left_out_is_wanted(&lab->link)); // nothing proves it
    reads(lab, 5, 10, 0);
    struct medium *m = DV_APPEND(lab->link.reading->media, lab->link.reading->media_count);
    *m = (struct medium){.index = 1, .proof.before = "its medium"};
    lab->link.reading->has_media = true;
    u->rec.state = UNIT_UP;
    takes_all(lab);
    assert_int_equal(HASH_COUNT(lab->link.left_out), 10);
    assert_false(left_out_is_wanted(&lab->link)); // a copy
    u->rec.state = UNIT_DOWN;
    assert_true(left_out_is_wanted(&lab->link));
    reads(lab, 6, 10, 0);
    takes_all(lab);
    assert_int_equal(shown_volumes(lab), 10);
    assert_int_equal(HASH_COUNT(lab->link.left_out), 0);
}

// What a unit has beside the store is told of up to a thousand things, and not taken over when it
// would bring more hosts than a unit may.
static void test_much_that_differs(void **state)
{
    enum { VOLUMES = 41, RULES = 250 };
    struct lab *lab = *state;
    struct changes c = {0};
    struct station_difference *list;
    size_t count;
    struct dv_err err;
    reads(lab, 2, VOLUMES, 0);
    takes_all(lab);
    reads(lab, 3, VOLUMES, RULES);
    for (size_t i = 0; i < VOLUMES; i++)
        changes_shown(&c, &lab->link.reading->volumes[i], lab->link.reading->rules + i * RULES,
                      RULES);
    apply(lab, &c);
    lab->unit->standing = LEAD_FOREIGN;
    lab->unit->lead.word.station = id('s', 2);
    cms_differences(&lab->cms, &list, &count);
    assert_int_equal(count, 1001);
    assert_non_null(strstr(list[999].text, "its access rule would end"));
    assert_non_null(strstr(list[1000].text, " more things differ"));
    free(list);
    int rc;
    while ((rc = cms_adopt(&lab->cms, ADOPT_UNITS, false, &err)) > 0)
        assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, DV_CONFLICT);
    assert_non_null(strstr(err.text, "more than 10000 initiators that nobody here knows"));
    assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_where_parts_end),
        TEST(test_many_volumes_come_and_go),
        TEST(test_room),
        TEST(test_a_reading_that_ends_early),
        TEST(test_all_indexes_are_others),
        TEST(test_indexes_of_what_is_gone),
        TEST(test_a_volume_comes_as_it_was_elsewhere),
        TEST(test_no_orders_behind_a_part),
        TEST(test_hosts_whose_volume_never_came),
        TEST(test_hosts_that_came_ahead_count),
        TEST(test_what_changes_all_the_time),
        TEST(test_not_taken_in_is_told_once),
        TEST(test_what_could_not_be_recorded_is_told_later),
        TEST(test_a_unit_is_up_once),
        TEST(test_a_name_that_a_code_gave),
        TEST(test_changes_that_name_what_is_gone),
        TEST(test_hosts_come_before_their_volume),
        TEST(test_more_hosts_than_a_volume_can_have),
        TEST(test_what_is_left_out),
        TEST(test_much_that_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
