// tgtd's management protocol: bounded, with a deadline, and with errors that name the request.
// SPDX-License-Identifier: BSD-2-Clause
#include "tgt/mgmt.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/wait.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX  (256u << 20) // bytes; 10,000 targets list in about 12 MB
#define PARAMS_MAX  8000         // bytes; tgtd takes 8 KiB
#define DRIVER_ROOM 64

// struct tgtadm_req and tgtadm_rsp of tgt 1.0.x, in the byte order of the machine.
struct wire_request {
    uint32_t mode, op;
    char driver[DRIVER_ROOM];
    uint32_t len; // of this and the parameters, with their NUL
    int32_t tid;
    uint64_t sid, lun;
    uint32_t cid, host, device_type, account_direction, pack, force;
};
_Static_assert(sizeof(struct wire_request) == 120, "tgtd reads 120 bytes");

struct wire_answer {
    uint32_t status;
    uint32_t len; // of this and the text, with its NUL
};
_Static_assert(sizeof(struct wire_answer) == 8, "tgtd writes 8 bytes");

// ---- What tgtd answers --------------------------------------------------------------------

static const struct {
    enum dv_code code;
    const char *text;
} statuses[] = {
    [1] = {DV_INTERNAL, "tgtd does not say why; its log may"},
    [2] = {DV_BUSY, "tgtd is out of memory"},
    [3] = {DV_UNREACHABLE, "tgtd has no iSCSI driver running"},
    [4] = {DV_NOT_FOUND, "there is no such target"},
    [5] = {DV_NOT_FOUND, "there is no such LUN"},
    [6] = {DV_NOT_FOUND, "there is no such session"},
    [7] = {DV_NOT_FOUND, "there is no such connection"},
    [8] = {DV_NOT_FOUND, "there is no such binding"},
    [9] = {DV_EXISTS, "a target with this id or name exists"},
    [10] = {DV_EXISTS, "the LUN exists"},
    [11] = {DV_EXISTS, "the binding exists"},
    [12] = {DV_EXISTS, "the access entry exists"},
    [13] = {DV_NOT_FOUND, "there is no such access entry"},
    [14] = {DV_EXISTS, "the account exists or is bound"},
    [15] = {DV_NOT_FOUND, "there is no such account, or it is not bound"},
    [16] = {DV_BUSY, "tgtd has too many accounts"},
    [17] = {DV_INVALID, "tgtd refuses the request; its log tells why"},
    [18] = {DV_EXISTS, "the target has an outgoing account"},
    [19] = {DV_CONFLICT, "the target is in use"},
    [20] = {DV_CONFLICT, "the LUN has commands running"},
    [21] = {DV_CONFLICT, "the driver is in use"},
    [22] = {DV_INVALID, "tgtd does not support the operation"},
    [23] = {DV_INVALID, "tgtd does not know the parameter"},
    [24] = {DV_CONFLICT, "an initiator prevents removal of the medium"},
};

static int fail_status(struct dv_err *err, const struct tgt_request *r, uint32_t status)
{
    if (status >= DV_COUNT(statuses)) {
        dv_fail(err, DV_INTERNAL, "%s failed: tgtd answers %u, which is unknown", r->doing, status);
        return -1;
    }
    dv_fail(err, statuses[status].code, "%s failed: %s", r->doing, statuses[status].text);
    return (int)status;
}

// ---- Connecting ---------------------------------------------------------------------------

static int fail_connect(struct dv_err *err, const char *socket, int errnum)
{
    if (errnum == ENOENT || errnum == ECONNREFUSED)
        return dv_fail(err, DV_UNREACHABLE,
                       "tgtd does not listen at %s; is it running, with this TGT_IPC_SOCKET and "
                       "control port?",
                       socket);
    if (errnum == EAGAIN)
        return dv_fail(err, DV_TIMEOUT, "tgtd does not take connections at %s; it hangs", socket);
    return dv_fail_errno(err, errnum, "cannot connect to tgtd at %s", socket);
}

