// Tests of the conclusions from a look: part by part, with other work of the loop in between.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/observe_lab.h"

#include "cms/core/ledger.h"
#include "cms/member/link.h"
#include "cms/member/link_run.h"
#include "cms/member/look.h"
#include "cms/member/reading.h"
#include "cms/member/silence.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "loop/loop.h"
#include "store/store.h"

enum { COUNT = 900 };

static int set_up_conclusions(void **state)
{
    set_up(state);
    struct lab *lab = *state;
    loop_measure(lab->cms.loop);
    lab->config.poll_interval_ms = 1000;
    lab->link.lease_under_way = true; // there is nobody to send one to
    return 0;
}

static int tear_down_conclusions(void **state)
{
    struct lab *lab = *state;
    link_forget_orders(&lab->link);
    conclude_forget(&lab->link);
    tear_down(state);
    return 0;
}

static void ask_for(struct lab *lab, unsigned n, bool wanted, const char *name)
{
    struct changes c = {0};
    struct volume_record rec = {.uuid = id('v', n),
                                .unit = lab->unit->rec.uuid,
                                .medium = 1,
                                .index = n,
                                .blocks = 2048,
                                .wanted = wanted};
    dv_copy(rec.name, sizeof(rec.name), name);
    changes_volume(&c, &rec);
    apply(lab, &c);
}

// The unit had many volumes that are all to go, and shows none of them any more.
static void shows_that_all_went(struct lab *lab)
{
    struct changes c = {0};
    reads(lab, 2, COUNT, 0);
    takes_all(lab);
    for (struct pool_volume *v = lab->unit->volumes; v; v = v->unit_next) {
        struct volume_record rec = v->rec;
        rec.wanted = false;
        changes_volume(&c, &rec);
    }
    for (unsigned i = 1; i <= COUNT; i++) {
        struct task_record t;
        tasks_new(&lab->cms, &t, TASK_VOLUME_DELETE);
        t.volume = id('v', i);
        changes_task(&c, &t);
    }
    apply(lab, &c);
    test_ledger_run(&lab->cms);
    reads(lab, 3, 0, 0);
    lab->link.reading->tables = false; // it is concluded in this turn of the loop
    conclude_answer(&lab->link);
    lab->link.reading->tables = true;
}

// The next thing is done: a part, or the writing of one. False: the last one was.
static bool goes_on(struct lab *lab)
{
    (void)ledger_step(lab->cms.ledger);
    return lab->link.concluding != 0;
}

static size_t open_tasks(const struct lab *lab)
{
    return HASH_COUNT(lab->cms.pool->tasks_of);
}

// No part does more than there is time for, and all together do all.
static void test_part_by_part(void **state)
{
    struct lab *lab = *state;
    shows_that_all_went(lab);
    bool more = true;
    for (unsigned parts = 0; more; parts++) {
        size_t volumes = HASH_COUNT(lab->cms.pool->volumes), tasks = open_tasks(lab);
        size_t shown = shown_volumes(lab);
        more = goes_on(lab);
        assert_in_range(volumes - HASH_COUNT(lab->cms.pool->volumes), 0, A_TURN);
        assert_in_range(tasks - open_tasks(lab), 0, A_TURN);
        assert_in_range(shown - shown_volumes(lab), 0, A_TURN);
        assert_true(parts < COUNT);
    }
    assert_int_equal(HASH_COUNT(lab->cms.pool->volumes), 0);
    assert_int_equal(open_tasks(lab), 0);
    assert_int_equal(lab->unit->rec.generation, 3);
}

// Between any two parts the volume that has its turn next goes, another is asked for, and the unit
// is taken to be another one's double.
static void test_what_comes_between(void **state)
{
    struct lab *lab = *state;
    struct unit_link *link = &lab->link;
    unsigned added = 0, taken = 0;
    shows_that_all_went(lab);
    for (unsigned parts = 0; goes_on(lab); parts++) {
        struct changes c = {0};
        char name[20];
        assert_true(parts < COUNT);
        if (ledger_is_busy(lab->cms.ledger))
            continue; // nobody decides anything now
        if (pool_volume_by_uuid(lab->cms.pool, &link->settling.volume)) {
            changes_volume_gone(&c, &link->settling.volume);
            taken++;
        }
        struct pool_task *t = pool_tasks_of(lab->cms.pool, &link->settling.volume);
        if (t) {
            struct task_record rec = t->rec;
            tasks_end(&lab->cms, &c, &rec, TASK_DONE, DV_OK, "%s", "");
            taken++;
        }
        apply(lab, &c);
        snprintf(name, sizeof(name), "new%u", ++added);
        ask_for(lab, COUNT + added, true, name);
        if (link->settling.step == SETTLE_JUDGE) {
            silence_state(&lab->cms, lab->unit, UNIT_CONFLICT, "another engine uses its UUID");
            (void)ledger_step(lab->cms.ledger);
        }
    }
    assert_true(taken > 2);
    assert_int_equal(HASH_COUNT(lab->cms.pool->volumes), added); // these are still to be made
    assert_int_equal(open_tasks(lab), 0);
    assert_int_equal(lab->unit->rec.state, UNIT_CONFLICT);
    assert_int_equal(lab->link.queue.count, 0); // nothing is asked of it now
}

