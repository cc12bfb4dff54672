// Tests of nbd/server on legs of memory: how long clients are waited for, and what they may hold.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/server.h"

#include "base/log.h"
#include "base/mem.h"
#include "block/faulty.h"
#include "block/memory.h"
#include "ctest/support/leg_box.h"
#include "nbd/proto.h"
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB        (1u << 20)
#define BYTES      (32u * MIB) // of the volume: as long as a request may be
#define PATIENCE   60          // s
#define SHORT_MS   50          // a bound that is to be met
#define GREETING   18
#define NAME_LEN   4000
#define CLIENTS    64 // so many may be there
#define REQUESTS   256
#define CLIENT_OWN MIB // bytes that one client may have in any case
#define CLIENT_IO  2   // requests of 32 MiB that one client may have, and all together
#define ALL_IO     8

struct box {
    struct leg_box leg;
    struct leg *memory, *faulty;
    struct nbd_server_config config;
    struct nbd_server *server;
    int fd; // that the server is to take
    struct leg_faults faults;
    unsigned held;
    uint64_t size;
};

static void make_server(void *arg)
{
    struct box *b = arg;
    b->server = nbd_server_new(b->leg.loop, b->leg.leg, &b->config);
}

static void open_box(struct box *b)
{
    struct dv_err err;
    log_init("test_nbd_server", LOG_LEVEL_SILENT);
    b->leg.loop = loop_new();
    b->memory = memory_leg_new(b->leg.loop, BYTES, 512);
    b->faulty = faulty_leg_new(b->leg.loop, b->memory);
    if (!b->config.name)
        b->config.name = "name";
    box_start(&b->leg, b->faulty);
    assert_int_equal(box_open(&b->leg, &err), 0);
    assert_true(loop_call(b->leg.loop, make_server, b));
}

static void free_server(void *arg)
{
    struct box *b = arg;
    box_free_leg(&b->leg);
    nbd_server_free(b->server);
}

static void close_box(struct box *b)
{
    assert_true(loop_call(b->leg.loop, free_server, b));
    box_end(&b->leg);
}

static void take(void *arg)
{
    struct box *b = arg;
    nbd_server_take(b->server, b->fd);
}

// A client's end of a connection.
static int come(struct box *b)
{
    int fds[2];
    const struct timeval patience = {.tv_sec = PATIENCE};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    b->fd = fds[0];
    assert_true(loop_call(b->leg.loop, take, b));
    return fds[1];
}

// False: the server has closed.
static bool get(int fd, void *to, size_t len)
{
    ssize_t n = recv(fd, to, len, MSG_WAITALL);
    assert_true(n == 0 || n == (ssize_t)len);
    return n != 0;
}

static void put(int fd, const void *from, size_t len)
{
    assert_int_equal(send(fd, from, len, MSG_NOSIGNAL), len);
}

// It closes within our patience, whatever is still to be read.
static void is_cut(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    assert_int_equal(poll(&p, 1, PATIENCE * 1000), 1);
    close(fd);
}

static size_t option(uint8_t *out, uint32_t option, const void *data, uint32_t len)
{
    uint8_t *end = nbd_put32(nbd_put32(nbd_put64(out, NBD_OPTION_MAGIC), option), len);
    memcpy(end, data, len);
    return NBD_OPTION_HEAD + len;
}

static size_t request(uint8_t *out, unsigned type, uint64_t cookie, uint64_t offset,
                      uint32_t length)
{
    uint8_t *end = nbd_put16(nbd_put16(nbd_put32(out, NBD_REQUEST_MAGIC), 0), (uint16_t)type);
    nbd_put32(nbd_put64(nbd_put64(end, cookie), offset), length);
    return NBD_REQUEST_HEAD;
}

static void greet(int fd)
{
    uint8_t bytes[GREETING];
    assert_true(get(fd, bytes, sizeof(bytes)));
    put(fd, "\0\0\0\3", 4);
}

// The old way in, whose answer is short; returns the size that it tells.
static uint64_t go(int fd)
{
    uint8_t bytes[64];
    greet(fd);
    put(fd, bytes, option(bytes, NBD_OPT_EXPORT_NAME, "", 0));
    assert_true(get(fd, bytes, 10));
    return nbd_get64(bytes);
}

// One that gets through the negotiation, though there is little time for it.
static int hurry(struct box *b)
{
    uint8_t bytes[64] = "\0\0\0\3";
    size_t len = 4 + option(bytes + 4, NBD_OPT_EXPORT_NAME, "", 0);
    for (uint64_t end = loop_now_ms() + PATIENCE * 1000; loop_now_ms() < end;) {
        int fd = come(b);
        if (send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len &&
            recv(fd, bytes + len, GREETING + 10, MSG_WAITALL) == GREETING + 10)
            return fd;
        close(fd);
    }
    fail_msg("no client got through the negotiation");
    return -1;
}

// It may have been cut off already.
static void may_put(int fd, const void *from, size_t len)
{
    (void)send(fd, from, len, MSG_NOSIGNAL);
}

