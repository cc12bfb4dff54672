// The station's side of enrolments: strangers' connections, a few at once and for a short time.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/join/enrol_door.h"

#include "base/address.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "enrol/code.h"
#include "enrol/frame.h"
#include "enrol/noise.h"
#include "logic/strangers.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TALKS_MAX        32
#define TALK_MS          20000 // a whole enrolment; the member's disk is the slowest part
#define BACKLOG          64
#define ACCEPT_AT_A_TIME 16
#define ACCEPT_AGAIN_MS  200 // when the process has no descriptor left

// What is waited for: a frame of the other side, or what the judge says.
enum talk_state { TALK_ASK, TALK_KEY, TALK_REQUEST, TALK_GRANT, TALK_KEPT, TALK_OVER };

struct door_talk {
    struct enrol_door *door;
    uint64_t number;
    int fd;
    char from[DOOR_FROM];
    uint64_t since;
    enum talk_state state;
    char code[CODE_ID + 1];
    struct dv_uuid member;
    struct noise noise;
    struct loop_fd *watch;
    struct loop_timer *end;
    uint8_t in[FRAME_HEAD + FRAME_MAX], out[FRAME_HEAD + FRAME_MAX];
    size_t in_len, out_len, out_sent;
};

struct enrol_door {
    struct loop *loop;
    struct door_judge judge;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *again;
    struct door_talk *talks[TALKS_MAX];
    size_t talk_count;
    uint64_t last_talk;
};

// ---- A talk's end ---------------------------------------------------------------------------

static void talk_free(struct door_talk *t)
{
    struct enrol_door *door = t->door;
    if (t->state == TALK_REQUEST)
        door->judge.unproven(door->judge.arg, t->code, t->from);
    for (size_t i = 0; i < door->talk_count; i++)
        if (door->talks[i] == t)
            door->talks[i--] = door->talks[--door->talk_count];
    loop_fd_free(t->watch);
    loop_timer_free(t->end);
    close(t->fd);
    noise_end(&t->noise);
    secret_wipe(t, sizeof(*t));
    free(t);
}

static void on_end(void *arg)
{
    talk_free(arg);
}

// ---- Sending --------------------------------------------------------------------------------

// One frame is on its way at a time: the other side has to answer it.
static void push(struct door_talk *t)
{
    while (t->out_sent < t->out_len) {
        ssize_t n = send(t->fd, t->out + t->out_sent, t->out_len - t->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            loop_fd_events(t->watch, LOOP_READ | LOOP_WRITE);
            return;
        }
        if (n < 0) { // the end comes from the loop
            loop_timer_set(t->end, 0);
            return;
        }
        t->out_sent += (size_t)n;
    }
    loop_fd_events(t->watch, LOOP_READ);
}

static void put(struct door_talk *t, enum frame_type type, size_t len)
{
    frame_head(t->out, type, len);
    t->out_len = FRAME_HEAD + len;
    t->out_sent = 0;
    push(t);
}

static void put_sealed(struct door_talk *t, const char *text)
{
    size_t len = strlen(text);
    noise_seal(&t->noise, text, len, t->out + FRAME_HEAD);
    put(t, FRAME_SEALED, len + NOISE_SEALED_MORE);
}

// The other side reads it and goes; who stays is ended by the timer.
static void refuse(struct door_talk *t, const struct dv_err *why, bool sealed)
{
    DV_FREE char *text = enrol_refusal_write(why);
    static struct log_limit limit;
    log_limited(&limit, LOG_LEVEL_WARNING, "enrol", "an enrolment from %s was refused: %s", t->from,
                why->text);
    t->state = TALK_OVER;
    if (sealed) {
        put_sealed(t, text);
        return;
    }
    memcpy(t->out + FRAME_HEAD, text, strlen(text));
    put(t, FRAME_REFUSED, strlen(text));
}

// ---- The steps ------------------------------------------------------------------------------

