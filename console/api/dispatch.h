// From a request's head and body to its answer: who asks, what for, and the handler's call.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_DISPATCH_H
#define DVSAN_API_DISPATCH_H

#include "console/api/route.h"
#include <stdatomic.h>

struct cms;
struct loop;

// Zeroed but for the first three.
struct dispatcher {
    struct loop *loop;
    struct cms *cms;
    bool loopback; // only requests of this machine can come in
    atomic_bool stopping;
    atomic_int waiters;   // requests that wait for a task
    atomic_int passwords; // requests whose password is being checked
};

// As the client sent it; NULL for a header that is not there.
struct http_head {
    const char *method, *path, *query;
    const char *host, *origin, *authorization, *content_type, *transfer_encoding;
    const char *client;     // its address, for the log
    int64_t content_length; // -1: none given
};

struct http_answer {
    int status;
    char *text; // JSON, or NULL for none; free with http_answer_free
    char location[96];
    char allow[ROUTE_ALLOW_ROOM];
    bool close; // the connection: the request's body was not read
};

// The answer to what failed, as problem details.
void http_answer_problem(struct http_answer *out, int status, const struct dv_err *err);
void http_answer_free(struct http_answer *a); // wipes; answers may have secrets

// Checks all that can be before the body is read. false: *answer says why not. Any thread but
// the loop's, as the next one.
bool dispatch_check(struct dispatcher *d, const struct http_head *head, struct route_match *match,
                    struct http_answer *answer);
// Carries the request out.
void dispatch_run(struct dispatcher *d, const struct http_head *head,
                  const struct route_match *match, const char *body, size_t len,
                  struct http_answer *answer);

#endif
