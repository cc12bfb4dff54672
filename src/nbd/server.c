// An NBD server of one leg: clients, and what they may take of the machine.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/server_private.h"

#include "base/mem.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MS        100 // after a client could not be taken
#define PREFERRED_BLOCK 4096
#define HANDSHAKE_MS    30000
#define STALLED_MS      60000

struct nbd_listener {
    struct nbd_server *server;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *pause; // before the next is taken
    struct nbd_listener *next;
};

struct nbd_export nbd_server_export(const struct nbd_server *s)
{
    const struct leg_info *info = &s->leg->info;
    return (struct nbd_export){
        .name = s->config.name,
        .bytes = info->bytes,
        .read_only = s->config.read_only || info->read_only,
        .can_trim = info->can_trim,
        .can_zero_fast = info->can_zero,
        .least = info->block_size,
        .preferred =
            info->physical_block > PREFERRED_BLOCK ? info->physical_block : PREFERRED_BLOCK,
    };
}

void nbd_server_take(struct nbd_server *s, int fd)
{
    if (s->shut || s->client_count >= NBD_CLIENTS_MOST) {
        if (!s->shut)
            log_limited(&s->refusals, LOG_LEVEL_WARNING, "nbd",
                        "a client is refused: there are %u already", s->client_count);
        close(fd);
        return;
    }
    s->clients[s->client_count++] = nbd_client_new(s, fd);
}

static void on_connection(void *arg, int fd, unsigned events)
{
    struct nbd_listener *l = arg;
    (void)events;
    int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0)
        nbd_server_take(l->server, client);
    else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        log_limited(&l->server->refusals, LOG_LEVEL_WARNING, "nbd", "a client cannot be taken: %s",
                    strerror(errno));
        loop_fd_events(l->watch, 0); // it would come back at once, for as long as descriptors lack
        loop_timer_set(l->pause, PAUSE_MS);
    }
}

static void on_pause(void *arg)
{
    struct nbd_listener *l = arg;
    loop_fd_events(l->watch, LOOP_READ);
}

void nbd_server_listen(struct nbd_server *s, int fd)
{
    struct nbd_listener *l = dv_calloc(1, sizeof(*l));
    l->server = s;
    l->fd = fd;
    l->next = s->listeners;
    s->listeners = l;
    l->watch = loop_fd_new(s->loop, fd, LOOP_READ, on_connection, l);
    l->pause = loop_timer_new(s->loop, on_pause, l);
}

static void close_listeners(struct nbd_server *s)
{
    struct nbd_listener *l;
    while ((l = s->listeners)) {
        s->listeners = l->next;
        loop_fd_free(l->watch);
        loop_timer_free(l->pause);
        close(l->fd);
        free(l);
    }
}

static void tell_done(void *arg)
{
    struct nbd_server *s = arg;
    loop_fn *done = s->done;
    loop_timer_cancel(s->patience);
    s->done = NULL;
    if (done)
        done(s->arg);
}

void nbd_server_forget(struct nbd_server *s, struct nbd_client *c)
{
    unsigned i = 0;
    while (s->clients[i] != c)
        i++;
    s->clients[i] = s->clients[--s->client_count];
    nbd_client_free(c);
    if (s->shut && s->client_count == 0)
        loop_soon_set(s->gone);
}

void nbd_server_shut(struct nbd_server *s, uint32_t wait_ms, loop_fn *done, void *arg)
{
    s->shut = true;
    s->done = done;
    s->arg = arg;
    close_listeners(s);
    for (unsigned i = 0; i < s->client_count; i++)
        nbd_client_shut(s->clients[i]);
    if (s->client_count == 0)
        loop_soon_set(s->gone);
    loop_timer_set(s->patience, wait_ms);
}

struct nbd_server *nbd_server_new(struct loop *loop, struct leg *leg,
                                  const struct nbd_server_config *config)
{
    struct nbd_server *s = dv_calloc(1, sizeof(*s));
    s->loop = loop;
    s->leg = leg;
    s->config = *config;
    s->config.handshake_ms = config->handshake_ms ? config->handshake_ms : HANDSHAKE_MS;
    s->config.stalled_ms = config->stalled_ms ? config->stalled_ms : STALLED_MS;
    s->patience = loop_timer_new(loop, tell_done, s);
    s->gone = loop_soon_new(loop, tell_done, s);
    return s;
}

void nbd_server_free(struct nbd_server *s)
{
    if (!s)
        return;
    close_listeners(s);
    while (s->client_count > 0) {
        struct nbd_client *c = s->clients[--s->client_count];
        nbd_client_cut(c);
        nbd_client_free(c);
    }
    loop_timer_free(s->patience);
    loop_soon_free(s->gone);
    free(s);
}
