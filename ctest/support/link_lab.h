// A link to a member with a fake facet, over a ledger without a disk and without a network.
// SPDX-License-Identifier: BSD-2-Clause
//
// The test says what the member shows, what its facet answers, and when time passes.
#ifndef DVSAN_CTEST_LINK_LAB_H
#define DVSAN_CTEST_LINK_LAB_H

#include "ctest/support/fake_facet.h"

#include "base/log.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/follow.h"
#include "cms/member/link.h"
#include "cms/member/link_run.h"
#include "cms/member/look.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "store/store.h"
#include <stdio.h>

#define HOME "udp:192.0.2.1:161" // where the unit is known
#define AWAY "udp:192.0.2.2:161"

// ---- The ledger, and time ----------------------------------------------------------------------

static struct lead_run *fake_runs;

const struct lead_run *__wrap_store_runs(const struct store *s, size_t *count);
const struct lead_run *__wrap_store_runs(const struct store *s, size_t *count)
{
    (void)s;
    *count = 1;
    return fake_runs;
}

static inline int fake_write(void *arg, const struct changes *c, enum ledger_weight weight,
                             struct dv_err *err)
{
    struct lab *lab = lab_of(arg);
    (void)weight;
    if (lab->store_fails)
        return dv_fail(err, DV_IO, "the store cannot be written");
    if (c->above > 0)
        lab->run.number = c->above + 1;
    return 0;
}

// All is done that is to be done at this time.
static inline void settle(struct lab *lab)
{
    for (unsigned n = 0;; n++) {
        assert_true(n < 100000);
        bool stands = lab->store_hangs && ledger_is_busy(lab->cms.ledger);
        if (!stands && ledger_step(lab->cms.ledger))
            continue;
        struct loop_timer *t = fake_timer_due(fake.now);
        if (!t)
            return;
        fake_timer_fire(t);
    }
}

static inline void pass(struct lab *lab, uint64_t ms)
{
    uint64_t until = fake.now + ms;
    struct loop_timer *t;
    settle(lab);
    while ((t = fake_timer_due(until)) != NULL) {
        fake_timer_fire(t);
        settle(lab);
    }
    fake.now = until;
}

// Changes are under way from now on, and are not written before the store is let go.
static inline void hang_store(struct lab *lab)
{
    struct changes c = {0};
    events_add(&lab->cms, &c, EVENT_INFO, "pool", "", "the store hangs");
    ledger_commit(lab->cms.ledger, &c, LEDGER_SEEN);
    lab->store_hangs = true;
}

static inline void slow_store(struct lab *lab)
{
    hang_store(lab);
    fake.now += LEDGER_SLOW_MS;
}

static inline void free_store(struct lab *lab)
{
    lab->store_hangs = false;
    settle(lab);
}

static inline size_t events_with(const struct lab *lab, const char *words)
{
    const struct event_record *e;
    size_t n = 0;
    for (size_t back = 0; (e = cms_event(&lab->cms, back)) != NULL; back++)
        n += strstr(e->text, words) != NULL;
    return n;
}

// ---- Answers -----------------------------------------------------------------------------------

static inline void answer(struct lab *lab, struct asked *a, const struct sn_result *result)
{
    assert_non_null(a);
    fake_end(a, result);
    settle(lab);
}

static inline void time_out(struct lab *lab, struct asked *a)
{
    answer(lab, a, &(struct sn_result){.code = DV_TIMEOUT, .text = "no answer"});
}

static inline void refuse_keys(struct lab *lab, struct asked *a)
{
    answer(lab, a, &(struct sn_result){.code = DV_DENIED, .text = "unknown user"});
}

