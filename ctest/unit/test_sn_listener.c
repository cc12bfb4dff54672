// What the listener takes and what it must refuse, survive and count.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/inform_lab.h"

// An SNMPv1 trap of community "public" with no variables.
static const uint8_t v1[] = {0x30, 0x22, 0x02, 0x01, 0x00, 0x04, 0x06, 'p',  'u',
                             'b',  'l',  'i',  'c',  0xa4, 0x15, 0x06, 0x02, 0x2b,
                             0x06, 0x40, 0x04, 0x7f, 0x00, 0x00, 0x01, 0x02, 0x01,
                             0x00, 0x02, 0x01, 0x00, 0x43, 0x01, 0x00, 0x30, 0x00};

static void test_many_at_once(void **state)
{
    (void)state;
    struct sn_listener_stats before = settled_stats();
    struct sn_peer *peer = open_peer(receiver_address(), &user, &receiver_engine);
    struct outcome o = {.calls = 0};
    struct job j = {.peer = peer, .timing = quick, .outcome = &o, .repeat = 50};
    assert_true(loop_call(loop, do_inform, &j));
    assert_true(wait_for(&o, 50, 10000));
    assert_int_equal(o.code, DV_OK);
    for (int i = 0; i < 50; i++)
        expect_notification();
    assert_int_equal(settled_stats().informs - before.informs, 50);
    close_peer(peer);
}

