// civetweb: its start, its requests and its end.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/web.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "console/api/dispatch.h"
#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY_CHARS   43             // 258 bits
#define FROM_HEADER "X-Dvsan-From" // the key, the client's address, "close" or "keep"

struct web {
    struct dispatcher *dispatcher;
    struct mg_context *server;
    char key[KEY_CHARS + 1];
    char refusal[128]; // why civetweb did not start
    pthread_mutex_t lock;
    bool ours[UINT16_MAX + 1]; // under the lock: the ports that web_connect has connected from
};

// ---- Who is connected -----------------------------------------------------------------------

static uint16_t web_port(const struct mg_context *server)
{
    struct mg_server_port port = {0};
    return mg_get_server_ports(server, 1, &port) == 1 ? (uint16_t)port.port : 0;
}

static uint16_t own_port(int fd)
{
    struct sockaddr_in in = {0};
    socklen_t len = sizeof(in);
    bool found = getsockname(fd, (struct sockaddr *)&in, &len) == 0 && in.sin_family == AF_INET;
    return found ? ntohs(in.sin_port) : 0;
}

static uint16_t peer_port(int fd)
{
    struct sockaddr_in in = {0};
    socklen_t len = sizeof(in);
    bool found = getpeername(fd, (struct sockaddr *)&in, &len) == 0 && in.sin_family == AF_INET;
    return found ? ntohs(in.sin_port) : 0;
}

// Whether the descriptor is civetweb's side of a connection that lives and was not made by the
// front.
static bool is_strangers(struct web *w, uint16_t port, int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    uint16_t peer = own_port(fd) == port ? peer_port(fd) : 0;
    if (peer == 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        info.tcpi_state != TCP_ESTABLISHED) // one that its client has ended ends by itself
        return false;
    pthread_mutex_lock(&w->lock);
    bool stranger = !w->ours[peer];
    pthread_mutex_unlock(&w->lock);
    return stranger;
}

// Another thread may close a descriptor, and its number be another connection's, at any moment. So
// what is judged and ended is one of our own for the same connection.
static void end_strangers(struct web *w, uint16_t port, int fd)
{
    static struct log_limit strangers;
    if (!is_strangers(w, port, fd))
        return;
    DV_CLOSE int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own >= 0 && is_strangers(w, port, own) && shutdown(own, SHUT_RDWR) == 0)
        log_limited(&strangers, LOG_LEVEL_WARNING, "api",
                    "ended a connection of another process to civetweb's own port");
}

// On civetweb's thread, before it reads from a connection that it does not tell apart from others
// yet. Any user of this machine can connect; all who are not the front are sent away here, each at
// the latest when it gets a thread, so that nobody holds one by saying nothing.
static int on_connection(const struct mg_connection *conn, void **conn_data)
{
    struct web *w = mg_get_user_data(mg_get_context(conn));
    uint16_t port = web_port(mg_get_context(conn)); // w->server may not be there yet
    (void)conn_data;
    struct pollfd all[FILE_FEW]; // civetweb's are among these
    nfds_t count = file_limit() < FILE_FEW ? (nfds_t)file_limit() : FILE_FEW;
    for (nfds_t i = 0; i < count; i++)
        all[i] = (struct pollfd){.fd = (int)i};
    if (poll(all, count, 0) < 0)
        return 0;
    for (nfds_t i = 0; i < count; i++)
        if (!(all[i].revents & POLLNVAL)) // it is open
            end_strangers(w, port, all[i].fd);
    return 0;
}

int web_connect(struct web *w)
{
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons(web_port(w->server)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    pthread_mutex_lock(&w->lock); // civetweb may see the connection before connect returns
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&in, sizeof(in)) < 0 &&
        errno != EINPROGRESS) {
        int saved = errno;
        close(fd);
        errno = saved;
        fd = -1;
    }
    if (fd >= 0)
        w->ours[own_port(fd)] = true;
    pthread_mutex_unlock(&w->lock);
    return fd;
}

void web_disconnect(struct web *w, int fd)
{
    if (fd < 0)
        return;
    pthread_mutex_lock(&w->lock);
    uint16_t port = own_port(fd);
    close(fd); // first, or the connection would be a stranger's for a moment
    w->ours[port] = false;
    pthread_mutex_unlock(&w->lock);
}

// ---- Requests -------------------------------------------------------------------------------

static void send_answer(struct mg_connection *conn, const struct http_answer *a, bool head_only,
                        bool close)
{
    struct strbuf out = {0};
    http_answer_print(a, head_only, close, &out);
    mg_write(conn, out.text, out.len);
    secret_wipe(out.text, out.len);
    strbuf_free(&out);
}

static char *read_body(struct mg_connection *conn, size_t len)
{
    char *body = dv_calloc(len + 1, 1);
    for (size_t got = 0; got < len;) {
        int n = mg_read(conn, body + got, len - got);
        if (n <= 0) {
            secret_wipe(body, len);
            free(body);
            return NULL;
        }
        got += (size_t)n;
    }
    return body;
}

