// All that a store holds, as one list, for tests.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_STORE_ALL_H
#define DVSAN_CTEST_STORE_ALL_H

#include "base/mem.h"
#include "store/store.h"

static inline void store_all_take(void *arg, struct changes *part)
{
    struct changes *all = arg;
    for (size_t i = 0; i < part->count; i++)
        *DV_APPEND(all->items, all->count) = part->items[i];
    part->count = 0;
}

static inline int store_all(struct store *s, struct changes *out, struct dv_err *err)
{
    return store_load(s, store_all_take, out, err);
}

#endif
