// Rows in the order of their keys, each of which stays where it is.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_STATE_ROWS_H
#define DVSAN_UNIT_STATE_ROWS_H

#include <stddef.h>
#include <stdint.h>

// Arrays of pointers, so that rows stay where they are while others come and go.
struct state_rows {
    void **at;
    size_t count, room;
};

// Rows of every kind are found by a key: the index, or volume and index of a rule.
typedef uint64_t key_fn(const void *row);

void *state_rows_find(const struct state_rows *rows, key_fn *key_of, uint64_t key);   // or NULL
void *state_rows_next(const struct state_rows *rows, key_fn *key_of, uint64_t after); // or NULL
// A new row of so many bytes, all zero; there is none of this key yet.
void *state_rows_add(struct state_rows *rows, key_fn *key_of, uint64_t key, size_t size);
void state_rows_remove(struct state_rows *rows, key_fn *key_of,
                       uint64_t key);          // it is there, and is freed
void state_rows_free(struct state_rows *rows); // with all rows; the struct itself is the caller's

#endif
