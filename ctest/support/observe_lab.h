// A unit that shows what a test says, the pool, and a store, for tests of what becomes of readings.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_OBSERVE_LAB_H
#define DVSAN_CTEST_OBSERVE_LAB_H

#include "cms/cms.h"
#include "cms/core/seal.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/unit/left_out.h"
#include "cms/unit/observe.h"
#include "cms/unit/unit_facet.h"
#include "ctest/support/test_ledger.h"

#include "base/mem.h"
#include "store/store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// What one turn of the loop may store at most, in volumes, hosts, or volumes that are gone.
#define A_TURN 300

struct lab {
    char dir[64], path[96];
    struct cms cms;
    struct cms_config config;
    struct unit_link link;
    struct pool_unit *unit;
    bool taken; // the last part
};

static inline struct dv_uuid id(uint8_t kind, unsigned n)
{
    return (struct dv_uuid){{kind, (uint8_t)(n >> 8), (uint8_t)n}};
}

static inline void apply(struct lab *lab, struct changes *c)
{
    test_ledger_apply(&lab->cms, c);
}

static inline void nothing(void *arg)
{
    (void)arg;
}

static inline int set_up(void **state)
{
    struct lab *lab = dv_calloc(1, sizeof(*lab));
    struct unit_record rec = {.uuid = id('u', 1),
                              .name = "unit1",
                              .trust = TRUST_SHARED,
                              .state = UNIT_UP,
                              .epoch = 1,
                              .generation = 1};
    struct changes c = {0};
    struct dv_err err;
    char key[96];
    dv_copy(lab->dir, sizeof(lab->dir), "/tmp/test_observe.XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    snprintf(lab->path, sizeof(lab->path), "%s/pool.db", lab->dir);
    lab->cms.config = &lab->config;
    lab->cms.loop = loop_new();
    lab->cms.pool = pool_new();
    lab->cms.task_ways = task_ways;
    lab->cms.store = store_open(lab->path, &err);
    assert_non_null(lab->cms.store);
    snprintf(key, sizeof(key), "%s/key", lab->dir);
    lab->cms.seal = seal_new(key, lab->cms.store, &err);
    assert_non_null(lab->cms.seal);
    test_ledger_open(&lab->cms);
    changes_unit(&c, &rec);
    apply(lab, &c);
    lab->link = (struct unit_link){.cms = &lab->cms,
                                   .facet = &unit_facet,
                                   .uuid = rec.uuid,
                                   .address = "udp:127.0.0.1:16161",
                                   .engine = {.len = 5, .b = "12345"},
                                   .concluding = 1,
                                   .timer = loop_timer_new(lab->cms.loop, nothing, NULL),
                                   .looked_at = UINT64_MAX / 2, // no look is due
                                   .poll_at = UINT64_MAX,
                                   .accepted = true};
    lab->unit = link_unit(&lab->link);
    lab->unit->link = &lab->link;
    HASH_ADD(hh, lab->cms.links, uuid, sizeof(lab->link.uuid), &lab->link);
    *state = lab;
    return 0;
}

static inline int tear_down(void **state)
{
    struct lab *lab = *state;
    static const char *const tails[] = {"", "-wal", "-shm"};
    char path[128];
    names_free(&lab->link.names);
    reading_free(lab->link.reading);
    left_out_forget(&lab->link);
    observe_forget(&lab->link);
    link_forget_orders(&lab->link);
    HASH_DEL(lab->cms.links, &lab->link);
    loop_timer_free(lab->link.timer);
    test_ledger_close(&lab->cms);
    seal_free(lab->cms.seal);
    store_free(lab->cms.store);
    pool_free(lab->cms.pool);
    loop_free(lab->cms.loop);
    for (size_t i = 0; i < DV_COUNT(tails); i++) {
        snprintf(path, sizeof(path), "%s%s", lab->path, tails[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/key", lab->dir);
    unlink(path);
    rmdir(lab->dir);
    free(lab);
    return 0;
}

// A whole reading of that many volumes, each with so many rules of initiators of its own.
static inline void reads(struct lab *lab, uint32_t generation, unsigned volumes, unsigned rules)
{
    reading_free(lab->link.reading);
    struct reading *r = lab->link.reading = dv_calloc(1, sizeof(*r));
    *r = (struct reading){.uuid = id('u', 1),
                          .name = "unit1",
                          .epoch = 1,
                          .generation = generation,
                          .oper = MEMBER_RUNNING,
                          .tables = true,
                          .whole = true};
    for (unsigned v = 1; v <= volumes; v++) {
        struct volume *shown = DV_APPEND(r->volumes, r->volume_count);
        *shown = (struct volume){.uuid = id('v', v),
                                 .index = v,
                                 .medium = 1,
                                 .blocks = 2048,
                                 .lun = 1,
                                 .group = 1,
                                 .progress = 100,
                                 .admin_online = true,
                                 .state = VOLUME_ONLINE};
        dv_copy(shown->name, sizeof(shown->name), "same");
        char uuid[UUID_TEXT_LEN];
        snprintf(shown->iqn, sizeof(shown->iqn), "iqn.2026-01.x:%s",
                 uuid_format(&shown->uuid, uuid));
        for (unsigned i = 1; i <= rules; i++) {
            struct access_rule *rule = DV_APPEND(r->rules, r->rule_count);
            *rule = (struct access_rule){.volume = v, .index = i, .state = ACCESS_ACTIVE};
            snprintf(rule->initiator, sizeof(rule->initiator), "iqn.2026-01.x:h%u-%u", v, i);
            dv_copy(rule->chap_user, sizeof(rule->chap_user), "user");
        }
    }
    observe_begin(&lab->link);
}

static inline size_t shown_volumes(const struct lab *lab)
{
    return HASH_CNT(hh_index, lab->unit->shown);
}

static inline size_t difference(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

static inline void part_is_taken(struct unit_link *link, bool taken, bool last)
{
    (void)last;
    assert_true(taken);
    ((struct lab *)((char *)link - offsetof(struct lab, link)))->taken = true;
}

// Takes the next part in, and asserts that it is no more than a turn has time for.
static inline void takes_part(struct lab *lab)
{
    size_t volumes = shown_volumes(lab), hosts = HASH_COUNT(lab->cms.pool->hosts);
    lab->taken = false;
    observe_part(&lab->link, part_is_taken);
    test_ledger_run(&lab->cms);
    assert_true(lab->taken);
    assert_in_range(difference(shown_volumes(lab), volumes), 0, A_TURN);
    assert_in_range(HASH_COUNT(lab->cms.pool->hosts) - hosts, 0, A_TURN);
}

// Takes parts in, at most so many and not the last one, and asserts that nothing is concluded yet.
// Returns how many there were.
static inline unsigned takes_parts(struct lab *lab, unsigned most)
{
    uint32_t generation = lab->unit->rec.generation;
    unsigned n = 0;
    for (; n < most && !observe_is_at_last(&lab->link); n++) {
        takes_part(lab);
        assert_int_equal(lab->unit->rec.generation, generation);
    }
    return n;
}

static inline void takes_all(struct lab *lab)
{
    (void)takes_parts(lab, UINT32_MAX);
    takes_part(lab);
    assert_int_equal(lab->unit->rec.generation, lab->link.reading->generation);
}

static inline size_t events_with(struct lab *lab, const char *words)
{
    struct event_record *list = NULL;
    size_t count, n = 0;
    struct dv_err err;
    assert_int_equal(store_events(lab->cms.store, 0, 10000, &list, &count, &err), 0);
    for (size_t i = 0; i < count; i++)
        n += strstr(list[i].text, words) != NULL;
    free(list);
    return n;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