static void carry_out(struct mg_connection *conn, struct web *w, struct http_head *head, bool close)
{
    struct http_answer answer = {0};
    char *body = read_body(conn, (size_t)head->content_length);
    if (!body)
        return; // this process is ending
    dispatch_run(w->dispatcher, head, body, &answer);
    log_debug("api", "%s %s %s: %d", head->client, head->method, head->path, answer.status);
    send_answer(conn, &answer, strcmp(head->method, "HEAD") == 0, close);
    http_answer_free(&answer);
    secret_wipe(body, (size_t)head->content_length);
    free(body);
}

// Anything but 0 tells civetweb that the request was answered.
static int on_request(struct mg_connection *conn)
{
    struct web *w = mg_get_user_data(mg_get_context(conn));
    const struct mg_request_info *info = mg_get_request_info(conn);
    const char *from = mg_get_header(conn, FROM_HEADER);
    char key[KEY_CHARS + 1], client[64], close[8];
    mg_disable_connection_keep_alive(conn);
    if (!from || sscanf(from, "%43s %63s %7s", key, client, close) != 3 ||
        !secret_equal(key, w->key))
        return 403; // and not a word
    struct http_head head = {
        .method = info->request_method,
        .path = info->local_uri_raw,
        .query = info->query_string,
        .content_type = mg_get_header(conn, "Content-Type"),
        .client = client,
        .content_length = info->content_length > 0 ? (uint64_t)info->content_length : 0,
    };
    carry_out(conn, w, &head, strcmp(close, "close") == 0);
    return 200;
}

// What civetweb does not take, though it is well-formed: a method that it does not know, say.
static int on_http_error(struct mg_connection *conn, int status, const char *message)
{
    struct http_answer answer = {0};
    struct dv_err err;
    dv_fail(&err, status >= 500 ? DV_INTERNAL : DV_INVALID, "%s",
            message && *message ? message : "this is not a request for the API");
    http_answer_problem(&answer, status, &err);
    send_answer(conn, &answer, false, true);
    http_answer_free(&answer);
    return 0;
}

static int on_log(const struct mg_connection *conn, const char *message)
{
    struct web *w = mg_get_user_data(mg_get_context(conn));
    if (w && !w->server) // it is starting, in this very thread: mg_start itself says no more
        dv_copy(w->refusal, sizeof(w->refusal), message);
    log_debug("api", "civetweb: %s", message);
    return 1;
}

struct web *web_new(struct dispatcher *dispatcher, struct dv_err *err)
{
    char threads[8];
    struct web *w = dv_calloc(1, sizeof(*w));
    snprintf(threads, sizeof(threads), "%d", WEB_THREADS);
    // decode_url: paths are decoded by segment, so that %2F is no slash. request_timeout_ms: what
    // comes from this process comes at once.
    const char *options[] = {"listening_ports",
                             "127.0.0.1:0",
                             "num_threads",
                             threads,
                             "connection_queue",
                             "64",
                             "tcp_nodelay",
                             "1",
                             "enable_keep_alive",
                             "no",
                             "request_timeout_ms",
                             "10000",
                             "max_request_size",
                             "32768",
                             "decode_url",
                             "no",
                             "enable_directory_listing",
                             "no",
                             NULL};
    const struct mg_callbacks callbacks = {
        .init_connection = on_connection,
        .begin_request = on_request,
        .http_error = on_http_error,
        .log_message = on_log,
    };
    struct sigaction child;
    secret_random_text(w->key, KEY_CHARS);
    w->dispatcher = dispatcher;
    pthread_mutex_init(&w->lock, NULL);
    sigaction(SIGCHLD, NULL, &child);
    mg_init_library(0);
    w->server = mg_start(&callbacks, w, options);
    sigaction(SIGCHLD, &child, NULL); // civetweb ignores it, which would break waitpid
    if (w->server)
        return w;
    dv_fail(err, DV_INTERNAL, "cannot start civetweb: %s", w->refusal);
    web_free(w);
    return NULL;
}

void web_free(struct web *w)
{
    if (!w)
        return;
    if (w->server)
        mg_stop(w->server);
    mg_exit_library();
    pthread_mutex_destroy(&w->lock);
    secret_wipe(w->key, sizeof(w->key));
    free(w);
}

void web_request(const struct web *w, const struct http_head *head, const char *body, bool close,
                 struct strbuf *out)
{
    strbuf_add(out, "%s %s%s%s HTTP/1.1\r\nHost: localhost\r\n" FROM_HEADER ": %s %s %s\r\n",
               head->method, head->path, head->query ? "?" : "", head->query ? head->query : "",
               w->key, head->client, close ? "close" : "keep");
    if (head->content_type)
        strbuf_add(out, "Content-Type: %s\r\n", head->content_type);
    strbuf_add(out, "Content-Length: %llu\r\n\r\n", (unsigned long long)head->content_length);
    strbuf_addn(out, body, (size_t)head->content_length);
}
