// Tests of how a look reaches its member: at which address, and with which keys.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/link_lab.h"

#include "logic/rekey.h"

// ---- Addresses -------------------------------------------------------------------------------

static void announced_at(struct lab *lab, const char *address)
{
    dv_copy(lab->link->next_address, sizeof(lab->link->next_address), address);
}

static void test_the_next_address_is_tried(void **state)
{
    struct lab *lab = *state;
    writes_lease(lab);
    announced_at(lab, AWAY);
    struct asked *a = looks(lab);
    assert_string_equal(a->peer->address, HOME); // where it is known goes first
    time_out(lab, a);
    a = look_asked(lab->link); // at once
    assert_non_null(a);
    assert_string_equal(a->peer->address, AWAY);
    assert_int_equal(a->timing.retries, 2);
    lab->shows.generation++;
    answer_truly(lab, a);
    assert_string_equal(fake.asked->peer->address, AWAY); // its tables are read there
    assert_null(lease_asked());                           // that was lost with the other peer
    answer_all(lab);
    assert_int_equal(lab->shows.lease, LEASE_S); // and is written here
    assert_string_equal(lab->link->address, AWAY);
    assert_string_equal(lab->link->peer->address, AWAY);
    assert_string_equal(lab->link->next_address, "");
    assert_int_equal(lab->link->misses, 0);
    assert_int_equal(unit_of(lab)->rec.generation, lab->shows.generation);
    assert_ptr_equal(lab->link->peer, fake.peers); // the other peer is gone
    assert_null(fake.peers->next);
    assert_string_equal(looks(lab)->peer->address, AWAY);
}

// Announcements of an address where nobody is go on all the time.
static void test_no_two_trials_in_a_row(void **state)
{
    static const struct sn_result silence = {.code = DV_TIMEOUT, .text = "no answer"};
    struct lab *lab = *state;
    const char *const there[] = {HOME, AWAY, HOME, AWAY, HOME, AWAY, HOME};
    announced_at(lab, AWAY);
    looks(lab);
    for (size_t i = 0; i < DV_COUNT(there); i++) {
        struct asked *a = look_asked(lab->link);
        assert_non_null(a); // at once
        assert_string_equal(a->peer->address, there[i]);
        fake_end(a, &silence);
        announced_at(lab, AWAY);
        settle(lab);
    }
    assert_string_equal(lab->link->address, HOME);
    assert_int_equal(lab->link->misses, 3); // what does not answer elsewhere is no miss
    time_out(lab, look_asked(lab->link));
    answer_all(lab);
    assert_int_equal(lab->link->misses, 0);
}

static void test_an_address_that_failed_is_forgotten(void **state)
{
    struct lab *lab = *state;
    announced_at(lab, AWAY);
    time_out(lab, looks(lab));
    time_out(lab, look_asked(lab->link));
    assert_string_equal(lab->link->next_address, "");
    for (unsigned i = 0; i < 3; i++) {
        struct asked *a = looks(lab);
        assert_string_equal(a->peer->address, HOME);
        time_out(lab, a);
    }
    announced_at(lab, AWAY); // one that cannot be used
    fake.unusable = AWAY;
    assert_string_equal(looks(lab)->peer->address, HOME);
    assert_string_equal(lab->link->next_address, "");
    answer_all(lab);
}

static void test_a_unit_that_moves(void **state)
{
    struct lab *lab = *state;
    announced_at(lab, AWAY);
    dv_copy(lab->shows.address, sizeof(lab->shows.address), AWAY);
    answer_truly(lab, looks(lab));
    assert_int_equal(lab->calls.take_in, 1); // it still answers here
    struct asked *a = look_asked(lab->link);
    assert_non_null(a);
    assert_string_equal(a->peer->address, AWAY);
    answer_all(lab);
    assert_string_equal(lab->link->address, AWAY);
    assert_int_equal(events_with(lab, "clone"), 0);
    assert_int_equal(lab->link->misses, 0);
}

static void test_a_clone_is_told_once(void **state)
{
    static const struct {
        const char *announced;
        size_t told;
    } table[] = {{AWAY, 1}, {AWAY, 1}, {"udp:192.0.2.3:161", 2}, {"udp:192.0.2.3:161", 2}};
    struct lab *lab = *state;
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        announced_at(lab, table[i].announced);
        struct asked *a = looks(lab);
        assert_string_equal(a->peer->address, HOME);
        answer_all(lab);
        assert_int_equal(events_with(lab, "if that is a clone"), table[i].told);
        assert_string_equal(lab->link->next_address, "");
        assert_int_equal(lab->link->work, LINK_IDLE); // nothing was sent there
        assert_string_equal(lab->link->address, HOME);
    }
}

