// Tests of requests and the tasks that they become: limits, what a cancel comes to, what is kept.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/cms.h"
#include "cms/core/station.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/task/tasks.h"
#include "ctest/support/test_ledger.h"
#include "store/store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB     ((uint64_t)1 << 20)
#define LATE_MS (INT64_C(1) << 50) // long after now

struct lab {
    char dir[64];
    struct cms cms;
    struct cms_config config;
};

static struct dv_uuid id(uint8_t kind, unsigned n)
{
    return (struct dv_uuid){{kind, (uint8_t)(n >> 8), (uint8_t)n}};
}

static void apply(struct lab *lab, struct changes *c)
{
    test_ledger_apply(&lab->cms, c);
    test_ledger_run(&lab->cms);
}

// What was asked for is written, and what follows of that is done.
static int done(struct lab *lab, int rc)
{
    test_ledger_run(&lab->cms);
    return rc;
}

// What unit1 shows of its volume: how long it is, and whether it is served.
static void shows(struct lab *lab, uint64_t mib, enum volume_state state)
{
    struct changes c = {0};
    struct volume shown = {.uuid = id('v', 1),
                           .index = 1,
                           .medium = 1,
                           .blocks = mib * BLOCKS_PER_MIB,
                           .progress = 100,
                           .lun = 1,
                           .group = 1,
                           .name = "db",
                           .iqn = "iqn.2026-01.x:76000100-0000-0000-0000-000000000000",
                           .state = state};
    changes_shown(&c, &shown, NULL, 0);
    apply(lab, &c);
}

