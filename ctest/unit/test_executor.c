// Tests of what is planned and judged behind looks: in turns of the loop.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "cms/unit/executor.h"
#include "ctest/support/observe_lab.h"
#include "dvsan_oids.h"

static void settles(struct lab *lab)
{
    struct settling s = {SETTLE_DROP, {{0}}};
    for (bool more = true; more;) {
        more = tasks_settle(&lab->cms, lab->unit, true, &s);
        test_ledger_run(&lab->cms);
    }
}

// Looks at a unit with many volumes cost no more than what goes on there.
static void test_what_is_settled_is_left_alone(void **state)
{
    struct lab *lab = *state;
    struct pool *p = lab->cms.pool;
    struct changes c = {0};
    reads(lab, 2, 3, 2);
    takes_all(lab);
    for (struct pool_volume *v = lab->unit->volumes; v; v = v->unit_next) {
        assert_true(v->unsettled);
        struct volume_record rec = v->rec;
        dv_copy(rec.name, sizeof(rec.name), "same"); // as the unit calls it
        if (v->rec.index == 1)
            changes_volume(&c, &rec);
    }
    apply(lab, &c);
    assert_false(executor_plan(&lab->link));
    assert_null(lab->unit->unsettled);
    // A secret that comes to be known is to be told to the units.
    struct pool_host *h = pool_host_by_iqn(p, "iqn.2026-01.x:h2-1");
    struct host_record host = h->rec;
    host.sealed_len = sizeof(host.sealed_secret);
    host.secret_mark = 7;
    changes_host(&c, &host);
    apply(lab, &c);
    assert_int_equal(lab->unit->unsettled->rec.index, 2);
    assert_null(lab->unit->unsettled->open_next);
    assert_true(executor_plan(&lab->link));
    assert_int_equal(lab->link.queue.count, 1);
    // It stays so until the unit has the secret, whatever other volumes do.
    assert_true(executor_plan(&lab->link));
    struct pool_volume *told = h->assignments->volume;
    struct access_rule rules[2];
    struct volume shown = told->actual;
    assert_int_equal(told->rule_count, 2);
    memcpy(rules, told->rules, sizeof(rules));
    rules[h->assignments->rule].secret_mark = host.secret_mark;
    changes_shown(&c, &shown, rules, 2);
    apply(lab, &c);
    assert_false(executor_plan(&lab->link));
    assert_null(lab->unit->unsettled);
    // What is to go stays in sight until it is gone.
    struct volume_record going = lab->unit->volumes->rec;
    going.wanted = false;
    changes_volume(&c, &going);
    apply(lab, &c);
    reads(lab, 3, 0, 0);
    takes_all(lab);
    assert_int_equal(HASH_COUNT(p->volumes), 3);
    executor_plan(&lab->link);
    assert_int_equal(lab->unit->unsettled->rec.index, going.index);
    settles(lab);
    assert_int_equal(HASH_COUNT(p->volumes), 2);
    assert_null(lab->unit->unsettled);
    link_forget_orders(&lab->link);
}

// Words that a unit has lost are ordered again; of an agent that has no column for them nothing is
// asked, and nothing waits for it.
static void test_an_older_agent_is_given_no_words(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    reads(lab, 2, 1, 0);
    dv_copy(lab->link.reading->volumes[0].name, NAME_MAX_LEN + 1, "same");
    takes_all(lab);
    struct volume_record rec = lab->unit->volumes->rec;
    struct volume shown = lab->unit->volumes->actual;
    dv_copy(rec.description, sizeof(rec.description), "said of it");
    changes_volume(&c, &rec);
    apply(lab, &c);
    assert_true(executor_plan(&lab->link));
    assert_int_equal(lab->link.queue.count, 1);
    assert_int_equal(lab->link.queue.items[0].kind, ORDER_RENAME_VOLUME);
    shown.lacks = UINT64_C(1) << SUB_dvsanVolumeDescription;
    changes_shown(&c, &shown, NULL, 0);
    apply(lab, &c);
    assert_false(executor_plan(&lab->link));
    assert_int_equal(lab->link.queue.count, 0);
    assert_null(lab->unit->unsettled);
    link_forget_orders(&lab->link);
}

