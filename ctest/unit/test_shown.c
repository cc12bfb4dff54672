// Tests of what people are shown of a unit that does not answer, and of what is told when it fails.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/unit/faults.h"
#include "cms/unit/left_out.h"
#include "cms/unit/unit_reason.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// A unit in this state with a medium, a portal that is up, and volumes in these states ('o' online,
// 'f' and 'g' failed for two reasons). A host has the first.
static struct pool *make(enum unit_state state, enum medium_state medium, const char *volumes)
{
    struct pool *p = pool_new();
    struct changes c = {0};
    struct unit_record unit = {.uuid = {{1}}, .name = "u", .state = state};
    struct host_record host = {.uuid = {{2}}, .name = "h", .iqn = "iqn.h"};
    struct medium m = {.index = 1, .name = "m", .state = medium, .last_error = "gone"};
    struct portal portal = {
        .index = 1, .group = 1, .address = "192.0.2.1", .port = 3260, .up = true};
    changes_unit(&c, &unit);
    changes_media(&c, &unit.uuid, &m, 1);
    changes_portals(&c, &unit.uuid, &portal, 1);
    changes_host(&c, &host);
    for (size_t i = 0; volumes[i]; i++) {
        struct volume_record rec = {.uuid = {{3, (uint8_t)i}},
                                    .unit = unit.uuid,
                                    .medium = 1,
                                    .index = (uint32_t)i + 1,
                                    .wanted = true,
                                    .seen = true};
        struct volume v = {
            .uuid = rec.uuid, .index = rec.index, .medium = 1, .state = VOLUME_ONLINE};
        struct access_rule rule = {
            .volume = rec.index, .index = 1, .initiator = "iqn.h", .state = ACCESS_ACTIVE};
        struct assignment_record right = {
            .volume = rec.uuid, .host = host.uuid, .index = 1, .wanted = true};
        snprintf(rec.name, sizeof(rec.name), "v%zu", i);
        if (volumes[i] != 'o') {
            v.state = VOLUME_FAILED;
            dv_copy(v.last_error, sizeof(v.last_error), volumes[i] == 'f' ? "tgtd ended" : "odd");
        }
        changes_volume(&c, &rec);
        if (i == 0)
            changes_assignment(&c, &right);
        changes_shown(&c, &v, &rule, i == 0);
    }
    pool_apply(p, &c);
    changes_free(&c);
    return p;
}