static void on_ask(struct door_talk *t, const uint8_t *data, size_t len)
{
    const struct door_judge *judge = &t->door->judge;
    uint8_t text[FRAME_MAX];
    struct dv_err why;
    noise_begin(&t->noise, ENROL_PROLOGUE);
    if (len != CODE_ID + NOISE_HANDSHAKE_MORE || !noise_read_ask(&t->noise, data, len, text)) {
        (void)dv_fail(&why, DV_INVALID,
                      "it asks in another way than this version of the station understands: "
                      "install the same version of dvsan on both");
        refuse(t, &why, false);
        return;
    }
    memcpy(t->code, text, CODE_ID);
    if (!code_id_is_good(t->code)) {
        (void)dv_fail(&why, DV_INVALID, "it names no code");
        refuse(t, &why, false);
        return;
    }
    t->state = TALK_KEY;
    judge->ask(judge->arg, t->number, t->code, t->from);
}

static struct door_talk *find_talk(const struct enrol_door *door, uint64_t number,
                                   enum talk_state state)
{
    for (size_t i = 0; door && i < door->talk_count; i++)
        if (door->talks[i]->number == number && door->talks[i]->state == state)
            return door->talks[i];
    return NULL;
}

bool enrol_door_waits(const struct enrol_door *door, uint64_t talk)
{
    return find_talk(door, talk, TALK_KEY) || find_talk(door, talk, TALK_GRANT);
}

bool enrol_door_key(struct enrol_door *door, uint64_t talk, const uint8_t *key,
                    const struct dv_err *why)
{
    struct door_talk *t = find_talk(door, talk, TALK_KEY);
    if (!t)
        return false;
    if (!key) {
        refuse(t, why, false);
        return true;
    }
    noise_answer(&t->noise, key, NULL, 0, t->out + FRAME_HEAD);
    t->state = TALK_REQUEST;
    put(t, FRAME_ANSWER, NOISE_HANDSHAKE_MORE);
    return true;
}

// The station's address as this member reaches it, as Net-SNMP writes it.
static void own_address(const struct door_talk *t, char out[ADDRESS_MAX_LEN + 1])
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    if (getsockname(t->fd, (struct sockaddr *)&at, &len) == 0)
        getnameinfo((struct sockaddr *)&at, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, ADDRESS_MAX_LEN + 1,
             at.ss_family == AF_INET6 ? "udp6:[%.60s]:%.6s" : "udp:%.60s:%.6s", host, port);
}

static void on_request(struct door_talk *t, const char *text, size_t len)
{
    const struct door_judge *judge = &t->door->judge;
    struct enrol_request request;
    char station[ADDRESS_MAX_LEN + 1];
    struct dv_err why, reason;
    judge->proven(judge->arg, t->code, t->from);
    t->state = TALK_OVER;
    if (enrol_request_read(text, len, &request, &reason) < 0) {
        (void)dv_fail(&why, reason.code, "the member says of itself what cannot be taken: %s",
                      reason.text);
        refuse(t, &why, true);
        return;
    }
    own_address(t, station);
    t->member = request.uuid;
    t->state = TALK_GRANT;
    judge->request(judge->arg, t->number, t->code, t->from, &request, station);
}

bool enrol_door_grant(struct enrol_door *door, uint64_t talk, const struct grant *grant,
                      const struct dv_err *why)
{
    struct door_talk *t = find_talk(door, talk, TALK_GRANT);
    if (!t)
        return false;
    if (!grant) {
        refuse(t, why, true);
        return true;
    }
    char *answer = grant_write(grant);
    t->state = TALK_KEPT;
    put_sealed(t, answer);
    secret_free(answer);
    return true;
}

static void on_kept(struct door_talk *t)
{
    t->state = TALK_OVER;
    t->door->judge.kept(t->door->judge.arg, t->code, &t->member);
    put_sealed(t, "{}");
}

// False: the talk is over, and t gone.
static bool on_frame(struct door_talk *t, enum frame_type type, const uint8_t *data, size_t len)
{
    uint8_t text[FRAME_MAX];
    if (t->state == TALK_ASK && type == FRAME_ASK) {
        on_ask(t, data, len);
        return true;
    }
    if (type != FRAME_SEALED || (t->state != TALK_REQUEST && t->state != TALK_KEPT) ||
        !noise_open(&t->noise, data, len, text)) {
        talk_free(t);
        return false;
    }
    if (t->state == TALK_REQUEST)
        on_request(t, (const char *)text, len - NOISE_SEALED_MORE);
    else
        on_kept(t);
    secret_wipe(text, sizeof(text));
    return true;
}

