// Informs by the manager's side: discovery, retries, restarts, names, and the end of a peer.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/inform_lab.h"
#include <sys/resource.h>

static void test_round_trip(void **state)
{
    (void)state;
    struct sn_peer *peer = open_peer(receiver_address(), &user, NULL);
    struct sn_oid name = variable_oid, value = {3, {1, 3, 4294967295u}};
    struct sn_var vars[] = {
        {name, sn_int(-2147483647 - 1)},
        {name, sn_uint(4294967295u)},
        {name, sn_counter64(UINT64_MAX)},
        {name, sn_text("text")},
        {name, sn_text("")},
        {name, sn_objid(&value)},
        {name, {.type = SN_TICKS, .u = 12}},
    };
    struct outcome o = {.calls = 0};
    struct job j = {
        .peer = peer, .vars = vars, .count = DV_COUNT(vars), .timing = quick, .outcome = &o};
    assert_true(loop_call(loop, do_inform, &j));
    assert_true(wait_for(&o, 1, 10000));
    assert_int_equal(o.code, DV_OK);

    struct told t;
    assert_true(hear(&receiver, &t, 1000));
    assert_true(t.inform);
    assert_int_equal(t.count, DV_COUNT(vars));
    assert_string_equal(t.user, "dvsan");
    assert_true(t.expected_oids);
    assert_string_equal(t.values, "i-2147483648 u4294967295 c18446744073709551615 stext s "
                                  "o4294967295 u12 ");
    struct sn_engine_id found;
    sn_peer_engine_id(peer, &found);
    assert_int_equal(found.len, receiver_engine.len);
    assert_memory_equal(found.b, receiver_engine.b, found.len);
    close_peer(peer);
}

static void test_bad_users(void **state)
{
    (void)state;
    static const struct sn_user bad[] = {
        {"", "authentication1", "privacy-privacy1", NULL},
        {"a-name-that-is-longer-than-32-characters", "authentication1", "privacy-privacy1", NULL},
        {"dvsan", "short", "privacy-privacy1", NULL},
        {"dvsan", "authentication1", "short", NULL},
    };
    for (size_t i = 0; i < DV_COUNT(bad); i++) {
        struct job j = {.address = receiver_address(), .user = &bad[i]};
        assert_true(loop_call(loop, do_open, &j));
        assert_null(j.peer);
        assert_int_equal(j.err.code, DV_INVALID);
    }
}

static void test_pinned_engine(void **state)
{
    (void)state;
    struct sn_engine_id other = receiver_engine;
    other.b[other.len - 1] ^= 1;
    struct sn_peer *peer = open_peer(receiver_address(), &user, &other);
    struct outcome o = {.calls = 0};
    inform(peer, (struct sn_timing){.timeout_ms = 200, .retries = 1}, &o);
    assert_true(wait_for(&o, 1, 10000));
    assert_int_equal(o.code, DV_DENIED);
    assert_non_null(strstr(o.text, "another engine ID"));
    expect_silence();
    close_peer(peer);
}

static void test_dead_receiver(void **state)
{
    (void)state;
    DV_FREE char *address = dv_printf("udp:%s:%d", ip, DEAD_PORT);
    const struct sn_engine_id *known[] = {NULL, &receiver_engine};
    for (size_t i = 0; i < DV_COUNT(known); i++) {
        struct sn_peer *peer = open_peer(address, &user, known[i]);
        struct outcome o = {.calls = 0};
        inform(peer, (struct sn_timing){.timeout_ms = 60, .retries = 2}, &o);
        assert_true(wait_for(&o, 1, 10000));
        assert_int_equal(o.code, DV_TIMEOUT);
        inform(peer, (struct sn_timing){.timeout_ms = 60}, &o);
        assert_true(wait_for(&o, 2, 10000));
        usleep(200000);
        assert_int_equal(atomic_load(&o.calls), 2);
        close_peer(peer);
    }
}

