// Tests of a look at a member, and of what follows from its answer or its silence.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/link_lab.h"

// ---- What is read ----------------------------------------------------------------------------

static void test_no_news(void **state)
{
    struct lab *lab = *state;
    lab->shows.lease = LEASE_S / 2;
    uint64_t held = lab->link->lease_until;
    answer_truly(lab, looks(lab));
    assert_int_equal(count_asked(ASKED_WALK), 0);
    assert_int_equal(lab->calls.watch, 1);
    assert_int_equal(lab->calls.read, 0);
    assert_int_equal(lab->calls.take_in, 1); // of what it says of itself
    assert_null(lease_asked());              // half of it is left
    assert_int_equal(lab->link->lease_until, held - LEASE_S * 500);
    lab->shows.lease = LEASE_S / 2 - 1;
    answer_truly(lab, looks(lab));
    assert_non_null(lease_asked());
    answer_all(lab);
    assert_int_equal(lab->link->lease_until, fake.now + LEASE_S * 1000);
    assert_int_equal(lab->calls.read, 0);
    assert_int_equal(lab->calls.plan, 2);
}

// A unit of epoch 1 and generation 5 is known. since: the generation behind which it is read.
static void test_what_is_read(void **state)
{
    enum { NOTHING = -1, ALL = 0 };
    static const struct {
        const char *what;
        uint32_t epoch, generation, changes_since;
        enum unit_state state_before;
        bool taken_in_part, wants_all;
        int since;
    } table[] = {
        {"nothing new", 1, 5, 1, 0, false, false, NOTHING},
        {"nothing new, and few changes", 1, 5, 5, 0, false, false, NOTHING},
        {"a new generation", 1, 6, 1, 0, false, false, 5},
        {"the changes just reach", 1, 9, 5, 0, false, false, 5},
        {"the changes do not reach", 1, 9, 6, 0, false, false, ALL},
        {"another epoch", 2, 5, 1, 0, false, false, ALL},
        {"an older epoch", 0, 6, 1, 0, false, false, ALL},
        {"an older generation", 1, 4, 1, 0, false, false, ALL},
        {"first look of the station", 1, 5, 1, UNIT_UP, false, false, ALL},
        {"first look, and news", 1, 6, 1, UNIT_DOWN, false, false, ALL},
        {"known in part", 1, 5, 1, 0, true, false, ALL},
        {"known in part, and news", 1, 6, 1, 0, true, false, ALL},
        {"the facet wants all", 1, 5, 1, 0, false, true, ALL},
        {"the facet wants all, and news", 1, 6, 1, 0, false, true, ALL},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct lab *lab = *state;
        lab->shows.epoch = table[i].epoch;
        lab->shows.generation = table[i].generation;
        lab->shows.changes_since = table[i].changes_since;
        lab->link->state_before = table[i].state_before;
        lab->link->taken_in_part = table[i].taken_in_part;
        lab->facet_says.wants_all = table[i].wants_all;
        answer_truly(lab, looks(lab));
        size_t walks = count_asked(ASKED_WALK);
        if (walks != (table[i].since == NOTHING ? 0 : table[i].since == ALL ? 5 : 1))
            fail_msg("%s: %zu tables are read", table[i].what, walks);
        if (table[i].since > 0)
            assert_int_equal(fake.asked->after, table[i].since);
        lab->facet_says.wants_all = false;
        answer_all(lab);
        assert_int_equal(lab->calls.read, table[i].since != NOTHING);
        assert_int_equal(unit_of(lab)->rec.generation, table[i].generation);
        assert_int_equal(unit_of(lab)->rec.epoch, table[i].epoch);
        looks_and_hears(lab); // now all is known
        assert_int_equal(lab->calls.read, table[i].since != NOTHING);
        tear_down(state);
        set_up_known(state);
    }
}

