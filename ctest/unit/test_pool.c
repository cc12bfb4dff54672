// Tests of the pool in memory: its links, what people are shown, and names for newcomers.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct dv_uuid id(uint8_t kind, unsigned n)
{
    return (struct dv_uuid){{kind, (uint8_t)(n >> 8), (uint8_t)n}};
}

static void apply(struct pool *p, struct changes *c)
{
    pool_apply(p, c);
    changes_free(c);
}

static void put_unit(struct changes *c, unsigned n, const char *name, enum unit_state state)
{
    struct unit_record rec = {.uuid = id('u', n), .state = state};
    struct medium m = {.index = 1,
                       .name = "pool0",
                       .kind = MEDIUM_DIR,
                       .state = MEDIUM_ONLINE,
                       .blocks = 1000,
                       .free_blocks = 600,
                       .largest_free_blocks = 500};
    struct portal portal = {.index = 1, .address = "192.0.2.1", .port = 3260, .up = true};
    dv_copy(rec.name, sizeof(rec.name), name);
    changes_unit(c, &rec);
    changes_media(c, &rec.uuid, &m, 1);
    changes_portals(c, &rec.uuid, &portal, 1);
}

static struct volume_record volume_of(unsigned n, const char *name, unsigned unit)
{
    struct volume_record rec = {.uuid = id('v', n),
                                .unit = id('u', unit),
                                .medium = 1,
                                .index = n,
                                .blocks = 2048,
                                .wanted = true};
    dv_copy(rec.name, sizeof(rec.name), name);
    return rec;
}

static void put_volume(struct changes *c, unsigned n, const char *name, unsigned unit)
{
    struct volume_record rec = volume_of(n, name, unit);
    changes_volume(c, &rec);
}

static void show(struct changes *c, unsigned n, enum volume_state state,
                 const struct access_rule *rules, size_t count)
{
    struct volume v = {.uuid = id('v', n), .index = n, .state = state};
    changes_shown(c, &v, rules, count);
}

static void put_host(struct changes *c, unsigned n, const char *name)
{
    struct host_record rec = {.uuid = id('h', n)};
    dv_copy(rec.name, sizeof(rec.name), name);
    snprintf(rec.iqn, sizeof(rec.iqn), "iqn.2026-01.x:%s", name);
    changes_host(c, &rec);
}

static void put_right(struct changes *c, unsigned volume, unsigned host, bool wanted)
{
    struct assignment_record rec = {
        .volume = id('v', volume), .host = id('h', host), .index = 1, .wanted = wanted};
    changes_assignment(c, &rec);
}

static struct pool *make(void)
{
    struct pool *p = pool_new();
    struct changes c = {0};
    put_unit(&c, 1, "unit1", UNIT_UP);
    put_unit(&c, 2, "unit2", UNIT_DOWN);
    put_host(&c, 1, "web");
    put_host(&c, 2, "db");
    put_volume(&c, 1, "a", 1);
    put_volume(&c, 2, "b", 1);
    put_volume(&c, 3, "c", 2);
    put_right(&c, 1, 1, true);
    put_right(&c, 1, 2, true);
    put_right(&c, 2, 1, true);
    apply(p, &c);
    return p;
}

static void test_finding(void **state)
{
    (void)state;
    struct pool *p = make();
    char text[UUID_TEXT_LEN];
    struct dv_uuid u = id('v', 2);
    assert_string_equal(pool_find_unit(p, "unit2")->rec.name, "unit2");
    assert_null(pool_find_unit(p, "unit3"));
    assert_string_equal(pool_find_volume(p, "b")->rec.name, "b");
    assert_ptr_equal(pool_find_volume(p, uuid_format(&u, text)), pool_find_volume(p, "b"));
    assert_null(pool_find_volume(p, ""));
    assert_string_equal(pool_find_host(p, "db")->rec.name, "db");
    assert_ptr_equal(pool_host_by_iqn(p, "iqn.2026-01.x:db"), pool_find_host(p, "db"));
    assert_null(pool_host_by_iqn(p, "iqn.2026-01.x:d"));
    pool_free(p);
}

