// civetweb, which carries out the requests that conn.c has let in.
// SPDX-License-Identifier: BSD-2-Clause
//
// civetweb reads HTTP leniently, gives each connection a thread from its first byte on, and has no
// deadline for a whole request. So it hears only this process: it listens at a loopback port of its
// own, connections that web_connect did not make are ended before it reads, and what does not begin
// with the key of this run is refused. What it is sent is a whole request that was read strictly
// (http_head.h), one a connection.
#ifndef DVSAN_API_WEB_H
#define DVSAN_API_WEB_H

#include "base/text.h"
#include "console/api/http_head.h"

#define WEB_THREADS 32 // more than may wait for tasks

struct dispatcher;
struct web;

struct web *web_new(struct dispatcher *dispatcher, struct dv_err *err);
// Returns when no request is being carried out any more. NULL is fine.
void web_free(struct web *w);

// A connection to civetweb that does not block, perhaps still being made; -1 with errno: none. A
// request that civetweb has not begun when the connection is closed is not carried out.
int web_connect(struct web *w);
void web_disconnect(struct web *w, int fd); // closes it; -1 is fine

// The request as civetweb is to get it. The answer goes to the client as it comes, ends with the
// connection, and announces the end of the client's when close.
void web_request(const struct web *w, const struct http_head *head, const char *body, bool close,
                 struct strbuf *out);

#endif
