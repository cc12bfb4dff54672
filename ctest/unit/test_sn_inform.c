// Informs from a manager to a listener in another process, and all that may go wrong on the way.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/listener.h"
#include "snmp/manager.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RECEIVER_PORT 11620
#define PROXY_PORT    11621
#define DEAD_PORT     11622 // nobody listens there

static const struct sn_user user = {"dvsan", "authentication1", "privacy-privacy1"};
static const struct sn_timing quick = {.timeout_ms = 3000, .retries = 0};
static const struct sn_oid trap_oid = {10, {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 1}};
static const struct sn_oid variable_oid = {9, {1, 3, 6, 1, 4, 1, 9, 9, 1}};
static uint64_t markers; // sent by settled_stats to the present receiver
static char ip[16];      // 127.11.x.y by our process ID, so that runs side by side do not meet
static char folder[] = "/tmp/test_sn_inform.XXXXXX"; // the same in the receiver

// ---- The receiver: a process of its own, because Net-SNMP knows one engine a process ---------

struct told {  // what the receiver tells on its pipe
    char kind; // 'r'eady, 'n'otification, 's'tats
    bool inform;
    size_t count;
    struct sn_engine_id engine;
    char user[33];
    bool expected_oids; // trap_oid, and variables of variable_oid
    char values[120];
    struct sn_listener_stats stats;
};

struct receiver {
    pid_t pid;
    int out;                      // of struct told
    int wish;                     // a byte asks for the counts
    struct sn_listener *listener; // in the child
};

static void tell(int fd, const struct told *t)
{
    if (write(fd, t, sizeof(*t)) != (ssize_t)sizeof(*t))
        _exit(3);
}

static void on_notification(void *arg, const struct sn_notification *n)
{
    struct receiver *r = arg;
    struct told t = {.kind = 'n', .inform = n->inform, .count = n->count, .engine = n->engine};
    snprintf(t.user, sizeof(t.user), "%s", n->user);
    t.expected_oids = sn_oid_compare(n->trap, &trap_oid) == 0;
    for (size_t i = 0; i < n->count; i++) {
        if (sn_oid_compare(&n->vars[i].oid, &variable_oid) != 0)
            t.expected_oids = false;
        const struct sn_value *v = &n->vars[i].value;
        size_t used = strlen(t.values);
        char *to = t.values + used;
        size_t room = sizeof(t.values) - used;
        if (v->type == SN_INT)
            snprintf(to, room, "i%d ", v->i);
        else if (v->type == SN_UINT || v->type == SN_COUNTER32 || v->type == SN_TICKS)
            snprintf(to, room, "u%u ", v->u);
        else if (v->type == SN_COUNTER64)
            snprintf(to, room, "c%lu ", v->u64);
        else if (v->type == SN_OCTETS)
            snprintf(to, room, "s%.*s ", (int)v->octets.len, (const char *)v->octets.data);
        else if (v->type == SN_OBJID)
            snprintf(to, room, "o%u ", v->oid->id[v->oid->len - 1]);
    }
    tell(r->out, &t);
}

static void on_wish(void *arg, int fd, unsigned events)
{
    (void)events;
    struct receiver *r = arg;
    char byte;
    if (read(fd, &byte, 1) != 1)
        _exit(0); // the test has ended
    struct told t = {.kind = 's'};
    sn_listener_stats(r->listener, &t.stats);
    tell(r->out, &t);
}

static void on_term(void *arg)
{
    loop_stop(arg);
}

static int receive(struct receiver *r, const char *address)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct dv_err err;
    struct loop *loop = loop_new();
    DV_FREE char *state = dv_printf("%s/receiver", folder);
    struct sn_env *env = sn_env_new(loop, "receiver", state, NULL, &err);
    if (!env)
        return 4;
    r->listener = sn_listener_new(env, address, &user, on_notification, r, &err);
    if (!r->listener)
        return 5;
    struct loop_fd *wish = loop_fd_new(loop, r->wish, LOOP_READ, on_wish, r);
    struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_term, loop);
    struct told ready = {.kind = 'r'};
    sn_env_engine_id(env, &ready.engine);
    tell(r->out, &ready);
    loop_run(loop);
    loop_signal_free(term);
    loop_fd_free(wish);
    sn_listener_free(r->listener);
    sn_env_free(env);
    loop_free(loop);
    return 0;
}

static bool hear(struct receiver *r, struct told *t, int ms)
{
    struct pollfd p = {.fd = r->out, .events = POLLIN};
    return poll(&p, 1, ms) == 1 && read(r->out, t, sizeof(*t)) == (ssize_t)sizeof(*t);
}

