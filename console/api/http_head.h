// Where a request ends and what its head says, as RFC 9112 has it and no more. All pure.
// SPDX-License-Identifier: BSD-2-Clause
//
// Whatever two readers could understand in two ways is refused, even where the RFC lets a server
// be lenient: a request whose end is in doubt is how another one is smuggled in behind it.
#ifndef DVSAN_API_HTTP_HEAD_H
#define DVSAN_API_HTTP_HEAD_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX   (16 * 1024) // bytes, with the empty line that ends it
#define HTTP_FIELDS_MAX 64

// Texts are NULL for a header that is not there.
struct http_head {
    const char *method, *path, *query;
    const char *host; // of an absolute URL, if one was asked for; else the header's
    const char *origin, *authorization, *content_type;
    const char *client;      // its address, for the log
    uint64_t content_length; // 0: no body
    bool close;              // no further request on this connection
    bool expects_continue;   // the client waits with the body until it is asked for
};

// How many bytes of text, a request's beginning, are its head. 0: that cannot be told yet. -1: what
// is there is no head; *status says why. *seen is how many bytes were looked at already: 0 at
// first, and kept for the next call with more of the same text.
long http_head_end(const char *text, size_t len, size_t *seen, int *status, struct dv_err *err);

// Reads such a head of len bytes, which is cut up: out points into it. Returns -1 with the status
// of the answer; the connection's further bytes are then nobody's request.
int http_head_parse(char *text, size_t len, struct http_head *out, int *status, struct dv_err *err);

#endif
