// Routes: which handler a method and a path lead to, and what such a request may carry.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_ROUTE_H
#define DVSAN_API_ROUTE_H

#include "console/api/request.h"
#include <stddef.h>

#define ROUTE_PARAMS_MAX 2
#define ROUTE_PARAM_ROOM 256 // bytes of one parameter of a path, decoded, with the NUL
#define ROUTE_ALLOW_ROOM 64

struct api_call;
typedef int api_handler(struct api_call *call, struct dv_err *err);

struct route {
    const char *method;        // "GET" also serves HEAD
    const char *pattern;       // "/api/v1/volumes/{volume}"
    api_handler *handler;      // on the loop's thread
    const struct field *body;  // what the body may have; NULL: there is no body
    const struct field *query; // what may stand behind "?"; NULL: nothing
    api_handler *wait;         // before it, on the server's thread: what takes time; may be NULL
};

struct route_match {
    const struct route *route;
    char params[ROUTE_PARAMS_MAX][ROUTE_PARAM_ROOM]; // in the pattern's order
    char allow[ROUTE_ALLOW_ROOM];                    // for ROUTE_WRONG_METHOD: the header's value
};

enum route_result { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_WRONG_METHOD, ROUTE_BAD_PATH };

// path is as it came, percent-encoded and without the query.
enum route_result route_match(const struct route *routes, size_t count, const char *method,
                              const char *path, struct route_match *out);

#endif
