// An iSCSI target that lies on command: for tests of initiators.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/liar.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD       48
#define DATA_MOST  (1u << 20)
#define RULES      16
#define WRITES     256
#define PIECE      65536 // of a Data-In
#define BURST      262144
#define CMD_WINDOW 64

enum {
    NOP_OUT = 0x00,
    COMMAND = 0x01,
    TASK_MANAGEMENT = 0x02,
    LOGIN = 0x03,
    DATA_OUT = 0x05,
    LOGOUT = 0x06,
    NOP_IN = 0x20,
    RESPONSE = 0x21,
    TASK_MANAGEMENT_DONE = 0x22,
    LOGIN_DONE = 0x23,
    DATA_IN = 0x25,
    LOGOUT_DONE = 0x26,
    R2T = 0x31,
    REJECT = 0x3f,
};
enum { FINAL = 0x80, HAS_STATUS = 0x01, UNDER = 0x02, OVER = 0x04 };

struct rule {
    enum liar_about about;
    unsigned from, until;
    enum liar_lie lie;
    uint64_t arg;
};

struct conn {
    struct liar *liar;
    int fd;
    bool closed, doomed;
    uint32_t stat_sn, exp_cmd_sn;
    struct write {
        bool used;
        uint32_t itt, asked;
        uint64_t offset;
        uint32_t total, got;
        enum liar_lie lie;
        uint64_t arg;
    } writes[WRITES];
    struct conn *next;
};

struct liar {
    pthread_mutex_t lock;
    pthread_cond_t gone;
    char portal[64];
    int listener, wake[2];
    pthread_t thread;
    bool ending;
    struct conn *conns;

    uint8_t *cache, *stable;
    size_t bytes;
    struct rule rules[RULES];
    unsigned rule_count, counts[LIAR_KINDS];
    uint8_t raw[64];
    size_t raw_len;
    uint64_t seed;
    unsigned one_in, segment, first_burst;
    uint8_t boot[16];
    bool tells_boot;
    uint16_t tsih;
};

static uint64_t number(const uint8_t *at, unsigned n)
{
    uint64_t v = 0;
    while (n--)
        v = v << 8 | *at++;
    return v;
}

static void put(uint8_t *at, uint64_t v, unsigned n)
{
    while (n--) {
        at[n] = (uint8_t)v;
        v >>= 8;
    }
}

