// The server over civetweb: its threads, one request each, and everything that is HTTP.
// SPDX-License-Identifier: BSD-2-Clause
//
// civetweb serves nothing by itself here: its begin_request callback takes every request. Its
// own errors, for what is not HTTP, come out as problem details through its http_error callback.
#include "console/api/api.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "config/cms_config.h"
#include "console/api/dispatch.h"
#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

struct api {
    struct dispatcher dispatcher;
    struct mg_context *server;
    char refusal[200]; // what civetweb logged last while it started
};

// Request bodies and answers carry secrets, so what jansson frees is wiped.
static void wiping_free(void *memory)
{
    if (memory)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

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

// Head and body in one write: two would be two packets.
static void send_answer(struct mg_connection *conn, const struct http_answer *a, bool head_only)
{
    struct strbuf out = {0};
    char date[40];
    struct tm tm;
    time_t now = time(NULL);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    strbuf_add(&out,
               "HTTP/1.1 %d %s\r\n"
               "Date: %s\r\n"
               "Cache-Control: no-store\r\n"
               "X-Content-Type-Options: nosniff\r\n"
               "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
               a->status, status_phrase(a->status), date);
    if (a->text)
        strbuf_add(&out, "Content-Type: application/%sjson\r\nContent-Length: %zu\r\n",
                   a->status >= 400 ? "problem+" : "", strlen(a->text));
    if (a->location[0])
        strbuf_add(&out, "Location: %s\r\n", a->location);
    if (a->allow[0])
        strbuf_add(&out, "Allow: %s\r\n", a->allow);
    if (a->status == 401)
        strbuf_add(&out, "WWW-Authenticate: Bearer realm=\"dvsan\"\r\n"
                         "WWW-Authenticate: Basic realm=\"dvsan\", charset=\"UTF-8\"\r\n");
    if (a->status == 503)
        strbuf_add(&out, "Retry-After: 1\r\n");
    if (a->close) {
        strbuf_add(&out, "Connection: close\r\n");
        mg_disable_connection_keep_alive(conn);
    }
    strbuf_add(&out, "\r\n");
    if (a->text && !head_only)
        strbuf_addn(&out, a->text, strlen(a->text));
    mg_write(conn, out.text, out.len);
    secret_wipe(out.text, out.len);
    strbuf_free(&out);
}

// Returns false when the client went away or was too slow.
static bool read_body(struct mg_connection *conn, char *body, size_t len)
{
    for (size_t got = 0; got < len;) {
        int n = mg_read(conn, body + got, len - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void answer_request(struct mg_connection *conn, struct api *api,
                           const struct http_head *head, struct http_answer *answer)
{
    struct route_match match;
    if (!dispatch_check(&api->dispatcher, head, &match, answer))
        return;
    size_t len = head->content_length > 0 ? (size_t)head->content_length : 0;
    char *body = dv_calloc(len + 1, 1);
    const char *expect = mg_get_header(conn, "Expect");
    if (len && expect && strcasecmp(expect, "100-continue") == 0)
        mg_printf(conn, "HTTP/1.1 100 Continue\r\n\r\n");
    if (read_body(conn, body, len)) {
        dispatch_run(&api->dispatcher, head, &match, body, len, answer);
    } else {
        struct dv_err err;
        dv_fail(&err, DV_TIMEOUT, "the body did not arrive");
        http_answer_problem(answer, 408, &err);
        answer->close = true;
    }
    secret_wipe(body, len);
    free(body);
}

static int on_request(struct mg_connection *conn)
{
    struct api *api = mg_get_user_data(mg_get_context(conn));
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct http_head head = {
        .method = info->request_method,
        .path = info->local_uri_raw,
        .query = info->query_string,
        .host = mg_get_header(conn, "Host"),
        .origin = mg_get_header(conn, "Origin"),
        .authorization = mg_get_header(conn, "Authorization"),
        .content_type = mg_get_header(conn, "Content-Type"),
        .transfer_encoding = mg_get_header(conn, "Transfer-Encoding"),
        .client = info->remote_addr,
        .content_length = info->content_length,
    };
    struct http_answer answer;
    answer_request(conn, api, &head, &answer);
    log_debug("api", "%s %s %s: %d", head.client, head.method, head.path, answer.status);
    send_answer(conn, &answer, strcmp(head.method, "HEAD") == 0);
    int status = answer.status;
    http_answer_free(&answer);
    return status;
}

// What civetweb itself refuses: broken request lines, too many headers, and the like.
static int on_http_error(struct mg_connection *conn, int status, const char *message)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct http_answer answer = {.close = true};
    struct dv_err err;
    dv_fail(&err, status >= 500 ? DV_INTERNAL : DV_INVALID, "%s",
            message && *message ? message : "this is not an HTTP request");
    http_answer_problem(&answer, status, &err);
    answer.close = true;
    bool head_only = info && info->request_method && strcmp(info->request_method, "HEAD") == 0;
    send_answer(conn, &answer, head_only);
    http_answer_free(&answer);
    return 0;
}

static int on_log(const struct mg_connection *conn, const char *message)
{
    struct api *api = mg_get_user_data(mg_get_context(conn));
    if (api && !api->server) // it is starting, in this very thread: mg_start itself says no more
        dv_copy(api->refusal, sizeof(api->refusal), message);
    log_debug("api", "civetweb: %s", message);
    return 1;
}

// civetweb does not tell why it cannot listen; the kernel does.
static int try_address(const char *address, uint16_t port, struct dv_err *err)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int on = 1;
    if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
        return dv_fail(err, DV_INVALID, "cannot listen at %s: the API needs an IPv4 address",
                       address);
    DV_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&in, sizeof(in)) < 0)
        return dv_fail_errno(err, errno, "cannot listen at %s:%u for the API", address,
                             (unsigned)port);
    return 0;
}

