// A store in a folder of its own, for tests.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_STORE_LAB_H
#define DVSAN_CTEST_STORE_LAB_H

#include "base/mem.h"
#include "store/store_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    char path[96];
    struct store *store;
};

static inline int set_up(void **state)
{
    struct fixture *f = dv_calloc(1, sizeof(*f));
    dv_copy(f->dir, sizeof(f->dir), "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/pool.db", f->dir);
    struct dv_err err;
    f->store = store_open(f->path, &err);
    assert_non_null(f->store);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    char path[128];
    store_free(f->store);
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < DV_COUNT(tails); i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, tails[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static inline void reopen(struct fixture *f)
{
    struct dv_err err;
    store_free(f->store);
    f->store = store_open(f->path, &err);
    if (!f->store)
        fail_msg("%s", err.text);
}

static inline void apply(struct fixture *f, struct changes *c)
{
    struct dv_err err = {0};
    if (store_apply(f->store, c, true, &err) < 0)
        fail_msg("%s", err.text);
    changes_free(c);
}

static inline void refuse(struct fixture *f, struct changes *c, enum dv_code code)
{
    struct dv_err err = {0};
    assert_int_equal(store_apply(f->store, c, true, &err), -1);
    assert_int_equal(err.code, code);
    changes_free(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