static inline struct sn_value value_of(const struct lab *lab, const struct sn_oid *oid)
{
    const struct dv_uuid *holder = &lab->shows.word.station;
    const struct {
        struct sn_oid object;
        struct sn_value value;
    } objects[] = {
        {OID_dvsanMemberUuid, sn_octets(lab->shows.uuid.b, sizeof(lab->shows.uuid.b))},
        {OID_dvsanMemberKind, sn_int(MEMBER_UNIT)},
        {OID_dvsanMemberName, sn_text("unit1")},
        {OID_dvsanMemberEpoch, sn_uint(lab->shows.epoch)},
        {OID_dvsanMemberGeneration, sn_uint(lab->shows.generation)},
        {OID_dvsanMemberOperState, sn_int((int32_t)lab->shows.oper)},
        {OID_dvsanMemberLease, sn_uint(lab->shows.lease)},
        {OID_dvsanMemberSoftwareVersion, sn_text("1")},
        {OID_dvsanUnitChangesSince, sn_uint(lab->shows.changes_since)},
        {OID_dvsanMemberAddress, sn_text(lab->shows.address)},
        {OID_dvsanUnitLastError, sn_text("")},
        {OID_dvsanMemberHolder, sn_octets(holder->b, uuid_is_zero(holder) ? 0 : sizeof(holder->b))},
        {OID_dvsanMemberHolderName, sn_text("station")},
        {OID_dvsanMemberIntent, sn_uint(lab->shows.word.number)},
        {OID_dvsanMemberIntentMark, sn_uint(lab->shows.word.mark)},
        {OID_dvsanMemberHeldFor, sn_uint(lab->shows.lease)},
        {OID_dvsanMemberRefused, sn_text("")},
        {OID_dvsanMemberRefusals, {.type = SN_COUNTER32}},
        {OID_dvsanMemberSpinLock, sn_int(1)},
        {OID_dvsanUnitNotificationError, sn_text("")},
        {OID_dvsanMemberKeyNumber, sn_uint(0)},
        {OID_dvsanUnitVolumes, sn_uint(0)},
        {OID_dvsanUnitMedia, sn_uint(0)},
    };
    for (size_t i = 0; i < DV_COUNT(objects); i++) {
        struct sn_oid scalar = sn_scalar_oid(&objects[i].object);
        if (sn_oid_compare(&scalar, oid) == 0)
            return objects[i].value;
    }
    return (struct sn_value){.type = SN_NO_INSTANCE};
}

static inline bool is_lease(const struct asked *a)
{
    static const struct sn_oid lease = OID_dvsanMemberLease;
    struct sn_oid scalar = sn_scalar_oid(&lease);
    return a->kind == ASKED_SET && sn_oid_compare(&a->oids[a->count - 1], &scalar) == 0;
}

static inline struct asked *lease_asked(void)
{
    struct asked *a;
    DL_FOREACH(fake.asked, a)
    if (is_lease(a))
        return a;
    return NULL;
}

// As the unit does: its tables are empty, and it takes what is set.
static inline void answer_truly(struct lab *lab, struct asked *a)
{
    struct sn_var vars[READING_HEAD_MAX];
    struct sn_result result = {.code = DV_OK, .vars = vars, .text = ""};
    assert_non_null(a);
    if (is_lease(a)) {
        lab->shows.word = (struct lead_word){lab->cms.uuid, lab->run.number, lab->run.mark};
        lab->shows.lease = LEASE_S;
    }
    for (; a->kind == ASKED_GET && result.count < a->count; result.count++)
        vars[result.count] =
            (struct sn_var){a->oids[result.count], value_of(lab, &a->oids[result.count])};
    answer(lab, a, &result);
}

static inline bool asks_for(const struct asked *a, enum asked_kind kind,
                            const struct sn_oid *object)
{
    struct sn_oid scalar = sn_scalar_oid(object);
    return a->kind == kind && sn_oid_compare(&a->oids[0], &scalar) == 0;
}

// The first question of a look; NULL: none is open.
static inline struct asked *look_asked(const struct unit_link *link)
{
    static const struct sn_oid uuid = OID_dvsanMemberUuid;
    struct asked *a;
    DL_FOREACH(fake.asked, a)
    if (asks_for(a, ASKED_GET, &uuid) && (!link || a->arg == link))
        return a;
    return NULL;
}

// Time passes until the link looks at its unit. Returns how much.
static inline uint64_t until_look(struct lab *lab)
{
    uint64_t from = fake.now;
    settle(lab);
    while (!look_asked(lab->link)) {
        struct loop_timer *t = fake_timer_due(UINT64_MAX);
        assert_non_null(t);
        fake_timer_fire(t);
        settle(lab);
    }
    return fake.now - from;
}

// Answers all that is asked of the unit at this time.
static inline void answer_all(struct lab *lab)
{
    settle(lab);
    for (unsigned n = 0; fake.asked; n++) {
        assert_true(n < 1000);
        answer_truly(lab, fake.asked);
    }
}

// Asks the unit, unless it is asked just now, and leaves the question open.
static inline struct asked *looks(struct lab *lab)
{
    if (!look_asked(lab->link))
        link_look(lab->link);
    until_look(lab);
    return look_asked(lab->link);
}

static inline void looks_and_hears(struct lab *lab)
{
    looks(lab);
    answer_all(lab);
}