static uint64_t draw(struct liar *l) // splitmix64
{
    uint64_t z = (l->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// ---- The wire -----------------------------------------------------------------------------

static bool read_all(int fd, void *to, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, (char *)to + got, len - got, 0);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)from + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

// Sends one PDU with data; sets its numbers. counts: whether it has a StatSN of its own.
static void answer(struct conn *c, uint8_t head[HEAD], const void *data, uint32_t len, bool counts)
{
    struct liar *l = c->liar;
    uint32_t padded = (len + 3) / 4 * 4;
    uint8_t *pdu = calloc(1, HEAD + padded);
    put(head + 5, len, 3);
    put(head + 24, counts ? c->stat_sn++ : c->stat_sn, 4);
    put(head + 28, c->exp_cmd_sn, 4);
    put(head + 32, c->exp_cmd_sn + CMD_WINDOW, 4);
    memcpy(pdu, head, HEAD);
    if (len)
        memcpy(pdu + HEAD, data, len);
    pthread_mutex_lock(&l->lock);
    bool mangled = l->one_in && (head[0] & 0x3f) != LOGIN_DONE && draw(l) % l->one_in == 0;
    for (unsigned n = mangled ? 1 + (unsigned)(draw(l) % 3) : 0; n; n--) {
        // Mostly the header; not the length, after which nothing would be understood any more, nor
        // how much an R2T asks for: libiscsi queues all of it, however much, one by one.
        size_t at = draw(l) % 4 || !padded ? draw(l) % HEAD : draw(l) % (HEAD + padded);
        bool asked = (head[0] & 0x3f) == R2T && at >= 40;
        if ((at < 4 || at > 7) && !asked)
            pdu[at] = (uint8_t)(draw(l) % 2 ? draw(l) : pdu[at] ^ (1u << draw(l) % 8));
    }
    pthread_mutex_unlock(&l->lock);
    if (!write_all(c->fd, pdu, HEAD + padded))
        c->closed = true;
    free(pdu);
}

// ---- Rules --------------------------------------------------------------------------------

static struct rule rule_for(struct liar *l, enum liar_about about)
{
    struct rule found = {.lie = LIAR_HONEST};
    pthread_mutex_lock(&l->lock);
    unsigned now = l->counts[about]++;
    for (unsigned i = 0; i < l->rule_count; i++) {
        const struct rule *r = &l->rules[i];
        if (r->about == about && now >= r->from && now < r->until)
            found = *r;
    }
    pthread_mutex_unlock(&l->lock);
    return found;
}

// ---- Answers to commands ------------------------------------------------------------------

static void respond(struct conn *c, uint32_t itt, uint8_t status, uint8_t flags, uint32_t residual,
                    const void *data, uint32_t len)
{
    uint8_t head[HEAD] = {RESPONSE, FINAL | flags, 0, status};
    put(head + 16, itt, 4);
    put(head + 44, residual, 4);
    answer(c, head, data, len, true);
}

static void respond_sense(struct conn *c, uint32_t itt, uint32_t sense)
{
    uint8_t data[2 + 18] = {0, 18, 0x70, 0, (uint8_t)(sense >> 16)};
    data[2 + 7] = 10;
    data[2 + 12] = (uint8_t)(sense >> 8);
    data[2 + 13] = (uint8_t)sense;
    respond(c, itt, 0x02, 0, 0, data, sizeof(data));
}

// Data in pieces, the last with GOOD.
static void send_data(struct conn *c, uint32_t itt, const uint8_t *data, uint32_t len,
                      uint8_t flags, uint32_t residual)
{
    uint32_t at = 0, sn = 0;
    if (len == 0) {
        respond(c, itt, 0, flags, residual, NULL, 0);
        return;
    }
    while (at < len && !c->closed) {
        uint32_t piece = len - at < PIECE ? len - at : PIECE;
        bool last = at + piece == len;
        uint8_t head[HEAD] = {DATA_IN, last ? (uint8_t)(FINAL | HAS_STATUS | flags) : 0};
        put(head + 16, itt, 4);
        put(head + 20, 0xffffffff, 4);
        put(head + 36, sn++, 4);
        put(head + 40, at, 4);
        put(head + 44, last ? residual : 0, 4);
        answer(c, head, data + at, piece, last);
        at += piece;
    }
}

static void ask_data(struct conn *c, uint32_t itt, uint32_t offset, uint32_t len)
{
    uint8_t head[HEAD] = {R2T, FINAL};
    put(head + 16, itt, 4);
    put(head + 20, itt + 1, 4);
    put(head + 40, offset, 4);
    put(head + 44, len, 4);
    answer(c, head, NULL, 0, false);
}

static void reject(struct conn *c, const uint8_t *of, uint8_t reason)
{
    uint8_t head[HEAD] = {REJECT, FINAL, reason};
    put(head + 16, 0xffffffff, 4);
    answer(c, head, of, HEAD, true);
}

// Lies that are the same for all commands; false: the command is to be carried out.
static bool lied(struct conn *c, const uint8_t *head, const struct rule *r)
{
    uint32_t itt = (uint32_t)number(head + 16, 4);
    switch (r->lie) {
    case LIAR_STATUS:
        respond(c, itt, (uint8_t)r->arg, 0, 0, NULL, 0);
        return true;
    case LIAR_SENSE:
        respond_sense(c, itt, (uint32_t)r->arg);
        return true;
    case LIAR_RAW:
        respond(c, itt, 0x02, 0, 0, c->liar->raw, (uint32_t)c->liar->raw_len);
        return true;
    case LIAR_CLOSE:
        c->closed = true;
        return true;
    case LIAR_SILENCE:
        return true;
    case LIAR_REJECT:
        reject(c, head, (uint8_t)r->arg);
        return true;
    case LIAR_ASK_DATA:
        ask_data(c, itt, 0, 4096);
        respond(c, itt, 0, 0, 0, NULL, 0);
        return true;
    default:
        return false;
    }
}

static void send_for_ever(struct conn *c, uint32_t itt)
{
    static const uint8_t data[PIECE];
    for (uint32_t sn = 0; !c->closed; sn++) {
        uint8_t head[HEAD] = {DATA_IN};
        put(head + 16, itt, 4);
        put(head + 20, 0xffffffff, 4);
        put(head + 36, sn, 4);
        put(head + 40, (uint64_t)sn * PIECE, 4);
        answer(c, head, data, PIECE, false);
        poll(NULL, 0, 50); // libiscsi hands back control only when nothing is there to be read
    }
}

// What a command reads, cut, stretched, or with a residual.
static void give(struct conn *c, uint32_t itt, const struct rule *r, uint8_t *data, uint32_t len)
{
    uint8_t flags = r->lie == LIAR_UNDERFLOW ? UNDER : r->lie == LIAR_OVERFLOW ? OVER : 0;
    if (r->lie == LIAR_ENDLESS) {
        send_for_ever(c, itt);
        return;
    }
    if (r->lie == LIAR_SHORT || (r->lie == LIAR_CLAIM && r->arg < len))
        len = (uint32_t)r->arg;
    if (r->lie == LIAR_LONG)
        len += (uint32_t)r->arg;
    send_data(c, itt, data, len, flags, flags ? (uint32_t)r->arg : 0);
}

static void do_read(struct conn *c, const uint8_t *head, const struct rule *r)
{
    struct liar *l = c->liar;
    uint64_t offset = number(head + 34, 8) * LIAR_BLOCK;
    uint32_t len = (uint32_t)number(head + 42, 4) * LIAR_BLOCK;
    uint32_t itt = (uint32_t)number(head + 16, 4);
    if (len > DATA_MOST || offset + len > l->bytes) {
        respond_sense(c, itt, 0x052100);
        return;
    }
    uint8_t *data = calloc(1, DATA_MOST * 2);
    pthread_mutex_lock(&l->lock);
    memcpy(data, l->cache + offset, len);
    pthread_mutex_unlock(&l->lock);
    give(c, itt, r, data, len);
    free(data);
}

static void do_small(struct conn *c, const uint8_t *head, const struct rule *r)
{
    struct liar *l = c->liar;
    const uint8_t *cdb = head + 32;
    uint32_t itt = (uint32_t)number(head + 16, 4), len = 0;
    uint8_t data[512] = {0};
    if (cdb[0] == LIAR_CAPACITY) {
        len = 32;
        put(data, l->bytes / LIAR_BLOCK - 1, 8);
        put(data + 8, r->lie == LIAR_CLAIM ? r->arg : LIAR_BLOCK, 4);
        data[13] = 3;
    } else if (cdb[0] == LIAR_INQUIRY && cdb[1] & 1 && cdb[2] == 0xb0) {
        len = 64;
        data[1] = 0xb0;
        data[3] = 60;
        put(data + 20, 1u << 16, 4);
        put(data + 24, 1, 4);
        put(data + 36, 1u << 16, 8);
    } else if (cdb[0] == LIAR_INQUIRY && cdb[1] & 1 && cdb[2] == 0xb2) {
        len = 8;
        data[1] = 0xb2;
        data[3] = 4;
        data[5] = 0xc0;
    } else if (cdb[0] == LIAR_MODE_SENSE && (cdb[2] & 0x3f) == 0x08) {
        len = 4 + 20;
        data[2] = 0x10;
        data[4] = 8;
        data[5] = 18;
    } else if (cdb[0] == LIAR_MODE_SENSE && (cdb[2] & 0x3f) == 0x3e && l->tells_boot) {
        len = 4 + 22;
        data[4] = 0x3e;
        data[5] = 20;
        memcpy(data + 6, "DVSN", 4);
        memcpy(data + 10, l->boot, 16);
    } else {
        respond_sense(c, itt, 0x052400);
        return;
    }
    if (cdb[0] == LIAR_MODE_SENSE)
        data[0] = (uint8_t)(len - 1);
    struct rule claim = *r;
    if (cdb[0] == LIAR_CAPACITY && r->lie == LIAR_CLAIM)
        claim.lie = LIAR_HONEST;
    give(c, itt, &claim, data, len);
}

// ---- Writes -------------------------------------------------------------------------------

static void written(struct conn *c, struct write *w)
{
    uint8_t flags = w->lie == LIAR_UNDERFLOW ? UNDER : w->lie == LIAR_OVERFLOW ? OVER : 0;
    w->used = false;
    respond(c, w->itt, 0, flags, flags ? (uint32_t)w->arg : 0, NULL, 0);
}

static void take(struct conn *c, struct write *w, uint32_t at, const uint8_t *data, uint32_t len)
{
    struct liar *l = c->liar;
    pthread_mutex_lock(&l->lock);
    if (w->offset + at + len <= l->bytes)
        memcpy(l->cache + w->offset + at, data, len);
    pthread_mutex_unlock(&l->lock);
    w->got += len;
}

// After a burst: asks for the next, or is done.
static void go_on(struct conn *c, struct write *w)
{
    if (w->got >= w->total)
        written(c, w);
    else
        ask_data(c, w->itt, w->got, w->total - w->got < BURST ? w->total - w->got : BURST);
}

static void do_write(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len,
                     const struct rule *r)
{
    struct write *w = c->writes;
    while (w->used && w < c->writes + WRITES - 1)
        w++;
    *w = (struct write){.used = true,
                        .itt = (uint32_t)number(head + 16, 4),
                        .offset = number(head + 34, 8) * LIAR_BLOCK,
                        .total = (uint32_t)number(head + 20, 4),
                        .lie = r->lie,
                        .arg = r->arg};
    take(c, w, 0, data, len);
    if (head[1] & FINAL)
        go_on(c, w);
}

static void do_data_out(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len)
{
    uint32_t itt = (uint32_t)number(head + 16, 4);
    for (struct write *w = c->writes; w < c->writes + WRITES; w++) {
        if (!w->used || w->itt != itt)
            continue;
        take(c, w, (uint32_t)number(head + 40, 4), data, len);
        if (head[1] & FINAL)
            go_on(c, w);
        return;
    }
}

static void do_zero(struct conn *c, const uint8_t *head)
{
    struct liar *l = c->liar;
    uint64_t offset = number(head + 34, 8) * LIAR_BLOCK, len = number(head + 42, 4) * LIAR_BLOCK;
    pthread_mutex_lock(&l->lock);
    if (offset + len <= l->bytes)
        memset(l->cache + offset, 0, len);
    pthread_mutex_unlock(&l->lock);
    respond(c, (uint32_t)number(head + 16, 4), 0, 0, 0, NULL, 0);
}

static void do_command(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len,
                       const struct rule *r)
{
    struct liar *l = c->liar;
    uint32_t itt = (uint32_t)number(head + 16, 4);
    if (r->lie == LIAR_EARLY || lied(c, head, r))
        return;
    switch (head[32]) {
    case LIAR_READ:
        do_read(c, head, r);
        break;
    case LIAR_WRITE:
        do_write(c, head, data, len, r);
        break;
    case LIAR_SAME:
        do_zero(c, head);
        break;
    case LIAR_FLUSH:
        pthread_mutex_lock(&l->lock);
        memcpy(l->stable, l->cache, l->bytes);
        pthread_mutex_unlock(&l->lock);
        respond(c, itt, 0, 0, 0, NULL, 0);
        break;
    case LIAR_TEST_READY:
    case LIAR_UNMAP:
        respond(c, itt, 0, 0, 0, NULL, 0);
        break;
    default:
        do_small(c, head, r);
    }
}

// ---- Sessions -----------------------------------------------------------------------------

static void do_login(struct conn *c, const uint8_t *req, uint16_t refuse)
{
    struct liar *l = c->liar;
    char keys[512];
    int len = snprintf(keys, sizeof(keys),
                       "TargetPortalGroupTag=1%cHeaderDigest=None%cDataDigest=None%c"
                       "InitialR2T=No%cImmediateData=Yes%cMaxRecvDataSegmentLength=%u%c"
                       "FirstBurstLength=%u%cMaxBurstLength=%u%cMaxOutstandingR2T=1%c",
                       0, 0, 0, 0, 0, l->segment, 0, l->first_burst, 0, BURST, 0, 0);
    uint8_t head[HEAD] = {LOGIN_DONE, req[1]};
    memcpy(head + 8, req + 8, 6);
    memcpy(head + 16, req + 16, 4);
    c->exp_cmd_sn = (uint32_t)number(req + 24, 4);
    put(head + 14, ++l->tsih, 2);
    put(head + 36, refuse, 2);
    if (refuse)
        head[1] = 0;
    answer(c, head, keys, refuse ? 0 : (uint32_t)len, true);
    c->closed |= refuse != 0;
}

static enum liar_about about_of(const uint8_t *head)
{
    switch (head[0] & 0x3f) {
    case LOGIN:
        return head[13] == 1 ? LIAR_LOOK : LIAR_LOGIN; // by the ISID's qualifier
    case COMMAND:
        return (enum liar_about)head[32];
    case TASK_MANAGEMENT:
        return LIAR_RESET;
    default:
        return LIAR_NOP;
    }
}

static void serve(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len,
                  const struct rule *r)
{
    uint8_t out[HEAD] = {0};
    memcpy(out + 16, head + 16, 4);
    switch (head[0] & 0x3f) {
    case COMMAND:
        do_command(c, head, data, len, r);
        return;
    case DATA_OUT:
        do_data_out(c, head, data, len);
        return;
    case LOGIN:
        if (r->lie == LIAR_CLOSE)
            c->closed = true;
        else if (r->lie != LIAR_SILENCE)
            do_login(c, head, r->lie == LIAR_REFUSE ? (uint16_t)r->arg : 0);
        return;
    case TASK_MANAGEMENT:
        out[0] = TASK_MANAGEMENT_DONE;
        out[2] = r->lie == LIAR_REFUSE ? (uint8_t)r->arg : 0;
        break;
    case NOP_OUT:
        if (number(head + 16, 4) == 0xffffffff)
            return;
        out[0] = NOP_IN;
        put(out + 20, 0xffffffff, 4);
        break;
    default:
        out[0] = LOGOUT_DONE;
    }
    out[1] = FINAL;
    if (r->lie == LIAR_CLOSE)
        c->closed = true;
    else if (r->lie == LIAR_REJECT)
        reject(c, head, (uint8_t)r->arg);
    else if (r->lie != LIAR_SILENCE)
        answer(c, out, NULL, 0, true);
}

static void hang_up(struct conn *c)
{
    struct liar *l = c->liar;
    pthread_mutex_lock(&l->lock);
    for (struct conn **at = &l->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    close(c->fd);
    pthread_cond_broadcast(&l->gone);
    pthread_mutex_unlock(&l->lock);
    free(c);
}

static void answer_ahead(struct conn *c, const uint8_t *head)
{
    for (uint32_t i = 0; i < CMD_WINDOW; i++)
        respond(c, (uint32_t)number(head + 16, 4) + i, 0, 0, 0, NULL, 0);
}

static void *conn_main(void *arg)
{
    struct conn *c = arg;
    uint8_t head[HEAD], *data = malloc(DATA_MOST);
    while (!c->closed && read_all(c->fd, head, HEAD)) {
        uint32_t len = (uint32_t)number(head + 5, 3);
        enum liar_about about = about_of(head);
        struct rule r = {.lie = LIAR_HONEST};
        if ((head[0] & 0x3f) != DATA_OUT)
            r = rule_for(c->liar, about);
        if ((head[0] & 0x3f) == COMMAND && !(head[0] & 0x40))
            c->exp_cmd_sn = (uint32_t)number(head + 24, 4) + 1;
        if (r.lie == LIAR_EARLY) {
            answer_ahead(c, head);
            poll(NULL, 0, (int)r.arg);
            answer_ahead(c, head);
        }
        if (len > DATA_MOST || !read_all(c->fd, data, (len + 3) / 4 * 4))
            break;
        serve(c, head, data, len, &r);
    }
    free(data);
    hang_up(c);
    return NULL;
}

static void *listen_main(void *arg)
{
    struct liar *l = arg;
    struct pollfd fds[2] = {{.fd = l->listener, .events = POLLIN},
                            {.fd = l->wake[0], .events = POLLIN}};
    while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
        if (fds[1].revents)
            return NULL;
        int fd = accept(l->listener, NULL, NULL);
        if (fd < 0)
            continue;
        struct conn *c = calloc(1, sizeof(*c));
        c->liar = l;
        c->fd = fd;
        c->stat_sn = 1;
        pthread_mutex_lock(&l->lock);
        c->next = l->conns;
        l->conns = c;
        pthread_mutex_unlock(&l->lock);
        pthread_t thread;
        if (pthread_create(&thread, NULL, conn_main, c) != 0)
            abort();
        pthread_detach(thread);
    }
    return NULL;
}

// ---- Life ---------------------------------------------------------------------------------

struct liar *liar_new(const char *address, uint16_t port, size_t bytes)
{
    struct liar *l = calloc(1, sizeof(*l));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(at);
    int on = 1, small = 4096; // so that a writer's queue fills
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->gone, NULL);
    l->bytes = bytes;
    l->cache = calloc(1, bytes);
    l->stable = calloc(1, bytes);
    l->segment = 8192;
    l->first_burst = 65536;
    l->tells_boot = true;
    l->boot[0] = 1;
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, address, &at.sin_addr);
    setsockopt(l->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(l->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    if (bind(l->listener, (struct sockaddr *)&at, len) != 0 || listen(l->listener, 16) != 0 ||
        getsockname(l->listener, (struct sockaddr *)&at, &len) != 0 || pipe(l->wake) != 0 ||
        pthread_create(&l->thread, NULL, listen_main, l) != 0)
        return NULL;
    snprintf(l->portal, sizeof(l->portal), "%s:%u", address, ntohs(at.sin_port));
    return l;
}

static bool has_doomed(const struct liar *l)
{
    for (const struct conn *c = l->conns; c; c = c->next)
        if (c->doomed)
            return true;
    return false;
}

// Ends the connections that there are, and waits for that; new ones may come meanwhile.
static void end_all(struct liar *l, bool reboot)
{
    pthread_mutex_lock(&l->lock);
    for (struct conn *c = l->conns; c; c = c->next) {
        c->doomed = true;
        shutdown(c->fd, SHUT_RDWR);
    }
    // In this order: what is answered in the old boot is lost, what is sent again is not.
    if (reboot) {
        l->boot[0]++;
        memcpy(l->cache, l->stable, l->bytes);
    }
    while (has_doomed(l))
        pthread_cond_wait(&l->gone, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

void liar_drop(struct liar *l)
{
    end_all(l, false);
}

void liar_reboot(struct liar *l)
{
    end_all(l, true);
}

void liar_free(struct liar *l)
{
    if (write(l->wake[1], "", 1) != 1)
        abort();
    pthread_join(l->thread, NULL);
    liar_drop(l);
    close(l->listener);
    close(l->wake[0]);
    close(l->wake[1]);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->gone);
    free(l->cache);
    free(l->stable);
    free(l);
}

const char *liar_portal(const struct liar *l)
{
    return l->portal;
}

void liar_rule(struct liar *l, enum liar_about about, unsigned skip, unsigned count,
               enum liar_lie lie, uint64_t arg)
{
    pthread_mutex_lock(&l->lock);
    if (l->rule_count == RULES)
        abort();
    unsigned from = l->counts[about] + skip;
    l->rules[l->rule_count++] = (struct rule){.about = about,
                                              .from = from,
                                              .until = count ? from + count : UINT32_MAX,
                                              .lie = lie,
                                              .arg = arg};
    pthread_mutex_unlock(&l->lock);
}

void liar_honest(struct liar *l)
{
    pthread_mutex_lock(&l->lock);
    l->rule_count = 0;
    pthread_mutex_unlock(&l->lock);
}

void liar_raw(struct liar *l, const void *segment, size_t len)
{
    pthread_mutex_lock(&l->lock);
    memcpy(l->raw, segment, len);
    l->raw_len = len;
    pthread_mutex_unlock(&l->lock);
}

void liar_mangle(struct liar *l, uint64_t seed, unsigned one_in)
{
    pthread_mutex_lock(&l->lock);
    l->seed = seed;
    l->one_in = one_in;
    pthread_mutex_unlock(&l->lock);
}

void liar_limits(struct liar *l, unsigned segment, unsigned first_burst)
{
    pthread_mutex_lock(&l->lock);
    l->segment = segment;
    l->first_burst = first_burst;
    pthread_mutex_unlock(&l->lock);
}

unsigned liar_count(struct liar *l, enum liar_about about)
{
    pthread_mutex_lock(&l->lock);
    unsigned count = l->counts[about];
    pthread_mutex_unlock(&l->lock);
    return count;
}

void liar_tell_boot(struct liar *l, bool tell)
{
    pthread_mutex_lock(&l->lock);
    l->tells_boot = tell;
    pthread_mutex_unlock(&l->lock);
}

void liar_peek(struct liar *l, uint64_t offset, void *to, size_t len)
{
    pthread_mutex_lock(&l->lock);
    memcpy(to, l->cache + offset, len);
    pthread_mutex_unlock(&l->lock);
}

void liar_poke(struct liar *l, uint64_t offset, const void *from, size_t len)
{
    pthread_mutex_lock(&l->lock);
    memcpy(l->cache + offset, from, len);
    pthread_mutex_unlock(&l->lock);
}
