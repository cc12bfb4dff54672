// Tests of the ledger, by a writer that fails or hangs when the test says so.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/core/ledger.h"
#include "loop/loop.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct loop *loop;
static struct ledger *ledger;
static char seen[1024]; // what happened, a word each

static void note(const char *word)
{
    size_t len = strlen(seen);
    snprintf(seen + len, sizeof(seen) - len, "%s ", word);
}

// ---- A writer -------------------------------------------------------------------------------

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; // held: it hangs
static bool fails;

static struct event_record event_of(const struct changes *c)
{
    return *(const struct event_record *)c->items[0].records;
}

static int write_all(void *arg, const struct changes *c, enum ledger_weight weight,
                     struct dv_err *err)
{
    (void)arg, (void)c, (void)weight;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return fails ? dv_fail(err, DV_NO_SPACE, "the disk is full") : 0;
}

static void follow(void *arg, const struct changes *c)
{
    (void)arg;
    note(event_of(c).subject);
}

static struct changes event(const char *subject)
{
    struct changes c = {0};
    struct event_record e = {.id = 1};
    dv_copy(e.subject, sizeof(e.subject), subject);
    changes_event(&c, &e);
    return c;
}

static void commits(const char *subject)
{
    struct changes c = event(subject);
    ledger_commit(ledger, &c, LEDGER_KEPT);
    assert_int_equal(c.count, 0);
}

static int set_up(void **state)
{
    (void)state;
    const struct ledger_owner owner = {write_all, follow, NULL};
    loop = loop_new();
    ledger = ledger_new(loop, &owner);
    seen[0] = '\0';
    fails = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ledger_free(ledger);
    loop_free(loop);
    return 0;
}

static void stop(void *owner, const void *arg)
{
    (void)owner, (void)arg;
    loop_stop(loop);
}

// ---- In order -------------------------------------------------------------------------------

static void turn(void *owner, const void *arg)
{
    (void)owner;
    note(arg);
}

static void take(const char *word)
{
    ledger_turn(ledger, turn, word, strlen(word) + 1);
}

static void turn_that_commits(void *owner, const void *arg)
{
    turn(owner, arg);
    commits("second");
    take("inner");
    assert_true(ledger_is_busy(ledger));
}

static void then(void *owner, const void *arg, const struct dv_err *err)
{
    (void)owner;
    assert_false(ledger_is_busy(ledger));
    note(err ? err->text : arg);
}

static void begin_in_order(void *arg)
{
    struct changes c = event("first");
    (void)arg;
    take("at-once");
    assert_string_equal(seen, "at-once ");
    ledger_commit_then(ledger, &c, LEDGER_KEPT, then, "then", 5);
    ledger_turn(ledger, turn_that_commits, "one", 4);
    take("two");
    assert_string_equal(seen, "at-once ");
    ledger_turn(ledger, stop, "", 1);
}

static void test_in_order(void **state)
{
    (void)state;
    loop_post(loop, begin_in_order, NULL);
    loop_run(loop);
    // A turn sees all that was committed before it, and what follows comes before who waits.
    assert_string_equal(seen, "at-once first then one second two inner ");
}

// ---- Failures -------------------------------------------------------------------------------

static struct ledger_outcome outcome;

static void closed(struct ledger_outcome *o)
{
    note(o->err.code == DV_NO_SPACE ? "closed-full" : "closed");
    loop_stop(loop);
}

static void begin_failing(void *arg)
{
    struct changes c = event("lost");
    (void)arg;
    fails = true;
    outcome = (struct ledger_outcome){.closed = closed};
    ledger_watch(ledger, &outcome);
    ledger_commit_then(ledger, &c, LEDGER_KEPT, then, "then", 5);
    ledger_watch(ledger, NULL);
    take("turn");
}

static void test_what_fails_is_told_and_not_followed(void **state)
{
    (void)state;
    loop_post(loop, begin_failing, NULL);
    loop_run(loop);
    assert_string_equal(seen, "the disk is full closed-full turn ");
}

// ---- Hanging --------------------------------------------------------------------------------

static struct loop_timer *timer;
static uint64_t given_up;
static unsigned ticks;

// The loop goes on, and a turn that waits can be given up.
static void tick(void *arg)
{
    (void)arg;
    if (++ticks < 20) {
        loop_timer_set(timer, 1);
        return;
    }
    assert_string_equal(seen, "");
    assert_true(ledger_is_busy(ledger));
    assert_true(ledger_cancel(ledger, given_up));
    assert_false(ledger_cancel(ledger, given_up));
    pthread_mutex_unlock(&gate);
}

static void begin_hanging(void *arg)
{
    (void)arg;
    timer = loop_timer_new(loop, tick, NULL);
    loop_timer_set(timer, 1);
    commits("slow");
    commits("behind");
    take("turn");
    given_up = ledger_turn(ledger, turn, "given-up", 9);
    ledger_turn(ledger, stop, "", 1);
}

static void test_a_writer_that_hangs_holds_up_turns_alone(void **state)
{
    (void)state;
    ticks = 0;
    pthread_mutex_lock(&gate);
    loop_post(loop, begin_hanging, NULL);
    loop_run(loop);
    loop_timer_free(timer);
    assert_int_equal(ticks, 20);
    assert_string_equal(seen, "slow behind turn ");
}

// What waits at the end is dropped, whole.
static void begin_and_end(void *arg)
{
    struct changes c = event("dropped");
    (void)arg;
    commits("first");
    ledger_commit_then(ledger, &c, LEDGER_KEPT, then, "then", 5);
    take("turn");
    loop_stop(loop);
}

static void test_the_end(void **state)
{
    (void)state;
    loop_post(loop, begin_and_end, NULL);
    loop_run(loop);
    assert_string_equal(seen, "");
}

// ---- Without a loop -------------------------------------------------------------------------

static void test_steps(void **state)
{
    (void)state;
    const struct ledger_owner owner = {write_all, follow, NULL};
    struct ledger *real = ledger;
    ledger = ledger_new(NULL, &owner);
    assert_false(ledger_step(ledger));
    take("one");
    commits("event");
    assert_string_equal(seen, "");
    assert_true(ledger_step(ledger));
    assert_string_equal(seen, "event ");
    assert_true(ledger_step(ledger));
    assert_string_equal(seen, "event one ");
    assert_false(ledger_step(ledger));
    ledger_free(ledger);
    ledger = real;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_order),
        TEST(test_what_fails_is_told_and_not_followed),
        TEST(test_a_writer_that_hangs_holds_up_turns_alone),
        TEST(test_the_end),
        TEST(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