static void on_ready(void *arg, int fd, unsigned events)
{
    struct door_talk *t = arg;
    enum frame_type type;
    const uint8_t *data;
    size_t len;
    if (events & LOOP_WRITE)
        push(t);
    if (!(events & LOOP_READ))
        return;
    ssize_t n = recv(fd, t->in + t->in_len, sizeof(t->in) - t->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        talk_free(t);
        return;
    }
    t->in_len += (size_t)n;
    switch (frame_read(t->in, t->in_len, &type, &data, &len)) {
    case FRAME_PART:
        return;
    case FRAME_WHOLE: // nobody sends a second frame before the first one is answered
        if (t->in_len == FRAME_HEAD + len && t->out_sent == t->out_len && t->state != TALK_OVER) {
            if (on_frame(t, type, data, len))
                t->in_len = 0;
            return;
        }
        break;
    case FRAME_BAD:
        break;
    }
    talk_free(t);
}

// ---- The door -------------------------------------------------------------------------------

// A newcomer always gets a place: who takes many loses his oldest.
static void make_place(struct enrol_door *door)
{
    struct stranger list[TALKS_MAX];
    if (door->talk_count < TALKS_MAX)
        return;
    for (size_t i = 0; i < door->talk_count; i++) {
        const struct door_talk *t = door->talks[i];
        list[i] = (struct stranger){t->from, t->since, t->state >= TALK_GRANT};
    }
    talk_free(door->talks[strangers_weakest(list, door->talk_count)]);
}

static void take_in(struct enrol_door *door, int fd, const struct sockaddr *at, socklen_t at_len)
{
    make_place(door);
    struct door_talk *t = dv_calloc(1, sizeof(*t));
    t->door = door;
    t->number = ++door->last_talk;
    t->fd = fd;
    t->since = loop_now_ms();
    getnameinfo(at, at_len, t->from, sizeof(t->from), NULL, 0, NI_NUMERICHOST);
    t->watch = loop_fd_new(door->loop, fd, LOOP_READ, on_ready, t);
    t->end = loop_timer_new(door->loop, on_end, t);
    loop_timer_set(t->end, TALK_MS);
    door->talks[door->talk_count++] = t;
}

static void on_accept(void *arg, int fd, unsigned events)
{
    struct enrol_door *door = arg;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_A_TIME; i++) {
        struct sockaddr_storage at;
        socklen_t len = sizeof(at);
        int one = accept4(fd, (struct sockaddr *)&at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (one >= 0) {
            take_in(door, one, (struct sockaddr *)&at, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            loop_fd_events(door->watch, 0);
            loop_timer_set(door->again, ACCEPT_AGAIN_MS);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void accept_again(void *arg)
{
    struct enrol_door *door = arg;
    loop_fd_events(door->watch, LOOP_READ);
}

static int open_socket(const char *listen_at, struct dv_err *err)
{
    struct transport where;
    struct addrinfo *list;
    transport_split(listen_at, &where);
    const struct addrinfo hints = {.ai_family = where.family,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    const int on = 1;
    if (where.stream)
        return dv_fail(err, DV_INVALID,
                       "members cannot enrol, since notifications are heard at %s by TCP: let them "
                       "come by UDP",
                       listen_at);
    int rc = getaddrinfo(*where.host ? where.host : NULL, *where.port ? where.port : "162", &hints,
                         &list);
    if (rc != 0)
        return dv_fail(err, DV_INVALID, "%s cannot be listened at: %s", listen_at,
                       gai_strerror(rc));
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (list->ai_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (fd < 0 || bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        (void)dv_fail_errno(err, errno, "members cannot enrol: TCP at %s cannot be listened at",
                            listen_at);
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

struct enrol_door *enrol_door_new(struct loop *loop, const char *listen_at,
                                  const struct door_judge *judge, struct dv_err *err)
{
    int fd = open_socket(listen_at, err);
    if (fd < 0)
        return NULL;
    struct enrol_door *door = dv_calloc(1, sizeof(*door));
    door->loop = loop;
    door->judge = *judge;
    door->fd = fd;
    door->watch = loop_fd_new(loop, fd, LOOP_READ, on_accept, door);
    door->again = loop_timer_new(loop, accept_again, door);
    return door;
}

void enrol_door_free(struct enrol_door *door)
{
    if (!door)
        return;
    while (door->talk_count > 0)
        talk_free(door->talks[0]);
    loop_fd_free(door->watch);
    loop_timer_free(door->again);
    close(door->fd);
    free(door);
}
