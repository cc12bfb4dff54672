// Tests that one unit's word is about itself alone: it changes no host and sends no secret.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/observe_lab.h"
#include "ctest/support/store_all.h"

#include "cms/cms.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/adopt.h"
#include "cms/unit/left_out.h"
#define WEB "iqn.2026-01.x:web"

static void adds_host(struct lab *lab, bool one_secret)
{
    struct changes c = {0};
    struct host_record web = {.uuid = id('h', 1),
                              .name = "web",
                              .iqn = WEB,
                              .chap_user = "web",
                              .sealed_len = 40,
                              .secret_mark = 7,
                              .one_secret = one_secret};
    changes_host(&c, &web);
    apply(lab, &c);
}

static struct pool_assignment *right_of(struct lab *lab, unsigned volume)
{
    struct dv_uuid v = id('v', volume), host = id('h', 1);
    return pool_assignment_of(pool_volume_by_uuid(lab->cms.pool, &v), &host);
}

// The unit says that another station led it, and no longer holds it: what is on the unit counts.
static void was_led_by_another(struct lab *lab)
{
    lab->unit->standing = LEAD_FREE;
    lab->unit->lead.word = (struct lead_word){id('s', 2), 5, 6};
}

// Behind a look that shows it.
static void takes_over(struct lab *lab)
{
    lab->link.concluding++;
    while (adopt_left_by_another(&lab->link))
        test_ledger_run(&lab->cms);
    assert_false(adopt_failed(&lab->link));
}

// It names a host that this station knows, with another account: its right stays as it is found,
// and the host, which uses other units as well, stays what it is.
static void test_an_account_that_another_station_made(void **state)
{
    static const struct {
        const char *name, *user;
        uint32_t mark;
        bool found;
    } cases[] = {
        {"as it is here", "web", 7, false},
        {"another secret", "web", 9, true},
        {"another user", "thief", 7, true},
        {"both", "thief", 9, true},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        void *made;
        set_up(&made);
        struct lab *lab = made;
        reads(lab, 2, 2, 0);
        takes_all(lab);
        adds_host(lab, false);
        reads(lab, 3, 1, 1); // the second volume is gone, so something is to be done
        struct access_rule *rule = &lab->link.reading->rules[0];
        dv_copy(rule->initiator, sizeof(rule->initiator), WEB);
        dv_copy(rule->chap_user, sizeof(rule->chap_user), cases[i].user);
        rule->secret_mark = cases[i].mark;
        takes_all(lab);
        was_led_by_another(lab);
        takes_over(lab);
        const struct pool_assignment *right = right_of(lab, 1);
        assert_non_null(right);
        if (right->rec.found != cases[i].found || strcmp(right->host->rec.chap_user, "web") != 0 ||
            right->host->rec.sealed_len != 40 || right->host->rec.secret_mark != 7)
            fail_msg("%s: found %d, user %s, %u octets of a secret", cases[i].name,
                     right->rec.found, right->host->rec.chap_user, right->host->rec.sealed_len);
        tear_down(&made);
    }
    (void)state;
}

// A right that is kept from the host's secret is not given it because the lead changes.
static void test_a_right_that_was_found_stays_so(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    reads(lab, 2, 2, 0);
    takes_all(lab);
    adds_host(lab, true);
    struct assignment_record right = {
        .volume = id('v', 1), .host = id('h', 1), .index = 1, .wanted = true, .found = true};
    changes_assignment(&c, &right);
    apply(lab, &c);
    reads(lab, 3, 1, 1);
    struct access_rule *rule = &lab->link.reading->rules[0];
    dv_copy(rule->initiator, sizeof(rule->initiator), WEB);
    dv_copy(rule->chap_user, sizeof(rule->chap_user), "web");
    rule->secret_mark = 7;
    takes_all(lab);
    was_led_by_another(lab);
    takes_over(lab);
    assert_true(right_of(lab, 1)->rec.found);
}

// It can say so as often as it likes.
static void test_it_fills_no_list_of_events(void **state)
{
    enum { TIMES = 40, MINUTES = 3 };
    struct lab *lab = *state;
    for (unsigned i = 0; i < TIMES; i++) {
        reads(lab, 2 * i + 2, 1, 0);
        takes_all(lab);
        reads(lab, 2 * i + 3, 0, 0);
        takes_all(lab);
        was_led_by_another(lab);
        takes_over(lab);
    }
    assert_in_range(events_with(lab, "is led by this station from now on"), 1, 10 * MINUTES);
}

