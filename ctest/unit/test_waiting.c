// Tests of what is told of a task that waits: for what, and the ways out.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/waiting.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum trouble {
    NONE,
    MEDIUM_BAD,
    MEDIUM_NOT_THERE,
    TGTD_HANGS,
    FILE_GONE,
    REFUSED,
    NOT_SHOWN,
    NOT_LED,
    NO_HOSTS // and a tgtd that hangs
};

struct line {
    enum task_kind kind;
    enum unit_state unit;
    enum volume_state volume;
    enum trouble trouble;
    bool can_cancel;
    const char *says; // "" when it goes on
};

#define CREATE   TASK_VOLUME_CREATE
#define DELETE   TASK_VOLUME_DELETE
#define RESIZE   TASK_VOLUME_RESIZE
#define RENAME   TASK_VOLUME_RENAME
#define UP       UNIT_UP
#define ONLINE   VOLUME_ONLINE
#define FAILED   VOLUME_FAILED
#define DELETING VOLUME_DELETING
#define FORGETS  "; or, if it will not come back, forget it (dvsan unit forget u)"
#define AWAY     ": start it, or start what hangs there again" FORGETS
#define STOPPED  ": start it" FORGETS
#define CANCEL   "; or cancel this (dvsan task cancel 7)"
#define FORGET   "; or forget the volume (dvsan volume delete v --forget)"
#define BAD      "medium m of u has failed (gone): bring it back"
#define NO_SUCH                                                                                    \
    "the volume's medium is not in the configuration of u: put it back there and start the unit "  \
    "again"
#define MEND ": mend that there (a tgtd that hangs is ended and started)"

