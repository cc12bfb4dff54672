// Fuzzes what reads a request of the REST API: body, query, path and headers.
// SPDX-License-Identifier: BSD-2-Clause
//
// The first byte picks what the rest is.
#include "base/mem.h"
#include "console/api/request.h"
#include "console/api/route.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct field fields[] = {
    {.name = "name", .kind = FIELD_NAME, .required = true},
    {.name = "size", .kind = FIELD_SIZE},
    {.name = "iqn", .of = &kind_host},
    {.name = "chap_user", .kind = FIELD_TEXT, .max = 63},
    {.name = "chap_secret", .kind = FIELD_SECRET},
    {.name = "limit", .kind = FIELD_NUMBER, .min = 1, .max = 1000},
    {.name = "thin", .kind = FIELD_BOOL},
    {.name = NULL},
};
static const struct route routes[] = {
    {"GET", "/api/v1/volumes", NULL, NULL, NULL, NULL},
    {"DELETE", "/api/v1/assignments/{volume}/{host}", NULL, NULL, NULL, NULL},
};

static void headers(const char *text)
{
    struct credentials c;
    if (request_credentials(text, &c))
        credentials_free(&c);
    request_type_is_json(text);
    request_host_is_local(text);
    request_same_origin(text, "127.0.0.1:8480");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    DV_FREE char *text = dv_calloc(size, 1); // the rest and a NUL
    memcpy(text, data + 1, size - 1);
    struct dv_err err;
    struct route_match match;
    json_t *out;
    switch (data[0]) {
    case 'b':
        if (request_parse_body(text, size - 1, fields, &out, &err) == 0)
            json_decref(out);
        break;
    case 'q':
        if (request_parse_query(text, fields, &out, &err) == 0)
            json_decref(out);
        break;
    case 'p':
        route_match(routes, DV_COUNT(routes), "DELETE", text, &match);
        break;
    default:
        headers(text);
    }
    return 0;
}
