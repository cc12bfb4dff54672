// Rows in the order of their keys, each of which stays where it is.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/state_rows.h"
#include "base/mem.h"
#include "base/search.h"
#include <assert.h>
#include <string.h>

// The position of the first row whose key is not below key.
static size_t rows_lower(const struct state_rows *rows, key_fn *key_of, uint64_t key)
{
    size_t i;
    DV_SEARCH(i, rows->count, key_of(rows->at[i]) < key);
    return i;
}

void *state_rows_find(const struct state_rows *rows, key_fn *key_of, uint64_t key)
{
    size_t i = rows_lower(rows, key_of, key);
    return i < rows->count && key_of(rows->at[i]) == key ? rows->at[i] : NULL;
}

void *state_rows_next(const struct state_rows *rows, key_fn *key_of, uint64_t after)
{
    size_t i;
    DV_SEARCH(i, rows->count, key_of(rows->at[i]) <= after);
    return i < rows->count ? rows->at[i] : NULL;
}

void *state_rows_add(struct state_rows *rows, key_fn *key_of, uint64_t key, size_t size)
{
    size_t i = rows_lower(rows, key_of, key);
    assert(i == rows->count || key_of(rows->at[i]) != key);
    if (rows->count == rows->room) {
        rows->room = rows->room ? 2 * rows->room : 16;
        rows->at = dv_realloc(rows->at, rows->room, sizeof(*rows->at));
    }
    memmove(rows->at + i + 1, rows->at + i, (rows->count - i) * sizeof(*rows->at));
    rows->count++;
    return rows->at[i] = dv_calloc(1, size);
}

void state_rows_remove(struct state_rows *rows, key_fn *key_of, uint64_t key)
{
    size_t i = rows_lower(rows, key_of, key);
    assert(i < rows->count && key_of(rows->at[i]) == key);
    free(rows->at[i]);
    rows->count--;
    memmove(rows->at + i, rows->at + i + 1, (rows->count - i) * sizeof(*rows->at));
}

void state_rows_free(struct state_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->at[i]);
    free(rows->at);
}
