// Tests of what is done about an announcement: one row for each way that things can go.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/join.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HERE  "udp:192.0.2.1:161"
#define THERE "udp:192.0.2.9:161"

struct join_case {
    const char *name;
    // What is known; state 0: nothing.
    enum unit_state known;
    uint32_t known_epoch, known_generation;
    bool lease, reading;
    uint32_t reading_epoch, reading_generation;
    // What comes.
    enum heard_kind kind;
    enum member_state state;
    char engine; // the last byte of the engine ID; known ones have 'a'
    uint32_t epoch, generation;
    const char *address;
    enum join_action action;
};

#define COLD  HEARD_COLD_START
#define UP    HEARD_LINK_UP
#define LDOWN HEARD_LINK_DOWN
#define AGAIN HEARD_REPEAT
#define NEWS  HEARD_NEWS
#define RUN   MEMBER_RUNNING
#define BYE   MEMBER_SHUTTING_DOWN

static const struct join_case cases[] = {
    {"a new unit", 0, 0, 0, false, false, 0, 0, COLD, RUN, 'a', 1, 1, HERE, JOIN_QUERY},
    {"a new unit, whose coldStart was lost", 0, 0, 0, false, false, 0, 0, AGAIN, RUN, 'a', 1, 1,
     HERE, JOIN_QUERY},
    {"a new unit that still starts", 0, 0, 0, false, false, 0, 0, COLD, MEMBER_STARTING, 'a', 1, 1,
     HERE, JOIN_QUERY},
    {"an unknown unit says good-bye", 0, 0, 0, false, false, 0, 0, LDOWN, BYE, 'a', 1, 1, HERE,
     JOIN_IGNORE},
    {"a duplicate while it is being asked", 0, 0, 0, false, true, 1, 1, COLD, RUN, 'a', 1, 1, HERE,
     JOIN_IGNORE},
    {"it changed while it was being asked", 0, 0, 0, false, true, 1, 1, UP, RUN, 'a', 1, 2, HERE,
     JOIN_QUERY},
    {"it started again while it was being asked", 0, 0, 0, false, true, 1, 5, COLD, RUN, 'a', 2, 5,
     HERE, JOIN_QUERY},

    {"a duplicate", UNIT_UP, 3, 7, true, false, 0, 0, COLD, RUN, 'a', 3, 7, HERE, JOIN_IGNORE},
    {"an older state of the same run", UNIT_UP, 3, 7, true, false, 0, 0, COLD, RUN, 'a', 3, 5, HERE,
     JOIN_IGNORE},
    {"an older run, overtaken by a newer", UNIT_UP, 3, 7, true, false, 0, 0, COLD, RUN, 'a', 2, 9,
     HERE, JOIN_IGNORE},
    {"an older run from its old address", UNIT_UP, 3, 7, true, false, 0, 0, AGAIN, RUN, 'a', 2, 9,
     THERE, JOIN_IGNORE},
    {"it started again", UNIT_UP, 3, 7, true, false, 0, 0, COLD, RUN, 'a', 4, 7, HERE, JOIN_QUERY},
    {"its tables changed", UNIT_UP, 3, 7, true, false, 0, 0, UP, RUN, 'a', 3, 8, HERE, JOIN_QUERY},
    {"a link of it went down", UNIT_UP, 3, 7, true, false, 0, 0, LDOWN, RUN, 'a', 3, 8, HERE,
     JOIN_QUERY},
    {"a volume of it failed", UNIT_UP, 3, 7, true, false, 0, 0, NEWS, RUN, 'a', 3, 8, HERE,
     JOIN_QUERY},
    {"a volume of it failed, as a poll has shown", UNIT_UP, 3, 7, true, false, 0, 0, NEWS, RUN, 'a',
     3, 7, HERE, JOIN_IGNORE},
    {"a new address", UNIT_UP, 3, 7, true, false, 0, 0, UP, RUN, 'a', 3, 7, THERE, JOIN_QUERY},
    {"a new address while it is being asked", UNIT_UP, 3, 7, true, true, 3, 7, UP, RUN, 'a', 3, 7,
     THERE, JOIN_QUERY},
    {"its lease was lost on the way", UNIT_UP, 3, 7, true, false, 0, 0, AGAIN, RUN, 'a', 3, 7, HERE,
     JOIN_QUERY},
    {"the station let its lease run out", UNIT_UP, 3, 7, false, false, 0, 0, COLD, RUN, 'a', 3, 7,
     HERE, JOIN_QUERY},

    {"it was away", UNIT_DOWN, 3, 7, false, false, 0, 0, COLD, RUN, 'a', 4, 7, HERE, JOIN_QUERY},
    {"its network was away", UNIT_DOWN, 3, 7, false, false, 0, 0, UP, RUN, 'a', 3, 7, HERE,
     JOIN_QUERY},
    {"restored from an old backup", UNIT_DOWN, 3, 7, false, false, 0, 0, COLD, RUN, 'a', 1, 1, HERE,
     JOIN_QUERY},
    {"it was stopped and started", UNIT_STOPPED, 3, 7, false, false, 0, 0, COLD, RUN, 'a', 4, 7,
     HERE, JOIN_QUERY},

    {"it is being stopped", UNIT_UP, 3, 7, true, false, 0, 0, LDOWN, BYE, 'a', 3, 7, HERE,
     JOIN_LEAVE},
    {"it is being stopped while it is asked", UNIT_UP, 3, 7, true, true, 3, 7, LDOWN, BYE, 'a', 3,
     7, HERE, JOIN_LEAVE},
    {"a good-bye that came twice", UNIT_STOPPED, 3, 7, true, false, 0, 0, LDOWN, BYE, 'a', 3, 7,
     HERE, JOIN_IGNORE},
    {"a good-bye from before its latest start", UNIT_UP, 3, 7, true, false, 0, 0, LDOWN, BYE, 'a',
     2, 7, HERE, JOIN_IGNORE},
    {"a good-bye of a run that was never heard of", UNIT_DOWN, 3, 7, false, false, 0, 0, LDOWN, BYE,
     'a', 5, 7, HERE, JOIN_LEAVE},

    {"a clone", UNIT_UP, 3, 7, true, false, 0, 0, COLD, RUN, 'b', 1, 1, THERE, JOIN_SUSPECT},
    {"a clone at the same address", UNIT_UP, 3, 7, true, false, 0, 0, COLD, RUN, 'b', 4, 1, HERE,
     JOIN_SUSPECT},
    {"a clone while the unit is down", UNIT_DOWN, 3, 7, false, false, 0, 0, COLD, RUN, 'b', 4, 1,
     HERE, JOIN_SUSPECT},
    {"a clone's good-bye", UNIT_UP, 3, 7, true, false, 0, 0, LDOWN, BYE, 'b', 9, 1, THERE,
     JOIN_SUSPECT},
    {"the known engine while in conflict", UNIT_CONFLICT, 3, 7, true, false, 0, 0, COLD, RUN, 'a',
     4, 7, HERE, JOIN_QUERY},
};