static void test_what_is_known(void **state)
{
    (void)state;
    static const struct {
        enum unit_state unit;
        bool agent_away, keyless;
        bool current;
        const char *note; // a part of it
        const char *volume, *access, *medium;
    } cases[] = {
        {UNIT_UP, false, false, true, "", "online", "active", "online"},
        {UNIT_DEGRADED, false, false, true, "", "online", "active", "online"},
        {UNIT_CONFLICT, false, false, true, "", "online", "active", "online"},
        {UNIT_DOWN, false, false, false, "u does not answer: whether it serves is not known",
         "unreachable", "unknown", "unknown"},
        {UNIT_DOWN, true, false, false, "its tgtd goes on serving while it runs", "unreachable",
         "unknown", "unknown"},
        {UNIT_DOWN, false, true, false, "dvsan unit add u --again, and on the unit", "unreachable",
         "unknown", "unknown"},
        {UNIT_STOPPED, false, false, false, "the agent of u was stopped", "unreachable", "unknown",
         "unknown"},
        {UNIT_JOINING, false, false, false, "u has not told yet", "unreachable", "unknown",
         "unknown"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        char note[POOL_NOTE_ROOM];
        struct pool *p = make(cases[i].unit, MEDIUM_ONLINE, "o");
        struct pool_unit *u = pool_find_unit(p, "u");
        const struct pool_volume *v = pool_find_volume(p, "v0");
        u->agent_away = cases[i].agent_away;
        u->keyless = cases[i].keyless;
        pool_unit_note(u, note, sizeof(note));
        print_message("case %zu: %s\n", i, note);
        assert_int_equal(pool_is_current(u), cases[i].current);
        assert_int_equal(note[0] == '\0', cases[i].current);
        assert_non_null(strstr(note, cases[i].note));
        assert_string_equal(pool_volume_state(v), cases[i].volume);
        assert_string_equal(pool_volume_last_state(v), "online");
        assert_string_equal(pool_assignment_state(v->assignments), cases[i].access);
        assert_string_equal(pool_medium_state(u, &u->media[0]), cases[i].medium);
        pool_free(p);
    }
}

static void test_who_is_left_out(void **state)
{
    (void)state;
    static const struct {
        enum lead_standing standing;
        enum unit_state state;
        const char *note;
    } table[] = {
        {LEAD_OURS, UNIT_DOWN, ""},
        {LEAD_FREE, UNIT_DOWN, ""},
        {LEAD_HELD, UNIT_DOWN, ""},
        {0, UNIT_DOWN, ""},
        {LEAD_NEWER, UNIT_UP, ""},
        {LEAD_FOREIGN, UNIT_DEGRADED, ""},
        {LEAD_NEWER, UNIT_DOWN,
         "u does not answer: start it and say what counts, or forget it (dvsan unit forget u)"},
        {LEAD_FOREIGN, UNIT_STOPPED,
         "u does not answer: start it and say what counts, or forget it (dvsan unit forget u)"},
        {LEAD_NEWER, UNIT_JOINING, "u is starting: say what counts when it has started"},
        {LEAD_NEWER, UNIT_CONFLICT,
         "u is in conflict with another engine that uses its UUID: end one of the two"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct pool *p = make(table[i].state, MEDIUM_ONLINE, "");
        char note[POOL_LEAD_NOTE_ROOM];
        p->units->standing = table[i].standing;
        pool_lead_note(p->units, note);
        print_message("line %zu\n", i);
        assert_string_equal(note, table[i].note);
        pool_free(p);
    }
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        enum unit_state unit;
        enum medium_state medium;
        bool portal_up;
        const char *trouble, *volumes, *reason;
    } cases[] = {
        {UNIT_UP, MEDIUM_ONLINE, true, "", "f", ""},
        {UNIT_DEGRADED, MEDIUM_ONLINE, true, "", "fof",
         "2 of its volumes cannot be served: tgtd ended"},
        {UNIT_DEGRADED, MEDIUM_ONLINE, true, "", "fgf",
         "2 of its volumes cannot be served: tgtd ended; "
         "1 more cannot be, for other reasons (dvsan volume list)"},
        {UNIT_DEGRADED, MEDIUM_ONLINE, true, "", "og", "volume v1 cannot be served: odd"},
        {UNIT_DEGRADED, MEDIUM_FAILED, true, "", "ff", "its medium m has failed: gone"},
        {UNIT_DEGRADED, MEDIUM_ONLINE, false, "", "o", "its portal 192.0.2.1:3260 is not up"},
        {UNIT_DEGRADED, MEDIUM_ONLINE, true, "disk full", "o", "disk full"},
        {UNIT_DEGRADED, MEDIUM_FAILED, false, "disk full", "o",
         "disk full; its medium m has failed: gone; its portal "
         "192.0.2.1:3260 is not up"},
        {UNIT_DEGRADED, MEDIUM_ONLINE, true, "", "o",
         "its tgtd does not run or does not answer, or a portal has no address"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        char reason[POOL_NOTE_ROOM];
        struct pool *p = make(cases[i].unit, cases[i].medium, cases[i].volumes);
        struct pool_unit *u = pool_find_unit(p, "u");
        dv_copy(u->rec.last_error, sizeof(u->rec.last_error), cases[i].trouble);
        u->portals[0].up = cases[i].portal_up;
        unit_reason(u, reason, sizeof(reason));
        assert_string_equal(reason, cases[i].reason);
        pool_free(p);
    }
}

// A second copy of another unit's volume, say, whose file was removed again.
static void test_what_is_not_used_is_a_reason(void **state)
{
    (void)state;
    for (int failed = 0; failed < 2; failed++) {
        struct pool *p = make(UNIT_DEGRADED, failed ? MEDIUM_FAILED : MEDIUM_ONLINE, "o");
        struct pool_unit *u = pool_find_unit(p, "u");
        struct unit_link link = {0};
        struct left_out well = {.uuid = {{8}}, .medium = 1};
        struct left_out sick = {
            .uuid = {{9}}, .medium = 1, .state = VOLUME_FAILED, .fault = dv_strdup("volume x ...")};
        char reason[POOL_NOTE_ROOM];
        HASH_ADD(hh, link.left_out, uuid, sizeof(well.uuid), (&well));
        HASH_ADD(hh, link.left_out, uuid, sizeof(sick.uuid), (&sick));
        u->link = &link;
        unit_reason(u, reason, sizeof(reason));
        assert_string_equal(reason, failed ? "its medium m has failed: gone" : "volume x ...");
        HASH_CLEAR(hh, link.left_out);
        free(sick.fault);
        u->link = NULL;
        pool_free(p);
    }
}

// Before its first look at them a unit takes its media for well.
static void test_a_start_says_nothing_of_media(void **state)
{
    (void)state;
    struct cms cms = {0};
    struct changes c = {0};
    struct faults f = {0};
    struct pool *p = make(UNIT_DEGRADED, MEDIUM_FAILED, "o");
    const struct pool_unit *u = pool_find_unit(p, "u");
    struct medium now[] = {{.index = 1, .name = "m", .state = MEDIUM_ONLINE},
                           {.index = 2, .name = "new", .state = MEDIUM_ONLINE}};
    faults_keep_media(NULL, now, 2);
    assert_int_equal(now[0].state, MEDIUM_ONLINE);
    faults_keep_media(u, now, 2);
    faults_tell_media(&cms, &c, "u", u, now, 2, &f);
    assert_int_equal(c.count, 0);
    assert_int_equal(now[0].state, MEDIUM_FAILED);
    assert_string_equal(now[0].last_error, "gone");
    assert_int_equal(now[1].state, MEDIUM_ONLINE);
    changes_free(&c);
    pool_free(p);
}

static void test_one_cause_is_told_once(void **state)
{
    (void)state;
    static const struct {
        enum unit_state unit; // as it was
        const char *was, *is;
        bool starting;
        const char *told; // subject and text, one event a line
    } cases[] = {
        {UNIT_UP, "ooo", "ooo", false, ""},
        {UNIT_UP, "ooo", "ofo", false, "volume v1 has failed on u: tgtd ended\n"},
        {UNIT_UP, "ooo", "fff", false, "unit u 3 of its volumes have failed: tgtd ended\n"},
        {UNIT_UP, "oooo", "ffgo", false,
         "unit u 2 of its volumes have failed: tgtd ended\nvolume v2 has failed on u: odd\n"},
        {UNIT_DEGRADED, "fff", "fff", false, ""},
        {UNIT_DEGRADED, "fff", "ooo", false, "unit u 3 of its volumes are served again\n"},
        {UNIT_DEGRADED, "off", "oof", false, "volume v1 is served again by u\n"},
        {UNIT_UP, "ooo", "fff", true, ""},       // a start is no failure
        {UNIT_JOINING, "fff", "ooo", false, ""}, // and its end no healing
        {UNIT_JOINING, "ffo", "ofo", false, "volume v1 has failed on u: tgtd ended\n"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct cms cms = {0};
        struct changes c = {0};
        struct faults f = {0};
        struct strbuf told = {0};
        struct pool *p = make(cases[i].unit, MEDIUM_ONLINE, cases[i].was);
        struct pool *now = make(cases[i].unit, MEDIUM_ONLINE, cases[i].is);
        const struct pool_unit *u = pool_find_unit(p, "u");
        for (size_t k = 0; cases[i].is[k]; k++) {
            char name[NAME_MAX_LEN + 1];
            snprintf(name, sizeof(name), "v%zu", k);
            faults_note_volume(&f, pool_find_volume(p, name), &pool_find_volume(now, name)->actual,
                               u->media, u->media_count, cases[i].unit, cases[i].starting);
        }
        faults_tell_volumes(&cms, &c, "u", &f);
        strbuf_add(&told, "%s", "");
        for (size_t k = 0; k < c.count; k++) {
            const struct event_record *e = c.items[k].records;
            strbuf_add(&told, "%s %s\n", e->subject, e->text);
        }
        print_message("case %zu\n", i);
        assert_string_equal(told.text, cases[i].told);
        strbuf_free(&told);
        changes_free(&c);
        pool_free(now);
        pool_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known),
        cmocka_unit_test(test_who_is_left_out),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_what_is_not_used_is_a_reason),
        cmocka_unit_test(test_a_start_says_nothing_of_media),
        cmocka_unit_test(test_one_cause_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