int tgt_connect(const char *socket_path, int timeout_ms, struct dv_err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(addr.sun_path))
        return dv_fail(err, DV_INVALID, "tgtd's socket path %s is longer than %zu bytes",
                       socket_path, sizeof(addr.sun_path) - 1);
    memcpy(addr.sun_path, socket_path, strlen(socket_path));
    DV_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return dv_fail_errno(err, errno, "cannot make a socket for tgtd");
    // A connect to a full backlog waits as long as a send would.
    struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
        return dv_fail_errno(err, errno, "cannot set up a socket for tgtd");
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
        return fail_connect(err, socket_path, errno);
    int connected = fd;
    fd = -1;
    return connected;
}

// ---- Exchanging ---------------------------------------------------------------------------

static int fail_exchange(struct dv_err *err, const struct tgt_request *r, int errnum)
{
    if (errnum == ETIMEDOUT || errnum == EAGAIN)
        return dv_fail(err, DV_TIMEOUT, "%s failed: tgtd did not answer in time", r->doing);
    if (errnum == 0 || errnum == EPIPE || errnum == ECONNRESET)
        return dv_fail(err, DV_UNREACHABLE,
                       "%s failed: tgtd closed the connection; it ended, or runs as another user "
                       "or group than this program",
                       r->doing);
    return dv_fail_errno(err, errnum, "%s failed: talking to tgtd", r->doing);
}

// One send for the whole request, so that tgtd never sees the end of one that is not whole.
static int send_request(int fd, const struct tgt_request *r, struct dv_err *err)
{
    size_t params_len = r->params ? strlen(r->params) + 1 : 0;
    if (params_len > PARAMS_MAX)
        return dv_fail(err, DV_INVALID, "%s failed: the request is longer than %d bytes", r->doing,
                       PARAMS_MAX);
    struct wire_request wire = {
        .mode = r->mode,
        .op = r->op,
        .driver = "iscsi",
        .len = (uint32_t)(sizeof(wire) + params_len),
        .tid = r->tid,
        .sid = r->sid,
        .lun = r->lun,
        .cid = r->cid,
        .account_direction = r->outgoing,
    };
    char message[sizeof(wire) + PARAMS_MAX];
    memcpy(message, &wire, sizeof(wire));
    if (params_len > 0)
        memcpy(message + sizeof(wire), r->params, params_len);
    ssize_t sent;
    do
        sent = send(fd, message, wire.len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    int errnum = sent < 0 ? errno : 0;
    secret_wipe(message, wire.len);
    return sent == (ssize_t)wire.len ? 0 : fail_exchange(err, r, errnum);
}

static int read_bytes(int fd, void *out, size_t len, int64_t deadline, const struct tgt_request *r,
                      struct dv_err *err)
{
    for (size_t done = 0; done < len;) {
        if (!wait_for(fd, POLLIN, deadline))
            return fail_exchange(err, r, errno);
        ssize_t n = recv(fd, (char *)out + done, len - done, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return fail_exchange(err, r, n < 0 ? errno : 0);
        done += (size_t)n;
    }
    return 0;
}

int tgt_exchange(int fd, int timeout_ms, const struct tgt_request *r, char **text,
                 struct dv_err *err)
{
    int64_t deadline = wait_now_ms() + timeout_ms;
    struct wire_answer answer;
    if (send_request(fd, r, err) != 0 || read_bytes(fd, &answer, sizeof(answer), deadline, r, err))
        return -1;
    if (answer.status != TGT_OK)
        return fail_status(err, r, answer.status);
    if (answer.len < sizeof(answer) || answer.len - sizeof(answer) > ANSWER_MAX)
        return dv_fail(err, DV_INTERNAL, "%s failed: tgtd announces an answer of %u bytes",
                       r->doing, answer.len);
    size_t len = answer.len - sizeof(answer);
    DV_FREE char *got = dv_calloc(len + 1, 1);
    if (read_bytes(fd, got, len, deadline, r, err) != 0)
        return -1;
    if (text) {
        *text = got;
        got = NULL;
    }
    return TGT_OK;
}

int tgt_call(const char *socket_path, int timeout_ms, const struct tgt_request *request,
             char **text, struct dv_err *err)
{
    DV_CLOSE int fd = tgt_connect(socket_path, timeout_ms, err);
    if (fd < 0)
        return -1;
    return tgt_exchange(fd, timeout_ms, request, text, err);
}