static const struct line lines[] = {
    // Units that are away
    {CREATE, UNIT_DOWN, VOLUME_CREATING, NONE, true, "u does not answer" AWAY CANCEL},
    {DELETE, UNIT_DOWN, ONLINE, NONE, false, "u does not answer" AWAY},
    {DELETE, UNIT_STOPPED, ONLINE, NONE, false, "u is stopped" STOPPED},
    {TASK_UNASSIGN, UNIT_DOWN, ONLINE, MEDIUM_BAD, false, "u does not answer" AWAY},
    {RESIZE, UNIT_DOWN, ONLINE, NONE, true, "u does not answer" AWAY CANCEL},
    {RENAME, UNIT_STOPPED, ONLINE, NONE, true, "u is stopped" STOPPED CANCEL},
    {TASK_ASSIGN, UNIT_JOINING, ONLINE, NONE, true, "u is starting" CANCEL},
    {DELETE, UNIT_CONFLICT, ONLINE, NONE, false,
     "u is in conflict with another engine that uses its UUID: end one of the two"},
    // Media that are away
    {DELETE, UP, DELETING, MEDIUM_BAD, false, BAD FORGET},
    {DELETE, UP, DELETING, MEDIUM_NOT_THERE, false, NO_SUCH FORGET},
    {TASK_UNASSIGN, UP, FAILED, MEDIUM_BAD, false, BAD FORGET},
    {RESIZE, UP, FAILED, MEDIUM_BAD, false, BAD FORGET},
    {RESIZE, UP, FAILED, MEDIUM_NOT_THERE, true, NO_SUCH CANCEL},
    {TASK_ASSIGN, UP, FAILED, MEDIUM_BAD, true, BAD CANCEL},
    {RENAME, UP, FAILED, MEDIUM_BAD, true, ""},
    // A tgtd that hangs
    {CREATE, UP, FAILED, TGTD_HANGS, true,
     "u cannot serve the volume yet: the tgtd hangs" MEND CANCEL},
    {CREATE, UP, VOLUME_CREATING, TGTD_HANGS, true,
     "u cannot serve the volume yet: the tgtd hangs" MEND CANCEL},
    {DELETE, UNIT_DEGRADED, DELETING, TGTD_HANGS, false,
     "u cannot delete the volume yet: the tgtd hangs" MEND},
    {DELETE, UP, ONLINE, TGTD_HANGS, false,
     "u cannot end the hosts' access rules yet: the tgtd hangs" MEND},
    {DELETE, UP, FAILED, NO_HOSTS, false, "u cannot delete the volume yet: the tgtd hangs" MEND},
    {TASK_UNASSIGN, UP, FAILED, TGTD_HANGS, false,
     "u cannot end the access rule yet: the tgtd hangs" MEND},
    {TASK_ASSIGN, UP, FAILED, TGTD_HANGS, true,
     "u cannot put the access rule in force yet: the tgtd hangs" MEND CANCEL},
    {RESIZE, UP, FAILED, TGTD_HANGS, false, "u cannot serve the volume yet: the tgtd hangs" MEND},
    {RENAME, UP, FAILED, TGTD_HANGS, true, ""},
    // Other causes tell their own ways out
    {RESIZE, UP, FAILED, FILE_GONE, false, "u cannot serve the volume yet: f is gone: put it back"},
    {DELETE, UP, DELETING, FILE_GONE, false,
     "u cannot delete the volume yet: f is gone: put it back"},
    // Others
    {DELETE, UP, ONLINE, NOT_LED, false, "another station leads u"},
    {TASK_ASSIGN, UP, ONLINE, NOT_LED, true, "another station leads u" CANCEL},
    {CREATE, UNIT_DOWN, VOLUME_CREATING, NOT_LED, true, "u does not answer" AWAY CANCEL},
    {DELETE, UP, ONLINE, REFUSED, false, "u refuses: it will not"},
    {RESIZE, UP, ONLINE, NOT_SHOWN, true, "u does not show the volume" CANCEL},
    {CREATE, UP, ONLINE, NOT_SHOWN, true, ""},
    {TASK_ASSIGN, UP, VOLUME_CREATING, NONE, true, "the volume is being created" CANCEL},
    {CREATE, UP, VOLUME_CREATING, NONE, true, ""},
    {DELETE, UP, DELETING, NONE, false, ""},
    {RESIZE, UP, ONLINE, NONE, false, ""},
    {TASK_UNASSIGN, UP, ONLINE, NONE, false, ""},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(lines); i++) {
        const struct line *l = &lines[i];
        bool medium = l->trouble == MEDIUM_BAD || l->trouble == MEDIUM_NOT_THERE;
        bool hangs = l->trouble == TGTD_HANGS || l->trouble == NO_HOSTS;
        const char *error = medium || hangs           ? "the tgtd hangs"
                            : l->trouble == FILE_GONE ? "f is gone: put it back"
                                                      : "";
        struct waiting_case c = {
            .task = 7,
            .kind = l->kind,
            .can_cancel = l->can_cancel,
            .unit = "u",
            .unit_state = l->unit,
            .not_led = l->trouble == NOT_LED ? "another station leads u" : "",
            .volume = "v",
            .shown = l->trouble != NOT_SHOWN,
            .rules = l->trouble != NO_HOSTS,
            .volume_state = l->volume,
            .volume_error = error,
            .medium_away = medium,
            .medium = l->trouble == MEDIUM_NOT_THERE ? NULL : "m",
            .medium_error = "gone",
            .access_error = error,
            .refusal = l->trouble == REFUSED ? "it will not" : "",
        };
        char text[WAITING_ROOM];
        print_message("line %zu\n", i);
        assert_int_equal(waiting_text(&c, text), l->says[0] != '\0');
        assert_string_equal(text, l->says);
    }
}

static void test_taking_back(void **state)
{
    (void)state;
    static const struct {
        enum unit_state unit;
        const char *then;
    } table[] = {{UP, ""},
                 {UNIT_DEGRADED, ""},
                 {UNIT_JOINING, ": u is starting"},
                 {UNIT_DOWN, ": u does not answer" AWAY},
                 {UNIT_STOPPED, ": u is stopped" STOPPED}};
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct waiting_case c = {.task = 7,
                                 .kind = RESIZE,
                                 .taking_back = true,
                                 .unit = "u",
                                 .unit_state = table[i].unit,
                                 .volume = "v",
                                 .shown = true,
                                 .volume_state = ONLINE,
                                 .volume_error = "",
                                 .medium_error = "",
                                 .access_error = "",
                                 .refusal = ""};
        char text[WAITING_ROOM], says[WAITING_ROOM];
        snprintf(says, sizeof(says),
                 "it is taken back as soon as u has answered; its order was sent, and may still be "
                 "carried out%s",
                 table[i].then);
        waiting_text(&c, text);
        assert_string_equal(text, says);
    }
}

