// Tests of what is found in the pool without a walk: under random changes it is what a walk finds.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/pool/pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include <cmocka.h>

#define UNITS   4
#define VOLUMES 24
#define TASKS   32
#define PLACES  5 // addresses, and portals at them
#define MEDIA   2
#define CHANGES 4000

static unsigned pick(unsigned below)
{
    return (unsigned)random() % below;
}

static struct dv_uuid id(uint8_t kind, unsigned n)
{
    return (struct dv_uuid){{kind, 0, (uint8_t)n}};
}

static void apply(struct pool *p, struct changes *c)
{
    pool_apply(p, c);
    changes_free(c);
}

// ---- Changes -----------------------------------------------------------------------------------

static void put_unit(struct pool *p, unsigned n)
{
    struct changes c = {0};
    struct unit_record rec = {.uuid = id('u', n), .last_seen = pick(3)};
    snprintf(rec.name, sizeof(rec.name), "unit%u", n);
    snprintf(rec.address, sizeof(rec.address), pick(4) ? "udp:192.0.2.%u:161" : "udp:host%u:161",
             1 + pick(PLACES));
    rec.trust = pick(4) ? TRUST_ENROLLED : TRUST_REVOKED;
    changes_unit(&c, &rec);
    apply(p, &c);
}

static void put_portals(struct pool *p, unsigned n)
{
    struct changes c = {0};
    struct dv_uuid unit = id('u', n);
    struct portal portals[3] = {{.index = 1}, {.index = 2}, {.index = 3}};
    unsigned first = pick(PLACES);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(portals[i].address, sizeof(portals[i].address), "192.0.2.%u",
                 1 + (first + i) % PLACES);
        portals[i].port = 3260;
    }
    changes_portals(&c, &unit, portals, pick(4));
    apply(p, &c);
}

static void put_volume(struct pool *p, unsigned n)
{
    struct changes c = {0};
    struct volume_record rec = {.uuid = id('v', n),
                                .unit = id('u', pick(UNITS)),
                                .medium = 1 + pick(MEDIA),
                                .blocks = 1 + pick(100),
                                .index = n + 1,
                                .wanted = pick(4),
                                .seen = pick(2)};
    snprintf(rec.name, sizeof(rec.name), "volume%u", n);
    changes_volume(&c, &rec);
    apply(p, &c);
}

static void show(struct pool *p, unsigned n)
{
    struct changes c = {0};
    struct volume v = {.uuid = id('v', n), .index = n + 1, .medium = 1, .blocks = 1 + pick(100)};
    if (pick(3))
        changes_shown(&c, &v, NULL, 0);
    else
        changes_hidden(&c, &v.uuid);
    apply(p, &c);
}

static void put_task(struct pool *p, unsigned n)
{
    struct changes c = {0};
    const struct pool_task *t = pool_find_task(p, n + 1);
    struct task_record rec = {.id = n + 1, .kind = TASK_VOLUME_CREATE, .finished = pick(100)};
    rec.state = pick(2) ? TASK_RUNNING : TASK_DONE;
    rec.volume = id('v', pick(VOLUMES));
    if (pick(4) == 0)
        rec.unit = id('u', pick(UNITS));
    if (t) { // it stays about what it was
        rec.volume = t->rec.volume;
        rec.unit = t->rec.unit;
        rec.finished = t->rec.finished;
    }
    changes_task(&c, &rec);
    apply(p, &c);
}

static void drop(struct pool *p, unsigned kind)
{
    struct changes c = {0};
    const struct dv_uuid volume = id('v', pick(VOLUMES)), unit = id('u', pick(UNITS));
    const struct pool_unit *u = pool_unit_by_uuid(p, &unit);
    if (kind == 0 && pool_volume_by_uuid(p, &volume))
        changes_volume_gone(&c, &volume);
    if (kind == 1)
        changes_task_gone(&c, 1 + pick(TASKS));
    for (const struct pool_volume *v = kind == 2 && u ? u->volumes : NULL; v; v = v->unit_next)
        changes_volume_gone(&c, &v->rec.uuid);
    if (kind == 2 && u)
        changes_unit_gone(&c, &unit);
    apply(p, &c);
}

static void change(struct pool *p)
{
    unsigned kind = pick(6), unit = pick(UNITS), volume = pick(VOLUMES);
    const struct dv_uuid u = id('u', unit), v = id('v', volume);
    if (!pool_unit_by_uuid(p, &u) || kind == 0)
        put_unit(p, unit);
    else if (kind == 1)
        put_portals(p, unit);
    else if (kind == 2 && HASH_COUNT(p->units) == UNITS)
        put_volume(p, volume);
    else if (kind == 3 && pool_volume_by_uuid(p, &v))
        show(p, volume);
    else if (kind == 4)
        put_task(p, pick(TASKS));
    else if (kind == 5)
        drop(p, pick(12));
}