static void test_links(void **state)
{
    (void)state;
    struct pool *p = make();
    struct changes c = {0};
    struct pool_volume *a = pool_find_volume(p, "a");
    struct pool_host *web = pool_find_host(p, "web");
    assert_int_equal(pool_find_unit(p, "unit1")->volume_count, 2);
    assert_ptr_equal(a->assignments->host, web);
    assert_ptr_equal(web->assignments->volume, a);
    assert_ptr_equal(web->assignments->host_next->volume, pool_find_volume(p, "b"));

    struct dv_uuid host = id('h', 1), volume = id('v', 1);
    changes_assignment_gone(&c, &volume, &host);
    changes_assignment_gone(&c, &volume, &host); // twice is fine
    apply(p, &c);
    assert_string_equal(a->assignments->host->rec.name, "db");
    assert_null(a->assignments->volume_next);
    assert_string_equal(web->assignments->volume->rec.name, "b");

    changes_volume_gone(&c, &volume); // takes its rights along
    apply(p, &c);
    assert_null(pool_find_volume(p, "a"));
    assert_null(pool_find_host(p, "db")->assignments);
    assert_int_equal(pool_find_unit(p, "unit1")->volume_count, 1);
    pool_free(p);
}

static void test_moving_and_renaming(void **state)
{
    (void)state;
    struct pool *p = make();
    struct changes c = {0};
    struct volume_record rec = volume_of(1, "other", 2);
    changes_volume(&c, &rec);
    apply(p, &c);
    assert_null(pool_find_volume(p, "a"));
    assert_string_equal(pool_find_volume(p, "other")->unit->rec.name, "unit2");
    assert_int_equal(pool_find_unit(p, "unit1")->volume_count, 1);
    assert_int_equal(pool_find_unit(p, "unit2")->volume_count, 2);
    assert_non_null(pool_find_volume(p, "other")->assignments);
    pool_free(p);
}

static void test_rules_belong_to_rights_by_initiator(void **state)
{
    (void)state;
    struct pool *p = make();
    struct changes c = {0};
    const struct access_rule rules[] = {
        {.volume = 1, .index = 4, .initiator = "iqn.2026-01.x:web", .state = ACCESS_ACTIVE},
        {.volume = 1, .index = 5, .initiator = "iqn.2026-01.x:alien", .state = ACCESS_ACTIVE},
    };
    show(&c, 1, VOLUME_ONLINE, rules, DV_COUNT(rules));
    apply(p, &c);
    struct pool_volume *a = pool_find_volume(p, "a");
    struct dv_uuid web = id('h', 1), db = id('h', 2);
    assert_int_equal(pool_assignment_of(a, &web)->actual.index, 4);
    assert_int_equal(pool_assignment_of(a, &db)->actual.index, 0);
    assert_string_equal(pool_assignment_state(pool_assignment_of(a, &web)), "active");
    assert_string_equal(pool_assignment_state(pool_assignment_of(a, &db)), "pending");
    put_right(&c, 1, 1, false);
    apply(p, &c);
    assert_string_equal(pool_assignment_state(pool_assignment_of(a, &web)), "revoking");
    changes_hidden(&c, &a->rec.uuid);
    apply(p, &c);
    assert_int_equal(pool_assignment_of(a, &web)->actual.index, 0);
    assert_int_equal(a->actual.index, 0);
    pool_free(p);
}

