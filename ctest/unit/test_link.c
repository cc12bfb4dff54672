// Tests of a link's life and of what it does next, on a fake facet and without a network.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/link_lab.h"

#include "cms/member/suspect.h"
#include "logic/pace.h"

// ---- When it looks ---------------------------------------------------------------------------

static void test_regular_looks_have_places(void **state)
{
    struct lab *lab = *state;
    static const unsigned units[] = {1, 2, 13, 27, 28, 100, 12345};
    for (size_t i = 0; i < DV_COUNT(units); i++) {
        struct unit_record rec = {
            .uuid = id(units[i]), .trust = TRUST_SHARED, .epoch = 1, .state = UNIT_UP};
        uint32_t place;
        memcpy(&place, rec.uuid.b, sizeof(place));
        snprintf(rec.name, sizeof(rec.name), "unit%u", units[i]);
        knows(lab, &rec);
        lab->shows.uuid = rec.uuid;
        lab->link = link_to(lab, &rec.uuid, "");
        lab->facet_says.unsettled = false;
        answer_all(lab);
        while (until_look(lab) < 10) // after what was read at first
            answer_all(lab);
        for (unsigned n = 0; n < 3; n++) {
            assert_int_equal(fake.now % POLL_MS, place % POLL_MS);
            answer_all(lab);
            assert_int_equal(until_look(lab), POLL_MS);
        }
        assert_int_equal(look_asked(lab->link)->timing.retries, 0); // the next poll is soon
        link_free(lab->link);
    }
}

static void waits_until_look(struct lab *lab, uint64_t ms)
{
    assert_int_equal(until_look(lab), ms);
    answer_all(lab);
}

static void test_pace_while_unsettled(void **state)
{
    static const uint64_t slower[] = {5, 10, 20, 40, 80, 160, 200, 200};
    struct lab *lab = *state;
    lab->config.poll_interval_ms = 60000;
    lab->facet_says.unsettled = true;
    link_look(lab->link);
    answer_all(lab);
    for (size_t i = 0; i < DV_COUNT(slower); i++)
        waits_until_look(lab, slower[i]);
    lab->shows.generation++; // something has moved
    waits_until_look(lab, 200);
    waits_until_look(lab, 5);
    waits_until_look(lab, 10);
    until_look(lab);
    time_out(lab, look_asked(lab->link)); // one that is silent is not pressed
    assert_int_equal(lab->link->pace_ms, 0);
    assert_true(until_look(lab) > 1000);
    answer_all(lab);
    lab->facet_says.unsettled = false;
    waits_until_look(lab, 5);
    assert_int_equal(lab->link->pace_ms, 0);
    waits_until_look(lab, 60000 - 5);
    lab->shows.oper = MEMBER_STARTING;
    waits_until_look(lab, 60000);
    waits_until_look(lab, 5);
    lab->facet_says.unsettled = true; // it takes no orders yet: nobody asks the facet
    lab->calls.plan = 0;
    waits_until_look(lab, 10);
    assert_int_equal(lab->calls.plan, 0);
}

static void test_urgent_looks_are_bounded(void **state)
{
    struct lab *lab = *state;
    uint64_t from = fake.now;
    unsigned count = 0;
    for (;; count++) {
        link_look(lab->link);
        settle(lab);
        if (!look_asked(lab->link))
            break;
        answer_all(lab);
        assert_true(count < 2 * PACE_AT_ONCE);
    }
    assert_int_equal(fake.now, from);
    assert_int_equal(count, PACE_AT_ONCE); // and there was one before
    for (unsigned i = 0; i < 5; i++) {
        link_look(lab->link);
        waits_until_look(lab, PACE_LOOK_MS);
    }
}

// ---- Orders ----------------------------------------------------------------------------------

static void asks_for_order(struct lab *lab, unsigned orders)
{
    lab->facet_says.orders = orders;
    link_new_orders(lab->link);
    settle(lab);
}

static void test_an_order_goes_before_a_look(void **state)
{
    struct lab *lab = *state;
    hang_store(lab);
    asks_for_order(lab, 1);
    link_look(lab->link);
    pass(lab, LEDGER_SLOW_MS - 1);
    assert_null(fake.asked);
    free_store(lab);
    assert_int_equal(lab->calls.step, 1);
    assert_int_equal(lab->link->work, LINK_SETTING);
    assert_null(look_asked(lab->link));
    answer_truly(lab, fake.asked);
    assert_non_null(look_asked(lab->link));
}