// What waits does not keep others from their turn.
static void test_many_are_planned_for_in_turns(void **state)
{
    enum { COUNT = 5000, LAST = COUNT - 1 };
    struct lab *lab = *state;
    struct changes c = {0};
    reads(lab, 2, COUNT, 0);
    for (size_t i = 0; i < COUNT; i++) { // all but one wait for their units
        lab->link.reading->volumes[i].state = i == LAST ? VOLUME_ONLINE : VOLUME_CREATING;
        snprintf(lab->link.reading->volumes[i].name, NAME_MAX_LEN + 1, "v%zu", i);
    }
    takes_all(lab);
    struct dv_uuid uuid = lab->link.reading->volumes[LAST].uuid;
    struct volume_record rec = pool_volume_by_uuid(lab->cms.pool, &uuid)->rec;
    rec.wanted = false;
    changes_volume(&c, &rec);
    apply(lab, &c);
    unsigned turns = 1;
    while (executor_plan(&lab->link) && lab->link.queue.count == 0)
        assert_true(turns++ < 5);
    assert_int_equal(lab->link.queue.count, 1);
    assert_int_equal(lab->link.queue.items[0].kind, ORDER_DELETE_VOLUME);
    link_forget_orders(&lab->link);
}

// A unit that comes back without all that was to be deleted.
static void test_much_that_went_is_dropped_in_turns(void **state)
{
    enum { COUNT = 1000 };
    struct lab *lab = *state;
    struct changes c = {0};
    struct settling s = {SETTLE_DROP, {{0}}};
    unsigned turns = 0;
    reads(lab, 2, COUNT, 0);
    takes_all(lab);
    for (struct pool_volume *v = lab->unit->volumes; v; v = v->unit_next) {
        struct volume_record rec = v->rec;
        rec.wanted = false;
        changes_volume(&c, &rec);
    }
    apply(lab, &c);
    reads(lab, 3, 0, 0);
    takes_all(lab);
    for (bool more = true; more; turns++) {
        size_t before = HASH_COUNT(lab->cms.pool->volumes);
        more = tasks_settle(&lab->cms, lab->unit, true, &s);
        test_ledger_run(&lab->cms);
        assert_in_range(before - HASH_COUNT(lab->cms.pool->volumes), 0, A_TURN);
        assert_true(turns < COUNT);
    }
    assert_int_equal(HASH_COUNT(lab->cms.pool->volumes), 0);
}

// What a unit refused is tried again when it may be, and no look comes sooner for it. What is under
// way elsewhere in the list is looked for, wherever it is.
static void test_what_waits_for_a_refusal_keeps_no_pace(void **state)
{
    enum { COUNT = 5000, TURNS = 3 };
    struct lab *lab = *state;
    struct changes c = {0};
    reads(lab, 2, COUNT, 0);
    takes_all(lab);
    for (struct pool_volume *v = lab->unit->volumes; v; v = v->unit_next) {
        struct volume_record rec = v->rec;
        rec.wanted = false;
        changes_volume(&c, &rec);
    }
    apply(lab, &c);
    for (struct pool_volume *v = lab->unit->volumes; v; v = v->unit_next)
        v->hold = (struct pool_hold){.until = UINT64_MAX, .refused = true};
    unsigned turns = 1;
    while (executor_plan(&lab->link))
        assert_true(++turns <= 2 * TURNS);
    assert_true(turns >= TURNS);
    assert_int_equal(lab->link.queue.count, 0);
    struct volume shown = lab->unit->unsettled->unit_prev->actual; // of any
    shown.state = VOLUME_CREATING;
    changes_shown(&c, &shown, NULL, 0);
    apply(lab, &c);
    for (turns = 0; turns < 10 * TURNS; turns++)
        assert_true(executor_plan(&lab->link));
    shown.state = VOLUME_ONLINE;
    changes_shown(&c, &shown, NULL, 0);
    apply(lab, &c);
    for (turns = 1; executor_plan(&lab->link); turns++)
        assert_true(turns <= 4 * TURNS);
}

static size_t open_tasks(const struct lab *lab)
{
    size_t n = 0;
    for (const struct pool_task *t = lab->cms.pool->tasks; t; t = t->hh.next)
        n += !task_is_over(&t->rec);
    return n;
}

