// Random bytes from the kernel's generator.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_RANDOM_H
#define DVSAN_BASE_RANDOM_H

#include <stddef.h>

void random_fill(void *out, size_t len); // good enough for keys; cannot fail

#endif