static int set_up(void **state)
{
    struct lab *lab = dv_calloc(1, sizeof(*lab));
    const struct unit_record unit = {
        .uuid = id('u', 1), .name = "unit1", .state = UNIT_UP, .epoch = 1, .generation = 1};
    const struct volume_record volume = {.uuid = id('v', 1),
                                         .name = "db",
                                         .unit = unit.uuid,
                                         .medium = 1,
                                         .index = 1,
                                         .blocks = 16 * BLOCKS_PER_MIB,
                                         .wanted = true,
                                         .seen = true};
    const struct medium medium = {
        .index = 1, .name = "m", .blocks = 1 << 30, .free_blocks = 1 << 29, .state = MEDIUM_ONLINE};
    const struct free_extent behind = {
        .medium = 1, .start_lba = 16 * BLOCKS_PER_MIB, .blocks = 1 << 29};
    struct changes c = {0};
    struct dv_err err;
    strcpy(lab->dir, "/tmp/test_requests.XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    DV_FREE char *path = dv_printf("%s/pool.db", lab->dir);
    lab->cms.config = &lab->config;
    lab->cms.pool = pool_new();
    lab->cms.task_ways = task_ways;
    lab->cms.store = store_open(path, &err);
    assert_non_null(lab->cms.store);
    test_ledger_open(&lab->cms);
    changes_unit(&c, &unit);
    changes_media(&c, &unit.uuid, &medium, 1);
    changes_free_extents(&c, &unit.uuid, (struct free_place){0}, FREE_PLACE_END, &behind, 1);
    changes_volume(&c, &volume);
    apply(lab, &c);
    shows(lab, 16, VOLUME_ONLINE);
    *state = lab;
    return 0;
}

static int tear_down(void **state)
{
    struct lab *lab = *state;
    char command[128];
    test_ledger_close(&lab->cms);
    store_free(lab->cms.store);
    pool_free(lab->cms.pool);
    snprintf(command, sizeof(command), "rm -rf '%s'", lab->dir);
    free(lab);
    return system(command);
}

// ---- Rights ---------------------------------------------------------------------------------

static void test_a_volume_has_so_many_hosts_and_no_more(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    struct dv_err err;
    uint64_t task = 0;
    for (unsigned i = 1; i <= READING_RULES_A_VOLUME + 1; i++) {
        struct host_record host = {.uuid = id('h', i), .sealed_len = 1, .secret_mark = 1};
        snprintf(host.name, sizeof(host.name), "h%u", i);
        snprintf(host.iqn, sizeof(host.iqn), "iqn.2026-01.x:h%u", i);
        dv_copy(host.chap_user, sizeof(host.chap_user), host.name);
        changes_host(&c, &host);
    }
    apply(lab, &c);
    for (unsigned i = 1; i <= READING_RULES_A_VOLUME; i++) {
        DV_FREE char *host = dv_printf("h%u", i);
        if (done(lab, cms_assign(&lab->cms, "db", host, &task, &err)) != 0)
            fail_msg("%s: %s", host, err.text);
    }
    DV_FREE char *last = dv_printf("h%d", READING_RULES_A_VOLUME + 1);
    size_t tasks = HASH_COUNT(lab->cms.pool->tasks);
    assert_int_equal(done(lab, cms_assign(&lab->cms, "db", last, &task, &err)), -1);
    assert_int_equal(err.code, DV_BUSY);
    assert_string_equal(err.text, "volume db has 256 access rules for 256 hosts, and 256 are the "
                                  "most: take it from one first");
    assert_int_equal(HASH_COUNT(lab->cms.pool->tasks), tasks);
    // A host that has it already is told so.
    assert_int_equal(done(lab, cms_assign(&lab->cms, "db", "h7", &task, &err)), -1);
    assert_int_equal(err.code, DV_EXISTS);
    // One that is still being taken away counts; when that is confirmed there is room.
    assert_int_equal(done(lab, cms_unassign(&lab->cms, "db", "h7", &task, &err)), 0);
    assert_int_equal(done(lab, cms_assign(&lab->cms, "db", last, &task, &err)), -1);
    assert_int_equal(err.code, DV_BUSY);
    const struct dv_uuid volume = id('v', 1), host = id('h', 7);
    changes_assignment_gone(&c, &volume, &host);
    apply(lab, &c);
    assert_int_equal(done(lab, cms_assign(&lab->cms, "db", last, &task, &err)), 0);
}

// ---- What becomes of what was asked for -----------------------------------------------------

static void assert_over(struct lab *lab, uint64_t task, const char *why)
{
    const struct pool_task *t = pool_find_task(lab->cms.pool, task);
    assert_non_null(t);
    assert_int_equal(t->rec.state, TASK_CANCELLED);
    assert_string_equal(t->rec.error, why);
}

static uint64_t resize(struct lab *lab, uint64_t mib, bool force)
{
    struct dv_err err;
    uint64_t task = 0;
    if (done(lab, cms_resize_volume(&lab->cms, "db", mib * MIB, force, &task, &err)) != 0)
        fail_msg("%s", err.text);
    return task;
}

static uint64_t size_wanted(const struct lab *lab)
{
    const struct dv_uuid volume = id('v', 1);
    return pool_volume_by_uuid(lab->cms.pool, &volume)->rec.blocks / BLOCKS_PER_MIB;
}

static void test_a_cancelled_resize(void **state)
{
    struct lab *lab = *state;
    struct dv_err err;
    uint64_t task;
    // The unit has not taken it up.
    task = resize(lab, 32, false);
    assert_int_equal(done(lab, cms_cancel_task(&lab->cms, task, &err)), 0);
    assert_over(lab, task, "it was taken back");
    assert_int_equal(size_wanted(lab), 16);
    // The volume has its size, and is not served yet.
    task = resize(lab, 32, false);
    shows(lab, 32, VOLUME_FAILED);
    assert_int_equal(done(lab, cms_cancel_task(&lab->cms, task, &err)), 0);
    assert_over(lab, task,
                "the size is 32MiB already and stays so; the volume is served with it as soon as "
                "unit1 can");
    assert_int_equal(size_wanted(lab), 32);
    // The same for one that became smaller.
    shows(lab, 32, VOLUME_ONLINE);
    task = resize(lab, 8, true);
    shows(lab, 8, VOLUME_FAILED);
    assert_int_equal(done(lab, cms_cancel_task(&lab->cms, task, &err)), 0);
    assert_over(lab, task,
                "the size is 8MiB already and stays so; the volume is served with it as soon as "
                "unit1 can");
    assert_int_equal(size_wanted(lab), 8);
}

static const struct volume_record other = {.name = "other"};

static void test_what_a_deletion_ends(void **state)
{
    struct lab *lab = *state;
    struct dv_err err;
    uint64_t task, deletion;
    task = resize(lab, 32, false);
    shows(lab, 32, VOLUME_FAILED);
    assert_int_equal(done(lab, cms_delete_volume(&lab->cms, "db", &deletion, &err)), 0);
    assert_over(lab, task, "the volume is being deleted");
    // A deletion cannot be cancelled.
    assert_int_equal(done(lab, cms_relabel_volume(&lab->cms, "db", &other, &task, &err)), -1);
    DV_FREE char *wait =
        dv_printf("volume db is being deleted by task %u: wait for it", (unsigned)deletion);
    assert_string_equal(err.text, wait);
}

// A deletion that waits for a medium is none when the volume is forgotten.
static void test_what_is_forgotten_is_not_deleted(void **state)
{
    struct lab *lab = *state;
    const struct medium away = {.index = 1, .name = "m", .blocks = 1 << 30, .state = MEDIUM_FAILED};
    const struct dv_uuid unit = id('u', 1);
    struct changes c = {0};
    struct dv_err err;
    uint64_t deletion, forgotten, again;
    assert_int_equal(done(lab, cms_delete_volume(&lab->cms, "db", &deletion, &err)), 0);
    changes_media(&c, &unit, &away, 1);
    apply(lab, &c);
    assert_int_equal(done(lab, cms_forget_volume(&lab->cms, "db", &forgotten, &err)), 0);
    assert_over(lab, deletion,
                "the volume is forgotten instead: its medium keeps what it has of it");
    assert_int_equal(done(lab, cms_forget_volume(&lab->cms, "db", &again, &err)), 0);
    assert_false(task_is_over(&pool_find_task(lab->cms.pool, forgotten)->rec));
}

static void test_a_cancelled_rename(void **state)
{
    struct lab *lab = *state;
    struct dv_err err;
    uint64_t task;
    assert_int_equal(done(lab, cms_relabel_volume(&lab->cms, "db", &other, &task, &err)), 0);
    assert_int_equal(done(lab, cms_cancel_task(&lab->cms, task, &err)), 0);
    assert_over(lab, task, "it was taken back");
    assert_non_null(pool_find_volume(lab->cms.pool, "db"));
    assert_null(pool_find_volume(lab->cms.pool, "other"));
}

// ---- Tasks that are over --------------------------------------------------------------------

// Adds tasks that are over, with these ids; finished is a time that no clock comes near.
static void add_over(struct lab *lab, uint64_t first, uint64_t count, int64_t finished)
{
    struct changes c = {0};
    for (uint64_t i = first; i < first + count; i++) {
        struct task_record t = {.id = i, .state = TASK_CANCELLED, .finished = finished};
        changes_task(&c, &t);
    }
    apply(lab, &c);
}

static size_t kept_after_settling(struct lab *lab)
{
    const struct dv_uuid unit = id('u', 1);
    struct settling s = {SETTLE_JUDGE, {{0}}};
    for (int turns = 0;
         tasks_settle(&lab->cms, pool_unit_by_uuid(lab->cms.pool, &unit), false, &s);) {
        test_ledger_run(&lab->cms);
        assert_in_range(++turns, 1, 1000);
    }
    test_ledger_run(&lab->cms);
    return HASH_COUNT(lab->cms.pool->tasks);
}

static void test_what_is_kept_of_tasks_that_are_over(void **state)
{
    struct lab *lab = *state;
    add_over(lab, 1, 1500, LATE_MS); // a moment ago: whoever made them can still ask
    assert_int_equal(kept_after_settling(lab), 1500);
    assert_non_null(pool_find_task(lab->cms.pool, 1));
    add_over(lab, 2001, 500, 1); // long ago
    assert_int_equal(kept_after_settling(lab), 1500);
    assert_null(pool_find_task(lab->cms.pool, 2001));
    assert_non_null(pool_find_task(lab->cms.pool, 1));
    add_over(lab, 3001, 8600, LATE_MS); // more than one answer can tell
    assert_int_equal(kept_after_settling(lab), 10000);
    assert_null(pool_find_task(lab->cms.pool, 1));
    assert_non_null(pool_find_task(lab->cms.pool, 101));
    assert_non_null(pool_find_task(lab->cms.pool, 11600));
}

static void test_the_last_thousand_are_kept_however_old(void **state)
{
    struct lab *lab = *state;
    add_over(lab, 1, 1100, 1);
    assert_int_equal(kept_after_settling(lab), 1000);
    assert_null(pool_find_task(lab->cms.pool, 100));
    assert_non_null(pool_find_task(lab->cms.pool, 101));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

// ---- Initiator names ------------------------------------------------------------------------

#define IQN "iqn.2026-01.x:"

static void is_called(const struct lab *lab, const char *iqn, const char *previous)
{
    const struct pool_host *h = pool_find_host(lab->cms.pool, "web");
    assert_string_equal(h->rec.iqn, iqn);
    assert_string_equal(h->rec.previous_iqn, previous);
    assert_int_equal(h->rec.previous_iqn_since > 0, *previous != '\0');
    assert_ptr_equal(pool_host_by_iqn(lab->cms.pool, iqn), h);
    if (*previous)
        assert_ptr_equal(pool_host_by_iqn(lab->cms.pool, previous), h);
}

static void test_another_initiator_name(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    struct dv_err err;
    const struct host_record hosts[] = {
        {.uuid = id('h', 1), .name = "web", .iqn = IQN "web", .sealed_len = 1, .secret_mark = 1},
        {.uuid = id('h', 2), .name = "mail", .iqn = IQN "mail", .sealed_len = 1, .secret_mark = 1},
        {.uuid = id('h', 3), .name = "found", .iqn = IQN "found"},
    };
    for (size_t i = 0; i < DV_COUNT(hosts); i++)
        changes_host(&c, &hosts[i]);
    apply(lab, &c);
    const struct {
        const char *host, *iqn; // NULL: finish
        bool now;
        const char *why; // it is refused
        const char *is, *was;
    } cases[] = {
        {"none", IQN "x", false, "no host none", IQN "web", ""},
        {"web", "x", true, "iSCSI name", IQN "web", ""},
        {"web", IQN "web", true, "already", IQN "web", ""},
        {"web", IQN "76000100-0000-0000-0000-000000000000", true, "target name", IQN "web", ""},
        {"web", IQN "mail", true, "host mail has the IQN", IQN "web", ""},
        {"web", IQN "MAIL", true, "host mail has the IQN", IQN "web", ""},
        {"web", IQN "found", true, "was found on a unit", IQN "web", ""},
        {"found", IQN "x", true, "is not known here", IQN "web", ""},
        {"web", IQN "WEB", false, "another spelling", IQN "web", ""},
        {"web", IQN "Web", true, NULL, IQN "Web", ""},
        {"web", IQN "web", true, NULL, IQN "web", ""},
        {"web", NULL, true, "nothing to end", IQN "web", ""},
        {"web", IQN "new", false, NULL, IQN "new", IQN "web"},
        {"mail", IQN "web", true, "may still log in", IQN "new", IQN "web"},
        {"web", IQN "newer", false, "still valid", IQN "new", IQN "web"},
        {"web", IQN "web", false, NULL, IQN "web", IQN "new"},
        {"web", IQN "new", false, NULL, IQN "new", IQN "web"},
        {"web", NULL, false, NULL, IQN "new", ""},
        {"mail", IQN "web", false, NULL, IQN "new", ""},
        {"web", IQN "newer", false, NULL, IQN "newer", IQN "new"},
        {"web", IQN "newest", true, NULL, IQN "newest", ""},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        int rc = done(lab, cases[i].iqn ? cms_change_iqn(&lab->cms, cases[i].host, cases[i].iqn,
                                                         cases[i].now, &err)
                                        : cms_finish_iqn(&lab->cms, "web", cases[i].now, &err));
        if ((rc == 0) != !cases[i].why || (rc < 0 && !strstr(err.text, cases[i].why)))
            fail_msg("%zu: %s", i, rc == 0 ? "done" : err.text);
        is_called(lab, cases[i].is, cases[i].was);
    }
}

// Of one right that has two rules each is known by its name; the right goes with the last of them.
static void test_a_right_with_two_rules(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    struct dv_err err;
    uint64_t task = 0;
    const struct host_record host = {.uuid = id('h', 1),
                                     .name = "web",
                                     .iqn = IQN "web",
                                     .chap_user = "web",
                                     .sealed_len = 1,
                                     .secret_mark = 1};
    const struct access_rule rules[] = {{.volume = 1,
                                         .index = 1,
                                         .initiator = IQN "web",
                                         .chap_user = "web",
                                         .secret_mark = 1,
                                         .state = ACCESS_ACTIVE},
                                        {.volume = 1,
                                         .index = 9,
                                         .initiator = IQN "NEW",
                                         .chap_user = "web",
                                         .secret_mark = 1,
                                         .state = ACCESS_PENDING}};
    changes_host(&c, &host);
    apply(lab, &c);
    struct pool_volume *v = pool_find_volume(lab->cms.pool, "db");
    assert_int_equal(done(lab, cms_assign(&lab->cms, "db", "web", &task, &err)), 0);
    changes_shown(&c, &v->actual, rules, 1);
    apply(lab, &c);
    struct pool_assignment *a = v->assignments;
    assert_true(a->actual.index == 1 && !pool_former_rule(a) && !pool_awaits_iqn(a));
    assert_int_equal(done(lab, cms_change_iqn(&lab->cms, "web", IQN "new", false, &err)), 0);
    assert_true(a->actual.index == 0 && pool_former_rule(a)->index == 1 && pool_awaits_iqn(a));
    assert_int_equal(pool_rules_wanted(v), 2);
    assert_int_equal(done(lab, cms_finish_iqn(&lab->cms, "web", false, &err)), -1);
    assert_non_null(strstr(err.text, "does not let host web in as " IQN "new for volume db yet"));
    changes_shown(&c, &v->actual, rules, 2);
    apply(lab, &c);
    assert_true(a->actual.index == 9 && pool_former_rule(a)->index == 1 && pool_awaits_iqn(a));
    struct access_rule active[] = {rules[0], rules[1]};
    active[1].state = ACCESS_ACTIVE;
    changes_shown(&c, &v->actual, active, 2);
    apply(lab, &c);
    assert_false(pool_awaits_iqn(a));
    assert_int_equal(done(lab, cms_finish_iqn(&lab->cms, "web", false, &err)), 0);
    assert_true(a->actual.index == 9 && !pool_former_rule(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_volume_has_so_many_hosts_and_no_more),
        TEST(test_another_initiator_name),
        TEST(test_a_right_with_two_rules),
        TEST(test_a_cancelled_resize),
        TEST(test_what_a_deletion_ends),
        TEST(test_what_is_forgotten_is_not_deleted),
        TEST(test_a_cancelled_rename),
        TEST(test_what_is_kept_of_tasks_that_are_over),
        TEST(test_the_last_thousand_are_kept_however_old),
    };
    return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