static void reads(int fd, uint32_t length)
{
    uint8_t bytes[NBD_SIMPLE_HEAD + 4096];
    put(fd, bytes, request(bytes, NBD_CMD_READ, 7, 0, length));
    assert_true(length <= 4096 && get(fd, bytes, NBD_SIMPLE_HEAD + length));
    assert_int_equal(nbd_get32(bytes + 4), 0);
    assert_int_equal(nbd_get64(bytes + 8), 7);
}

static void set_faults(void *arg)
{
    struct box *b = arg;
    faulty_leg_set(b->faulty, &b->faults);
}

static void hold(struct box *b, bool held)
{
    b->faults = (struct leg_faults){.ops = FAULTY(LEG_READ), .hold = held};
    assert_true(loop_call(b->leg.loop, set_faults, b));
}

static void count_held(void *arg)
{
    struct box *b = arg;
    b->held = faulty_leg_held(b->faulty);
}

// So many requests come to the leg; and no more, once another client has come and gone.
static void holds(struct box *b, unsigned wanted)
{
    for (uint64_t end = loop_now_ms() + PATIENCE * 1000; loop_now_ms() < end;) {
        assert_true(loop_call(b->leg.loop, count_held, b));
        if (b->held >= wanted)
            break;
    }
    int fd = come(b);
    (void)go(fd);
    close(fd);
    assert_true(loop_call(b->leg.loop, count_held, b));
    assert_int_equal(b->held, wanted);
}

// ---- How long clients are waited for ------------------------------------------------------------

static void who_does_not_say_what_it_wants_is_cut_off(void **state)
{
    (void)state;
    struct box b = {.config = {.handshake_ms = SHORT_MS}};
    uint8_t bytes[256];
    open_box(&b);
    int fds[5], idle = hurry(&b);
    for (size_t i = 0; i < DV_COUNT(fds); i++)
        fds[i] = come(&b);
    may_put(fds[1], "\0\0", 2);
    may_put(fds[2], "\0\0\0\3", 4);
    may_put(fds[3], "\0\0\0\3IHAVEOPT\0\0\0\1\0\0\1\0n", 21); // a name that does not come
    may_put(fds[4], "\0\0\0\3", 4);
    may_put(fds[4], bytes, option(bytes, NBD_OPT_INFO, "\0\0\0\0\0\0", 6)); // and no more
    for (size_t i = 0; i < DV_COUNT(fds); i++)
        is_cut(fds[i]);
    reads(idle, 512); // which has been there longer, but may
    close(idle);
    close_box(&b);
}

static void who_takes_nothing_is_cut_off(void **state)
{
    (void)state;
    struct box b = {.config = {.stalled_ms = SHORT_MS}};
    uint8_t bytes[NBD_REQUEST_HEAD];
    open_box(&b);
    int idle = come(&b), fd = come(&b);
    (void)go(idle);
    (void)go(fd);
    put(fd, bytes, request(bytes, NBD_CMD_READ, 1, 0, 8 * MIB));
    is_cut(fd);
    reads(idle, 512);
    close(idle);
    close_box(&b);
}

// What it had not taken of the negotiation counts, too.
static void who_takes_no_option_replies_is_cut_off(void **state)
{
    (void)state;
    static char name[NAME_LEN + 1];
    memset(name, 'n', NAME_LEN);
    struct box b = {.config = {.name = name, .stalled_ms = SHORT_MS}};
    uint8_t bytes[64];
    open_box(&b);
    int fd = come(&b);
    put(fd, "\0\0\0\3", 4);
    for (unsigned i = 0; i < 90; i++)
        put(fd, bytes, option(bytes, NBD_OPT_LIST, "", 0));
    put(fd, bytes, option(bytes, NBD_OPT_GO, "\0\0\0\0\0\0", 6));
    is_cut(fd);
    close_box(&b);
}

static void who_stops_in_a_write_is_cut_off(void **state)
{
    (void)state;
    struct box b = {.config = {.stalled_ms = SHORT_MS}};
    uint8_t bytes[NBD_REQUEST_HEAD + 1000];
    open_box(&b);
    int fd = come(&b);
    (void)go(fd);
    memset(bytes, 'x', sizeof(bytes));
    (void)request(bytes, NBD_CMD_WRITE, 1, 0, 4096);
    put(fd, bytes, sizeof(bytes));
    is_cut(fd);
    fd = come(&b);
    (void)go(fd);
    reads(fd, 4096);
    const char *blocks = memory_leg_blocks(b.memory);
    for (unsigned i = 0; i < 4096; i++)
        assert_int_equal(blocks[i], 0); // nothing of it was written
    close(fd);
    close_box(&b);
}

// ---- What they may hold -------------------------------------------------------------------------