static void test_wrong_secrets(void **state)
{
    (void)state;
    struct sn_listener_stats before = settled_stats();
    static const struct {
        struct sn_user as;
        enum dv_code code;
        const char *text;
    } cases[] = {
        {{"dvsan", "wrong-passphrase", "privacy-privacy1", NULL}, DV_DENIED, "authentication"},
        {{"nobody", "authentication1", "privacy-privacy1", NULL},
         DV_DENIED,
         "does not know the user"},
        // What AES makes of a wrong key is noise, which the receiver cannot tell from a bad sender.
        {{"dvsan", "authentication1", "wrong-passphrase", NULL}, DV_TIMEOUT, "did not answer"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct sn_peer *peer = open_peer(receiver_address(), &cases[i].as, NULL);
        struct outcome o = {.calls = 0};
        inform(peer, (struct sn_timing){.timeout_ms = 500}, &o);
        assert_true(wait_for(&o, 1, 10000));
        assert_int_equal(o.code, cases[i].code);
        assert_non_null(strstr(o.text, cases[i].text));
        close_peer(peer);
        assert_int_equal(atomic_load(&o.calls), 1);
    }
    expect_silence();
    struct sn_listener_stats after = settled_stats();
    assert_int_equal(after.informs, before.informs);
    assert_int_equal(after.dropped_security - before.dropped_security, 2);
    assert_int_equal(after.dropped_malformed - before.dropped_malformed, 1);
}

// Keys of one engine, which no passphrase gives.
static void test_local_keys(void **state)
{
    (void)state;
    struct sn_local_keys keys = local_keys;
    keys.engine = receiver_engine;
    const struct sn_user member = {.name = "member", .local = &keys};
    struct sn_peer *peer = open_peer(receiver_address(), &member, NULL);
    assert_int_equal(inform_code(peer), DV_OK);
    expect_notification();
    close_peer(peer);

    keys.auth[0] ^= 1;
    peer = open_peer(receiver_address(), &member, &receiver_engine);
    assert_int_equal(inform_code(peer), DV_DENIED);
    close_peer(peer);
    keys.auth[0] ^= 1;

    keys.engine.b[keys.engine.len - 1] ^= 1;
    struct job j = {.address = receiver_address(), .user = &member, .engine = &receiver_engine};
    assert_true(loop_call(loop, do_open, &j));
    assert_null(j.peer);
    assert_int_equal(j.err.code, DV_DENIED);
    expect_silence();
}

static void test_old_versions(void **state)
{
    (void)state;
    struct sn_listener_stats before = settled_stats();
    throw_at_receiver(v1, sizeof(v1));
    throw_at_receiver(v2c, sizeof(v2c));
    struct sn_listener_stats after = before;
    for (int i = 0; i < 1000 && after.dropped_version < before.dropped_version + 2; i++) {
        usleep(1000);
        after = stats_of(&receiver);
        after.dropped_version -= markers;
    }
    expect_silence();
    assert_int_equal(after.dropped_version - before.dropped_version, 2);
    assert_int_equal(after.informs + after.traps, before.informs + before.traps);
}

static void test_garbage(void **state)
{
    (void)state;
    struct sn_listener_stats before = settled_stats();
    unsigned seed = 1;
    for (int i = 0; i < 2000; i++) {
        uint8_t noise[300];
        size_t len = (size_t)rand_r(&seed) % sizeof(noise);
        for (size_t b = 0; b < len; b++)
            noise[b] = (uint8_t)rand_r(&seed);
        if (i % 2 && len > 5) // looks like SNMPv3 at first
            memcpy(noise, (uint8_t[]){0x30, (uint8_t)(len - 2), 0x02, 0x01, 0x03}, 5);
        throw_at_receiver(noise, len);
        if (i % 100 == 99)
            settled_stats(); // so that no socket buffer runs over
    }
    expect_silence();
    struct sn_listener_stats after = settled_stats();
    assert_int_equal(after.informs + after.traps, before.informs + before.traps);
    assert_true(after.dropped_malformed - before.dropped_malformed > 1900);
}

// A datagram proxy before the receiver, which keeps the last datagram it passed on.
struct proxy {
    int in, out;
    struct sockaddr_in receiver, sender;
    struct loop_fd *watch_in, *watch_out;
    uint8_t last[65536];
    size_t len;
};

static void on_proxy_in(void *arg, int fd, unsigned events)
{
    (void)events;
    struct proxy *p = arg;
    socklen_t size = sizeof(p->sender);
    ssize_t n = recvfrom(fd, p->last, sizeof(p->last), 0, (struct sockaddr *)&p->sender, &size);
    if (n < 0)
        return;
    p->len = (size_t)n;
    sendto(p->out, p->last, p->len, 0, (struct sockaddr *)&p->receiver, sizeof(p->receiver));
}

static void on_proxy_out(void *arg, int fd, unsigned events)
{
    (void)events;
    struct proxy *p = arg;
    uint8_t data[65536];
    ssize_t n = recv(fd, data, sizeof(data), 0);
    if (n >= 0)
        sendto(p->in, data, (size_t)n, 0, (struct sockaddr *)&p->sender, sizeof(p->sender));
}

static void do_proxy(void *arg)
{
    struct proxy *p = arg;
    p->watch_in = loop_fd_new(loop, p->in, LOOP_READ, on_proxy_in, p);
    p->watch_out = loop_fd_new(loop, p->out, LOOP_READ, on_proxy_out, p);
}

static void do_unproxy(void *arg)
{
    struct proxy *p = arg;
    loop_fd_free(p->watch_in);
    loop_fd_free(p->watch_out);
}

static void test_truncated_and_forged(void **state)
{
    (void)state;
    struct proxy *p = dv_calloc(1, sizeof(*p));
    struct sockaddr_in here;
    p->in = udp_socket(PROXY_PORT, &here);
    p->out = udp_socket(RECEIVER_PORT, &p->receiver);
    assert_int_equal(bind(p->in, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_true(loop_call(loop, do_proxy, p));
    DV_FREE char *address = dv_printf("udp:%s:%d", ip, PROXY_PORT);
    struct sn_peer *peer = open_peer(address, &user, NULL);
    assert_int_equal(inform_code(peer), DV_OK);
    expect_notification();
    close_peer(peer);
    assert_true(loop_call(loop, do_unproxy, p));
    assert_true(p->len > 100);

    struct sn_listener_stats before = settled_stats();
    for (size_t len = 0; len < p->len; len++) {
        throw_at_receiver(p->last, len);
        if (len % 100 == 99)
            settled_stats();
    }
    for (size_t i = 0; i < p->len; i++) { // each byte wrong in one bit
        p->last[i] ^= 1u << (i % 8);
        throw_at_receiver(p->last, p->len);
        p->last[i] ^= 1u << (i % 8);
        if (i % 100 == 99)
            settled_stats();
    }
    expect_silence();
    struct sn_listener_stats after = settled_stats();
    assert_int_equal(after.informs + after.traps, before.informs + before.traps);
    close(p->in);
    close(p->out);
    free(p);

    peer = open_peer(receiver_address(), &user, NULL);
    assert_int_equal(inform_code(peer), DV_OK);
    expect_notification();
    close_peer(peer);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_at_once), cmocka_unit_test(test_wrong_secrets),
        cmocka_unit_test(test_local_keys),   cmocka_unit_test(test_old_versions),
        cmocka_unit_test(test_garbage),      cmocka_unit_test(test_truncated_and_forged),
    };
    return run_lab(argc, argv, tests, DV_COUNT(tests));
}