// ---- Keys ------------------------------------------------------------------------------------

enum { SEARCH_MS = 10000, KEY = 5 };

static void is_enrolled(struct lab *lab)
{
    struct unit_record rec = unit_of(lab)->rec;
    rec.trust = TRUST_ENROLLED;
    rec.key_number = KEY;
    rec.key_before = true;
    knows(lab, &rec);
}

// All numbers that may fit are refused, one after the other.
static void all_keys_are_refused(struct lab *lab)
{
    unsigned last = 0;
    for (unsigned i = 0; i < REKEY_SEARCHED; i++) {
        assert_int_equal(fake.asked->count, 1);
        last = fake.asked->peer->number;
        assert_true(fake.asked->peer->time_forgotten);
        refuse_keys(lab, fake.asked);
    }
    assert_null(fake.asked);
    assert_null(lab->link->search);
    assert_true(lab->link->peer->number > last); // it has its present keys again
}

static void test_refused_keys_are_searched(void **state)
{
    struct lab *lab = *state;
    is_enrolled(lab);
    refuse_keys(lab, looks(lab));
    all_keys_are_refused(lab);
    assert_true(lab->link->keyless);
    assert_int_equal(lab->link->misses, 1);
    assert_int_equal(unit_of(lab)->rec.state, UNIT_UP);
    pass(lab, SEARCH_MS / 2);
    while (fake.asked) // of the polls meanwhile
        time_out(lab, fake.asked);
    assert_false(lab->link->keyless); // a silence says nothing of keys
    refuse_keys(lab, looks(lab));
    assert_null(lab->link->search); // there was a search a while ago
    fake.now += SEARCH_MS / 2;
    refuse_keys(lab, looks(lab));
    all_keys_are_refused(lab);
    assert_int_equal(unit_of(lab)->rec.state, UNIT_DOWN);
    assert_true(unit_of(lab)->keyless);
    assert_int_equal(events_with(lab, "it takes none of the station's keys"), 1);
}

static void test_a_key_that_fits_is_taken(void **state)
{
    struct lab *lab = *state;
    char user[KEYS_USER_ROOM];
    is_enrolled(lab);
    refuse_keys(lab, looks(lab));
    refuse_keys(lab, fake.asked); // the number before
    keys_user(KEYS_OF_STATION, &lab->link->uuid, KEY + 1, user);
    assert_string_equal(fake.asked->peer->user, user);
    answer_truly(lab, fake.asked);
    assert_int_equal(unit_of(lab)->rec.key_number, KEY + 1);
    assert_non_null(look_asked(lab->link)); // at once
    assert_string_equal(lab->link->peer->user, user);
    assert_true(lab->link->peer->time_forgotten); // its snmpd may be of a backup
    assert_int_equal(lab->link->found_key, 0);
    assert_int_equal(lab->link->misses, 0);
}

// The keys were rotated: what is under way with the ones before ends at the next look.
static void test_rotated_keys_are_used(void **state)
{
    struct lab *lab = *state;
    char user[KEYS_USER_ROOM];
    writes_lease(lab);
    is_enrolled(lab);
    lab->link->rekeyed = true;
    keys_user(KEYS_OF_STATION, &lab->link->uuid, KEY, user);
    struct asked *a = looks(lab);
    assert_string_equal(a->peer->user, user);
    assert_false(lab->link->rekeyed);
    assert_null(lease_asked());
    answer_truly(lab, a);
    assert_string_equal(lease_asked()->peer->user, user); // it is written anew
    answer_all(lab);
}

// Only its snmpd's word that it does not know a key lets others be tried.
static void test_what_starts_no_search(void **state)
{
    static const struct sn_result table[] = {
        {.code = DV_TIMEOUT, .text = "no answer"},
        {.code = DV_DENIED, .error_status = SN_AUTHORIZATION_ERROR, .text = "not in its view"},
        {.code = DV_UNREACHABLE, .text = "unreachable"},
    };
    struct lab *lab = *state;
    refuse_keys(lab, looks(lab)); // it has no keys of its own
    assert_null(lab->link->search);
    is_enrolled(lab);
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        answer(lab, looks(lab), &table[i]);
        assert_null(lab->link->search);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_KNOWN(test_the_next_address_is_tried),
        TEST_KNOWN(test_no_two_trials_in_a_row),
        TEST_KNOWN(test_an_address_that_failed_is_forgotten),
        TEST_KNOWN(test_a_unit_that_moves),
        TEST_KNOWN(test_a_clone_is_told_once),
        TEST_KNOWN(test_refused_keys_are_searched),
        TEST_KNOWN(test_a_key_that_fits_is_taken),
        TEST_KNOWN(test_rotated_keys_are_used),
        TEST_KNOWN(test_what_starts_no_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
