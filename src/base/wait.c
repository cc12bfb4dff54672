// Waiting that ends.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/wait.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int64_t wait_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool wait_for(int fd, short events, int64_t until)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do {
        int64_t left = until - wait_now_ms();
        n = poll(&p, 1, left > 0 ? (int)left : 0);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    return n > 0;
}
