// From a whole request to its answer: may it come in, what does it ask for, and the handler's call.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_DISPATCH_H
#define DVSAN_API_DISPATCH_H

#include "console/api/http_answer.h"
#include "console/api/http_head.h"
#include <stdatomic.h>

struct cms;
struct loop;

// Zeroed but for the first three.
struct dispatcher {
    struct loop *loop;
    struct cms *cms;
    bool loopback; // only requests of this machine can come in
    atomic_bool stopping;
    atomic_int waiters; // requests that wait for a task
    atomic_int writers; // and that may change something
};

// Returns false with the answer that says why not. Any thread.
bool dispatch_check_source(const struct dispatcher *d, const struct http_head *head,
                           struct http_answer *answer);
// There was no login, or (given) a wrong one. Any thread.
void dispatch_refuse_login(const struct http_head *head, bool given, struct http_answer *answer);

// Returns false with the answer that says that there is no such thing, or no such method for it.
// Any thread.
bool dispatch_check_route(const struct http_head *head, struct http_answer *answer);

// Carries the request of somebody who may ask out. body ends with a NUL behind its
// head->content_length bytes. Any thread but the loop's.
void dispatch_run(struct dispatcher *d, const struct http_head *head, const char *body,
                  struct http_answer *answer);

#endif