// ---- What a walk finds -------------------------------------------------------------------------

static bool grows(const struct pool_volume *v)
{
    return v->rec.wanted && v->rec.seen && v->actual.index && v->rec.blocks > v->actual.blocks;
}

static void check_room(const struct pool_unit *u)
{
    uint64_t promised[MEDIA + 1] = {0};
    size_t growing = 0, listed = 0;
    const struct pool_volume *v;
    DL_FOREACH2(u->volumes, v, unit_next)
    {
        promised[v->rec.medium] += v->rec.wanted && !v->rec.seen ? v->rec.blocks : 0;
        growing += grows(v);
    }
    DL_FOREACH2(u->growing, v, grow_next)
    {
        assert_true(grows(v) && v->unit == u);
        listed++;
    }
    assert_int_equal(listed, growing);
    for (uint32_t m = 1; m <= MEDIA; m++)
        assert_int_equal(pool_promised(u, m), promised[m]);
}

static const struct pool_unit *unit_of(struct pool *p, const struct task_record *t)
{
    const struct pool_volume *v = pool_volume_by_uuid(p, task_about(t));
    return v ? v->unit : pool_unit_by_uuid(p, task_about(t));
}

static void check_open_tasks(struct pool *p, const struct pool_unit *u,
                             const struct pool_tasks_of *home)
{
    size_t open = 0, listed = 0;
    const struct pool_tasks_of *of;
    const struct pool_task *t;
    for (t = p->tasks; t; t = t->hh.next)
        open += !task_is_over(&t->rec) && unit_of(p, &t->rec) == u;
    DL_FOREACH2(home, of, home_next)
    DL_FOREACH2(of->tasks, t, of_next)
    {
        assert_true(!task_is_over(&t->rec) && unit_of(p, &t->rec) == u);
        listed++;
    }
    assert_int_equal(listed, open);
}

static void check_ended_tasks(const struct pool *p)
{
    size_t over = 0, listed = 0;
    const struct pool_task *t;
    for (t = p->tasks; t; t = t->hh.next)
        over += task_is_over(&t->rec);
    DL_FOREACH2(p->over, t, over_next)
    {
        assert_true(task_is_over(&t->rec));
        assert_true(t == p->over || t->over_prev->rec.finished <= t->rec.finished);
        listed++;
    }
    assert_int_equal(listed, over);
    assert_int_equal(p->over_count, over);
}

static bool is_at(const struct pool_unit *u, const char *place)
{
    char name[PORTAL_TEXT_ROOM];
    bool answers = u->rec.last_seen && u->rec.trust != TRUST_REVOKED;
    if (answers && pool_place_of(u->rec.address, name) && strcmp(name, place) == 0)
        return true;
    for (size_t i = 0; i < u->portal_count; i++)
        if (strcmp(portal_format(&u->portals[i], name), place) == 0)
            return true;
    return false;
}

static void check_place(const struct pool *p, const char *place)
{
    size_t there = 0, listed = 0;
    const struct pool_placed *at;
    for (const struct pool_unit *u = p->units; u; u = u->hh.next)
        there += is_at(u, place);
    DL_FOREACH(pool_placed_at(p, place), at)
    {
        assert_true(is_at(at->unit, place));
        listed++;
    }
    assert_int_equal(listed, there);
}

static void check(struct pool *p)
{
    char place[32];
    for (const struct pool_unit *u = p->units; u; u = u->hh.next) {
        check_room(u);
        check_open_tasks(p, u, u->tasks);
    }
    check_open_tasks(p, NULL, p->lone_tasks);
    check_ended_tasks(p);
    for (unsigned i = 1; i <= PLACES; i++) {
        snprintf(place, sizeof(place), "192.0.2.%u", i);
        check_place(p, place);
        snprintf(place, sizeof(place), "192.0.2.%u:3260", i);
        check_place(p, place);
    }
}

static void test_indexes_agree_with_walks(void **state)
{
    (void)state;
    const char *given = getenv("DVSAN_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    struct pool *p = pool_new();
    print_message("seed %u (repeat with DVSAN_SEED=%u)\n", seed, seed);
    srandom(seed);
    for (unsigned i = 0; i < CHANGES; i++) {
        change(p);
        check(p);
    }
    pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_indexes_agree_with_walks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