// A reading is taken in by parts. When one cannot be written, all is read again.
static void test_parts(void **state)
{
    struct lab *lab = *state;
    lab->facet_says.parts = 3;
    lab->facet_says.adopts_again = 2;
    lab->shows.epoch++;
    looks_and_hears(lab);
    assert_int_equal(lab->calls.begin, 1);
    assert_int_equal(lab->calls.take_in, 3);
    assert_int_equal(lab->facet_says.adopts_again, 0);
    assert_int_equal(lab->calls.plan, 1);
    assert_false(lab->link->taken_in_part);
    lab->shows.generation++;
    lab->store_fails = true;
    lab->link->pace_ms = 5;
    answer_truly(lab, looks(lab));
    assert_int_equal(count_asked(ASKED_WALK), 1);
    answer_all(lab);
    assert_int_equal(lab->calls.begin, 2);
    assert_int_equal(lab->calls.take_in, 4);
    assert_int_equal(lab->calls.plan, 1);
    assert_int_equal(lab->link->work, LINK_IDLE);
    assert_int_equal(lab->link->pace_ms, 0); // it waits for the next poll
    lab->store_fails = false;
    answer_truly(lab, looks(lab));
    assert_int_equal(count_asked(ASKED_WALK), 5);
    answer_all(lab);
    assert_int_equal(unit_of(lab)->rec.generation, lab->shows.generation);
}

// What was asked before a good-bye is out of date: nothing of it is taken in.
static void test_discard(void **state)
{
    struct lab *lab = *state;
    lab->shows.generation++;
    struct asked *a = looks(lab);
    lab->link->discard = true;
    answer_truly(lab, a);
    answer_all(lab);
    assert_int_equal(lab->calls.begin, 0);
    assert_int_equal(lab->calls.take_in, 0);
    assert_int_equal(lab->calls.plan, 0);
    assert_int_equal(unit_of(lab)->rec.generation, lab->shows.generation - 1);
    assert_int_equal(lab->link->work, LINK_IDLE);
    assert_false(lab->link->discard);
    a = looks(lab);
    lab->link->discard = true;
    hang_store(lab);
    time_out(lab, a);
    assert_int_equal(lab->link->work, LINK_IDLE); // there is nothing to write
    assert_false(lab->link->discard);
    free_store(lab);
    assert_int_equal(lab->link->misses, 0); // nor is its silence taken in
    looks_and_hears(lab);
    assert_int_equal(unit_of(lab)->rec.generation, lab->shows.generation);
}

// ---- Silence ---------------------------------------------------------------------------------

static void test_silence(void **state)
{
    struct lab *lab = *state;
    lab->facet_says.unsettled = true;
    for (unsigned misses = 1; misses <= 4; misses++) {
        time_out(lab, looks(lab));
        assert_int_equal(lab->link->misses, misses < HEALTH_MISSES ? misses : HEALTH_MISSES);
        assert_int_equal(unit_of(lab)->rec.state, misses < HEALTH_MISSES ? UNIT_UP : UNIT_DOWN);
        assert_int_equal(lab->link->work, LINK_IDLE);
    }
    assert_string_equal(unit_of(lab)->rec.last_error, "no answer");
    assert_int_equal(events_with(lab, "is down: no answer"), 1);
    assert_int_equal(lab->calls.plan, 0);
    assert_int_equal(lab->calls.take_in, 0);
    lab->facet_says.unsettled = false;
    looks_and_hears(lab);
    assert_int_equal(lab->link->misses, 0);
    assert_int_equal(unit_of(lab)->rec.state, UNIT_UP);
}

// The silence of one poll is known before the next one is due.
static void test_polls_time_out_in_time(void **state)
{
    struct lab *lab = *state;
    assert_int_equal(looks(lab)->timing.timeout_ms, TIMEOUT_MS);
    answer_all(lab);
    lab->config.poll_interval_ms = 100;
    assert_int_equal(looks(lab)->timing.timeout_ms, 90);
    assert_int_equal(looks(lab)->timing.retries, 0);
}

static void test_a_farewell(void **state)
{
    struct lab *lab = *state;
    lab->link->farewell = true;
    time_out(lab, looks(lab));
    assert_int_equal(unit_of(lab)->rec.state, UNIT_STOPPED);
    looks_and_hears(lab);
    assert_int_equal(unit_of(lab)->rec.state, UNIT_UP);
    assert_false(lab->link->farewell);
    time_out(lab, looks(lab));
    assert_int_equal(unit_of(lab)->rec.state, UNIT_UP);
}

static void answers_for_another(struct lab *lab, struct asked *a)
{
    lab->shows.uuid = id(2);
    answer_truly(lab, a);
}

