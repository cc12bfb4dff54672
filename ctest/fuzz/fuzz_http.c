// Fuzzes the reading of a request's head.
// SPDX-License-Identifier: BSD-2-Clause
//
// Whatever comes, its end is the same when it comes byte by byte, nothing before the end is looked
// past, and what is taken for good has one meaning.
#include "base/mem.h"
#include "console/api/http_head.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static long end_by_bytes(const char *text, size_t size)
{
    struct dv_err err;
    size_t seen = 0;
    int status;
    long end = 0;
    for (size_t len = 1; len <= size && end == 0; len++)
        end = http_head_end(text, len, &seen, &status, &err);
    return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_err err;
    struct http_head head;
    size_t seen = 0;
    int status = 0;
    char *text = malloc(size + 1);
    check(text != NULL);
    memcpy(text, data, size);
    long end = size ? http_head_end(text, size, &seen, &status, &err) : 0;
    check(end == end_by_bytes(text, size));
    check(end >= 0 || status == 400 || status == 414 || status == 431);
    if (end > 0) {
        char *exact = dv_calloc((size_t)end + 1, 1); // as a connection keeps it
        memcpy(exact, data, (size_t)end);
        if (http_head_parse(exact, (size_t)end, &head, &status, &err) == 0) {
            check(head.method && *head.method && head.path && *head.path);
            check(!strpbrk(head.path, " ?#\r\n\t"));
            check(!head.host || !strpbrk(head.host, " ,@/\r\n\t"));
        } else {
            check(status >= 400 && status < 600);
        }
        free(exact);
    }
    free(text);
    return 0;
}
