// Tests of what is told when a unit's portals are at other addresses than before.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/core/station.h"
#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/portals.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define UUID(kind, n)                                                                              \
    {                                                                                              \
        {                                                                                          \
            kind, n                                                                                \
        }                                                                                          \
    }
#define A                                                                                          \
    {                                                                                              \
        .index = 1, .group = 1, .address = "192.0.2.7", .port = 3260, .up = true                   \
    }
#define B                                                                                          \
    {                                                                                              \
        .index = 1, .group = 1, .address = "192.0.2.8", .port = 3260, .up = true                   \
    }
#define A2                                                                                         \
    {                                                                                              \
        .index = 1, .group = 2, .address = "192.0.2.7", .port = 3261, .up = true                   \
    }
#define C                                                                                          \
    {                                                                                              \
        .index = 2, .group = 1, .address = "2001:db8::7", .port = 3260, .up = true                 \
    }

static void put_right(struct changes *c, uint8_t volume, uint8_t host, bool wanted)
{
    struct assignment_record rec = {
        .volume = UUID('v', volume), .host = UUID('h', host), .index = host, .wanted = wanted};
    changes_assignment(c, &rec);
}

static void show(struct changes *c, const struct volume_record *rec)
{
    struct volume shown = {.uuid = rec->uuid, .index = rec->index, .group = 1};
    dv_copy(shown.name, sizeof(shown.name), rec->name);
    changes_shown(c, &shown, NULL, 0);
}

// A unit at A and C; web uses both of its volumes, db may use the first no more. web has a third
// one, which the unit has not shown yet.
static struct pool *make(void)
{
    static const struct portal portals[] = {A, C};
    struct pool *p = pool_new();
    struct changes c = {0};
    struct unit_record unit = {.uuid = UUID('u', 1), .name = "unit1", .state = UNIT_UP};
    struct host_record web = {.uuid = UUID('h', 1), .name = "web", .iqn = "iqn.2026-01.x:web"};
    struct host_record db = {.uuid = UUID('h', 2), .name = "db", .iqn = "iqn.2026-01.x:db"};
    struct volume_record one = {
        .uuid = UUID('v', 1), .unit = unit.uuid, .index = 1, .name = "one", .wanted = true};
    struct volume_record two = {
        .uuid = UUID('v', 2), .unit = unit.uuid, .index = 2, .name = "two", .wanted = true};
    struct volume_record three = {
        .uuid = UUID('v', 3), .unit = unit.uuid, .index = 3, .name = "three", .wanted = true};
    changes_unit(&c, &unit);
    changes_portals(&c, &unit.uuid, portals, DV_COUNT(portals));
    changes_host(&c, &web);
    changes_host(&c, &db);
    changes_volume(&c, &one);
    changes_volume(&c, &two);
    changes_volume(&c, &three);
    show(&c, &one);
    show(&c, &two);
    put_right(&c, 1, 1, true);
    put_right(&c, 1, 2, false);
    put_right(&c, 2, 1, true);
    put_right(&c, 3, 1, true);
    pool_apply(p, &c);
    changes_free(&c);
    return p;
}

struct moves_case {
    const char *name;
    struct portal now[3];
    size_t count;
    const char *told;   // the events, one a line
    uint32_t two_is_in; // the group of volume two that the reading shows; 0: it shows no volumes
};

static const struct moves_case cases[] = {
    {"nothing changed", {A, C}, 2, "", 0},
    {"another order", {C, A}, 2, "", 0},
    {"a link went down",
     {{.index = 1, .address = "192.0.2.7", .port = 3260, .group = 1, .up = false}, C},
     2,
     "",
     0},
    {"one has moved",
     {B, C},
     2,
     "unit unit1: serves at 192.0.2.8:3260, [2001:db8::7]:3260; before at 192.0.2.7:3260, "
     "[2001:db8::7]:3260\n"
     "host web: reaches its volume one at 192.0.2.8:3260, [2001:db8::7]:3260 now; before at "
     "192.0.2.7:3260, [2001:db8::7]:3260\n"
     "host web: reaches its volume two at 192.0.2.8:3260, [2001:db8::7]:3260 now; before at "
     "192.0.2.7:3260, [2001:db8::7]:3260\n",
     0},
    {"all are gone",
     {A},
     0,
     "unit unit1: serves at nowhere; before at 192.0.2.7:3260, [2001:db8::7]:3260\n"
     "host web: reaches its volume one at nowhere now; before at 192.0.2.7:3260, "
     "[2001:db8::7]:3260\n"
     "host web: reaches its volume two at nowhere now; before at 192.0.2.7:3260, "
     "[2001:db8::7]:3260\n",
     0},
    {"a second group, where no volume of a host is",
     {A, C, A2},
     3,
     "unit unit1: serves at 192.0.2.7:3260, [2001:db8::7]:3260, 192.0.2.7:3261; before at "
     "192.0.2.7:3260, [2001:db8::7]:3260\n",
     1},
    {"a second group, which has taken one over",
     {A, C, A2},
     3,
     "unit unit1: serves at 192.0.2.7:3260, [2001:db8::7]:3260, 192.0.2.7:3261; before at "
     "192.0.2.7:3260, [2001:db8::7]:3260\n"
     "host web: reaches its volume two at 192.0.2.7:3261 now; before at 192.0.2.7:3260, "
     "[2001:db8::7]:3260\n",
     2},
};

static void run_case(const struct moves_case *m)
{
    struct pool *p = make();
    struct cms cms = {.pool = p};
    struct changes c = {0};
    struct strbuf out = {0};
    strbuf_add(&out, "%s", "");
    struct portal now[DV_COUNT(m->now)];
    memcpy(now, m->now, sizeof(now));
    struct volume two = {.uuid = UUID('v', 2), .group = m->two_is_in};
    struct reading r = {.portals = now,
                        .portal_count = m->count,
                        .volumes = &two,
                        .volume_count = m->two_is_in > 0};
    moves_tell(&cms, &c, pool_find_unit(p, "unit1"), &r);
    for (size_t i = 0; i < c.count; i++) {
        const struct event_record *e = c.items[i].records;
        strbuf_add(&out, "%s: %s\n", e->subject, e->text);
    }
    if (strcmp(out.text, m->told) != 0)
        fail_msg("%s: told was:\n%s", m->name, out.text);
    strbuf_free(&out);
    changes_free(&c);
    pool_free(p);
}

static void all_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        run_case(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_cases)};
    return cmocka_run_group_tests_name("moves", tests, NULL, NULL);
}