static void test_volume_states(void **state)
{
    (void)state;
    static const struct {
        enum unit_state unit;
        bool wanted, seen;
        int shown; // 0: not
        const char *state;
    } cases[] = {
        {UNIT_UP, true, false, 0, "creating"},
        {UNIT_UP, true, true, VOLUME_CREATING, "creating"},
        {UNIT_UP, true, true, VOLUME_ONLINE, "online"},
        {UNIT_DEGRADED, true, true, VOLUME_FAILED, "failed"},
        {UNIT_UP, true, true, VOLUME_OFFLINE, "offline"},
        {UNIT_UP, true, true, 0, "failed"},
        {UNIT_UP, false, true, VOLUME_ONLINE, "deleting"},
        {UNIT_UP, false, true, 0, "deleting"},
        {UNIT_DOWN, true, true, VOLUME_ONLINE, "unreachable"},
        {UNIT_STOPPED, false, true, VOLUME_ONLINE, "unreachable"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct pool *p = pool_new();
        struct changes c = {0};
        struct volume_record rec = volume_of(1, "a", 1);
        rec.wanted = cases[i].wanted;
        rec.seen = cases[i].seen;
        put_unit(&c, 1, "unit1", cases[i].unit);
        changes_volume(&c, &rec);
        if (cases[i].shown)
            show(&c, 1, (enum volume_state)cases[i].shown, NULL, 0);
        apply(p, &c);
        assert_string_equal(pool_volume_state(pool_find_volume(p, "a")), cases[i].state);
        pool_free(p);
    }
}

static void test_totals_are_of_units_that_are_up(void **state)
{
    (void)state;
    struct pool *p = make();
    struct pool_totals t;
    pool_totals(p, &t);
    assert_int_equal(t.units, 2);
    assert_int_equal(t.units_up, 1);
    assert_int_equal(t.blocks, 1000);
    assert_int_equal(t.free_blocks, 600);
    assert_int_equal(t.volumes, 3);
    assert_int_equal(t.hosts, 2);
    pool_free(p);
}

static void test_tasks_have_versions(void **state)
{
    (void)state;
    struct pool *p = pool_new();
    struct changes c = {0};
    struct task_record t = {.id = 5, .version = 77};
    changes_task(&c, &t);
    apply(p, &c);
    assert_int_equal(pool_find_task(p, 5)->rec.version, 1);
    changes_task(&c, &t);
    apply(p, &c);
    assert_int_equal(pool_find_task(p, 5)->rec.version, 2);
    changes_task_gone(&c, 5);
    apply(p, &c);
    assert_null(pool_find_task(p, 5));
    pool_free(p);
}

// ---- Names -------------------------------------------------------------------------------------

static void test_names(void **state)
{
    (void)state;
    struct pool *p = make();
    struct names n = {0};
    char name[NAME_MAX_LEN + 1];
    struct dv_uuid self = id('u', 1), other = id('u', 9);
    names_for_unit(p, "unit1", &self, name);
    assert_string_equal(name, "unit1");
    names_for_unit(p, "unit1", &other, name);
    assert_string_equal(name, "unit1-2");
    names_for_unit(p, "--bad name/1", &other, name);
    assert_string_equal(name, "bad-name-1");
    names_for_unit(p, "\xc3\xa9", &other, name);
    assert_string_equal(name, "unit");
    names_for_host(p, &n, "iqn.2026-01.org.example:rack1:web", name);
    assert_string_equal(name, "web-2");
    names_for_host(p, &n, "iqn.2026-01.org.example", name);
    assert_string_equal(name, "iqn.2026-01.org.example");

    names_for_volume(p, &n, "new", name);
    assert_string_equal(name, "new");
    names_for_volume(p, &n, "new", name); // not in the pool yet, but given out
    assert_string_equal(name, "new-2");
    names_for_volume(p, &n, "a", name);
    assert_string_equal(name, "a-2");

    char longest[NAME_MAX_LEN + 1];
    memset(longest, 'n', NAME_MAX_LEN);
    longest[NAME_MAX_LEN] = '\0';
    names_for_volume(p, &n, longest, name);
    assert_string_equal(name, longest);
    names_for_volume(p, &n, longest, name);
    assert_int_equal(strlen(name), NAME_MAX_LEN);
    assert_string_equal(name + NAME_MAX_LEN - 3, "n-2");
    assert_true(names_stem_is(name, longest));
    names_free(&n);
    pool_free(p);
}

// Else a look-up by that UUID could hit the thing of that name.
static void test_names_that_read_as_uuids(void **state)
{
    (void)state;
    struct pool *p = make();
    struct names n = {0};
    char name[NAME_MAX_LEN + 1], of_b[UUID_TEXT_LEN], spelled[NAME_MAX_LEN + 1], wanted[80];
    struct dv_uuid b = id('v', 2), other = id('u', 9);
    uuid_format(&b, of_b);
    snprintf(wanted, sizeof(wanted), "volume-%s", of_b);
    names_for_volume(p, &n, of_b, name);
    assert_string_equal(name, wanted);
    names_for_volume(p, &n, of_b, name);
    assert_true(strncmp(name, wanted, strlen(wanted)) == 0 && name[strlen(wanted)] == '-');
    snprintf(spelled, sizeof(spelled), "%s", of_b);
    for (char *c = spelled; *c; c++)
        *c = *c >= 'a' && *c <= 'f' ? (char)(*c - 'a' + 'A') : *c;
    names_for_unit(p, spelled, &other, name);
    assert_memory_equal(name, "unit-", 5);
    names_for_host(p, &n, "iqn.2026-01.a:00000000-0000-0000-0000-000000000001", name);
    assert_string_equal(name, "host-00000000-0000-0000-0000-000000000001");
    snprintf(spelled, sizeof(spelled), "//%s", of_b); // what it becomes is what counts
    names_for_volume(p, &n, spelled, name);
    snprintf(wanted, sizeof(wanted), "volume-%s", of_b);
    assert_true(strncmp(name, wanted, strlen(wanted)) == 0);
    names_free(&n);
    pool_free(p);
}

// The work grows as the names do, whatever they are; counted, since time depends on the machine.
static void test_many_names(void **state)
{
    (void)state;
    enum { COUNT = 10000, LONG = 63 };
    static const char *const forms[] = {
        "v%06u",  // all differ
        "same",   // all are one
        "same-2", // what the others become
        // Names of the full length that differ at the end alone, each twice: the numbers are cut
        // into what they differ in.
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn%06u",
    };
    struct pool *p = make();
    for (size_t f = 0; f < DV_COUNT(forms); f++) {
        struct names n = {0};
        char name[NAME_MAX_LEN + 1], wanted[LONG + 1];
        for (unsigned i = 0; i < COUNT; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
            snprintf(wanted, sizeof(wanted), forms[f], i / 2);
#pragma GCC diagnostic pop
            names_for_volume(p, &n, wanted, name);
            names_for_host(p, &n, wanted, name);
        }
        if (n.tries > 3 * 2 * COUNT)
            fail_msg("%s: %zu names were tried", forms[f], n.tries);
        names_free(&n);
    }
    pool_free(p);
}

// What the pool looks for on a unit with many volumes and rules it finds by hashes, so that this
// ends at once: with lists it took minutes.
static void test_many_rules(void **state)
{
    (void)state;
    enum { COUNT = 16000 };
    struct pool *p = pool_new();
    struct changes c = {0};
    struct access_rule *rules = dv_calloc(COUNT, sizeof(*rules));
    put_unit(&c, 1, "unit1", UNIT_UP);
    put_volume(&c, 1, "a", 1);
    for (unsigned i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof(name), "h%u", i);
        put_host(&c, i, name);
        put_right(&c, 1, i, true);
        rules[i] = (struct access_rule){.volume = 1, .index = COUNT - i, .state = ACCESS_ACTIVE};
        snprintf(rules[i].initiator, sizeof(rules[i].initiator), "iqn.2026-01.x:H%u", i);
    }
    show(&c, 1, VOLUME_ONLINE, rules, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        put_right(&c, 1, i, false);        // again: nothing is looked for
    for (unsigned i = 0; i < COUNT; i++) { // those that were there before their rights
        char name[16];
        snprintf(name, sizeof(name), "g%u", i);
        put_host(&c, COUNT + i, name);
        put_right(&c, 1, COUNT + i, true);
    }
    apply(p, &c);
    assert_int_equal(p->lookups, COUNT);
    struct pool_volume *v = pool_find_volume(p, "a");
    for (unsigned i = 0; i < COUNT; i++) {
        struct dv_uuid host = id('h', i);
        const struct pool_assignment *a = pool_assignment_of(v, &host);
        assert_int_equal(a->actual.index, COUNT - i); // found in another spelling
        assert_int_equal(a->rule, i);
    }
    assert_ptr_equal(pool_volume_by_index(v->unit, 1), v);
    free(rules);
    pool_free(p);
}

// A volume is found by the index that its unit shows, also when that or the unit changes.
static void test_indexes(void **state)
{
    (void)state;
    struct pool *p = make();
    struct changes c = {0};
    struct pool_unit *u1 = pool_find_unit(p, "unit1"), *u2 = pool_find_unit(p, "unit2");
    struct pool_volume *a = pool_find_volume(p, "a");
    assert_null(pool_volume_by_index(u1, 1)); // not shown
    assert_null(pool_volume_by_index(u1, 0));
    show(&c, 1, VOLUME_ONLINE, NULL, 0);
    show(&c, 2, VOLUME_ONLINE, NULL, 0);
    apply(p, &c);
    assert_ptr_equal(pool_volume_by_index(u1, 1), a);
    struct volume moved = {.uuid = id('v', 1), .index = 7, .state = VOLUME_ONLINE};
    changes_shown(&c, &moved, NULL, 0);
    apply(p, &c);
    assert_null(pool_volume_by_index(u1, 1));
    assert_ptr_equal(pool_volume_by_index(u1, 7), a);
    put_volume(&c, 1, "a", 2);
    apply(p, &c);
    assert_null(pool_volume_by_index(u1, 7));
    assert_ptr_equal(pool_volume_by_index(u2, 7), a);
    changes_hidden(&c, &moved.uuid);
    apply(p, &c);
    assert_null(pool_volume_by_index(u2, 7));
    pool_free(p);
}

// Open tasks are found by their volume, in their order, until they are over.
static void test_tasks_of_volumes(void **state)
{
    (void)state;
    struct pool *p = make();
    struct changes c = {0};
    struct dv_uuid v = id('v', 1);
    for (unsigned i = 1; i <= 3; i++) {
        struct task_record t = {.id = i, .state = TASK_QUEUED, .volume = id('v', i == 2 ? 2 : 1)};
        changes_task(&c, &t);
        changes_task(&c, &t);
    }
    apply(p, &c);
    struct pool_task *t = pool_tasks_of(p, &v);
    assert_int_equal(t->rec.id, 1);
    assert_int_equal(t->of_next->rec.id, 3);
    assert_null(t->of_next->of_next);
    struct task_record over = t->rec;
    over.state = TASK_DONE;
    changes_task(&c, &over);
    apply(p, &c);
    assert_int_equal(pool_tasks_of(p, &v)->rec.id, 3);
    changes_task_gone(&c, 3);
    apply(p, &c);
    assert_null(pool_tasks_of(p, &v));
    pool_free(p);
}

static void test_stems(void **state)
{
    (void)state;
    assert_true(names_stem_is("unit1", "unit1"));
    assert_true(names_stem_is("unit1-2", "unit1"));
    assert_true(names_stem_is("unit1-12", "unit1"));
    assert_true(names_stem_is("bad-name", "bad name"));
    assert_false(names_stem_is("unit1-1", "unit1"));
    assert_false(names_stem_is("unit1-02", "unit1"));
    assert_false(names_stem_is("unit1-x", "unit1"));
    assert_false(names_stem_is("unit1-", "unit1"));
    assert_false(names_stem_is("unit12", "unit1"));
    assert_false(names_stem_is("unit2", "unit1"));
    assert_false(names_stem_is("unit1-99999999999", "unit1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_moving_and_renaming),
        cmocka_unit_test(test_rules_belong_to_rights_by_initiator),
        cmocka_unit_test(test_volume_states),
        cmocka_unit_test(test_totals_are_of_units_that_are_up),
        cmocka_unit_test(test_tasks_have_versions),
        cmocka_unit_test(test_names_that_read_as_uuids),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_many_rules),
        cmocka_unit_test(test_indexes),
        cmocka_unit_test(test_tasks_of_volumes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_stems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