// Also within the time for which a person's word stands.
static void test_a_persons_word_fills_no_list_of_events(void **state)
{
    enum { TIMES = 40, MINUTES = 3 };
    struct lab *lab = *state;
    const enum adopt_from ways[] = {ADOPT_UNITS, ADOPT_STORE};
    for (unsigned i = 0; i < TIMES; i++) {
        lab->unit->standing = LEAD_FOREIGN;
        lab->unit->lead.word = (struct lead_word){id('s', 2), 5 + i, 6};
        lab->link.adopt_from = ways[i % 2];
        lab->link.adopt_until = UINT64_MAX;
        lab->link.concluding++;
        while (adopt_again(&lab->link))
            test_ledger_run(&lab->cms);
        assert_true(lead_word_equal(&lab->unit->rec.accepted, &lab->unit->lead.word));
    }
    assert_in_range(events_with(lab, "is led by this station from now on"), 1, 10 * MINUTES);
}

// A volume of another unit, which had it once and shows it no longer, with a right of the host's.
static void had_it(struct lab *lab, bool proof)
{
    struct unit_record other = {
        .uuid = id('u', 2), .trust = TRUST_SHARED, .name = "unit2", .state = UNIT_UP};
    struct volume_record rec = {.uuid = id('v', 1),
                                .unit = other.uuid,
                                .name = "v1",
                                .medium = 1,
                                .index = 1,
                                .blocks = 2048,
                                .wanted = true,
                                .seen = true};
    if (proof)
        memcpy(rec.proof, "its medium", sizeof("its medium"));
    struct assignment_record right = {
        .volume = rec.uuid, .host = id('h', 1), .index = 1, .wanted = true};
    struct changes c = {0};
    changes_unit(&c, &other);
    changes_volume(&c, &rec);
    changes_assignment(&c, &right);
    apply(lab, &c);
}

static void a_person_says_so(struct lab *lab)
{
    struct dv_err err;
    lab->link.work = LINK_LOOKING; // what is asked for next has to wait
    assert_int_equal(cms_accept_volume(&lab->cms, "v1", "unit1", &err), 0);
    test_ledger_run(&lab->cms);
    reads(lab, 4, 1, 0);
    takes_all(lab);
    assert_int_equal(shown_volumes(lab), 1);
    assert_false(right_of(lab, 1)->rec.found);
}

// Who knows what its medium had moves it only with that. Where nobody knows, its unit's word is
// enough; but what opens the host's volumes on other units goes with a proof alone.
static void test_a_volume_that_its_unit_has_no_longer(void **state)
{
    static const struct {
        const char *name;
        bool one_secret, known, shown; // the medium's number, here and there
        bool moves, found;
    } cases[] = {
        {"none is known", false, false, false, true, false},
        {"none is known, one secret", true, false, false, true, true},
        {"none was known, one is shown", true, false, true, true, true},
        {"proven", false, true, true, true, false},
        {"proven, one secret", true, true, true, true, false},
        {"not proven", false, true, false, false, false},
        {"not proven, one secret", true, true, false, false, false},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        void *made;
        set_up(&made);
        struct lab *lab = made;
        struct dv_uuid v = id('v', 1);
        bool proven = cases[i].known && cases[i].shown, moves = cases[i].moves;
        print_message("%s\n", cases[i].name);
        adds_host(lab, cases[i].one_secret);
        had_it(lab, cases[i].known);
        for (uint32_t generation = 2; generation < 4; generation++) { // what waits is told once
            reads(lab, generation, 1, 0);
            struct reading *r = lab->link.reading;
            r->has_media = true;
            *DV_APPEND(r->media, r->media_count) =
                (struct medium){.index = 1, .proof = {.now = "another"}};
            if (cases[i].shown)
                memcpy(r->media[0].proof.before, "its medium", sizeof("its medium"));
            takes_all(lab);
        }
        assert_int_equal(events_with(lab, "has moved from unit2 to unit1"), moves);
        assert_int_equal(events_with(lab, "as its medium proves"), proven);
        assert_int_equal(right_of(lab, 1)->rec.found, cases[i].found);
        assert_int_equal(events_with(lab, "is not given to 1 of its hosts on unit1"),
                         cases[i].found);
        assert_int_equal(events_with(lab, "(dvsan volume accept v1 unit1)"), !moves);
        const struct pool_volume *pv = pool_volume_by_uuid(lab->cms.pool, &v);
        assert_string_equal(pv->unit->rec.name, moves ? "unit1" : "unit2");
        assert_int_equal(HASH_COUNT(lab->link.left_out), !moves);
        if (!moves)
            a_person_says_so(lab);
        tear_down(&made);
    }
    (void)state;
}

