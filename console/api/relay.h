// The way of one request to civetweb, and of its answer back. On the loop; it never waits.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_RELAY_H
#define DVSAN_API_RELAY_H

#include "base/text.h"
#include <stdint.h>

struct loop;
struct relay;

enum relay_end {
    RELAY_ANSWERED, // all of the answer is in out
    RELAY_BROKEN,   // there is none, or a part of one
    RELAY_LATE      // it was not whole in time
};

// fd is a connection (or -1 for one that could not be made) and out where the answer goes; both are
// borrowed. got runs once, never from within relay_new, and may free the relay. request is taken
// over, and wiped in the end.
struct relay *relay_new(struct loop *loop, int fd, uint32_t ms, struct strbuf *request,
                        struct strbuf *out, void (*got)(void *arg, enum relay_end end), void *arg);
void relay_free(struct relay *r); // NULL is fine

#endif
