// A facet that counts its calls and answers as a test says.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_FAKE_FACET_H
#define DVSAN_CTEST_FAKE_FACET_H

#include "ctest/support/fake_manager.h"

#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/facet.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "logic/health.h"

enum { POLL_MS = 1000, TIMEOUT_MS = 200, LEASE_S = 60 };

struct observation { // what is being written
    facet_taken_fn *done;
};

struct lab {
    struct cms cms;
    struct cms_config config;
    struct lead_run run;
    const struct facet *facets[MEMBER_HOST + 1];
    bool store_hangs, store_fails;
    struct unit_link *link; // to the unit, id(1)
    struct {                // what the unit says of itself
        struct dv_uuid uuid;
        char address[ADDRESS_MAX_LEN + 1];
        uint32_t epoch, generation, changes_since;
        enum member_state oper;
        uint32_t lease;
        struct lead_word word;
    } shows;
    struct { // what the facet answers
        bool wants_all, unsettled;
        unsigned orders;       // to be sent
        unsigned parts;        // of each reading; 0: one
        unsigned adopts_again; // so many times there is more
    } facet_says;
    struct {
        unsigned watch, read, begin, take_in, give_up, plan, step, forget;
    } calls;
    unsigned parts_taken; // of the present reading
};

static inline struct lab *lab_of(const struct cms *cms)
{
    return (struct lab *)((uintptr_t)cms - offsetof(struct lab, cms));
}

// Units' places in the interval differ.
static inline struct dv_uuid id(unsigned n)
{
    struct dv_uuid uuid = {{0}};
    uint32_t place = n * 37;
    memcpy(uuid.b, &place, sizeof(place));
    uuid.b[15] = 'u';
    return uuid;
}

static inline void fake_watch(struct unit_link *link)
{
    lab_of(link->cms)->calls.watch++;
}

static inline bool fake_wants_all(const struct unit_link *link)
{
    return lab_of(link->cms)->facet_says.wants_all;
}

static inline void fake_read(struct unit_link *link)
{
    lab_of(link->cms)->calls.read++;
}

static inline void fake_begin(struct unit_link *link)
{
    lab_of(link->cms)->calls.begin++;
    lab_of(link->cms)->parts_taken = 0;
}

static inline void fake_give_up(struct unit_link *link)
{
    lab_of(link->cms)->calls.give_up++;
    free(link->observation);
    link->observation = NULL;
}

static inline void part_written(void *owner, const void *arg, const struct dv_err *err)
{
    struct unit_link *link = link_concluding(owner, arg);
    if (!link || !link->observation)
        return;
    struct lab *lab = lab_of(owner);
    facet_taken_fn *done = link->observation->done;
    free(link->observation);
    link->observation = NULL;
    bool last = !err && ++lab->parts_taken >= lab->facet_says.parts;
    link->taken_in_part = !last;
    if (last)
        link->state_before = 0;
    done(link, !err, last);
}

static inline void fake_take_in(struct unit_link *link, facet_taken_fn *done)
{
    struct lab *lab = lab_of(link->cms);
    const struct reading *r = link->reading;
    const struct pool_unit *unit = link_unit(link);
    const struct conclusion this = {link->uuid, link->concluding};
    const struct health_look look = {.answered = true, .oper = r->oper};
    struct unit_record rec = {.uuid = link->uuid, .trust = TRUST_SHARED, .name = "new"};
    struct changes c = {0};
    unsigned misses = 0;
    lab->calls.take_in++;
    if (unit)
        rec = unit->rec;
    rec.state = health_next(rec.state, &look, &misses);
    rec.epoch = r->epoch;
    if (lab->parts_taken + 1 >= lab->facet_says.parts)
        rec.generation = r->generation;
    changes_unit(&c, &rec);
    link->observation = dv_calloc(1, sizeof(*link->observation));
    link->observation->done = done;
    ledger_commit_then(lab->cms.ledger, &c, LEDGER_SEEN, part_written, &this, sizeof(this));
}

static inline bool fake_adopt_again(struct unit_link *link)
{
    unsigned *more = &lab_of(link->cms)->facet_says.adopts_again;
    return *more > 0 && (*more)--;
}

static inline bool fake_adopt_nothing(struct unit_link *link)
{
    (void)link;
    return false;
}

static inline bool fake_adopt_is_well(const struct unit_link *link)
{
    (void)link;
    return false;
}

static inline bool fake_plan(struct unit_link *link)
{
    struct lab *lab = lab_of(link->cms);
    lab->calls.plan++;
    link->replan = false;
    link_forget_orders(link);
    link->queue.count = lab->facet_says.orders;
    link->queue.items = dv_calloc(link->queue.count + 1, sizeof(*link->queue.items));
    return lab->facet_says.unsettled;
}

static inline void order_answered(void *arg, const struct sn_result *result)
{
    struct unit_link *link = arg;
    if (result->code == DV_CANCELLED)
        return;
    link->work = LINK_IDLE;
    link_go_on(link);
}

static inline bool fake_step(struct unit_link *link)
{
    static const struct sn_oid object = OID_dvsanVolumeRowStatus;
    const struct sn_var var = sn_scalar(&object, sn_int(1));
    if (link->queue_next == link->queue.count) {
        link_forget_orders(link);
        return false;
    }
    lab_of(link->cms)->calls.step++;
    link->queue_next++;
    link->work = LINK_SETTING;
    sn_set(link->peer, &var, 1, (struct sn_timing){TIMEOUT_MS, 0}, order_answered, link);
    return true;
}

static inline void fake_forget(struct unit_link *link)
{
    lab_of(link->cms)->calls.forget++;
}

static const struct facet fake_facet = {
    .watch = fake_watch,
    .wants_all = fake_wants_all,
    .read = fake_read,
    .begin = fake_begin,
    .take_in = fake_take_in,
    .give_up = fake_give_up,
    .adopt_again = fake_adopt_again,
    .adopt_left = fake_adopt_nothing,
    .adopt_failed = fake_adopt_is_well,
    .plan = fake_plan,
    .step = fake_step,
    .forget = fake_forget,
};

#endif