static void start_receiver(struct receiver *r, const char *address, struct told *ready)
{
    int out[2], wish[2];
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(wish), 0);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    assert_true(fcntl(out[0], F_SETPIPE_SZ, 1 << 20) > 0); // it must not wait for us
    fcntl(wish[1], F_SETFD, FD_CLOEXEC);
    DV_FREE char *out_fd = dv_printf("%d", out[1]);
    DV_FREE char *wish_fd = dv_printf("%d", wish[0]);
    r->pid = fork();
    if (r->pid == 0) {
        close(out[0]);
        close(wish[1]);
        execl("/proc/self/exe", "receiver", address, out_fd, wish_fd, folder, (char *)NULL);
        _exit(2);
    }
    close(out[1]);
    close(wish[0]);
    r->out = out[0];
    r->wish = wish[1];
    markers = 0;
    assert_true(hear(r, ready, 10000));
    assert_int_equal(ready->kind, 'r');
}

static void stop_receiver(struct receiver *r, int signo)
{
    int status;
    kill(r->pid, signo);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    if (signo == SIGTERM)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(r->out);
    close(r->wish);
}

static struct sn_listener_stats stats_of(struct receiver *r)
{
    struct told t;
    assert_int_equal(write(r->wish, "s", 1), 1);
    assert_true(hear(r, &t, 5000));
    assert_int_equal(t.kind, 's'); // all notifications were expected and heard before
    return t.stats;
}

// ---- The sender: this process; the loop has a thread ----------------------------------------

struct outcome {
    atomic_int calls;
    enum dv_code code;
    char text[200];
    struct sn_peer *free_me;
};

static struct receiver receiver;
static struct sn_engine_id receiver_engine;
static struct loop *loop;
static struct sn_env *env;
static pthread_t thread;

static void on_done(void *arg, const struct sn_result *result)
{
    struct outcome *o = arg;
    o->code = result->code;
    snprintf(o->text, sizeof(o->text), "%s", result->text);
    if (o->free_me) {
        struct sn_peer *peer = o->free_me;
        o->free_me = NULL;
        sn_peer_free(peer);
    }
    atomic_fetch_add(&o->calls, 1);
}

static bool wait_for(struct outcome *o, int calls, unsigned ms)
{
    for (uint64_t end = loop_now_ms() + ms; atomic_load(&o->calls) < calls; usleep(1000)) {
        if (loop_now_ms() > end)
            return false;
    }
    return true;
}

struct job { // what is to be done on the loop's thread
    const char *address;
    const struct sn_user *user;
    const struct sn_engine_id *engine;
    struct sn_peer *peer;
    const struct sn_var *vars;
    size_t count, repeat;
    struct sn_timing timing;
    struct outcome *outcome;
    struct dv_err err;
    bool made;
};

static void do_open(void *arg)
{
    struct job *j = arg;
    j->peer = sn_peer_new(env, j->address, j->user, j->engine, &j->err);
}

static struct sn_peer *open_peer(const char *address, const struct sn_user *as,
                                 const struct sn_engine_id *engine)
{
    struct job j = {.address = address, .user = as, .engine = engine};
    assert_true(loop_call(loop, do_open, &j));
    assert_non_null(j.peer);
    return j.peer;
}

static void do_close(void *arg)
{
    sn_peer_free(arg);
}

static void close_peer(struct sn_peer *peer)
{
    assert_true(loop_call(loop, do_close, peer));
}

static void do_inform(void *arg)
{
    struct job *j = arg;
    int before = atomic_load(&j->outcome->calls);
    for (size_t i = 0; i < (j->repeat ? j->repeat : 1); i++)
        sn_inform(j->peer, &trap_oid, j->vars, j->count, j->timing, on_done, j->outcome);
    j->made = atomic_load(&j->outcome->calls) == before; // never from inside the call
}

static void inform(struct sn_peer *peer, struct sn_timing timing, struct outcome *o)
{
    struct job j = {.peer = peer, .timing = timing, .outcome = o};
    assert_true(loop_call(loop, do_inform, &j));
    assert_true(j.made);
}

static enum dv_code inform_code(struct sn_peer *peer)
{
    struct outcome o = {.calls = 0};
    inform(peer, quick, &o);
    assert_true(wait_for(&o, 1, 10000));
    return o.code;
}

static void expect_notification(void)
{
    struct told t;
    assert_true(hear(&receiver, &t, 5000));
    assert_int_equal(t.kind, 'n');
}