static void answers_without_agent(struct lab *lab, struct asked *a)
{
    struct sn_var vars[READING_HEAD_MAX];
    for (size_t i = 0; i < a->count; i++)
        vars[i] = (struct sn_var){a->oids[i], {.type = SN_NO_OBJECT}};
    answer(lab, a, &(struct sn_result){.vars = vars, .count = a->count, .text = ""});
}

static void answers_too_little(struct lab *lab, struct asked *a)
{
    a->count--;
    answer_truly(lab, a);
}

static void answers_nonsense(struct lab *lab, struct asked *a)
{
    lab->shows.oper = 99;
    answer_truly(lab, a);
}

static void restarts_while_read(struct lab *lab, struct asked *a)
{
    lab->shows.generation++;
    answer_truly(lab, a);
    lab->shows.epoch++;
    answer_all(lab);
}

static void stops_while_read(struct lab *lab, struct asked *a)
{
    lab->shows.generation++;
    answer_truly(lab, a);
    time_out(lab, fake.asked);
}

// An answer that proves nothing is a silence, with its reason.
static void test_answers_that_count_as_none(void **state)
{
    static const struct {
        void (*answers)(struct lab *lab, struct asked *a);
        const char *why;
        bool agent_away;
    } table[] = {
        {time_out, "no answer", false},
        {answers_for_another, "another member answers at its address", false},
        {answers_without_agent, "its agent does not answer: it does not run, or it hangs", true},
        {answers_too_little, "its answer is too short", false},
        {answers_nonsense, "its answer does not follow the MIB", false},
        {restarts_while_read, "it has started again while its tables were read", false},
        {stops_while_read, "no answer", false},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct lab *lab = *state;
        lab->link->misses = HEALTH_MISSES - 1;
        table[i].answers(lab, looks(lab));
        assert_int_equal(unit_of(lab)->rec.state, UNIT_DOWN);
        assert_string_equal(unit_of(lab)->rec.last_error, table[i].why);
        assert_int_equal(unit_of(lab)->agent_away, table[i].agent_away);
        assert_int_equal(unit_of(lab)->rec.generation, 5);
        assert_int_equal(lab->calls.take_in, 0);
        assert_int_equal(lab->link->work, LINK_IDLE);
        tear_down(state);
        set_up_known(state);
    }
}

// ---- Tables without an end -------------------------------------------------------------------

// The walks take longer than they may, and one more row comes. Whether it was read at all.
static bool has_no_end(struct lab *lab)
{
    static const uint32_t index = 1;
    struct asked *a;
    lab->link->misses = 0;
    answer_truly(lab, looks(lab));
    if (count_asked(ASKED_WALK) == 0)
        return false;
    fake.now += 300ull * TIMEOUT_MS;
    DL_FOREACH(fake.asked, a)
    assert_false(a->row(a->arg, &index, 1, NULL));
    while (count_asked(ASKED_WALK) > 0)
        answer_truly(lab, fake.asked);
    assert_int_equal(lab->link->misses, 1);
    assert_int_equal(lab->calls.read, 0);
    return true;
}

static void test_endless_tables_are_read_ever_more_seldom(void **state)
{
    static const uint32_t seconds[] = {10, 20, 40, 80, 160, 320, 600, 600};
    struct lab *lab = *state;
    lab->config.poll_interval_ms = 3600000;
    lab->shows.epoch++;
    for (size_t i = 0; i < DV_COUNT(seconds); i++) {
        assert_true(has_no_end(lab));
        fake.now += seconds[i] * 1000 - 1;
        assert_false(has_no_end(lab));
        assert_int_equal(lab->link->misses, 1);
        assert_string_equal(lab->link->why,
                            "its tables have no end, and are left alone for a while");
        fake.now += 1;
    }
    looks_and_hears(lab); // they have one now
    assert_int_equal(lab->link->excess_ms, 0);
    assert_int_equal(unit_of(lab)->rec.epoch, lab->shows.epoch);
    lab->shows.epoch++;
    lab->calls.read = 0;
    assert_true(has_no_end(lab));
    assert_int_equal(lab->link->excess_ms, 10000);
}

// ---- A slow store ----------------------------------------------------------------------------