// A good-bye of the unit makes what it showed out of date: nothing more follows from that.
static void test_out_of_date(void **state)
{
    struct lab *lab = *state;
    shows_that_all_went(lab);
    while (lab->link.settling.step != SETTLE_JUDGE)
        assert_true(goes_on(lab));
    while (open_tasks(lab) == COUNT)
        assert_true(goes_on(lab));
    size_t left = open_tasks(lab);
    assert_in_range(left, 1, COUNT - 1);
    lab->link.discard = true;
    while (goes_on(lab))
        left = open_tasks(lab); // what is being written
    assert_int_equal(open_tasks(lab), left);
}

static void test_much_is_freed_in_parts(void **state)
{
    struct lab *lab = *state;
    reads(lab, 2, 5000, 2);
    unsigned parts = 0;
    while (reading_free_some(lab->link.reading))
        parts++;
    assert_int_equal(parts, 3); // 10,000 rules and 5,000 volumes
    assert_int_equal(lab->link.reading->rules[1999].volume, 1000);
    assert_int_equal(lab->link.reading->volumes[999].index, 1000);
}

// A unit is forgotten, or the station stops, while conclusions are drawn: what is left of them goes
// with the link, and what is being written is taken in all the same.
static void test_the_link_goes(void **state)
{
    struct lab *lab = *state;
    struct unit_link *link = dv_calloc(1, sizeof(*link));
    shows_that_all_went(lab);
    *link = lab->link;
    HASH_DEL(lab->cms.links, &lab->link);
    HASH_ADD(hh, lab->cms.links, uuid, sizeof(link->uuid), link);
    lab->unit->link = link;
    lab->link = (struct unit_link){.cms = &lab->cms,
                                   .facet = link->facet,
                                   .uuid = link->uuid,
                                   .timer = loop_timer_new(lab->cms.loop, nothing, NULL)};
    while (!link->observation)
        assert_true(ledger_step(lab->cms.ledger));
    link_free(link);
    assert_null(lab->cms.links);
    HASH_ADD(hh, lab->cms.links, uuid, sizeof(lab->link.uuid), &lab->link);
    size_t before = shown_volumes(lab);
    test_ledger_run(&lab->cms);
    assert_in_range(before - shown_volumes(lab), 1, A_TURN);
}

static bool slow;

bool __wrap_ledger_is_slow(const struct ledger *l);
bool __wrap_ledger_is_slow(const struct ledger *l)
{
    (void)l;
    return slow;
}

// The unit answers as before, but for the word that it shows. Whether the look ended at once.
static bool ends_at_once(struct lab *lab, const struct lead_word *shown)
{
    reads(lab, 1, 0, 0);
    lab->link.reading->tables = false;
    lab->link.reading->lead.word = *shown;
    lab->link.work = LINK_LOOKING;
    conclude_answer(&lab->link);
    return lab->link.work == LINK_IDLE;
}

// While the store takes its time, looks go on without it: also when the unit shows a number that
// this station told it by a lease meanwhile. What another one told it waits for the store.
static void test_looks_go_on_without_the_store(void **state)
{
    struct lab *lab = *state;
    const struct dv_uuid own = id('s', 1), other = id('s', 2);
    lab->cms.uuid = own;
    lab->unit->lead.word = (struct lead_word){own, 3, 77};
    slow = true;
    assert_true(ends_at_once(lab, &(struct lead_word){own, 3, 77}));
    assert_true(ends_at_once(lab, &(struct lead_word){own, 5, 77}));
    assert_int_equal(lab->unit->lead.word.number, 3); // orders are judged by what was concluded
    assert_false(ends_at_once(lab, &(struct lead_word){own, 5, 78}));
    conclude_forget(&lab->link);
    assert_false(ends_at_once(lab, &(struct lead_word){other, 3, 77}));
    conclude_forget(&lab->link);
    slow = false;
    assert_false(ends_at_once(lab, &lab->unit->lead.word));
    conclude_forget(&lab->link);
}

#define OWN_TEST(name)                                                                             \
    cmocka_unit_test_setup_teardown(name, set_up_conclusions, tear_down_conclusions)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OWN_TEST(test_part_by_part),  OWN_TEST(test_what_comes_between),
        OWN_TEST(test_out_of_date),   OWN_TEST(test_much_is_freed_in_parts),
        OWN_TEST(test_the_link_goes), OWN_TEST(test_looks_go_on_without_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