static void test_many_tasks_end_in_turns(void **state)
{
    enum { COUNT = 500 };
    struct lab *lab = *state;
    struct changes c = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        struct task_record t;
        tasks_new(&lab->cms, &t, TASK_VOLUME_DELETE);
        t.volume = id('v', i); // it is gone
        changes_task(&c, &t);
    }
    apply(lab, &c);
    struct settling s = {SETTLE_JUDGE, {{0}}};
    unsigned turns = 0;
    for (bool more = true; more; turns++) {
        size_t before = open_tasks(lab);
        more = tasks_settle(&lab->cms, lab->unit, true, &s);
        test_ledger_run(&lab->cms);
        assert_in_range(before - open_tasks(lab), before > 0 ? 1 : 0, A_TURN);
    }
    assert_int_equal(open_tasks(lab), 0);
    assert_true(turns > 1);
}

static struct pool_task *renaming(struct lab *lab, const struct pool_volume *v)
{
    struct changes c = {0};
    struct task_record t;
    struct volume_record rec = v->rec;
    dv_copy(rec.name, sizeof(rec.name), "another");
    tasks_new(&lab->cms, &t, TASK_VOLUME_RENAME);
    t.volume = rec.uuid;
    changes_volume(&c, &rec);
    changes_task(&c, &t);
    apply(lab, &c);
    return pool_find_task(lab->cms.pool, t.id);
}

static void minute_passes(struct lab *lab, const struct pool_task *task)
{
    struct changes c = {0};
    struct task_record t = task->rec;
    assert_in_range(t.moved, cms_now_ms() - 30000, cms_now_ms());
    t.moved -= 60000;
    changes_task(&c, &t);
    apply(lab, &c);
}

// A unit that answers and does nothing: that is told when nothing went on for a while, and again no
// more when the task went on, or something else is in its way.
static void test_a_task_that_stands_still(void **state)
{
    struct lab *lab = *state;
    reads(lab, 2, 1, 0);
    takes_all(lab);
    lab->unit->rec.state = UNIT_UP;
    const struct pool_task *t = renaming(lab, lab->unit->volumes);
    settles(lab);
    assert_string_equal(t->rec.waiting, "");
    minute_passes(lab, t);
    settles(lab);
    assert_non_null(strstr(t->rec.waiting, "has not carried it out since"));
    uint64_t version = t->rec.version;
    settles(lab); // nothing new
    assert_int_equal(t->rec.version, version);
    lab->unit->rec.state = UNIT_STOPPED;
    settles(lab);
    assert_non_null(strstr(t->rec.waiting, "is stopped: start it"));
    lab->unit->rec.state = UNIT_UP;
    settles(lab);
    assert_string_equal(t->rec.waiting, "");
    assert_in_range(t->rec.moved, cms_now_ms() - 30000, cms_now_ms());
}

// A shrink is forced, too: that is no reason to leave out what its unit says.
static void test_a_shrink_tells_what_its_unit_says(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    struct task_record t;
    reads(lab, 2, 1, 0);
    takes_all(lab);
    lab->unit->rec.state = UNIT_UP;
    struct volume_record rec = lab->unit->volumes->rec;
    struct volume shown = lab->unit->volumes->actual;
    shown.state = VOLUME_FAILED;
    shown.target_blocks = rec.blocks = 1024;
    dv_copy(shown.last_error, sizeof(shown.last_error), "tgtd did not answer in time");
    rec.forced = true;
    struct medium medium = {.index = 1, .name = "pool0", .state = MEDIUM_ONLINE};
    changes_media(&c, &lab->unit->rec.uuid, &medium, 1);
    tasks_new(&lab->cms, &t, TASK_VOLUME_RESIZE);
    t.volume = rec.uuid;
    changes_volume(&c, &rec);
    changes_shown(&c, &shown, NULL, 0);
    changes_task(&c, &t);
    apply(lab, &c);
    settles(lab);
    assert_non_null(strstr(pool_find_task(lab->cms.pool, t.id)->rec.waiting,
                           "unit1 cannot serve the volume yet: tgtd did not answer in time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_settled_is_left_alone),
        TEST(test_an_older_agent_is_given_no_words),
        TEST(test_many_are_planned_for_in_turns),
        TEST(test_much_that_went_is_dropped_in_turns),
        TEST(test_what_waits_for_a_refusal_keeps_no_pace),
        TEST(test_many_tasks_end_in_turns),
        TEST(test_a_task_that_stands_still),
        TEST(test_a_shrink_tells_what_its_unit_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