// What a unit was told and does not do, and says nothing about.
static void test_standing_still(void **state)
{
    (void)state;
#define STILL(done)                                                                                \
    "u has not " done " since 2026-11-30T10:00:00Z and does not say why: look at the log of its "  \
    "agent, and start dvsan-unit there again"
#define LEAVE "; or stop the unit and forget it (dvsan unit forget u)"
    static const struct {
        enum task_kind kind;
        bool can_cancel, at_it;
        const char *refusal;
        int64_t passed;
        const char *says;
    } table[] = {
        {TASK_ASSIGN, true, false, "", WAITING_STILL_MS - 1, ""},
        {TASK_ASSIGN, true, false, "", WAITING_STILL_MS, STILL("carried it out") CANCEL},
        {CREATE, true, false, "", WAITING_STILL_MS, STILL("carried it out") CANCEL},
        {RENAME, true, false, "", WAITING_STILL_MS, STILL("carried it out") CANCEL},
        {RESIZE, false, false, "", WAITING_STILL_MS, STILL("carried it out") LEAVE},
        {DELETE, false, false, "", WAITING_STILL_MS, STILL("carried it out") LEAVE},
        {TASK_UNASSIGN, false, false, "", WAITING_STILL_MS, STILL("carried it out") LEAVE},
        {DELETE, false, false, "it will not", WAITING_STILL_MS, "u refuses: it will not"},
        {DELETE, false, true, "", WAITING_STILL_MS, ""},
        {DELETE, false, true, "", WAITING_STILL_AT_IT_MS, STILL("gone on with it") LEAVE},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        int64_t moved = INT64_C(1796032800) * 1000; // 2026-11-30T10:00:00Z
        struct waiting_case c = {.task = 7,
                                 .kind = table[i].kind,
                                 .can_cancel = table[i].can_cancel,
                                 .unit = "u",
                                 .unit_state = UP,
                                 .volume = "v",
                                 .shown = true,
                                 .at_it = table[i].at_it,
                                 .volume_state = ONLINE,
                                 .volume_error = "",
                                 .medium_error = "",
                                 .access_error = "",
                                 .refusal = table[i].refusal,
                                 .now = moved + table[i].passed,
                                 .moved = moved};
        char text[WAITING_ROOM];
        bool known = waiting_text(&c, text);
        assert_string_equal(text, table[i].says);
        assert_int_equal(known, table[i].refusal[0] != '\0'); // by which the time is counted
        c.moved = 0;                                          // something was in the way until now
        waiting_text(&c, text);
        assert_string_equal(text, table[i].refusal[0] ? table[i].says : "");
    }
}

// Whatever the unit says, the text fits, and the way out is in it.
static void test_long_reasons(void **state)
{
    (void)state;
    char name[NAME_MAX_LEN + 1], reason[LAST_ERROR_ROOM], text[WAITING_ROOM];
    memset(name, 'n', sizeof(name) - 1);
    memset(reason, 'r', sizeof(reason) - 1);
    name[sizeof(name) - 1] = reason[sizeof(reason) - 1] = '\0';
    struct waiting_case c = {
        .task = UINT64_MAX,
        .kind = TASK_VOLUME_DELETE,
        .unit = name,
        .unit_state = UNIT_UP,
        .volume = name,
        .shown = true,
        .volume_state = VOLUME_DELETING,
        .volume_error = reason,
        .medium_away = true,
        .medium = name,
        .medium_error = reason,
        .access_error = reason,
        .refusal = reason,
    };
    waiting_text(&c, text);
    assert_non_null(strstr(text, "--forget)"));
    c.medium_away = false;
    c.volume_error = c.access_error = c.refusal = "";
    c.now = INT64_MAX;
    c.moved = 1;
    waiting_text(&c, text);
    assert_int_equal(text[strlen(text) - 1], ')');
    c.refusal = reason;
    c.kind = TASK_ASSIGN;
    c.can_cancel = true;
    waiting_text(&c, text);
    assert_non_null(strstr(text, "(dvsan task cancel 18446744073709551615)"));
    c.unit_state = UNIT_DOWN;
    waiting_text(&c, text);
    assert_non_null(strstr(text, "(dvsan task cancel 18446744073709551615)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_taking_back),
        cmocka_unit_test(test_standing_still),
        cmocka_unit_test(test_long_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
