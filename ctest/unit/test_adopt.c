// Tests of taking over what a unit has that was told more than the store knows: part by part.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/observe_lab.h"
#include "ctest/support/store_all.h"

#include "cms/cms.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/task/tasks.h"
#include "cms/unit/adopt.h"
#include "cms/unit/found.h"
enum { COUNT = 500, RULES = 2 };

static void is_asked_about(struct lab *lab)
{
    lab->unit->lead.word = (struct lead_word){id('s', 1), 7, 8};
    lab->unit->standing = LEAD_FOREIGN;
}

// Of the unit's volumes here each has rights of other hosts than there, some are not there, and
// another station was the last to tell the unit anything.
static void differs(struct lab *lab)
{
    struct changes c = {0};
    lab->link.work = LINK_LOOKING; // what is asked for next has to wait
    reads(lab, 2, COUNT, RULES);
    takes_all(lab);
    reads(lab, 3, COUNT - 50, RULES);
    for (size_t i = 0; i < lab->link.reading->rule_count; i++)
        snprintf(lab->link.reading->rules[i].initiator, IQN_MAX_LEN + 1, "iqn.2026-01.x:o%zu", i);
    takes_all(lab);
    struct task_record t;
    tasks_new(&lab->cms, &t, TASK_VOLUME_RESIZE);
    t.volume = id('v', 1);
    changes_task(&c, &t);
    apply(lab, &c);
    is_asked_about(lab);
}

// With what the store holds, and nothing else.
static void starts_again(struct lab *lab)
{
    struct changes c = {0};
    struct dv_err err;
    adopt_forget(&lab->link);
    store_free(lab->cms.store);
    pool_free(lab->cms.pool);
    lab->cms.pool = pool_new();
    lab->cms.task_ways = task_ways;
    lab->cms.store = store_open(lab->path, &err);
    assert_non_null(lab->cms.store);
    assert_int_equal(store_all(lab->cms.store, &c, &err), 0);
    test_ledger_run_begins(&lab->cms);
    pool_apply(lab->cms.pool, &c);
    changes_free(&c);
    lab->unit = link_unit(&lab->link);
    lab->unit->link = &lab->link;
    is_asked_about(lab);
}

static size_t rights(const struct lab *lab)
{
    size_t n = 0;
    for (const struct pool_volume *v = lab->cms.pool->volumes; v; v = v->hh.next)
        n += HASH_CNT(hh, v->hosts);
    return n;
}

static void is_as_the_unit_has_it(struct lab *lab)
{
    assert_int_equal(HASH_COUNT(lab->cms.pool->volumes), COUNT - 50);
    assert_int_equal(rights(lab), (COUNT - 50) * RULES);
    for (struct pool_volume *v = lab->unit->volumes; v; v = v->unit_next) {
        for (size_t i = 0; i < v->rule_count; i++) {
            const struct pool_host *h = pool_host_by_iqn(lab->cms.pool, v->rules[i].initiator);
            const struct pool_assignment *a = h ? pool_assignment_of(v, &h->rec.uuid) : NULL;
            assert_true(a && a->rec.wanted && a->rec.index == v->rules[i].index);
        }
    }
    assert_true(lead_word_equal(&lab->unit->rec.accepted, &lab->unit->lead.word));
    assert_null(lab->cms.pool->tasks_of);
    assert_int_equal(events_with(lab, "what the unit has was taken over"), 1);
    assert_null(lab->link.adoption);
}

// Takes parts, at most so many, none of which is more than a turn has time for. Whether there are
// more.
static bool adopts(struct lab *lab, unsigned most)
{
    struct dv_err err;
    int rc = 1;
    for (unsigned n = 0; rc > 0 && n < most; n++) {
        size_t before = rights(lab), hosts = HASH_COUNT(lab->cms.pool->hosts);
        rc = cms_adopt(&lab->cms, ADOPT_UNITS, false, &err);
        assert_true(rc >= 0);
        test_ledger_run(&lab->cms);
        assert_in_range(difference(rights(lab), before), 0, A_TURN);
        assert_in_range(HASH_COUNT(lab->cms.pool->hosts) - hosts, 0, A_TURN);
        assert_true(n < COUNT);
        if (rc > 0)
            assert_false(lead_word_equal(&lab->unit->rec.accepted, &lab->unit->lead.word));
    }
    return rc > 0;
}

static void test_part_by_part(void **state)
{
    struct lab *lab = *state;
    differs(lab);
    assert_true(adopts(lab, 5));
    assert_false(adopts(lab, COUNT));
    is_as_the_unit_has_it(lab);
}

// A crash leaves what was taken over; the person is asked again, about the rest.
static void test_a_crash_between(void **state)
{
    struct lab *lab = *state;
    differs(lab);
    assert_true(adopts(lab, 8));
    starts_again(lab);
    assert_false(adopts(lab, COUNT));
    is_as_the_unit_has_it(lab);
}

// The volume that has its turn next goes, and the unit is told more.
static void test_what_comes_between(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    differs(lab);
    assert_true(adopts(lab, 8));
    for (unsigned i = COUNT - 49; i <= COUNT; i++) { // that are not there
        const struct dv_uuid gone = id('v', i);
        changes_volume_gone(&c, &gone);
    }
    apply(lab, &c);
    assert_true(adopts(lab, 1));
    lab->unit->lead.word.number++;
    assert_false(adopts(lab, COUNT));
    is_as_the_unit_has_it(lab);
}

static void test_too_many_hosts(void **state)
{
    enum { VOLUMES = 60, HOSTS = FOUND_HOSTS_MAX / 50 };
    struct lab *lab = *state;
    struct dv_err err = {0};
    int rc;
    lab->link.work = LINK_LOOKING;
    reads(lab, 2, VOLUMES, 0);
    takes_all(lab);
    reads(lab, 3, VOLUMES, HOSTS);
    takes_all(lab); // their hosts are not taken in
    is_asked_about(lab);
    size_t before = HASH_COUNT(lab->cms.pool->hosts);
    do {
        rc = cms_adopt(&lab->cms, ADOPT_UNITS, false, &err);
        test_ledger_run(&lab->cms);
    } while (rc > 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, DV_CONFLICT);
    assert_non_null(strstr(err.text, "initiators that nobody here knows"));
    assert_int_equal(rights(lab), 0);
    assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), before);
    assert_null(lab->link.adoption);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_part_by_part),
        TEST(test_a_crash_between),
        TEST(test_what_comes_between),
        TEST(test_too_many_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
