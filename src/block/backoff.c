// Exponential back-off with jitter.
// SPDX-License-Identifier: BSD-2-Clause
#include "block/backoff.h"

uint32_t backoff_ms(unsigned attempt, uint32_t base_ms, uint32_t cap_ms, uint32_t random)
{
    if (attempt == 0)
        return 0;
    uint64_t full = base_ms;
    for (unsigned i = 1; i < attempt && full < cap_ms; i++)
        full *= 2;
    if (full > cap_ms)
        full = cap_ms;
    uint64_t half = full / 2;
    return (uint32_t)(full - half + random % (half + 1));
}
