// Fuzzes the NBD server by all that a client sends it, on a leg of memory.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "block/memory.h"
#include "nbd/server.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES 65536

struct client {
    struct loop *loop;
    struct leg *leg;
    struct nbd_server *server;
    const uint8_t *data;
    size_t left;
    int fds[2]; // the server's, the client's
    struct loop_fd *watch;
};

// Sends all, reads all answers, and stops when the server has closed.
static void on_fd(void *arg, int fd, unsigned events)
{
    struct client *c = arg;
    uint8_t answers[4096];
    ssize_t n = 0;
    if (events & LOOP_WRITE) {
        n = send(fd, c->data, c->left, MSG_NOSIGNAL | MSG_DONTWAIT);
        c->data += n > 0 ? n : 0;
        c->left = n >= 0 ? c->left - (size_t)n : errno == EAGAIN ? c->left : 0;
        if (c->left == 0)
            (void)shutdown(fd, SHUT_WR);
    }
    loop_fd_events(c->watch, LOOP_READ | (c->left > 0 ? LOOP_WRITE : 0));
    n = recv(fd, answers, sizeof(answers), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        loop_stop(c->loop);
}

static void on_state(struct leg *leg, void *owner)
{
    struct client *c = owner;
    if (leg->state != LEG_READY)
        return;
    nbd_server_take(c->server, c->fds[0]);
    c->watch = loop_fd_new(c->loop, c->fds[1], LOOP_READ | LOOP_WRITE, on_fd, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct nbd_server_config config = {.name = "name"};
    struct client c = {.loop = loop_new(), .data = data, .left = size};
    log_init("fuzz_nbd", LOG_LEVEL_SILENT);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, c.fds) != 0)
        abort();
    c.leg = memory_leg_new(c.loop, BYTES, 512);
    c.server = nbd_server_new(c.loop, c.leg, &config);
    c.leg->on_state = on_state;
    c.leg->owner = &c;
    leg_connect(c.leg);
    loop_run(c.loop);
    loop_fd_free(c.watch);
    leg_free(c.leg);
    nbd_server_free(c.server);
    loop_free(c.loop);
    close(c.fds[1]);
    return 0;
}