static void test_free_in_callback(void **state)
{
    (void)state;
    struct sn_peer *peer = open_peer(receiver_address(), &user, NULL);
    struct outcome o = {.calls = 0, .free_me = peer};
    struct job j = {.peer = peer, .timing = quick, .outcome = &o, .repeat = 3};
    assert_true(loop_call(loop, do_inform, &j));
    assert_true(wait_for(&o, 3, 10000)); // the one that freed it, and two that were cancelled
    usleep(1000);
    assert_int_equal(atomic_load(&o.calls), 3);

    DV_FREE char *address = dv_printf("udp:%s:%d", ip, DEAD_PORT);
    peer = open_peer(address, &user, NULL);
    struct outcome dead = {.calls = 0, .free_me = peer};
    inform(peer, (struct sn_timing){.timeout_ms = 30}, &dead);
    assert_true(wait_for(&dead, 1, 10000));
    assert_int_equal(dead.code, DV_TIMEOUT);
    struct told t;
    while (hear(&receiver, &t, 100)) // up to three of the first part's
        ;
}

static void test_cancel(void **state)
{
    (void)state;
    DV_FREE char *address = dv_printf("udp:%s:%d", ip, DEAD_PORT);
    struct sn_peer *peer = open_peer(address, &user, NULL);
    struct outcome o = {.calls = 0};
    struct job j = {.peer = peer, .timing = {.timeout_ms = 60000}, .outcome = &o, .repeat = 5};
    assert_true(loop_call(loop, do_inform, &j));
    close_peer(peer);
    assert_int_equal(atomic_load(&o.calls), 5);
    assert_int_equal(o.code, DV_CANCELLED);
}

static void test_too_long(void **state)
{
    (void)state;
    struct sn_peer *peer = open_peer(receiver_address(), &user, &receiver_engine);
    DV_FREE char *text = dv_calloc(1, 66000);
    memset(text, 'x', 65999);
    struct sn_var var = {trap_oid, sn_text(text)};
    struct outcome o = {.calls = 0};
    struct job j = {.peer = peer, .vars = &var, .count = 1, .timing = quick, .outcome = &o};
    assert_true(loop_call(loop, do_inform, &j));
    assert_true(wait_for(&o, 1, 10000));
    assert_int_equal(o.code, DV_INVALID);
    close_peer(peer);
}

static void test_receiver_restarts(void **state)
{
    (void)state;
    struct sn_peer *peer = open_peer(receiver_address(), &user, &receiver_engine);
    assert_int_equal(inform_code(peer), DV_OK);
    expect_notification();
    for (int i = 0; i < 2; i++) {
        stop_receiver(&receiver, i ? SIGTERM : SIGKILL);
        struct told ready;
        start_receiver(&receiver, receiver_address(), &ready);
        assert_memory_equal(ready.engine.b, receiver_engine.b, ready.engine.len);
        assert_int_equal(inform_code(peer), DV_OK); // with no try lost
        expect_notification();
        assert_int_equal(stats_of(&receiver).informs, 1);
    }
    close_peer(peer);
}

static void test_over_tcp(void **state)
{
    (void)state;
    struct receiver udp = receiver;
    struct told ready;
    DV_FREE char *address = dv_printf("tcp:%s:%d", ip, PROXY_PORT);
    stop_receiver(&udp, SIGTERM);
    start_receiver(&receiver, address, &ready);
    struct sn_peer *peer = open_peer(address, &user, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(inform_code(peer), DV_OK);
        expect_notification();
    }
    stop_receiver(&receiver, SIGKILL);
    enum dv_code code = inform_code(peer);
    assert_true(code == DV_UNREACHABLE || code == DV_TIMEOUT);
    start_receiver(&receiver, address, &ready);
    assert_int_equal(inform_code(peer), DV_OK); // over a new connection
    expect_notification();
    close_peer(peer);
    stop_receiver(&receiver, SIGTERM);
    start_receiver(&receiver, receiver_address(), &ready);
}

static void test_over_udp6(void **state)
{
    (void)state;
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    DV_CLOSE int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
        skip(); // no IPv6 here
    struct told ready;
    DV_FREE char *address = dv_printf("udp6:[::1]:%d", 20000 + (int)(getpid() % 10000));
    stop_receiver(&receiver, SIGTERM);
    start_receiver(&receiver, address, &ready);
    struct sn_peer *peer = open_peer(address, &user, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(inform_code(peer), DV_OK);
        expect_notification();
    }
    close_peer(peer);
    stop_receiver(&receiver, SIGTERM);
    start_receiver(&receiver, receiver_address(), &ready);
}

