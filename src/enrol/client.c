// Enrolling at a station, step by step, over one TCP connection.
// SPDX-License-Identifier: BSD-2-Clause
#include "enrol/client.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/wait.h"
#include "enrol/frame.h"
#include "enrol/noise.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP_MS 10000

struct enrol_talk {
    const char *station;
    int fd;
    struct noise noise;
    uint8_t in[FRAME_HEAD + FRAME_MAX], out[FRAME_HEAD + FRAME_MAX], text[FRAME_MAX];
};

// ---- The connection -------------------------------------------------------------------------

static int connect_one(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int why = 0;
    socklen_t len = sizeof(why);
    if (fd < 0)
        return -1;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    if (errno == EINPROGRESS && wait_for(fd, POLLOUT, wait_now_ms() + STEP_MS) &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) == 0) {
        if (why == 0)
            return fd;
        errno = why;
    }
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

// Into host and port: HOST, HOST:PORT, [ADDRESS]:PORT, or an IPv6 address alone.
static void split(const char *station, char *host, char *port)
{
    const char *colon = strrchr(station, ':');
    bool bracket = station[0] == '[';
    bool alone = colon && !bracket && strchr(station, ':') != colon;
    size_t len = strlen(station);
    snprintf(port, 6, "%d", ENROL_PORT);
    if (colon && !alone && (!bracket || colon[-1] == ']')) {
        snprintf(port, 6, "%s", colon + 1);
        len = (size_t)(colon - station);
    }
    if (bracket && len >= 2 && station[len - 1] == ']') {
        station++;
        len -= 2;
    }
    snprintf(host, NI_MAXHOST, "%.*s", (int)(len < NI_MAXHOST ? len : NI_MAXHOST - 1), station);
}

int enrol_check_station(const char *station, struct dv_err *err)
{
    char host[NI_MAXHOST], port[6];
    split(station, host, port);
    uint64_t number;
    if (*host && !strpbrk(host, "/@' ") &&
        number_parse("", port, 1, UINT16_MAX, &number, NULL) == 0)
        return 0;
    return dv_fail(err, DV_INVALID,
                   "\"%.80s\" is no address of a station: write HOST, HOST:PORT or [IPv6]:PORT, as "
                   "dvsan unit add prints it",
                   station);
}

static int open_connection(struct enrol_talk *t, struct dv_err *err)
{
    char host[NI_MAXHOST], port[6];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list;
    split(t->station, host, port);
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0)
        return dv_fail(err, DV_UNREACHABLE, "the station %s is not found: %s", t->station,
                       gai_strerror(rc));
    int why = 0;
    for (const struct addrinfo *a = list; a && t->fd < 0; a = a->ai_next) {
        t->fd = connect_one(a);
        why = errno;
    }
    freeaddrinfo(list);
    if (t->fd >= 0)
        return 0;
    return dv_fail(err, DV_UNREACHABLE,
                   "the station %s cannot be reached by TCP port %s (%s): is dvsan-cms running "
                   "there, and does a firewall let the port through?",
                   t->station, port, strerror(why));
}

int enrol_reach(const char *station, struct dv_err *err)
{
    struct enrol_talk t = {.station = station, .fd = -1};
    int rc = open_connection(&t, err);
    if (t.fd >= 0)
        close(t.fd);
    return rc;
}

// ---- Frames ---------------------------------------------------------------------------------

static int lost(const struct enrol_talk *t, int why, struct dv_err *err)
{
    if (why == 0)
        return dv_fail(err, DV_UNREACHABLE,
                       "the station %s ended the connection: look at its events, then try again",
                       t->station);
    return dv_fail(err, why == ETIMEDOUT ? DV_TIMEOUT : DV_UNREACHABLE,
                   "the connection to the station %s broke (%s): try again with the same code",
                   t->station, strerror(why));
}

