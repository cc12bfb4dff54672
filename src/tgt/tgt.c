// The target daemon: the engine, its portals, its statistics, and watching it live.
// SPDX-License-Identifier: BSD-2-Clause
#include "tgt/tgt.h"
#include "base/mem.h"
#include "tgt/engine.h"
#include "tgt/show.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

struct tgt_engine *tgt_engine_new(const char *socket, const char *prefix, int timeout_ms)
{
    struct tgt_engine *e = dv_calloc(1, sizeof(*e));
    e->socket = dv_strdup(socket);
    e->prefix = dv_strdup(prefix);
    e->timeout_ms = timeout_ms;
    e->session = SESSION_DEFAULTS;
    return e;
}

void tgt_engine_session(struct tgt_engine *e, const struct session_parameters *session)
{
    e->session = *session;
    e->session_compared = false;
}

void tgt_engine_free(struct tgt_engine *e)
{
    if (!e)
        return;
    free(e->ghosts);
    free(e->socket);
    free(e->prefix);
    free(e);
}

int tgt_end_sessions(struct tgt_engine *e, uint32_t tid, const char *initiator, struct dv_err *err)
{
    return tgt_do_end_sessions(e, tid, initiator, err) == 0 ? 0 : -1;
}

// ---- Portals ------------------------------------------------------------------------------

static const struct tgt_request list_portals = {
    .mode = TGT_PORTAL, .op = TGT_SHOW, .doing = "listing portals"};

// Also true of the wildcard address of the same family and port, beside which no other can be
// bound.
static bool listens(const struct show_portal *seen, const struct portal *wanted)
{
    bool six = strchr(wanted->address, ':');
    return seen->port == wanted->port && (strcmp(seen->address, wanted->address) == 0 ||
                                          strcmp(seen->address, six ? "::" : "0.0.0.0") == 0);
}

static int change_portal(struct tgt_engine *e, enum tgt_op op, const struct portal *p,
                         struct dv_err *err)
{
    char text[PORTAL_TEXT_ROOM], params[128], doing[160];
    snprintf(params, sizeof(params), "portal=%s", portal_format(p, text));
    snprintf(doing, sizeof(doing), "%s %s", op == TGT_NEW ? "adding" : "removing", params);
    struct tgt_request r = {.mode = TGT_PORTAL, .op = op, .params = params, .doing = doing};
    return tgt_ask(e, &r, TGT_OK, err) == 0 ? 0 : -1;
}

static int read_portals(struct tgt_engine *e, struct show_portal **seen, size_t *count,
                        struct dv_err *err)
{
    DV_FREE char *text = NULL;
    if (tgt_call(e->socket, e->timeout_ms, &list_portals, &text, err) != TGT_OK)
        return -1;
    return show_portals(text, seen, count, err);
}

int tgt_add_portals(struct tgt_engine *e, const struct portal *portals, size_t count,
                    struct dv_err *err)
{
    DV_FREE struct show_portal *seen = NULL;
    size_t seen_count;
    int rc = 0;
    if (read_portals(e, &seen, &seen_count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        bool there = false;
        for (size_t k = 0; k < seen_count; k++)
            there |= listens(&seen[k], &portals[i]);
        if (!there && change_portal(e, TGT_NEW, &portals[i], err) != 0)
            rc = -1;
    }
    for (size_t k = 0; k < seen_count; k++) {
        struct portal first = {.port = seen[k].port};
        dv_copy(first.address, sizeof(first.address), seen[k].address);
        if (strcmp(first.address, TGT_FIRST_ADDRESS) == 0 &&
            change_portal(e, TGT_DELETE, &first, err) != 0)
            rc = -1;
    }
    return rc;
}

// Whether a socket could be bound to the address.
static bool is_here(const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool six = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
    if (!six && inet_pton(AF_INET, address, &v4.sin_addr) != 1)
        return true; // whatever it is, it is none of ours
    DV_CLOSE int fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 ||
           bind(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
                six ? sizeof(v6) : sizeof(v4)) == 0 ||
           errno != EADDRNOTAVAIL;
}

int tgt_drop_gone_portals(struct tgt_engine *e, uint16_t port, const struct portal *keep,
                          size_t count, struct dv_err *err)
{
    DV_FREE struct show_portal *seen = NULL;
    size_t seen_count;
    int rc = 0;
    if (read_portals(e, &seen, &seen_count, err) != 0)
        return -1;
    for (size_t i = 0; i < seen_count; i++) {
        struct portal gone = {.port = seen[i].port};
        dv_copy(gone.address, sizeof(gone.address), seen[i].address);
        bool kept = gone.port != port;
        for (size_t k = 0; k < count; k++)
            kept |= listens(&seen[i], &keep[k]);
        if (!kept && !is_here(gone.address) && change_portal(e, TGT_DELETE, &gone, err) != 0)
            rc = -1;
    }
    return rc;
}

// ---- Watching -----------------------------------------------------------------------------

// The kernel tells whose socket it is. Taking the descriptor before the answer comes makes sure
// that it is that process and not a later one with the same number.
int tgt_watch(struct tgt_engine *e, pid_t *pid, int *pidfd, struct dv_err *err)
{
    DV_CLOSE int fd = tgt_connect(e->socket, e->timeout_ms, err);
    if (fd < 0)
        return -1;
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    int errnum = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? 0 : errno;
    DV_CLOSE int watch = errnum == 0 && peer.pid > 0 ? pidfd_open(peer.pid, 0) : -1;
    if (errnum == 0 && watch < 0)
        errnum = peer.pid > 0 ? errno : ESRCH;
    if (tgt_exchange(fd, e->timeout_ms, &list_portals, NULL, err) != TGT_OK)
        return -1;
    if (errnum != 0)
        return dv_fail_errno(err, errnum, "cannot watch the tgtd at %s", e->socket);
    *pid = peer.pid;
    *pidfd = watch;
    e->session_compared = false;
    watch = -1;
    return 0;
}

bool tgt_is_gone(const struct tgt_engine *e)
{
    DV_FREE char *path = dv_printf("%s.lock", e->socket);
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

int tgt_read_statistics(struct tgt_engine *e, struct tgt_statistics **rows, size_t *count,
                        struct dv_err *err)
{
    DV_FREE char *text = NULL;
    struct tgt_request r = {.mode = TGT_SYSTEM, .op = TGT_STATS, .doing = "reading statistics"};
    if (tgt_call(e->socket, e->timeout_ms, &r, &text, err) != TGT_OK)
        return -1;
    return show_statistics(text, rows, count, err);
}