static void one_client_has_so_many_requests(void **state)
{
    (void)state;
    struct box b = {0};
    uint8_t bytes[NBD_REQUEST_HEAD], answer[NBD_SIMPLE_HEAD + 512];
    uint8_t seen[REQUESTS + 50] = {0};
    open_box(&b);
    hold(&b, true);
    int fd = come(&b);
    (void)go(fd);
    for (unsigned i = 0; i < REQUESTS + 50; i++)
        put(fd, bytes, request(bytes, NBD_CMD_READ, i, 512 * i, 512));
    holds(&b, REQUESTS);
    hold(&b, false);
    for (unsigned i = 0; i < REQUESTS + 50; i++) {
        assert_true(get(fd, answer, sizeof(answer)));
        assert_in_range(nbd_get64(answer + 8), 0, REQUESTS + 49);
        assert_int_equal(seen[nbd_get64(answer + 8)]++, 0);
    }
    close(fd);
    close_box(&b);
}

static void clients_have_so_many_bytes(void **state)
{
    (void)state;
    struct box b = {0};
    uint8_t bytes[NBD_REQUEST_HEAD];
    int fds[ALL_IO / CLIENT_IO + 2];
    open_box(&b);
    hold(&b, true);
    for (unsigned i = 0; i < DV_COUNT(fds); i++) {
        fds[i] = come(&b);
        (void)go(fds[i]);
        for (unsigned j = 0; j < CLIENT_IO + 2; j++)
            put(fds[i], bytes, request(bytes, NBD_CMD_READ, j, 0, BYTES));
        // Each may have one, so that each gets on.
        unsigned full = (i + 1) * CLIENT_IO;
        holds(&b, full <= ALL_IO ? full : ALL_IO + (i + 1 - ALL_IO / CLIENT_IO));
    }
    // And some small ones side by side, so that it is not slowed down by who takes nothing.
    int fd = come(&b);
    (void)go(fd);
    for (unsigned i = 0; i < REQUESTS; i++)
        put(fd, bytes, request(bytes, NBD_CMD_READ, i, 0, CLIENT_OWN / REQUESTS));
    holds(&b, ALL_IO + DV_COUNT(fds) - ALL_IO / CLIENT_IO + REQUESTS);
    close(fd);
    for (unsigned i = 0; i < DV_COUNT(fds); i++)
        close(fds[i]);
    hold(&b, false);
    fd = come(&b); // and all is given back
    (void)go(fd);
    reads(fd, 4096);
    close(fd);
    close_box(&b);
}

static void so_many_clients(void **state)
{
    (void)state;
    struct box b = {0};
    int fds[CLIENTS];
    uint8_t bytes[GREETING];
    open_box(&b);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = come(&b);
        (void)go(fds[i]);
    }
    int more = come(&b);
    assert_false(get(more, bytes, sizeof(bytes)));
    close(more);
    for (unsigned i = 0; i < CLIENTS; i++)
        reads(fds[i], 512);
    close(fds[0]);
    bool taken = false;
    for (uint64_t end = loop_now_ms() + PATIENCE * 1000; !taken && loop_now_ms() < end;) {
        fds[0] = come(&b);
        taken = get(fds[0], bytes, sizeof(bytes));
        if (!taken)
            close(fds[0]);
    }
    assert_true(taken);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    close_box(&b);
}

// ---- What they are told -------------------------------------------------------------------------

static void grow(void *arg)
{
    struct box *b = arg;
    memory_leg_resize(b->memory, b->size);
}

static uint64_t told(int fd, uint32_t what)
{
    uint8_t bytes[64];
    uint64_t size;
    put(fd, bytes, option(bytes, what, "\0\0\0\0\0\0", 6));
    assert_true(get(fd, bytes, 20 + 12));
    assert_int_equal(nbd_get32(bytes + 12), NBD_REP_INFO);
    assert_int_equal(nbd_get16(bytes + 20), NBD_INFO_EXPORT);
    size = nbd_get64(bytes + 22);
    assert_true(get(fd, bytes, 20 + 14 + 20)); // the block sizes, and the end
    assert_int_equal(nbd_get32(bytes + 20 + 14 + 12), NBD_REP_ACK);
    return size;
}

static void one_negotiation_tells_one_size(void **state)
{
    (void)state;
    struct box b = {.size = 2 * BYTES};
    open_box(&b);
    int fd = come(&b);
    greet(fd);
    assert_int_equal(told(fd, NBD_OPT_INFO), BYTES);
    assert_true(loop_call(b.leg.loop, grow, &b));
    int other = come(&b);
    assert_int_equal(go(other), 2 * BYTES);
    assert_int_equal(told(fd, NBD_OPT_GO), BYTES);
    reads(fd, 512);
    close(fd);
    close(other);
    close_box(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_say_what_it_wants_is_cut_off),
        cmocka_unit_test(who_takes_nothing_is_cut_off),
        cmocka_unit_test(who_takes_no_option_replies_is_cut_off),
        cmocka_unit_test(who_stops_in_a_write_is_cut_off),
        cmocka_unit_test(one_client_has_so_many_requests),
        cmocka_unit_test(clients_have_so_many_bytes),
        cmocka_unit_test(so_many_clients),
        cmocka_unit_test(one_negotiation_tells_one_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