// Another unit shows it, too, and then its own has it no longer: what is asked now is told, once.
static void test_what_is_asked_later(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    const struct dv_uuid v = id('v', 1);
    adds_host(lab, false);
    had_it(lab, true);
    reads(lab, 2, 1, 0);
    changes_shown(&c, &lab->link.reading->volumes[0], NULL, 0);
    apply(lab, &c);
    takes_all(lab);
    assert_int_equal(events_with(lab, "is on unit2, but unit1 shows a volume of the same UUID"), 1);
    assert_false(left_out_is_wanted(&lab->link));
    changes_hidden(&c, &v);
    apply(lab, &c);
    for (uint32_t generation = 3; generation < 5; generation++) {
        assert_int_equal(left_out_is_wanted(&lab->link), generation == 3);
        reads(lab, generation, 1, 0);
        takes_all(lab);
        assert_int_equal(events_with(lab, "is shown by unit1, and by unit2 no longer"), 1);
    }
    assert_int_equal(left_out_waits(&lab->link, pool_volume_by_uuid(lab->cms.pool, &v)),
                     MOVE_ASKED);
}

// A unit names initiators, their users, and by both the hosts that are found.
static void finds(struct lab *lab, const char *const (*rules)[2], unsigned count)
{
    reads(lab, lab->unit->rec.generation + 1, 1, count);
    for (unsigned i = 0; i < count; i++) {
        struct access_rule *rule = &lab->link.reading->rules[i];
        dv_copy(rule->initiator, sizeof(rule->initiator), rules[i][0]);
        dv_copy(rule->chap_user, sizeof(rule->chap_user), rules[i][1]);
    }
    takes_all(lab);
}

static void is_host(struct lab *lab, const char *name, const char *iqn, const char *user)
{
    const struct pool_host *h = pool_find_host(lab->cms.pool, name);
    if (!h || strcmp(h->rec.iqn, iqn) != 0 || strcmp(h->rec.chap_user, user) != 0)
        fail_msg("%s: %s, %s", name, h ? h->rec.iqn : "", h ? h->rec.chap_user : "");
}

static void test_no_unit_takes_names_of_hosts(void **state)
{
#define EVIL "iqn.2026-01.evil:"
    static const char *const rules[][2] = {{EVIL "mail", "mail"},  {EVIL "db", "web"},
                                           {EVIL "two", "shared"}, {EVIL "more", "shared"},
                                           {EVIL "late", "thief"}, {EVIL "kept", "kept.2"}};
    static const struct {
        const char *name, *iqn, *user; // of the request
        const char *has;               // the user that it comes to; NULL: it is refused, and why
        const char *why;
    } cases[] = {
        {"mail", "iqn.2026-01.x:mail", NULL, "mail", NULL},
        {"web", WEB, NULL, "web", NULL},
        {"shop", "iqn.2026-01.x:shop", "shared", "shared", NULL},
        // What a person gave stays that host's.
        {"mail", "iqn.2026-01.x:other", NULL, NULL, "there is a host mail already"},
        {"other", "iqn.2026-01.x:other", "mail", NULL, "host mail has the CHAP user name mail"},
        {"other", "iqn.2026-01.x:MAIL", NULL, NULL, "has the IQN iqn.2026-01.x:mail already"},
        // Found ones are completed, under another user where theirs is another host's, too.
        {"db", EVIL "db", NULL, "db", NULL},
        {"two", EVIL "two", "shared", NULL, "has the CHAP user name shared already"},
        {"two", EVIL "two", NULL, "two", NULL},
        {"two", EVIL "mail", NULL, NULL, "there is a host two already"},
        // A user that a unit named is kept only where the host would have it by its name.
        {"late", EVIL "late", NULL, "late", NULL},
        {"kept", EVIL "kept", NULL, "kept.2", NULL},
    };
    struct lab *lab = *state;
    struct dv_err err;
    lab->link.work = LINK_LOOKING; // what is asked for next has to wait
    finds(lab, rules, DV_COUNT(rules));
    is_host(lab, "mail", EVIL "mail", "mail");
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        int rc = cms_add_host(&lab->cms, cases[i].name, cases[i].iqn, cases[i].user, "abcdefghijkl",
                              false, NULL, &err);
        test_ledger_run(&lab->cms);
        if ((rc == 0) != (cases[i].has != NULL) || (rc < 0 && !strstr(err.text, cases[i].why)))
            fail_msg("%zu: %s", i, rc == 0 ? "added" : err.text);
        if (rc == 0)
            is_host(lab, cases[i].name, cases[i].iqn, cases[i].has);
    }
    is_host(lab, "mail-2", EVIL "mail", "mail");
    is_host(lab, "more", EVIL "more", "shared");
    assert_int_equal(events_with(lab, "was called mail before"), 1);
    assert_int_equal(events_with(lab, "units that know it as thief let it in as that no longer"),
                     1);
    struct changes c = {0};
    assert_int_equal(store_all(lab->cms.store, &c, &err), 0);
    changes_free(&c);
}

