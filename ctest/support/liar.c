// An iSCSI target that lies on command: for tests of initiators.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/liar_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

void liar_answer(struct conn *c, uint8_t head[HEAD], const void *data, uint32_t len, bool counts)
{
    struct liar *l = c->liar;
    uint32_t padded = (len + 3) / 4 * 4;
    uint8_t *pdu = calloc(1, HEAD + padded);
    liar_put(head + 5, len, 3);
    liar_put(head + 24, counts ? c->stat_sn++ : c->stat_sn, 4);
    liar_put(head + 28, c->exp_cmd_sn, 4);
    liar_put(head + 32, c->exp_cmd_sn + CMD_WINDOW, 4);
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
    c->exp_cmd_sn = (uint32_t)liar_number(req + 24, 4);
    liar_put(head + 14, ++l->tsih, 2);
    liar_put(head + 36, refuse, 2);
    if (refuse)
        head[1] = 0;
    liar_answer(c, head, keys, refuse ? 0 : (uint32_t)len, true);
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
        liar_command(c, head, data, len, r);
        return;
    case DATA_OUT:
        liar_data_out(c, head, data, len);
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
        if (liar_number(head + 16, 4) == 0xffffffff)
            return;
        out[0] = NOP_IN;
        liar_put(out + 20, 0xffffffff, 4);
        break;
    default:
        out[0] = LOGOUT_DONE;
    }
    out[1] = FINAL;
    if (r->lie == LIAR_CLOSE)
        c->closed = true;
    else if (r->lie == LIAR_REJECT)
        liar_reject(c, head, (uint8_t)r->arg);
    else if (r->lie != LIAR_SILENCE)
        liar_answer(c, out, NULL, 0, true);
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
        liar_respond(c, (uint32_t)liar_number(head + 16, 4) + i, 0, 0, 0, NULL, 0);
}

static void *conn_main(void *arg)
{
    struct conn *c = arg;
    uint8_t head[HEAD], *data = malloc(DATA_MOST);
    while (!c->closed && read_all(c->fd, head, HEAD)) {
        uint32_t len = (uint32_t)liar_number(head + 5, 3);
        enum liar_about about = about_of(head);
        struct rule r = {.lie = LIAR_HONEST};
        if ((head[0] & 0x3f) != DATA_OUT)
            r = rule_for(c->liar, about);
        if ((head[0] & 0x3f) == COMMAND && !(head[0] & 0x40))
            c->exp_cmd_sn = (uint32_t)liar_number(head + 24, 4) + 1;
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
