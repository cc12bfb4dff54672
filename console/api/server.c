// The server: its socket, its thread, and who gets a place.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/api.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/cms_config.h"
#include "console/api/conn.h"
#include "console/api/dispatch.h"
#include "console/api/logins.h"
#include "console/api/source.h"
#include "console/api/web.h"
#include "console/api/workers.h"
#include "loop/loop.h"
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG          128
#define ACCEPT_AT_A_TIME 16
#define ACCEPT_AGAIN_MS  100 // when the process has no descriptor left

struct api {
    struct dispatcher dispatcher;
    struct conn_env env;
    struct workers *workers; // one, for passwords
    struct sources sources;
    struct conn *conns[PLACES_MAX];
    size_t conn_count;
    int fd;
    struct loop_fd *listener;
    struct loop_timer *again;
    pthread_t thread; // runs env.loop
    bool running;
};

// Request bodies and answers carry secrets, so what jansson frees is wiped.
static void wiping_free(void *memory)
{
    if (memory)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

// ---- Places ---------------------------------------------------------------------------------

static void on_ended(void *arg, struct conn *c)
{
    struct api *api = arg;
    for (size_t i = 0; i < api->conn_count; i++)
        if (api->conns[i] == c)
            api->conns[i--] = api->conns[--api->conn_count];
    sources_leave(&api->sources, conn_source(c));
}

static bool make_place(struct api *api, struct in_addr newcomer)
{
    struct place places[PLACES_MAX];
    if (api->conn_count < PLACES_MAX)
        return true;
    for (size_t i = 0; i < api->conn_count; i++)
        places[i] = conn_place(api->conns[i]);
    size_t victim = places_victim(places, api->conn_count, sources_places(&api->sources, newcomer));
    if (victim == api->conn_count)
        return false;
    conn_end(api->conns[victim]);
    return true;
}

static void take_in(struct api *api, int fd, struct in_addr address)
{
    static struct log_limit full;
    const int on = 1;
    if (!make_place(api, address)) {
        char text[INET_ADDRSTRLEN];
        log_limited(&full, LOG_LEVEL_WARNING, "api", "no place is free for a connection from %s",
                    inet_ntop(AF_INET, &address, text, sizeof(text)));
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    api->conns[api->conn_count++] = conn_new(&api->env, fd, sources_join(&api->sources, address));
}

static void on_connection(void *arg, int listener, unsigned events)
{
    static struct log_limit failed;
    struct api *api = arg;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_A_TIME; i++) {
        struct sockaddr_in from = {0};
        socklen_t len = sizeof(from);
        int fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_in(api, fd, from.sin_addr);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_limited(&failed, LOG_LEVEL_ERROR, "api", "cannot take in a connection: %m");
            loop_fd_events(api->listener, 0);
            loop_timer_set(api->again, ACCEPT_AGAIN_MS);
        }
        return;
    }
}

static void on_again(void *arg)
{
    struct api *api = arg;
    loop_fd_events(api->listener, LOOP_READ);
}

// ---- Start and end --------------------------------------------------------------------------

static int listen_at(const char *address, uint16_t port, struct dv_err *err)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int on = 1;
    if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
        return dv_fail(err, DV_INVALID, "cannot listen at %s: the API needs an IPv4 address",
                       address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, (const struct sockaddr *)&in, sizeof(in)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    return dv_fail_errno(err, saved, "cannot listen at %s:%u for the API", address, (unsigned)port);
}

static bool is_loopback(const char *address)
{
    struct in_addr in;
    return inet_pton(AF_INET, address, &in) == 1 && ntohl(in.s_addr) >> 24 == 127;
}

static void *run(void *arg)
{
    loop_run(arg);
    return NULL;
}

static int start(struct api *api, const struct cms_config *config, struct dv_err *err)
{
    api->fd = listen_at(config->http.address, config->http.port, err);
    if (api->fd < 0)
        return -1;
    api->env = (struct conn_env){
        .loop = loop_new(), .dispatcher = &api->dispatcher, .ended = on_ended, .arg = api};
    api->env.web = web_new(&api->dispatcher, err);
    if (!api->env.web)
        return -1;
    api->workers = workers_new(api->env.loop, 1);
    if (!api->workers)
        return dv_fail(err, DV_INTERNAL, "cannot start a thread for the API");
    api->env.logins = logins_new(api->dispatcher.cms, api->workers);
    api->again = loop_timer_new(api->env.loop, on_again, api);
    api->listener = loop_fd_new(api->env.loop, api->fd, LOOP_READ, on_connection, api);
    api->running = pthread_create(&api->thread, NULL, run, api->env.loop) == 0;
    return api->running ? 0 : dv_fail(err, DV_INTERNAL, "cannot start a thread for the API");
}

struct api *api_new(struct loop *loop, struct cms *cms, const struct cms_config *config,
                    struct dv_err *err)
{
    json_set_alloc_funcs(malloc, wiping_free);
    struct api *api = dv_calloc(1, sizeof(*api));
    api->fd = -1;
    api->dispatcher.loop = loop;
    api->dispatcher.cms = cms;
    api->dispatcher.loopback = is_loopback(config->http.address);
    if (start(api, config, err) < 0) {
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
    if (api->running) {
        loop_stop(api->env.loop);
        pthread_join(api->thread, NULL);
    }
    workers_free(api->workers);
    while (api->conn_count > 0)
        conn_end(api->conns[0]);
    web_free(api->env.web); // behind the connections, so that no thread waits for one to read
    sources_free(&api->sources);
    logins_free(api->env.logins);
    loop_fd_free(api->listener);
    loop_timer_free(api->again);
    loop_free(api->env.loop);
    if (api->fd >= 0)
        close(api->fd);
    free(api);
}
