// Tests of whose a portal is that more than one unit shows.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/observe_lab.h"

#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/portals.h"
#include "logic/portals.h"

static void test_whose(void **state)
{
    static const struct {
        const char *name;
        struct portal_facts facts; // managed_here, had, managed_there, had_there
        bool own;
    } cases[] = {
        {"new, of nobody", {false, false, false, false}, true},
        {"its own", {false, true, false, false}, true},
        {"where it is managed", {true, false, false, false}, true},
        {"another unit's", {false, false, false, true}, false},
        {"where another unit is managed", {false, false, true, false}, false},
        {"where another unit is managed, and had first", {false, true, true, true}, false},
        {"of both, from before", {false, true, false, true}, true},
        {"where it is managed, and another unit had first", {true, false, false, true}, true},
        {"where both are managed", {true, false, true, true}, true},
    };
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        if (portal_is_own(&cases[i].facts) != cases[i].own)
            fail_msg("%s", cases[i].name);
}

static struct portal at(const char *address, uint16_t port)
{
    struct portal p = {.index = 1, .group = 1, .port = port, .up = true};
    dv_copy(p.address, sizeof(p.address), address);
    return p;
}

// Another unit of the pool, which answered at its address, with a portal.
static struct pool_unit *other(struct lab *lab, const char *management, struct portal p)
{
    struct unit_record rec = {.uuid = id('u', 2),
                              .trust = TRUST_ENROLLED,
                              .name = "unit2",
                              .state = UNIT_DOWN,
                              .last_seen = 5};
    struct changes c = {0};
    dv_copy(rec.address, sizeof(rec.address), management);
    changes_unit(&c, &rec);
    changes_portals(&c, &rec.uuid, &p, 1);
    apply(lab, &c);
    return pool_unit_by_uuid(lab->cms.pool, &rec.uuid);
}

static void shows(struct lab *lab, const struct portal *list, size_t count)
{
    reads(lab, lab->unit->rec.generation + 1, 1, 0);
    struct reading *r = lab->link.reading;
    r->has_portals = true;
    for (size_t i = 0; i < count; i++) {
        *DV_APPEND(r->portals, r->portal_count) = list[i];
        r->portals[i].index = (uint32_t)i + 1;
    }
    takes_all(lab);
}

static void test_a_portal_of_another_unit(void **state)
{
    struct lab *lab = *state;
    const struct portal mine = at("192.0.2.1", 3260), theirs = at("192.0.2.2", 3260);
    const struct portal both[] = {theirs, mine};
    struct pool_unit *u = other(lab, "udp:storage.example:161", theirs);
    for (unsigned i = 0; i < 3; i++) { // told once
        shows(lab, both, 2);
        assert_int_equal(lab->unit->portal_count, 1);
        assert_string_equal(lab->unit->portals[0].address, "192.0.2.1");
        assert_int_equal(events_with(lab, "shows the portal 192.0.2.2:3260, which is of unit2"), 1);
        assert_false(portals_are_wanted(&lab->link));
    }
    assert_int_equal(u->portal_count, 1);
    // That one gives it up, and it is taken.
    struct changes c = {0};
    changes_portals(&c, &u->rec.uuid, &mine, 0);
    apply(lab, &c);
    assert_true(portals_are_wanted(&lab->link));
    shows(lab, both, 2);
    assert_int_equal(lab->unit->portal_count, 2);
    assert_false(portals_are_wanted(&lab->link));
}

static void test_where_another_unit_is_managed(void **state)
{
    struct lab *lab = *state;
    const struct portal list[] = {at("192.0.2.9", 3300), at("192.0.2.1", 3260)};
    struct pool_unit *u = other(lab, "udp6:[2001:db8::1]:161", at("192.0.2.3", 3260));
    shows(lab, list, 2);
    assert_int_equal(lab->unit->portal_count, 2);
    // One that is enrolled, and was not heard of at its address, has no say; one that answers has.
    struct unit_record rec = u->rec;
    dv_copy(rec.address, sizeof(rec.address), "udp:192.0.2.9:161");
    for (int64_t seen = 0; seen < 2; seen++) {
        struct changes c = {0};
        rec.last_seen = seen;
        changes_unit(&c, &rec);
        apply(lab, &c);
        shows(lab, list, 2);
        assert_int_equal(lab->unit->portal_count, seen ? 1 : 2);
    }
    assert_int_equal(events_with(lab, "shows the portal 192.0.2.9:3300, which is of unit2"), 1);
    // What a unit shows that is revoked counts for nothing.
    struct changes c = {0};
    rec.trust = TRUST_REVOKED;
    changes_unit(&c, &rec);
    apply(lab, &c);
    assert_true(portals_are_wanted(&lab->link));
}

// Who was there first by its word alone gives way to who answers there.
static void test_who_answers_there_takes_it(void **state)
{
    struct lab *lab = *state;
    const struct portal home = at("127.0.0.1", 3260), kept = at("127.0.0.1", 3261);
    struct pool_unit *u = other(lab, "udp:192.0.2.2:161", home);
    struct changes c = {0};
    struct portal two[] = {home, at("192.0.2.2", 3260)};
    two[1].index = 2;
    changes_portals(&c, &u->rec.uuid, two, 2);
    apply(lab, &c);
    shows(lab, &kept, 1);
    assert_int_equal(u->portal_count, 2);
    shows(lab, &home, 1);
    assert_int_equal(lab->unit->portal_count, 1);
    assert_int_equal(u->portal_count, 1);
    assert_string_equal(u->portals[0].address, "192.0.2.2");
    assert_int_equal(events_with(lab, "shows the portal 127.0.0.1:3260, which is of unit1"), 1);
}

// Of very many few are remembered, and the number is told.
static void test_very_many(void **state)
{
    enum { COUNT = 100 };
    struct lab *lab = *state;
    struct portal list[COUNT];
    struct pool_unit *u = other(lab, "udp:192.0.2.2:161", at("192.0.2.3", 3260));
    struct changes c = {0};
    for (uint16_t i = 0; i < COUNT; i++) {
        list[i] = at("192.0.2.3", (uint16_t)(3260 + i));
        list[i].index = i + 1u;
    }
    changes_portals(&c, &u->rec.uuid, list, COUNT);
    apply(lab, &c);
    shows(lab, list, COUNT);
    assert_int_equal(lab->unit->portal_count, 0);
    assert_int_equal(events_with(lab, "which is of unit2, and 99 more that are others'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose),
        TEST(test_a_portal_of_another_unit),
        TEST(test_where_another_unit_is_managed),
        TEST(test_who_answers_there_takes_it),
        TEST(test_very_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
