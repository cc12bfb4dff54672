// Tests of links to units that are not in the pool: who has a place, and for how long.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/link_lab.h"

enum { STRANGERS_MAX = 256, STRANGER_KEEP_MS = 60000, FIRST_STRANGER = 10 };

// Answers what is asked of that stranger until it is being read, or until it joins.
static void is_read(struct lab *lab, unsigned n, bool joins)
{
    struct dv_uuid uuid = id(FIRST_STRANGER + n);
    struct unit_link *link = link_find(&lab->cms, &uuid);
    struct asked *a, *next;
    lab->shows.uuid = uuid;
    lab->store_hangs = true;
    answer_truly(lab, look_asked(link));
    assert_int_equal(link->work, LINK_READING);
    for (unsigned rounds = 0; joins && rounds < 2; rounds++)
        DL_FOREACH_SAFE(fake.asked, a, next)
    if (a->peer == link->peer)
        answer_truly(lab, a);
    assert_int_equal(link->observation != NULL, joins);
}

// The strangers that fit are there when another one comes: who goes for it.
static void test_a_newcomers_place(void **state)
{
    static const struct {
        const char *what;
        unsigned of_another; // the first so many are another sender's
        unsigned read;       // the first so many are being read
        bool joins;          // the first is
        unsigned goes;       // in the order in which they came
    } table[] = {
        {"the oldest of one sender goes", 0, 0, false, 0},
        {"one that is being read stays", 0, 1, false, 1},
        {"who has few keeps them", 2, 0, false, 2},
        {"who has few keeps them, and one that is being read stays", 2, 3, false, 3},
        {"of those that are all read the oldest goes", 0, STRANGERS_MAX, false, 0},
        {"one that joins just now stays", 0, STRANGERS_MAX, true, 1},
    };
    struct lab *lab = *state;
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        for (unsigned n = 0; n < STRANGERS_MAX; n++) {
            struct dv_uuid uuid = id(FIRST_STRANGER + n);
            link_to(lab, &uuid, n < table[i].of_another ? "192.0.2.8" : "192.0.2.9");
            pass(lab, 1);
        }
        for (unsigned n = 0; n < table[i].read; n++)
            is_read(lab, n, n == 0 && table[i].joins);
        assert_int_equal(lab->cms.strangers, STRANGERS_MAX);
        struct dv_uuid newcomer = id(FIRST_STRANGER + STRANGERS_MAX);
        link_to(lab, &newcomer, "192.0.2.9");
        assert_int_equal(lab->cms.strangers, STRANGERS_MAX);
        for (unsigned n = 0; n <= STRANGERS_MAX; n++) {
            struct dv_uuid uuid = id(FIRST_STRANGER + n);
            if ((link_find(&lab->cms, &uuid) == NULL) != (n == table[i].goes))
                fail_msg("%s: %u", table[i].what, n);
        }
        while (lab->cms.links)
            link_free(lab->cms.links);
        free_store(lab);
        // What is being written of one that joins stays.
        assert_int_equal(HASH_COUNT(lab->cms.pool->units), table[i].joins);
    }
}

// One that was announced again is asked again, and is remembered for longer.
static void test_a_stranger_is_forgotten(void **state)
{
    struct lab *lab = *state;
    struct dv_uuid uuid = id(1);
    lab->link = link_to(lab, &uuid, "192.0.2.9");
    settle(lab);
    time_out(lab, look_asked(lab->link));
    assert_int_equal(events_with(lab, "announced itself at " HOME " and cannot be read"), 1);
    pass(lab, STRANGER_KEEP_MS - 1);
    assert_null(fake.asked); // nobody polls a stranger
    assert_non_null(link_find(&lab->cms, &uuid));
    link_look(lab->link);
    settle(lab);
    time_out(lab, look_asked(lab->link));
    assert_int_equal(events_with(lab, "cannot be read"), 1); // told once
    pass(lab, STRANGER_KEEP_MS - 1);
    assert_non_null(link_find(&lab->cms, &uuid));
    pass(lab, 1);
    assert_null(lab->cms.links);
    assert_int_equal(lab->cms.strangers, 0);
    assert_int_equal(lab->calls.forget, 1);
    fake_assert_clean();
}

static void test_a_stranger_joins(void **state)
{
    struct lab *lab = *state;
    struct dv_uuid uuid = id(1);
    lab->shows.word = (struct lead_word){0};
    lab->link = link_to(lab, &uuid, "192.0.2.9");
    settle(lab);
    assert_int_equal(look_asked(lab->link)->timing.retries, 2); // nobody polls it yet
    answer_all(lab);
    assert_int_equal(lab->calls.read, 1);
    assert_int_equal(unit_of(lab)->rec.state, UNIT_UP);
    assert_ptr_equal(unit_of(lab)->link, lab->link);
    assert_int_equal(lab->cms.strangers, 0);
    assert_true(lab->link->leads); // it took the lease
    pass(lab, STRANGER_KEEP_MS);
    assert_non_null(lab->cms.links);
}

// Of one that waits for a person's word nothing is taken in, and the link to it goes.
static void test_a_stranger_waits_for_a_person(void **state)
{
    struct lab *lab = *state;
    struct dv_uuid uuid = id(1);
    lab->config.snmp.accept_shared = false;
    lab->link = link_to(lab, &uuid, "192.0.2.9");
    answer_all(lab);
    const struct pool_unit *unit = pool_unit_by_uuid(lab->cms.pool, &uuid);
    assert_non_null(unit);
    assert_int_equal(unit->rec.trust, TRUST_WAITING);
    assert_int_equal(lab->calls.begin, 0);
    assert_null(lab->cms.links);
    fake_assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_newcomers_place),
        TEST(test_a_stranger_is_forgotten),
        TEST(test_a_stranger_joins),
        TEST(test_a_stranger_waits_for_a_person),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
