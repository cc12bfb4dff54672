// The way of one request to civetweb, and of its answer back. On the loop; it never waits.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_RELAY_H
#define DVSAN_API_RELAY_H

#include "base/text.h"
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct relay;

// got: all of the answer is in out, or (false) there is none. It runs once, never from within
// relay_new, and may free the relay. request is taken over, and wiped in the end; out is borrowed.
struct relay *relay_new(struct loop *loop, uint16_t port, struct strbuf *request,
                        struct strbuf *out, void (*got)(void *arg, bool answered), void *arg);
void relay_free(struct relay *r); // NULL is fine

#endif
