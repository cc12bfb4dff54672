// A leg of memory, for tests and measurements.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BLOCK_MEMORY_H
#define DVSAN_BLOCK_MEMORY_H

#include "block/leg.h"
#include "loop/loop.h"

// Of zeros; bytes: a multiple of block_size. It is ready at the next turn after leg_connect,
// answers each request at the next, and keeps its blocks while it is down. It trims, and zeroes
// fast.
struct leg *memory_leg_new(struct loop *loop, uint64_t bytes, uint32_t block_size);
void *memory_leg_blocks(struct leg *leg);                // all of them, the leg's
void memory_leg_resize(struct leg *leg, uint64_t bytes); // seen by LEG_SIZE and the next connection

#endif