// It knows the account of one user: another host's secret would take the place of the found one's.
static void test_a_user_that_another_host_has_on_the_unit(void **state)
{
    static const char *const rules[][2] = {{EVIL "found", "web"}};
    struct lab *lab = *state;
    struct dv_err err;
    uint64_t task;
    adds_host(lab, false);
    finds(lab, rules, 1);
    assert_int_equal(cms_assign(&lab->cms, "same", "web", &task, &err), -1);
    assert_int_equal(err.code, DV_CONFLICT);
    assert_string_equal(
        err.text,
        "unit1 lets host found in as the CHAP user web, and would give that user the "
        "secret of host web: give host web another user (dvsan host rekey web, and "
        "--finish), or host found (dvsan host add found --iqn " EVIL "found --chap-user USER)");
}

// A volume that is new here, and was made on the unit while nobody led it or another station did,
// lets a host in by an account that is not the host's.
static void test_a_new_volume_with_another_account(void **state)
{
    static const struct {
        const char *name, *user;
        uint32_t mark;
        bool one_secret, ours, found, told;
    } cases[] = {
        {"the host's", "web", 7, false, true, false, false},
        {"another user", "zz", 0, false, true, false, true},
        {"another secret", "web", 9, false, true, false, true},
        {"another user, and one secret for all", "zz", 0, true, true, true, true},
        {"another user, by another station", "zz", 0, false, false, true, true},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        void *made;
        struct dv_err err;
        size_t runs;
        char error[POOL_ERROR_ROOM];
        set_up(&made);
        struct lab *lab = made;
        lab->cms.uuid = id('s', 1);
        assert_int_equal(store_begin_run(lab->cms.store, &err), 0);
        adds_host(lab, cases[i].one_secret);
        reads(lab, 2, 1, 1);
        struct reading *r = lab->link.reading;
        const struct lead_run *run = store_runs(lab->cms.store, &runs);
        r->lead.word = (struct lead_word){id('s', cases[i].ours ? 1 : 2), run->number, run->mark};
        dv_copy(r->rules[0].initiator, sizeof(r->rules[0].initiator), WEB);
        dv_copy(r->rules[0].chap_user, sizeof(r->rules[0].chap_user), cases[i].user);
        r->rules[0].secret_mark = cases[i].mark;
        takes_all(lab);
        const struct pool_assignment *right = right_of(lab, 1);
        assert_non_null(right);
        pool_assignment_error(right, error);
        size_t put_right = events_with(lab, "and is put right"),
               told = events_with(lab, "lets host web in");
        if (right->rec.found != cases[i].found || told != cases[i].told ||
            put_right != (cases[i].told && !cases[i].found) ||
            (strstr(error, "lets it in as the CHAP user zz") != NULL) != cases[i].found)
            fail_msg("%s: found %d, told %zu, %s", cases[i].name, right->rec.found, told, error);
        tear_down(&made);
    }
    (void)state;
}

// What its units take beside the account that they show is not known either.
static void test_a_host_whose_secret_is_not_known_ends_nothing(void **state)
{
    static const char *const rules[][2] = {{EVIL "found", "web"}};
    struct lab *lab = *state;
    struct dv_err err;
    finds(lab, rules, 1);
    assert_int_equal(cms_finish_rekey(&lab->cms, "found", false, &err), -1);
    assert_non_null(strstr(err.text, "is not known here: add the host again"));
}