static void test_looks_go_on_under_a_slow_store(void **state)
{
    struct lab *lab = *state;
    slow_store(lab);
    lab->shows.generation++;
    lab->shows.lease = LEASE_S / 2;
    lab->link->misses = 2;
    unit_of(lab)->rec.last_seen = 0;
    answer_truly(lab, looks(lab));
    assert_int_equal(lab->link->work, LINK_IDLE); // nothing is read
    assert_int_equal(lab->link->misses, 0);
    assert_true(unit_of(lab)->rec.last_seen > 0);
    assert_null(lease_asked());
    lab->shows.lease = 5;
    answer_truly(lab, looks(lab));
    assert_int_equal(lab->link->work, LINK_IDLE);
    assert_non_null(lease_asked()); // it is led on
    answer_all(lab);
    assert_int_equal(lab->link->lease_until, fake.now + LEASE_S * 1000);
    time_out(lab, looks(lab)); // silence waits for a turn, and looks go on
    assert_true(lab->link->concluding > 0);
    assert_int_equal(until_look(lab), POLL_MS);
    assert_int_equal(lab->calls.begin, 0);
    assert_int_equal(unit_of(lab)->rec.generation, 5);
    lab->store_hangs = false;
    answer_all(lab);
    assert_int_equal(unit_of(lab)->rec.generation, 6);
}

// A store becomes slow behind the answer: the look ends when the next one is due, and what it read
// is read again.
static void test_conclusions_are_given_up_under_a_slow_store(void **state)
{
    struct lab *lab = *state;
    lab->shows.generation++;
    lab->shows.lease = LEASE_S / 2;
    answer_truly(lab, looks(lab));
    lab->store_hangs = true;
    answer_all(lab);
    assert_non_null(lab->link->observation);
    pass(lab, POLL_MS);
    assert_non_null(lease_asked());
    assert_int_equal(lab->link->concluding, 0);
    assert_true(lab->link->taken_in_part);
    lab->store_hangs = false;
    answer_all(lab);
    looks_and_hears(lab);
    assert_false(lab->link->taken_in_part);
    assert_int_equal(lab->calls.read, 2);
}

static void test_what_waits_for_a_slow_store(void **state)
{
    static const struct {
        const char *what;
        enum member_state oper;
        bool anothers_word;
        enum unit_state state; // as the pool has it
        bool waits;
    } table[] = {
        {"nothing new", MEMBER_RUNNING, false, UNIT_UP, false},
        {"degraded", MEMBER_DEGRADED, false, UNIT_DEGRADED, false},
        {"it is being stopped", MEMBER_SHUTTING_DOWN, false, UNIT_UP, true},
        {"another station leads it", MEMBER_RUNNING, true, UNIT_UP, true},
        {"it was down", MEMBER_RUNNING, false, UNIT_DOWN, true},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct lab *lab = *state;
        struct unit_record rec = unit_of(lab)->rec;
        rec.state = table[i].state;
        knows(lab, &rec);
        slow_store(lab);
        lab->shows.oper = table[i].oper;
        if (table[i].anothers_word)
            lab->shows.word.station = id(9);
        answer_truly(lab, looks(lab));
        if ((lab->link->concluding > 0) != table[i].waits)
            fail_msg("%s", table[i].what);
        for (unsigned n = 0; table[i].waits && n < 2; n++) { // it is led on meanwhile
            lab->link->lease_until = fake.now + POLL_MS;
            pass(lab, POLL_MS);
            answer_truly(lab, lease_asked());
        }
        tear_down(state);
        set_up_known(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_KNOWN(test_no_news),
        TEST_KNOWN(test_what_is_read),
        TEST_KNOWN(test_parts),
        TEST_KNOWN(test_discard),
        TEST_KNOWN(test_silence),
        TEST_KNOWN(test_polls_time_out_in_time),
        TEST_KNOWN(test_a_farewell),
        TEST_KNOWN(test_answers_that_count_as_none),
        TEST_KNOWN(test_endless_tables_are_read_ever_more_seldom),
        TEST_KNOWN(test_looks_go_on_under_a_slow_store),
        TEST_KNOWN(test_conclusions_are_given_up_under_a_slow_store),
        TEST_KNOWN(test_what_waits_for_a_slow_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
