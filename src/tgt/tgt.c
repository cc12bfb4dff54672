// The target daemon: the engine, its statistics, and watching it live.
// SPDX-License-Identifier: BSD-2-Clause
#include "tgt/tgt.h"
#include "base/boot.h"
#include "base/log.h"
#include "base/mem.h"
#include "tgt/engine.h"
#include "tgt/show.h"
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
    struct dv_err err;
    if (boot_id(&e->boot, &err) != 0)
        log_warning("tgt", "hosts are not told of restarts of this machine: %s", err.text);
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
    if (tgt_exchange(fd, e->timeout_ms, &tgt_list_portals, NULL, err) != TGT_OK)
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
        return errno == ENOENT || errno == ENAMETOOLONG;
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