static void run_case(const struct join_case *c)
{
    struct unit_record unit = {
        .state = c->known,
        .epoch = c->known_epoch,
        .generation = c->known_generation,
        .engine_id = "1234a",
        .engine_id_len = 5,
        .address = HERE,
    };
    struct join_known known = {
        .unit = c->known ? &unit : NULL,
        .lease_held = c->lease,
        .reading = c->reading,
        .reading_epoch = c->reading_epoch,
        .reading_generation = c->reading_generation,
    };
    struct heard a = {
        .kind = c->kind,
        .member = MEMBER_UNIT,
        .engine_id = "1234",
        .engine_id_len = 5,
        .epoch = c->epoch,
        .generation = c->generation,
        .state = c->state,
    };
    a.engine_id[4] = (uint8_t)c->engine;
    dv_copy(a.address, sizeof(a.address), c->address);
    const char *why = NULL;
    enum join_action got = join_decide(&known, &a, &why);
    if (got != c->action)
        fail_msg("%s: got %d (%s), want %d", c->name, got, why, c->action);
    assert_non_null(why);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        run_case(&cases[i]);
}

static void test_hosts_are_refused(void **state)
{
    (void)state;
    struct heard a = {.kind = HEARD_COLD_START, .member = MEMBER_HOST, .state = MEMBER_RUNNING};
    struct join_known known = {0};
    const char *why;
    assert_int_equal(join_decide(&known, &a, &why), JOIN_REFUSE);
    a.kind = HEARD_LINK_DOWN;
    a.state = MEMBER_SHUTTING_DOWN;
    assert_int_equal(join_decide(&known, &a, &why), JOIN_IGNORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_hosts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
