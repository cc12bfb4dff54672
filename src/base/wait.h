// Waiting that ends.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_WAIT_H
#define DVSAN_BASE_WAIT_H

#include <stdbool.h>
#include <stdint.h>

// Milliseconds by the clock that nobody sets.
int64_t wait_now_ms(void);

// Until fd has one of the events of poll(2), or failed; false with errno at `until`, which is
// ETIMEDOUT, and when it cannot be waited for.
bool wait_for(int fd, short events, int64_t until);

#endif