static void test_names(void **state)
{
    (void)state;
    struct told ready;
    int port = 20000 + (int)(getpid() % 10000);
    DV_FREE char *address = dv_printf("udp:127.0.0.1:%d", port);
    DV_FREE char *named = dv_printf("udp:localhost:%d", port);
    stop_receiver(&receiver, SIGTERM);
    struct sn_peer *peer = open_peer(named, &user, NULL);
    struct outcome o = {.calls = 0};
    struct job j = {.peer = peer, .timing = {100, 0}, .outcome = &o, .repeat = 3};
    assert_true(loop_call(loop, do_inform, &j)); // all wait for the same lookup
    assert_true(wait_for(&o, 3, 10000));
    assert_int_equal(o.code, DV_TIMEOUT);
    start_receiver(&receiver, address, &ready);
    assert_int_equal(inform_code(peer), DV_OK); // after another lookup
    expect_notification();
    close_peer(peer);
    stop_receiver(&receiver, SIGTERM);
    start_receiver(&receiver, receiver_address(), &ready);

    peer = open_peer("udp:no-such-host.invalid:161", &user, NULL);
    struct outcome lost = {.calls = 0};
    inform(peer, (struct sn_timing){500, 1}, &lost);
    assert_true(wait_for(&lost, 1, 10000));
    assert_true(lost.code == DV_UNREACHABLE || lost.code == DV_TIMEOUT);
    assert_non_null(strstr(lost.text, "resolved"));
    inform(peer, (struct sn_timing){60000, 1}, &lost);
    close_peer(peer); // while the name is looked up, or just after
    assert_int_equal(atomic_load(&lost.calls), 2);
}

#define PEERS 1100 // more descriptors than an fd_set holds

struct crowd {
    struct sn_peer *peer[PEERS];
    struct outcome outcome;
};

static void do_crowd(void *arg)
{
    struct crowd *c = arg;
    for (size_t i = 0; i < PEERS; i++) {
        struct job j = {.address = receiver_address(), .user = &user, .engine = &receiver_engine};
        do_open(&j);
        c->peer[i] = j.peer;
        sn_inform(j.peer, &trap_oid, NULL, 0, (struct sn_timing){1000, 5}, on_done, &c->outcome);
    }
}

static void do_disperse(void *arg)
{
    struct crowd *c = arg;
    for (size_t i = 0; i < PEERS; i++)
        sn_peer_free(c->peer[i]);
}

static void test_many_peers(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < PEERS + 100)
        skip();
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct crowd *c = dv_calloc(1, sizeof(*c));
    assert_true(loop_call(loop, do_crowd, c));
    assert_true(wait_for(&c->outcome, PEERS, 20000));
    assert_int_equal(c->outcome.code, DV_OK);
    assert_true(loop_call(loop, do_disperse, c));
    assert_int_equal(atomic_load(&c->outcome.calls), PEERS);
    free(c);
    struct told t;
    int told = 0;
    while (hear(&receiver, &t, 200))
        told++;
    assert_true(told >= PEERS); // more, where an acknowledgement was lost
}

// Net-SNMP forgets what its MIB reader had when it starts again.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:netsnmp_init_mib_internals\n";
}

static void test_second_environment(void **state)
{
    (void)state;
    struct sn_engine_id before, after;
    sn_env_engine_id(env, &before);
    stop_sender();
    assert_int_equal(start_sender(), 0);
    sn_env_engine_id(env, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    struct sn_peer *peer = open_peer(receiver_address(), &user, NULL);
    assert_int_equal(inform_code(peer), DV_OK);
    expect_notification();
    close_peer(peer);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),         cmocka_unit_test(test_bad_users),
        cmocka_unit_test(test_pinned_engine),      cmocka_unit_test(test_dead_receiver),
        cmocka_unit_test(test_free_in_callback),   cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_too_long),           cmocka_unit_test(test_receiver_restarts),
        cmocka_unit_test(test_many_peers),         cmocka_unit_test(test_over_tcp),
        cmocka_unit_test(test_over_udp6),          cmocka_unit_test(test_names),
        cmocka_unit_test(test_second_environment),
    };
    return run_lab(argc, argv, tests, DV_COUNT(tests));
}