static int start(struct api *api, const char *address, uint16_t port, struct dv_err *err)
{
    char listen[64];
    if (try_address(address, port, err) < 0)
        return -1;
    snprintf(listen, sizeof(listen), "%s:%u", address, (unsigned)port);
    // decode_url: paths are decoded by segment, so that %2F is no slash.
    const char *options[] = {
        "listening_ports",
        listen,
        "num_threads",
        "32",
        "connection_queue",
        "64",
        "tcp_nodelay",
        "1",
        "enable_keep_alive",
        "yes",
        "keep_alive_timeout_ms",
        "1000",
        "request_timeout_ms",
        "10000",
        "max_request_size",
        "16384",
        "decode_url",
        "no",
        "enable_directory_listing",
        "no",
        NULL,
    };
    struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_http_error,
        .log_message = on_log,
    };
    struct sigaction child;
    sigaction(SIGCHLD, NULL, &child);
    mg_init_library(0);
    api->server = mg_start(&callbacks, api, options);
    sigaction(SIGCHLD, &child, NULL); // civetweb ignores it, which would break waitpid
    if (!api->server)
        return dv_fail(err, DV_INTERNAL, "cannot serve the API at %s: %s", listen, api->refusal);
    return 0;
}

static bool is_loopback(const char *address)
{
    struct in_addr in;
    return inet_pton(AF_INET, address, &in) == 1 && ntohl(in.s_addr) >> 24 == 127;
}

struct api *api_new(struct loop *loop, struct cms *cms, const struct cms_config *config,
                    struct dv_err *err)
{
    json_set_alloc_funcs(malloc, wiping_free);
    struct api *api = dv_calloc(1, sizeof(*api));
    api->dispatcher.loop = loop;
    api->dispatcher.cms = cms;
    api->dispatcher.loopback = is_loopback(config->http.address);
    if (start(api, config->http.address, config->http.port, err) < 0) {
        api_free(api);
        return NULL;
    }
    return api;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    atomic_store(&api->dispatcher.stopping, true);
    mg_stop(api->server);
    mg_exit_library();
    free(api);
}
