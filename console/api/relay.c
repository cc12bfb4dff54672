// One connection to civetweb.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/relay.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "loop/loop.h"
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#define READ_AT_A_TIME 16384

struct relay {
    int fd;
    struct loop_fd *watch;
    struct loop_timer *end; // of the time it has
    struct strbuf request, *out;
    size_t sent;
    void (*got)(void *arg, enum relay_end end);
    void *arg;
};

// False: it is broken. With all sent, only the answer is looked for.
static bool send_more(struct relay *r)
{
    while (r->sent < r->request.len) {
        ssize_t n = send(r->fd, r->request.text + r->sent, r->request.len - r->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        r->sent += (size_t)n;
    }
    loop_fd_events(r->watch, LOOP_READ);
    return true;
}

static void on_event(void *arg, int fd, unsigned events)
{
    struct relay *r = arg;
    char part[READ_AT_A_TIME];
    if ((events & LOOP_WRITE) && !send_more(r)) {
        log_error("api", "civetweb takes no request: %m");
        r->got(r->arg, RELAY_BROKEN);
        return;
    }
    if (!(events & LOOP_READ))
        return;
    ssize_t n = recv(fd, part, sizeof(part), 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n > 0)
        strbuf_addn(r->out, part, (size_t)n);
    secret_wipe(part, sizeof(part));
    if (n <= 0)
        r->got(r->arg, n == 0 && r->out->len > 0 ? RELAY_ANSWERED : RELAY_BROKEN);
}

static void on_end(void *arg)
{
    struct relay *r = arg;
    r->got(r->arg, r->fd < 0 ? RELAY_BROKEN : RELAY_LATE);
}

struct relay *relay_new(struct loop *loop, int fd, uint32_t ms, struct strbuf *request,
                        struct strbuf *out, void (*got)(void *arg, enum relay_end end), void *arg)
{
    struct relay *r = dv_calloc(1, sizeof(*r));
    *r = (struct relay){.fd = fd, .request = *request, .out = out, .got = got, .arg = arg};
    *request = (struct strbuf){0};
    r->end = loop_timer_new(loop, on_end, r);
    loop_timer_set(r->end, fd < 0 ? 0 : ms);
    if (fd >= 0)
        r->watch = loop_fd_new(loop, fd, LOOP_READ | LOOP_WRITE, on_event, r);
    return r;
}

void relay_free(struct relay *r)
{
    if (!r)
        return;
    loop_fd_free(r->watch);
    loop_timer_free(r->end);
    if (r->request.text)
        secret_wipe(r->request.text, r->request.len);
    strbuf_free(&r->request);
    free(r);
}
