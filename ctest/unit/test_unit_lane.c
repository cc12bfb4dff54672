// Tests of the thread on which a medium is asked.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/lane.h"

#include "base/mem.h"
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONG_MS  600000 // no test waits for that
#define SHORT_MS 50

struct job {
    struct lane_job job;
    struct lane *lane;
    sem_t go, dropped;
    int reports; // before it ends
    bool waits, wanted;
};

static void work(struct lane_job *j)
{
    struct job *job = (struct job *)j;
    job->wanted = true;
    if (job->waits)
        sem_wait(&job->go);
    for (int i = 1; i <= job->reports && job->wanted; i++)
        job->wanted = lane_tell(job->lane, (uint32_t)i);
}

static void dropped(struct lane_job *j)
{
    sem_post(&((struct job *)j)->dropped);
}

static void job_init(struct job *j, struct lane *lane)
{
    *j =
        (struct job){.job = {.work = work, .drop = dropped, .doing = "it was tried"}, .lane = lane};
    sem_init(&j->go, 0, 0);
    sem_init(&j->dropped, 0, 0);
}

static void one_job_follows_the_other(void **state)
{
    (void)state;
    struct lane *l = lane_new(LONG_MS);
    struct job j;
    for (int i = 0; i < 100; i++) {
        job_init(&j, l);
        assert_true(lane_is_free(l));
        lane_start(l, &j.job);
        assert_true(lane_wait(l, NULL, NULL));
        assert_true(j.wanted);
    }
    assert_true(lane_free(l));
}

static bool no_more(void *arg, uint32_t percent)
{
    uint32_t *last = arg;
    *last = percent;
    return percent < 5;
}

static void what_is_not_wanted_ends(void **state)
{
    (void)state;
    struct lane *l = lane_new(LONG_MS);
    struct job j;
    uint32_t last = 0;
    job_init(&j, l);
    j.reports = INT32_MAX;
    lane_start(l, &j.job);
    assert_true(lane_wait(l, no_more, &last));
    assert_true(last >= 5);
    assert_false(j.wanted);
    assert_true(lane_free(l));
}

// What hangs is given up, is told, and is asked nothing else until it has ended.
static void what_hangs_is_left_to_itself(void **state)
{
    (void)state;
    struct lane *l = lane_new(SHORT_MS);
    struct job j;
    char trouble[LANE_TROUBLE_ROOM];
    job_init(&j, l);
    j.waits = true;
    j.reports = 2;
    lane_start(l, &j.job);
    assert_false(lane_wait(l, NULL, NULL));
    assert_false(lane_is_free(l));
    lane_trouble(l, trouble);
    assert_memory_equal(trouble, "since 20", 8);
    assert_non_null(strstr(trouble, "Z, when it was tried"));
    assert_false(lane_free(l)); // the lane stays
    sem_post(&j.go);
    sem_wait(&j.dropped);
    assert_false(j.wanted); // so it ended at its first sign of life
    while (!lane_free(l))   // its thread may be dropping it still
        ;
}

// It answers again, and nothing of what it was asked before is left.
static void what_hung_goes_on(void **state)
{
    (void)state;
    struct lane *l = lane_new(SHORT_MS);
    struct job j, next;
    job_init(&j, l);
    j.waits = true;
    lane_start(l, &j.job);
    assert_false(lane_wait(l, NULL, NULL));
    sem_post(&j.go);
    sem_wait(&j.dropped);
    while (!lane_is_free(l))
        ;
    job_init(&next, l);
    lane_start(l, &next.job);
    while (!lane_wait(l, NULL, NULL)) { // the machine may be slow
        sem_wait(&next.dropped);
        while (!lane_is_free(l))
            ;
        lane_start(l, &next.job);
    }
    assert_true(next.wanted);
    assert_true(lane_free(l));
}

// One that is about to end is not waited for as long.
static void an_end_is_in_a_hurry(void **state)
{
    (void)state;
    struct lane *l = lane_new(LONG_MS);
    struct job j;
    job_init(&j, l);
    j.waits = true;
    lane_start(l, &j.job);
    lane_hurry(l);
    assert_false(lane_wait(l, NULL, NULL));
    sem_post(&j.go);
    sem_wait(&j.dropped);
    assert_true(lane_free(l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_job_follows_the_other),    cmocka_unit_test(what_is_not_wanted_ends),
        cmocka_unit_test(what_hangs_is_left_to_itself), cmocka_unit_test(what_hung_goes_on),
        cmocka_unit_test(an_end_is_in_a_hurry),
    };
    return cmocka_run_group_tests_name("unit lane", tests, NULL, NULL);
}