// Of a volume that nobody here knows the unit alone says who may use it, with whatever secret.
static void test_rights_that_nobody_asked_for(void **state)
{
    struct lab *lab = *state;
    struct dv_err err;
    uint64_t task;
    adds_host(lab, false);
    for (uint32_t v = 1; v <= 2; v++) { // with another secret, and with the host's own
        reads(lab, 1 + v, v, 1);
        struct access_rule *rule = &lab->link.reading->rules[v - 1];
        dv_copy(rule->initiator, sizeof(rule->initiator), WEB);
        dv_copy(rule->chap_user, sizeof(rule->chap_user), "web");
        rule->secret_mark = v == 1 ? 9 : 7;
        takes_all(lab);
        assert_true(right_of(lab, v)->rec.unasked);
        assert_int_equal(right_of(lab, v)->rec.found, v == 1);
        assert_int_equal(
            events_with(lab,
                        "unit1 has access rules for web, which nobody here asked for: if that is "
                        "right, say so (dvsan volume assign same"),
            v);
    }
    struct changes c = {0};
    assert_int_equal(store_all(lab->cms.store, &c, &err), 0);
    size_t kept = 0;
    for (size_t i = 0; i < c.count; i++) {
        const struct assignment_record *a = c.items[i].records;
        kept += c.items[i].kind == &kind_assignment && a->unasked;
    }
    assert_int_equal(kept, 2);
    changes_free(&c);
    // A person says so.
    lab->link.work = LINK_LOOKING; // what is asked for next has to wait
    assert_int_equal(cms_assign(&lab->cms, "same-2", "web", &task, &err), 0);
    test_ledger_run(&lab->cms);
    assert_false(right_of(lab, 2)->rec.unasked);
    assert_true(right_of(lab, 1)->rec.unasked);
    assert_int_equal(cms_assign(&lab->cms, "same-2", "web", &task, &err), -1);
    assert_int_equal(err.code, DV_EXISTS);
}

// What the unit showed of another unit's volume brings no hosts when that one is gone.
static void test_a_copy_of_what_was_deleted(void **state)
{
    struct lab *lab = *state;
    struct changes c = {0};
    const struct dv_uuid v = id('v', 1);
    adds_host(lab, false);
    had_it(lab, true);
    for (uint32_t generation = 2; generation < 4; generation++) {
        reads(lab, generation, 1, 2);
        struct access_rule *rules = lab->link.reading->rules;
        dv_copy(rules[0].initiator, sizeof(rules[0].initiator), WEB);
        if (generation == 2) {
            changes_shown(&c, &lab->link.reading->volumes[0], NULL, 0);
        } else {
            assert_false(left_out_is_wanted(&lab->link));
            changes_volume_gone(&c, &v);
        }
        apply(lab, &c);
        assert_int_equal(left_out_is_wanted(&lab->link), generation == 3);
        takes_all(lab);
    }
    const struct pool_volume *pv = pool_volume_by_uuid(lab->cms.pool, &v);
    assert_string_equal(pv->unit->rec.name, "unit1");
    assert_null(pv->assignments);
    assert_int_equal(HASH_COUNT(lab->cms.pool->hosts), 1);
    assert_int_equal(events_with(lab, "was found on unit1 and taken in without hosts"), 1);
}

static void test_two_hosts_of_one_user(void **state)
{
    static const char *const rules[][2] = {{EVIL "one", "web"}, {EVIL "two", "two"}};
    struct lab *lab = *state;
    adds_host(lab, false);
    finds(lab, rules, 2);
    assert_int_equal(events_with(lab, "under the CHAP user of host web, web; its CHAP secret"), 1);
    assert_int_equal(events_with(lab, "under the CHAP user"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_account_that_another_station_made),
        cmocka_unit_test(test_a_new_volume_with_another_account),
        TEST(test_a_host_whose_secret_is_not_known_ends_nothing),
        TEST(test_a_right_that_was_found_stays_so),
        cmocka_unit_test(test_a_volume_that_its_unit_has_no_longer),
        TEST(test_what_is_asked_later),
        TEST(test_rights_that_nobody_asked_for),
        TEST(test_a_copy_of_what_was_deleted),
        TEST(test_two_hosts_of_one_user),
        TEST(test_no_unit_takes_names_of_hosts),
        TEST(test_a_user_that_another_host_has_on_the_unit),
        TEST(test_a_persons_word_fills_no_list_of_events),
        TEST(test_it_fills_no_list_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