// A lease is under way from now on.
static inline void writes_lease(struct lab *lab)
{
    lab->shows.lease = 1;
    answer_truly(lab, looks(lab));
    assert_true(lab->link->lease_under_way);
}

// ---- Its life ----------------------------------------------------------------------------------

static inline void knows(struct lab *lab, const struct unit_record *rec)
{
    struct changes c = {0};
    assert_false(ledger_is_busy(lab->cms.ledger));
    changes_unit(&c, rec);
    follow_changes(&lab->cms, &c);
    changes_free(&c);
}

static inline struct pool_unit *unit_of(struct lab *lab)
{
    return link_unit(lab->link);
}

static inline struct unit_link *link_to(struct lab *lab, const struct dv_uuid *uuid,
                                        const char *sender)
{
    static const struct sn_engine_id engine = {.len = 5, .b = "12345"};
    struct dv_err err;
    struct unit_link *link =
        link_new(&lab->cms, MEMBER_UNIT, uuid, "unit1", HOME, &engine, sender, &err);
    if (!link)
        fail_msg("%s", err.text);
    return link;
}

static inline int set_up(void **state)
{
    struct lab *lab = dv_calloc(1, sizeof(*lab));
    const struct ledger_owner owner = {fake_write, follow_changes, &lab->cms};
    log_init("test", LOG_LEVEL_SILENT);
    fake.now = 1000000;
    fake.unusable = NULL;
    fake_runs = &lab->run;
    lab->run = (struct lead_run){.number = 3, .mark = 77};
    lab->config.poll_interval_ms = POLL_MS;
    lab->config.poll_timeout_ms = TIMEOUT_MS;
    lab->config.lease_s = LEASE_S;
    lab->config.snmp.accept_shared = true;
    lab->cms.config = &lab->config;
    lab->cms.provision.name = "provision";
    lab->cms.uuid = (struct dv_uuid){{'s'}};
    dv_copy(lab->cms.name, sizeof(lab->cms.name), "station");
    lab->cms.loop = loop_new();
    lab->cms.pool = pool_new();
    lab->cms.task_ways = task_ways;
    lab->cms.runs = &lab->run;
    lab->cms.run_count = 1;
    lab->cms.events = dv_calloc(EVENTS_KEPT, sizeof(*lab->cms.events));
    lab->cms.ledger = ledger_new(NULL, &owner);
    pthread_mutex_init(&lab->cms.tasks_lock, NULL);
    pthread_cond_init(&lab->cms.tasks_changed, NULL);
    lab->facets[MEMBER_UNIT] = &fake_facet;
    lab->cms.facets = lab->facets;
    lab->shows.uuid = id(1);
    dv_copy(lab->shows.address, sizeof(lab->shows.address), HOME);
    lab->shows.epoch = 1;
    lab->shows.generation = 5;
    lab->shows.changes_since = 1;
    lab->shows.oper = MEMBER_RUNNING;
    lab->shows.lease = LEASE_S;
    lab->shows.word = (struct lead_word){lab->cms.uuid, lab->run.number, lab->run.mark};
    *state = lab;
    return 0;
}

// The pool has the unit as it shows itself, this station leads it, and a look has just ended.
static inline int set_up_known(void **state)
{
    set_up(state);
    struct lab *lab = *state;
    const struct unit_record rec = {.uuid = id(1),
                                    .name = "unit1",
                                    .trust = TRUST_SHARED,
                                    .address = HOME,
                                    .epoch = 1,
                                    .generation = 5,
                                    .state = UNIT_UP};
    knows(lab, &rec);
    lab->link = link_to(lab, &rec.uuid, "");
    answer_all(lab);
    assert_true(lab->link->leads);
    assert_int_equal(lab->link->work, LINK_IDLE);
    memset(&lab->calls, 0, sizeof(lab->calls));
    return 0;
}

static inline int tear_down(void **state)
{
    struct lab *lab = *state;
    while (lab->cms.links)
        link_free(lab->cms.links);
    lab->store_hangs = false;
    settle(lab); // nothing finds a link any more
    fake_assert_clean();
    assert_int_equal(lab->cms.strangers, 0);
    ledger_free(lab->cms.ledger);
    pool_free(lab->cms.pool);
    loop_free(lab->cms.loop);
    free(lab->cms.events);
    pthread_cond_destroy(&lab->cms.tasks_changed);
    pthread_mutex_destroy(&lab->cms.tasks_lock);
    free(lab);
    return 0;
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_KNOWN(name) cmocka_unit_test_setup_teardown(name, set_up_known, tear_down)

#endif
