// Answers as bytes (RFC 9112 section 4, RFC 9457).
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/http_answer.h"

#include "base/mem.h"
#include "base/secret.h"
#include "console/api/view.h"
#include <string.h>
#include <time.h>

static const char *status_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < DV_COUNT(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Error";
}

void http_answer_problem(struct http_answer *out, int status, const struct dv_err *err)
{
    json_t *problem = view_problem(status, err);
    secret_free(out->text);
    out->status = status;
    out->text = json_dumps(problem, JSON_COMPACT);
    json_decref(problem);
}

void http_answer_free(struct http_answer *a)
{
    secret_free(a->text);
    *a = (struct http_answer){0};
}

void http_answer_print(const struct http_answer *a, bool head_only, bool close, struct strbuf *out)
{
    char date[40];
    struct tm tm;
    time_t now = time(NULL);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    strbuf_add(out,
               "HTTP/1.1 %d %s\r\n"
               "Date: %s\r\n"
               "Cache-Control: no-store\r\n"
               "X-Content-Type-Options: nosniff\r\n"
               "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
               a->status, status_phrase(a->status), date);
    if (a->text)
        strbuf_add(out, "Content-Type: application/%sjson\r\nContent-Length: %zu\r\n",
                   a->status >= 400 ? "problem+" : "", strlen(a->text));
    if (a->location[0])
        strbuf_add(out, "Location: %s\r\n", a->location);
    if (a->allow[0])
        strbuf_add(out, "Allow: %s\r\n", a->allow);
    if (a->status == 401)
        strbuf_add(out, "WWW-Authenticate: Bearer realm=\"dvsan\"\r\n"
                        "WWW-Authenticate: Basic realm=\"dvsan\", charset=\"UTF-8\"\r\n");
    if (a->status == 503)
        strbuf_add(out, "Retry-After: 1\r\n");
    if (close)
        strbuf_add(out, "Connection: close\r\n");
    strbuf_add(out, "\r\n");
    if (a->text && !head_only)
        strbuf_addn(out, a->text, strlen(a->text));
}
