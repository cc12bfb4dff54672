// Tests of the thread on which a medium is asked.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/lane.h"

#include "base/mem.h"
#include "base/wait.h"
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONG_MS 600000 // no test waits for that

static const struct lane_patience patient = {.until_ms = INT64_MAX, .silence_ms = LONG_MS};
static const struct lane_patience brief = {.until_ms = INT64_MAX, .silence_ms = 50};

struct job {
    struct lane_job job;
    struct lane *lane;
    sem_t go;
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

static void job_init(struct job *j, struct lane *lane)
{
    *j = (struct job){.job = {.work = work, .doing = "it was tried"}, .lane = lane};
    sem_init(&j->go, 0, 0);
}

static void one_job_follows_the_other(void **state)
{
    (void)state;
    struct lane *l = lane_new();
    struct job j;
    for (int i = 0; i < 100; i++) {
        job_init(&j, l);
        lane_start(l, &j.job);
        assert_true(lane_wait(l, patient, NULL, NULL));
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
    struct lane *l = lane_new();
    struct job j;
    uint32_t last = 0;
    job_init(&j, l);
    j.reports = INT32_MAX;
    lane_start(l, &j.job);
    assert_true(lane_wait(l, patient, no_more, &last));
    assert_true(last >= 5);
    assert_false(j.wanted);
    assert_true(lane_free(l));
}

// Who waits no longer may do so again, and has what came of it.
static void what_takes_long_is_not_lost(void **state)
{
    (void)state;
    struct lane *l = lane_new();
    struct job j;
    char trouble[LANE_TROUBLE_ROOM], again[LANE_TROUBLE_ROOM];
    job_init(&j, l);
    j.waits = true;
    j.reports = 2;
    lane_start(l, &j.job);
    assert_false(lane_wait(l, brief, NULL, NULL));
    assert_true(lane_silence(l) >= brief.silence_ms);
    lane_trouble(l, trouble);
    assert_memory_equal(trouble, "since 20", 8);
    assert_non_null(strstr(trouble, "Z, when it was tried"));
    assert_false(lane_wait(l, (struct lane_patience){0}, NULL, NULL));
    lane_trouble(l, again);
    assert_string_equal(again, trouble);
    sem_post(&j.go);
    assert_true(lane_wait(l, patient, NULL, NULL));
    assert_true(j.wanted); // it went on to its end
    assert_true(lane_free(l));
}

static bool go_on(void *arg, uint32_t percent)
{
    *(uint32_t *)arg = percent;
    return true;
}

// However busy it is.
static void nobody_waits_beyond_the_end_of_a_pass(void **state)
{
    (void)state;
    struct lane *l = lane_new();
    struct job j;
    const struct lane_patience pass = {.until_ms = wait_now_ms() + 50, .silence_ms = LONG_MS};
    uint32_t last = 0;
    job_init(&j, l);
    j.reports = INT32_MAX;
    lane_start(l, &j.job);
    assert_false(lane_wait(l, pass, go_on, &last));
    assert_true(last > 0);
    assert_true(lane_wait(l, patient, no_more, &last));
    assert_true(lane_free(l));
}

// What has ended and nobody took is the caller's when the lane is freed; what goes on is not.
static void what_hangs_is_left_to_itself(void **state)
{
    (void)state;
    struct lane *l = lane_new();
    struct job j;
    job_init(&j, l);
    j.waits = true;
    j.reports = 2;
    lane_start(l, &j.job);
    assert_false(lane_free(l)); // the lane stays
    sem_post(&j.go);
    while (!lane_free(l))
        ;
    assert_false(j.wanted); // so it ended at its first sign of life
}

// One that is about to end is not waited for as long.
static void an_end_is_in_a_hurry(void **state)
{
    (void)state;
    struct lane *l = lane_new();
    struct job j;
    job_init(&j, l);
    j.waits = true;
    lane_start(l, &j.job);
    lane_hurry(l);
    assert_false(lane_wait(l, patient, NULL, NULL));
    sem_post(&j.go);
    while (!lane_free(l))
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_job_follows_the_other),
        cmocka_unit_test(what_is_not_wanted_ends),
        cmocka_unit_test(what_takes_long_is_not_lost),
        cmocka_unit_test(nobody_waits_beyond_the_end_of_a_pass),
        cmocka_unit_test(what_hangs_is_left_to_itself),
        cmocka_unit_test(an_end_is_in_a_hurry),
    };
    return cmocka_run_group_tests_name("unit lane", tests, NULL, NULL);
}
