// Allocation that cannot fail, and clean-up bound to a scope.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_MEM_H
#define DVSAN_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

// These end the program with a message when memory runs out: the programs keep their truth on
// disk and are restarted, so limping on without memory helps nobody. The data path does not use
// them per request.
void *dv_calloc(size_t count, size_t size);
void *dv_realloc(void *old, size_t count, size_t size); // checks count * size for overflow
char *dv_strdup(const char *text);                      // NULL gives NULL
char *dv_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void dv_cleanup_free(void *pointer_to_pointer);
void dv_cleanup_close(int *fd); // closes when *fd >= 0
#define DV_FREE  __attribute__((cleanup(dv_cleanup_free)))
#define DV_CLOSE __attribute__((cleanup(dv_cleanup_close)))

#define DV_COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Appends one zeroed element to a growing array (NULL and 0 at first) and returns its address; n
// is its count. Doubles, so n appends cost O(n). Elements may also be taken off the end by
// lowering n. The array is freed with free() and grown by nothing else.
#define DV_APPEND(array, n) ((array) = dv_grow((array), (n), sizeof(*(array))), &(array)[(n)++])
void *dv_grow(void *array, size_t count, size_t size);

#endif
