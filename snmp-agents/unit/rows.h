// Rows in the order of their keys, each of which stays where it is.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_ROWS_H
#define DVSAN_UNIT_ROWS_H

#include <stddef.h>
#include <stdint.h>

// Arrays of pointers, so that rows stay where they are while others come and go.
struct rows {
    void **at;
    size_t count, room;
};

// Rows of every kind are found by a key: the index, or volume and index of a rule.
typedef uint64_t key_fn(const void *row);

void *rows_find(const struct rows *rows, key_fn *key_of, uint64_t key);   // or NULL
void *rows_next(const struct rows *rows, key_fn *key_of, uint64_t after); // or NULL
// A new row of so many bytes, all zero; there is none of this key yet.
void *rows_add(struct rows *rows, key_fn *key_of, uint64_t key, size_t size);
void rows_remove(struct rows *rows, key_fn *key_of, uint64_t key); // it is there, and is freed
void rows_free(struct rows *rows); // with all rows; the struct itself is the caller's

#endif
