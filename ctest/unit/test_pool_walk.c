// Tests of walks of the pool that others come between.
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

#include <cmocka.h>

#define THINGS 40
#define WALKS  500

enum { UNIT, HOST, VOLUME, RIGHT, KINDS };

struct thing {
    bool there, stayed; // since the walk's first call
    bool met;
};

struct lab {
    struct pool *pool;
    struct thing things[KINDS][THINGS]; // a right is the first host's to the volume of its number
};

static unsigned pick(unsigned below)
{
    return (unsigned)random() % below;
}

static struct dv_uuid id(uint8_t kind, unsigned n)
{
    return (struct dv_uuid){{kind + 1, 0, (uint8_t)n}};
}

static void put(struct lab *lab, uint8_t kind, unsigned n)
{
    struct changes c = {0};
    const struct dv_uuid uuid = id(kind, n);
    struct unit_record unit = {.uuid = uuid};
    struct host_record host = {.uuid = uuid};
    struct volume_record volume = {.uuid = uuid, .unit = id(UNIT, 0), .medium = 1};
    struct assignment_record right = {.volume = id(VOLUME, n), .host = id(HOST, 0)};
    snprintf(unit.name, sizeof(unit.name), "unit%u", n);
    snprintf(host.name, sizeof(host.name), "host%u", n);
    snprintf(host.iqn, sizeof(host.iqn), "iqn.2026-01.x:%u", n);
    snprintf(volume.name, sizeof(volume.name), "volume%u-%u", n, pick(10)); // it may be renamed
    if (kind == UNIT)
        changes_unit(&c, &unit);
    if (kind == HOST)
        changes_host(&c, &host);
    if (kind == VOLUME)
        changes_volume(&c, &volume);
    if (kind == RIGHT && lab->things[VOLUME][n].there)
        changes_assignment(&c, &right);
    lab->things[kind][n].there |= c.count > 0;
    pool_apply(lab->pool, &c);
    changes_free(&c);
}

static void drop(struct lab *lab, uint8_t kind, unsigned n)
{
    struct changes c = {0};
    const struct dv_uuid uuid = id(kind, n), volume = id(VOLUME, n), host = id(HOST, 0);
    if (n == 0 || !lab->things[kind][n].there) // what others belong to stays
        return;
    if (kind == UNIT)
        changes_unit_gone(&c, &uuid);
    if (kind == HOST)
        changes_host_gone(&c, &uuid);
    if (kind == VOLUME)
        changes_volume_gone(&c, &uuid);
    if (kind == RIGHT)
        changes_assignment_gone(&c, &volume, &host);
    lab->things[kind][n].there = lab->things[kind][n].stayed = false;
    if (kind == VOLUME)
        lab->things[RIGHT][n].there = lab->things[RIGHT][n].stayed = false;
    pool_apply(lab->pool, &c);
    changes_free(&c);
}

static void change(struct lab *lab)
{
    uint8_t kind = (uint8_t)pick(KINDS);
    if (pick(2))
        put(lab, kind, pick(THINGS));
    else
        drop(lab, kind, pick(THINGS));
}

// The number of the next one; -1: that was all.
static int next(struct lab *lab, uint8_t kind, struct pool_walk *w)
{
    const struct dv_uuid first = id(HOST, 0);
    const struct pool_host *owner = pool_host_by_uuid(lab->pool, &first);
    const struct pool_unit *u = kind == UNIT ? pool_next_unit(lab->pool, w) : NULL;
    const struct pool_host *h = kind == HOST ? pool_next_host(lab->pool, w) : NULL;
    const struct pool_volume *v = kind == VOLUME ? pool_next_volume(lab->pool, w) : NULL;
    const struct pool_assignment *a =
        kind == RIGHT ? pool_next_right_of(lab->pool, w, owner) : NULL;
    return u   ? u->rec.uuid.b[2]
           : h ? h->rec.uuid.b[2]
           : v ? v->rec.uuid.b[2]
           : a ? a->rec.volume.b[2]
               : -1;
}

static void walk(struct lab *lab, uint8_t kind)
{
    struct pool_walk w = {0};
    unsigned steps = 0;
    for (unsigned i = 0; i < THINGS; i++) {
        struct thing *t = &lab->things[kind][i];
        t->stayed = t->there;
        t->met = false;
    }
    for (int n; (n = next(lab, kind, &w)) >= 0; steps++) {
        struct thing *t = &lab->things[kind][n];
        assert_true(t->stayed); // neither came behind the first call, nor has gone
        assert_false(t->met);
        t->met = true;
        for (unsigned k = pick(4); k > 0; k--)
            change(lab);
    }
    assert_in_range(steps, 0, THINGS);
    assert_int_equal(next(lab, kind, &w), -1);
    for (unsigned i = 0; i < THINGS; i++)
        assert_true(lab->things[kind][i].met || !lab->things[kind][i].stayed);
}

static void test_what_stays_is_met_once(void **state)
{
    (void)state;
    const char *given = getenv("DVSAN_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    struct lab lab = {.pool = pool_new()};
    print_message("seed %u (repeat with DVSAN_SEED=%u)\n", seed, seed);
    srandom(seed);
    for (uint8_t kind = 0; kind < KINDS; kind++)
        put(&lab, kind, 0);
    for (unsigned i = 0; i < WALKS; i++) {
        for (unsigned k = 0; k < THINGS; k++)
            change(&lab);
        for (uint8_t kind = 0; kind < KINDS; kind++)
            walk(&lab, kind);
    }
    pool_free(lab.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_stays_is_met_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