static int udp_socket(int port, struct sockaddr_in *at)
{
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, ip, &at->sin_addr);
    return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void throw_at_receiver(const void *data, size_t len)
{
    struct sockaddr_in at;
    DV_CLOSE int fd = udp_socket(RECEIVER_PORT, &at);
    assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&at, sizeof(at)), len);
}

// SNMPv2c informs and SNMPv1 traps of community "public" with no variables.
static const uint8_t v2c[] = {0x30, 0x19, 0x02, 0x01, 0x01, 0x04, 0x06, 'p',  'u',
                              'b',  'l',  'i',  'c',  0xa6, 0x0c, 0x02, 0x02, 0x01,
                              0x01, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x00};
static const uint8_t v1[] = {0x30, 0x22, 0x02, 0x01, 0x00, 0x04, 0x06, 'p',  'u',
                             'b',  'l',  'i',  'c',  0xa4, 0x15, 0x06, 0x02, 0x2b,
                             0x06, 0x40, 0x04, 0x7f, 0x00, 0x00, 0x01, 0x02, 0x01,
                             0x00, 0x02, 0x01, 0x00, 0x43, 0x01, 0x00, 0x30, 0x00};

// Waits until the receiver has looked at all that was thrown at it before, and returns its counts
// without the marker: an SNMPv2c inform, which is counted in its turn.
static struct sn_listener_stats settled_stats(void)
{
    struct sn_listener_stats before = stats_of(&receiver), now;
    throw_at_receiver(v2c, sizeof(v2c));
    uint64_t end = loop_now_ms() + 10000;
    do {
        usleep(1000);
        assert_true(loop_now_ms() < end);
        now = stats_of(&receiver);
    } while (now.dropped_version == before.dropped_version);
    now.dropped_version -= ++markers;
    return now;
}

static void expect_silence(void)
{
    settled_stats(); // would hear a notification instead
}

static const char *receiver_address(void)
{
    static char text[64];
    snprintf(text, sizeof(text), "udp:%s:%d", ip, RECEIVER_PORT);
    return text;
}

// ---- Tests ----------------------------------------------------------------------------------

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
        {{"dvsan", "wrong-passphrase", "privacy-privacy1"}, DV_DENIED, "authentication"},
        {{"nobody", "authentication1", "privacy-privacy1"}, DV_DENIED, "does not know the user"},
        // What AES makes of a wrong key is noise, which the receiver cannot tell from a bad sender.
        {{"dvsan", "authentication1", "wrong-passphrase"}, DV_TIMEOUT, "did not answer"},
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

static void test_bad_users(void **state)
{
    (void)state;
    static const struct sn_user bad[] = {
        {"", "authentication1", "privacy-privacy1"},
        {"a-name-that-is-longer-than-32-characters", "authentication1", "privacy-privacy1"},
        {"dvsan", "short", "privacy-privacy1"},
        {"dvsan", "authentication1", "short"},
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

// ---- Setting up -----------------------------------------------------------------------------

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
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

static int start_sender(void)
{
    struct dv_err err;
    DV_FREE char *dir = dv_printf("%s/sender", folder);
    loop = loop_new();
    env = sn_env_new(loop, "sender", dir, NULL, &err);
    if (!env)
        return -1;
    return pthread_create(&thread, NULL, run_loop, loop);
}

static int set_up(void **state)
{
    (void)state;
    struct told ready;
    if (!mkdtemp(folder))
        return -1;
    start_receiver(&receiver, receiver_address(), &ready);
    receiver_engine = ready.engine;
    return start_sender();
}

static void stop_sender(void)
{
    loop_stop(loop);
    pthread_join(thread, NULL);
    sn_env_free(env);
    loop_free(loop);
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

static int tear_down(void **state)
{
    (void)state;
    stop_sender();
    stop_receiver(&receiver, SIGTERM);
    DV_FREE char *command = dv_printf("rm -rf %s", folder);
    return system(command);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 5) { // started by start_receiver
        struct receiver r = {.out = atoi(argv[2]), .wish = atoi(argv[3])};
        memcpy(folder, argv[4], sizeof(folder));
        return receive(&r, argv[1]);
    }
    unsigned host = (unsigned)getpid() % (250 * 250);
    snprintf(ip, sizeof(ip), "127.11.%u.%u", 1 + host / 250, 1 + host % 250);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_wrong_secrets),
        cmocka_unit_test(test_bad_users),
        cmocka_unit_test(test_pinned_engine),
        cmocka_unit_test(test_old_versions),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_truncated_and_forged),
        cmocka_unit_test(test_dead_receiver),
        cmocka_unit_test(test_free_in_callback),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_receiver_restarts),
        cmocka_unit_test(test_many_peers),
        cmocka_unit_test(test_over_tcp),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_second_environment),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
