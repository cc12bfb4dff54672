// A ledger for tests, over a store or none: each step is taken when the test says so.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_TEST_LEDGER_H
#define DVSAN_CTEST_TEST_LEDGER_H

#include "base/mem.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/follow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline int test_ledger_write(void *arg, const struct changes *c, enum ledger_weight weight,
                                    struct dv_err *err)
{
    const struct cms *cms = arg;
    return store_apply(cms->store, c, weight == LEDGER_KEPT, err);
}

// The store was opened.
static inline void test_ledger_run_begins(struct cms *cms)
{
    struct dv_err err;
    free(cms->runs);
    assert_int_equal(store_begin_run(cms->store, &err), 0);
    const struct lead_run *runs = store_runs(cms->store, &cms->run_count);
    cms->runs = dv_calloc(cms->run_count, sizeof(*runs));
    memcpy(cms->runs, runs, cms->run_count * sizeof(*runs));
}

// For a station with a pool, a store and a run of it. What follows of changes follows.
static inline void test_ledger_open(struct cms *cms)
{
    const struct ledger_owner owner = {test_ledger_write, follow_changes, cms};
    test_ledger_run_begins(cms);
    cms->ledger = ledger_new(NULL, &owner);
    pthread_mutex_init(&cms->tasks_lock, NULL);
    pthread_cond_init(&cms->tasks_changed, NULL);
}

static inline void test_ledger_close(struct cms *cms)
{
    ledger_free(cms->ledger);
    free(cms->runs);
    pthread_cond_destroy(&cms->tasks_changed);
    pthread_mutex_destroy(&cms->tasks_lock);
}

// All that waits is done.
static inline void test_ledger_run(struct cms *cms)
{
    while (ledger_step(cms->ledger))
        ;
}

// As what somebody else commits: written and followed, without what waits for a turn.
static inline void test_ledger_apply(struct cms *cms, struct changes *c)
{
    struct dv_err err;
    assert_false(ledger_is_busy(cms->ledger));
    if (store_apply(cms->store, c, true, &err) < 0)
        fail_msg("%s", err.text);
    follow_changes(cms, c);
    changes_free(c);
}

#endif