// The data are in out, behind the head.
static int send_frame(struct enrol_talk *t, enum frame_type type, size_t len, struct dv_err *err)
{
    int64_t until = wait_now_ms() + STEP_MS;
    frame_head(t->out, type, len);
    for (size_t sent = 0; sent < FRAME_HEAD + len;) {
        ssize_t n = send(t->fd, t->out + sent, FRAME_HEAD + len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return lost(t, errno, err);
        else if (!wait_for(t->fd, POLLOUT, until))
            return lost(t, errno, err);
    }
    return 0;
}

static int receive(struct enrol_talk *t, enum frame_type wanted, const uint8_t **data, size_t *len,
                   struct dv_err *err)
{
    int64_t until = wait_now_ms() + STEP_MS;
    enum frame_type type = wanted;
    enum frame_state state;
    size_t got = 0;
    while ((state = frame_read(t->in, got, &type, data, len)) == FRAME_PART) {
        // One frame at a time: the station says nothing more before it is answered.
        size_t want = got < FRAME_HEAD ? FRAME_HEAD - got : FRAME_HEAD + *len - got;
        ssize_t n = recv(t->fd, t->in + got, want, 0);
        if (n > 0)
            got += (size_t)n;
        else if (n == 0)
            return lost(t, 0, err);
        else if (errno != EAGAIN && errno != EINTR)
            return lost(t, errno, err);
        else if (!wait_for(t->fd, POLLIN, until))
            return lost(t, errno, err);
    }
    if (state == FRAME_WHOLE && type == wanted)
        return 0;
    struct dv_err why;
    if (state == FRAME_WHOLE && type == FRAME_REFUSED &&
        enrol_refusal_read((const char *)*data, *len, &why))
        return dv_fail(err, why.code, "the station %s, or who speaks for it, refuses: %s",
                       t->station, why.text);
    return dv_fail(err, DV_INVALID,
                   "%s answers, but not as a dvsan station does: check the address", t->station);
}

static int send_sealed(struct enrol_talk *t, const char *text, struct dv_err *err)
{
    size_t len = strlen(text);
    if (len > FRAME_MAX - NOISE_SEALED_MORE)
        return dv_fail(err, DV_INTERNAL, "a message of an enrolment is too long");
    noise_seal(&t->noise, text, len, t->out + FRAME_HEAD);
    return send_frame(t, FRAME_SEALED, len + NOISE_SEALED_MORE, err);
}

static int tampered(const struct enrol_talk *t, struct dv_err *err)
{
    return dv_fail(
        err, DV_DENIED,
        "what answers at %s does not know the code, or somebody sits between: nothing "
        "was told or taken over. Is it the right station? The station's events tell what "
        "it saw",
        t->station);
}

// Into text, without a NUL.
static int receive_sealed(struct enrol_talk *t, size_t *len, struct dv_err *err)
{
    const uint8_t *data;
    struct dv_err why;
    if (receive(t, FRAME_SEALED, &data, len, err) < 0)
        return -1;
    if (!noise_open(&t->noise, data, *len, t->text))
        return tampered(t, err);
    *len -= NOISE_SEALED_MORE;
    if (enrol_refusal_read((const char *)t->text, *len, &why))
        return dv_fail(err, why.code, "the station %s refuses: %s", t->station, why.text);
    return 0;
}

// ---- The steps ------------------------------------------------------------------------------

static int shake_hands(struct enrol_talk *t, const struct code *code, struct dv_err *err)
{
    uint8_t key[CODE_KEY];
    const uint8_t *data;
    size_t len;
    if (code_key(code, key, err) < 0)
        return -1;
    noise_begin(&t->noise, ENROL_PROLOGUE);
    noise_ask(&t->noise, code->id, CODE_ID, t->out + FRAME_HEAD);
    int rc = send_frame(t, FRAME_ASK, CODE_ID + NOISE_HANDSHAKE_MORE, err);
    if (rc == 0)
        rc = receive(t, FRAME_ANSWER, &data, &len, err);
    if (rc == 0 && !noise_read_answer(&t->noise, key, data, len, t->text))
        rc = tampered(t, err);
    secret_wipe(key, sizeof(key));
    return rc;
}

static int be_granted(struct enrol_talk *t, const struct enrol_request *request,
                      struct grant *grant, struct dv_err *err)
{
    size_t len;
    struct dv_err why;
    DV_FREE char *text = enrol_request_write(request);
    if (send_sealed(t, text, err) < 0 || receive_sealed(t, &len, err) < 0)
        return -1;
    if (grant_read((const char *)t->text, len, grant, &why) < 0)
        return dv_fail(err, DV_INVALID,
                       "the station %s grants what this version does not understand: "
                       "%s",
                       t->station, why.text);
    if (!uuid_equal(&grant->uuid, &request->uuid)) {
        grant_wipe(grant);
        return dv_fail(err, DV_INVALID, "the station %s grants to another member", t->station);
    }
    return 0;
}

int enrol_ask(const char *station, const struct code *code, const struct enrol_request *request,
              enrol_keep_fn *keep, void *arg, struct dv_err *err)
{
    struct enrol_talk *t = dv_calloc(1, sizeof(*t));
    struct grant grant = {.number = 0};
    size_t len;
    t->station = station;
    t->fd = -1;
    int rc = open_connection(t, err);
    if (rc == 0)
        rc = shake_hands(t, code, err);
    if (rc == 0)
        rc = be_granted(t, request, &grant, err);
    if (rc == 0)
        rc = keep(arg, &grant, err);
    // From here on the member is enrolled. That the station hears of it now only makes it look at
    // once; else the member's first announcement does.
    if (rc == 0 && send_sealed(t, "{\"kept\": true}", NULL) == 0)
        (void)receive_sealed(t, &len, NULL);
    if (t->fd >= 0)
        close(t->fd);
    noise_end(&t->noise);
    grant_wipe(&grant);
    secret_wipe(t, sizeof(*t));
    free(t);
    return rc;
}