static void test_a_look_goes_before_an_order_of_a_slow_store(void **state)
{
    struct lab *lab = *state;
    hang_store(lab);
    asks_for_order(lab, 1);
    link_look(lab->link);
    pass(lab, LEDGER_SLOW_MS);
    assert_non_null(look_asked(lab->link));
    assert_int_equal(lab->calls.step, 0);
    free_store(lab);
    assert_int_equal(lab->calls.step, 0); // one thing at a time
    answer_truly(lab, look_asked(lab->link));
    assert_int_equal(lab->calls.step, 1);
}

static void in_state(struct lab *lab, enum unit_state state)
{
    struct unit_record rec = unit_of(lab)->rec;
    rec.state = state;
    knows(lab, &rec);
}

static void nothing_happens(struct lab *lab)
{
    (void)lab;
}

static void is_degraded(struct lab *lab)
{
    in_state(lab, UNIT_DEGRADED);
}

static void is_joining(struct lab *lab)
{
    in_state(lab, UNIT_JOINING);
}

static void is_down(struct lab *lab)
{
    in_state(lab, UNIT_DOWN);
}

static void is_stopped(struct lab *lab)
{
    in_state(lab, UNIT_STOPPED);
}

static void is_doubled(struct lab *lab)
{
    in_state(lab, UNIT_CONFLICT);
}

static void is_not_led(struct lab *lab)
{
    lab->link->leads = false;
}

static void another_was_told_more(struct lab *lab)
{
    lab->cms.newer = 1;
}

static void was_read_in_part(struct lab *lab)
{
    lab->link->taken_in_part = true;
}

// Two orders are to be sent; behind the first one something happens.
static void test_orders_are_dropped(void **state)
{
    static const struct {
        void (*happens)(struct lab *lab);
        unsigned sent;
    } table[] = {
        {nothing_happens, 2}, {is_degraded, 2},      {is_joining, 1},
        {is_down, 1},         {is_stopped, 1},       {is_doubled, 1},
        {is_not_led, 1},      {was_read_in_part, 1}, {another_was_told_more, 1},
    };
    struct lab *lab = *state;
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        tear_down(state);
        set_up_known(state);
        lab = *state;
        asks_for_order(lab, 2);
        assert_int_equal(lab->link->work, LINK_SETTING);
        table[i].happens(lab);
        answer_truly(lab, fake.asked);
        if (lab->calls.step != table[i].sent)
            fail_msg("row %zu: %u were sent", i, lab->calls.step);
        lab->facet_says.orders = 0;
        if (table[i].sent == 1)
            assert_null(lab->link->queue.items);
    }
}

static void test_nothing_is_ordered_of_anothers_unit(void **state)
{
    struct lab *lab = *state;
    lab->shows.word = (struct lead_word){{{'o'}}, 9, 9};
    link_look(lab->link);
    answer_all(lab);
    assert_int_equal(unit_of(lab)->standing, LEAD_HELD);
    assert_false(lab->link->leads);
    lab->calls.plan = 0;
    asks_for_order(lab, 1);
    assert_null(fake.asked);
    assert_int_equal(lab->calls.plan, 0);
    assert_int_equal(lab->calls.step, 0);
}

// ---- What is under way is given up -------------------------------------------------------------

static void is_looked_at(struct lab *lab)
{
    (void)looks(lab);
}

static void reads_all(struct lab *lab)
{
    lab->shows.epoch++;
    answer_truly(lab, looks(lab));
    assert_int_equal(count_asked(ASKED_WALK), 5);
}

static void reads_changes(struct lab *lab)
{
    lab->shows.generation++;
    answer_truly(lab, looks(lab));
    assert_int_equal(count_asked(ASKED_WALK), 1);
}

static void concludes(struct lab *lab)
{
    lab->facet_says.parts = 2;
    reads_all(lab);
    lab->store_hangs = true;
    answer_all(lab);
    assert_non_null(lab->link->observation);
}

static void waits_to_conclude(struct lab *lab)
{
    reads_all(lab);
    hang_store(lab);
    answer_all(lab);
    assert_true(lab->link->concluding > 0);
    assert_int_equal(lab->calls.begin, 0);
}

static void has_keys(struct lab *lab, uint32_t wanted)
{
    struct unit_record rec = unit_of(lab)->rec;
    rec.trust = TRUST_ENROLLED;
    rec.key_number = 5;
    rec.key_wanted = wanted;
    knows(lab, &rec);
}

