// Matching a request's method and path with the table of routes.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/route.h"

#include "base/text.h"
#include <string.h>

static size_t segment_len(const char *p)
{
    return strcspn(p, "/");
}

// Both begin with "/". Segment by segment; a segment {x} of the pattern takes any one that is
// not empty.
static bool path_fits(const char *pattern, const char *path)
{
    while (*pattern == '/' && *path == '/') {
        pattern++, path++;
        size_t want = segment_len(pattern), got = segment_len(path);
        if (*pattern == '{' ? got == 0 : want != got || memcmp(pattern, path, want) != 0)
            return false;
        pattern += want;
        path += got;
    }
    return *pattern == '\0' && *path == '\0';
}

static bool take_params(const char *pattern, const char *path, struct route_match *out)
{
    size_t count = 0;
    while (*pattern == '/') {
        pattern++, path++;
        size_t got = segment_len(path);
        if (*pattern == '{' &&
            !request_decode(path, got, false, out->params[count++], ROUTE_PARAM_ROOM))
            return false;
        pattern += segment_len(pattern);
        path += got;
    }
    return true;
}

static void allow(struct route_match *out, const char *method)
{
    size_t used = strlen(out->allow);
    dv_copy(out->allow + used, sizeof(out->allow) - used, used ? ", " : "");
    used = strlen(out->allow);
    dv_copy(out->allow + used, sizeof(out->allow) - used, method);
    if (strcmp(method, "GET") == 0)
        allow(out, "HEAD");
}

enum route_result route_match(const struct route *routes, size_t count, const char *method,
                              const char *path, struct route_match *out)
{
    memset(out, 0, sizeof(*out));
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < count; i++) {
        if (!path_fits(routes[i].pattern, path))
            continue;
        if (strcmp(routes[i].method, method) == 0) {
            out->route = &routes[i];
            return take_params(routes[i].pattern, path, out) ? ROUTE_FOUND : ROUTE_BAD_PATH;
        }
        allow(out, routes[i].method);
    }
    return out->allow[0] ? ROUTE_WRONG_METHOD : ROUTE_NO_PATH;
}
