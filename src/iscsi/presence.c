// Whether a target that was "not found" is there after all, and hides from this initiator.
// SPDX-License-Identifier: BSD-2-Clause
//
// tgtd says "target not found" (0x0203) to an initiator whose name a target does not admit, and
// also for a moment after it was restarted, before its targets are back. But it looks at CHAP first
// when a login begins in the operational stage, without authentication: then every target that is
// there and demands CHAP says "authentication failure" (0x0201), and one that is not there says
// "not found" as before. Other targets answer that login likewise (RFC 7143 section 6.3.2).
#include "iscsi/leg_private.h"
#include "iscsi/verdict.h"

#include "base/mem.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD           LEG_PDU_HEAD
#define TEXT_ROOM      1024
#define LOGIN_REQUEST  0x43 // immediate
#define LOGIN_RESPONSE 0x23
#define STAGES         0x87 // from the operational stage to full features
#define HIDES          0x0201
#define HIDES_TOO      0x0202

void presence_close(struct iscsi_leg *l)
{
    if (l->look < 0)
        return;
    leg_unwatch(l);
    close(l->look);
    l->look = -1;
}

static void found(struct iscsi_leg *l, bool there)
{
    session_over(l, there ? LEG_LOSS_REFUSED : LEG_LOSS_ABSENT,
                 "%s: login to %s refused: %s (status 0x0203)", l->portal, l->target,
                 there ? "the target is there, and not for this initiator" : "target not found");
}

void presence_unknown(struct iscsi_leg *l)
{
    found(l, false);
}

static size_t add_key(char *text, size_t at, const char *key, const char *value)
{
    int n = snprintf(text + at, TEXT_ROOM - at, "%s=%s", key, value);
    return n < 0 || at + (size_t)n + 1 > TEXT_ROOM ? TEXT_ROOM : at + (size_t)n + 1;
}

// A login that no target of ours lets through. Another ISID than the leg's: if one did, it would
// replace no session.
static size_t make_login(const struct iscsi_leg *l, uint8_t out[HEAD + TEXT_ROOM])
{
    char *text = (char *)out + HEAD;
    memset(out, 0, HEAD + TEXT_ROOM);
    size_t len = add_key(text, 0, "InitiatorName", l->initiator);
    len = add_key(text, len, "SessionType", "Normal");
    len = add_key(text, len, "TargetName", l->target);
    out[0] = LOGIN_REQUEST;
    out[1] = STAGES;
    out[6] = (uint8_t)(len >> 8);
    out[7] = (uint8_t)len;
    out[8] = 0x80; // an ISID of the random kind
    memcpy(out + 9, &l->isid, 3);
    out[13] = 1;
    return HEAD + (len + 3) / 4 * 4;
}

// Connects to "address:port" or "[address]:port", with ",group" behind it after a redirection.
static int open_socket(const char *portal)
{
    char host[TEXT_ROOM];
    snprintf(host, sizeof(host), "%s", portal);
    host[strcspn(host, ",")] = '\0';
    char *colon = strrchr(host, ':'), *name = host;
    if (!colon)
        return -1;
    *colon = '\0';
    if (*name == '[') {
        name++;
        name[strcspn(name, "]")] = '\0';
    }
    struct addrinfo want = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                            .ai_socktype = SOCK_STREAM},
                    *at;
    if (getaddrinfo(name, colon + 1, &want, &at) != 0)
        return -1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(at);
    return fd;
}

void presence_start(struct iscsi_leg *l)
{
    l->look = open_socket(l->at);
    if (l->look < 0) {
        presence_unknown(l);
        return;
    }
    l->look_len = 0;
    leg_watch(l, l->look, POLLOUT);
}

void presence_service(struct iscsi_leg *l, unsigned revents)
{
    uint8_t login[HEAD + TEXT_ROOM];
    ssize_t n;
    if (l->watched == POLLOUT) {
        size_t len = make_login(l, login); // small: a new socket takes it whole
        if (!(revents & POLLOUT) || send(l->look, login, len, MSG_NOSIGNAL) != (ssize_t)len)
            presence_unknown(l);
        leg_watch(l, l->look, POLLIN);
        return;
    }
    n = recv(l->look, l->look_head + l->look_len, HEAD - l->look_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    l->look_len += n > 0 ? (unsigned)n : 0;
    if (n > 0 && l->look_len < HEAD)
        return;
    const uint8_t *head = l->look_head;
    unsigned status = (unsigned)head[36] << 8 | head[37];
    found(l, n > 0 && head[0] == LOGIN_RESPONSE && (status == HIDES || status == HIDES_TOO));
}
