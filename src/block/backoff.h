// Exponential back-off with jitter.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BLOCK_BACKOFF_H
#define DVSAN_BLOCK_BACKOFF_H

#include <stdint.h>

// The pause before attempt number `attempt` (0: at once; 1: about base_ms; each further one
// doubles, up to cap_ms). random spreads it evenly over the upper half of the interval, so that
// hosts that lost one unit together do not return together.
uint32_t backoff_ms(unsigned attempt, uint32_t base_ms, uint32_t cap_ms, uint32_t random);

#endif