static void searches_keys(struct lab *lab)
{
    has_keys(lab, 0);
    refuse_keys(lab, looks(lab));
    assert_non_null(lab->link->search);
    assert_non_null(fake.asked);
}

static void records_key(struct lab *lab)
{
    searches_keys(lab);
    hang_store(lab);
    answer_truly(lab, fake.asked);
    assert_true(lab->link->found_key > 0);
}

static void tries_address(struct lab *lab)
{
    lab->link->misses = 1;
    dv_copy(lab->link->next_address, sizeof(lab->link->next_address), AWAY);
    (void)looks(lab);
    assert_non_null(lab->link->trial);
}

static void sets(struct lab *lab)
{
    asks_for_order(lab, 2);
    assert_int_equal(lab->link->work, LINK_SETTING);
}

static void waits_for_turn(struct lab *lab)
{
    hang_store(lab);
    asks_for_order(lab, 2);
    assert_true(lab->link->stepping);
}

static void suspects(struct lab *lab)
{
    static const struct sn_engine_id other = {.len = 5, .b = "54321"};
    suspect_ask(lab->link, &other, AWAY);
    assert_non_null(lab->link->suspect);
}

static void rotates_keys(struct lab *lab)
{
    has_keys(lab, 6);
    answer_truly(lab, looks(lab));
    assert_non_null(lab->link->rekey);
    assert_non_null(fake.asked);
}

static const struct {
    void (*is_under_way)(struct lab *lab);
    bool stays; // when it is started over: it asks by a peer of its own
} states[] = {
    {nothing_happens, false},   {is_looked_at, false},  {writes_lease, false},
    {reads_all, false},         {reads_changes, false}, {concludes, false},
    {waits_to_conclude, false}, {searches_keys, false}, {records_key, false},
    {tries_address, false},     {sets, false},          {waits_for_turn, false},
    {suspects, true},           {rotates_keys, true},
};

// Leaks and late answers are what the sanitizers find.
static void test_free_in_each_state(void **state)
{
    for (size_t i = 0; i < DV_COUNT(states); i++) {
        struct lab *lab = *state;
        states[i].is_under_way(lab);
        struct pool_unit *unit = unit_of(lab);
        link_free(lab->link);
        assert_null(lab->cms.links);
        assert_null(unit->link);
        assert_int_equal(lab->calls.forget, 1);
        fake_assert_clean();
        unsigned steps = lab->calls.step, plans = lab->calls.plan;
        free_store(lab);
        assert_int_equal(lab->calls.step, steps);
        assert_int_equal(lab->calls.plan, plans);
        fake_assert_clean();
        tear_down(state);
        set_up_known(state);
    }
}

static void test_start_over_in_each_state(void **state)
{
    for (size_t i = 0; i < DV_COUNT(states); i++) {
        struct lab *lab = *state;
        struct unit_link *link = lab->link;
        states[i].is_under_way(lab);
        link_start_over(link);
        assert_int_equal(link->work, LINK_IDLE);
        assert_null(link->reading);
        assert_null(link->fetch);
        assert_null(link->search);
        assert_null(link->trial);
        assert_null(link->observation);
        assert_null(link->queue.items);
        assert_int_equal(link->concluding, 0);
        assert_int_equal(link->found_key, 0);
        assert_false(link->lease_under_way);
        assert_false(link->leads);
        assert_int_equal(fake.asked != NULL, states[i].stays);
        link_look(link);
        free_store(lab);
        assert_non_null(look_asked(link));
        answer_all(lab);
        assert_int_equal(link->work, LINK_IDLE);
        assert_true(link->leads);
        assert_false(link->taken_in_part);
        assert_int_equal(unit_of(lab)->rec.epoch, lab->shows.epoch);
        assert_int_equal(unit_of(lab)->rec.generation, lab->shows.generation);
        tear_down(state);
        set_up_known(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_regular_looks_have_places),
        TEST_KNOWN(test_pace_while_unsettled),
        TEST_KNOWN(test_urgent_looks_are_bounded),
        TEST_KNOWN(test_an_order_goes_before_a_look),
        TEST_KNOWN(test_a_look_goes_before_an_order_of_a_slow_store),
        TEST_KNOWN(test_orders_are_dropped),
        TEST_KNOWN(test_nothing_is_ordered_of_anothers_unit),
        TEST_KNOWN(test_free_in_each_state),
        TEST_KNOWN(test_start_over_in_each_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
