// An answer: filled by who refuses or carries out a request, then put into bytes.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_HTTP_ANSWER_H
#define DVSAN_API_HTTP_ANSWER_H

#include "base/text.h"
#include "console/api/route.h"

// Zero is the empty one.
struct http_answer {
    int status;
    char *text; // JSON, or NULL for none; free with http_answer_free
    char location[96];
    char allow[ROUTE_ALLOW_ROOM];
};

// Becomes the answer to what failed, as problem details. What it was is freed.
void http_answer_problem(struct http_answer *out, int status, const struct dv_err *err);
void http_answer_free(struct http_answer *a); // wipes; answers may have secrets

// Head and body as they go out. head_only leaves the body off, close announces the end of the
// connection.
void http_answer_print(const struct http_answer *a, bool head_only, bool close, struct strbuf *out);

#endif
