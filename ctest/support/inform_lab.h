// A sender and a receiver of informs in two processes, for the tests of manager and listener.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_SUPPORT_INFORM_LAB_H
#define DVSAN_CTEST_SUPPORT_INFORM_LAB_H

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
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RECEIVER_PORT 11620
#define PROXY_PORT    11621
#define DEAD_PORT     11622 // nobody listens there

static const struct sn_user user = {"dvsan", "authentication1", "privacy-privacy1", NULL};
// Of the user "member", at the receiver's engine.
static const struct sn_local_keys local_keys = {.auth = {1, 2, 3}, .priv = {4, 5, 6}};
static const struct sn_timing quick = {.timeout_ms = 3000, .retries = 0};
static const struct sn_oid trap_oid = {10, {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 1}};
static const struct sn_oid variable_oid = {9, {1, 3, 6, 1, 4, 1, 9, 9, 1}};
static uint64_t markers; // sent by settled_stats to the present receiver
static char ip[16];      // 127.11.x.y by our process ID, so that runs side by side do not meet
static char folder[] = "/tmp/test_sn_lab.XXXXXX"; // the same in the receiver

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

static inline void tell(int fd, const struct told *t)
{
    if (write(fd, t, sizeof(*t)) != (ssize_t)sizeof(*t))
        _exit(3);
}

static inline void on_notification(void *arg, const struct sn_notification *n)
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

static inline void on_wish(void *arg, int fd, unsigned events)
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

static inline void on_term(void *arg)
{
    loop_stop(arg);
}

static inline int receive(struct receiver *r, const char *address)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct dv_err err;
    struct loop *loop = loop_new();
    DV_FREE char *state = dv_printf("%s/receiver", folder);
    struct sn_env *env = sn_env_new(loop, "receiver", state, NULL, &err);
    if (!env)
        return 4;
    r->listener = sn_listener_new(env, address, on_notification, r, &err);
    if (!r->listener || sn_listener_add_user(r->listener, &user, &err) < 0)
        return 5;
    struct sn_local_keys keys = local_keys;
    sn_env_engine_id(env, &keys.engine);
    const struct sn_user member = {.name = "member", .local = &keys};
    if (sn_listener_add_user(r->listener, &member, &err) < 0)
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

static inline bool hear(struct receiver *r, struct told *t, int ms)
{
    struct pollfd p = {.fd = r->out, .events = POLLIN};
    return poll(&p, 1, ms) == 1 && read(r->out, t, sizeof(*t)) == (ssize_t)sizeof(*t);
}

static inline void start_receiver(struct receiver *r, const char *address, struct told *ready)
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

static inline void stop_receiver(struct receiver *r, int signo)
{
    int status;
    kill(r->pid, signo);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    if (signo == SIGTERM)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(r->out);
    close(r->wish);
}

static inline struct sn_listener_stats stats_of(struct receiver *r)
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

static inline void on_done(void *arg, const struct sn_result *result)
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

static inline bool wait_for(struct outcome *o, int calls, unsigned ms)
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

static inline void do_open(void *arg)
{
    struct job *j = arg;
    j->peer = sn_peer_new(env, j->address, j->user, j->engine, &j->err);
}

static inline struct sn_peer *open_peer(const char *address, const struct sn_user *as,
                                        const struct sn_engine_id *engine)
{
    struct job j = {.address = address, .user = as, .engine = engine};
    assert_true(loop_call(loop, do_open, &j));
    assert_non_null(j.peer);
    return j.peer;
}

static inline void do_close(void *arg)
{
    sn_peer_free(arg);
}

static inline void close_peer(struct sn_peer *peer)
{
    assert_true(loop_call(loop, do_close, peer));
}

static inline void do_inform(void *arg)
{
    struct job *j = arg;
    int before = atomic_load(&j->outcome->calls);
    for (size_t i = 0; i < (j->repeat ? j->repeat : 1); i++)
        sn_inform(j->peer, &trap_oid, j->vars, j->count, j->timing, on_done, j->outcome);
    j->made = atomic_load(&j->outcome->calls) == before; // never from inside the call
}

static inline void inform(struct sn_peer *peer, struct sn_timing timing, struct outcome *o)
{
    struct job j = {.peer = peer, .timing = timing, .outcome = o};
    assert_true(loop_call(loop, do_inform, &j));
    assert_true(j.made);
}

static inline enum dv_code inform_code(struct sn_peer *peer)
{
    struct outcome o = {.calls = 0};
    inform(peer, quick, &o);
    assert_true(wait_for(&o, 1, 10000));
    return o.code;
}

static inline void expect_notification(void)
{
    struct told t;
    assert_true(hear(&receiver, &t, 5000));
    assert_int_equal(t.kind, 'n');
}

static inline int udp_socket(int port, struct sockaddr_in *at)
{
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, ip, &at->sin_addr);
    return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static inline void throw_at_receiver(const void *data, size_t len)
{
    struct sockaddr_in at;
    DV_CLOSE int fd = udp_socket(RECEIVER_PORT, &at);
    assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&at, sizeof(at)), len);
}

// An SNMPv2c inform of community "public" with no variables.
static const uint8_t v2c[] = {0x30, 0x19, 0x02, 0x01, 0x01, 0x04, 0x06, 'p',  'u',
                              'b',  'l',  'i',  'c',  0xa6, 0x0c, 0x02, 0x02, 0x01,
                              0x01, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x00};

// Waits until the receiver has looked at all that was thrown at it before, and returns its counts
// without the marker: an SNMPv2c inform, which is counted in its turn.
static inline struct sn_listener_stats settled_stats(void)
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

static inline void expect_silence(void)
{
    settled_stats(); // would hear a notification instead
}

static const char *receiver_address(void)
{
    static char text[64];
    snprintf(text, sizeof(text), "udp:%s:%d", ip, RECEIVER_PORT);
    return text;
}

// ---- Setting up -----------------------------------------------------------------------------

static inline void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static inline int start_sender(void)
{
    struct dv_err err;
    DV_FREE char *dir = dv_printf("%s/sender", folder);
    loop = loop_new();
    env = sn_env_new(loop, "sender", dir, NULL, &err);
    if (!env)
        return -1;
    return pthread_create(&thread, NULL, run_loop, loop);
}

static inline int set_up(void **state)
{
    (void)state;
    struct told ready;
    if (!mkdtemp(folder))
        return -1;
    start_receiver(&receiver, receiver_address(), &ready);
    receiver_engine = ready.engine;
    return start_sender();
}

static inline void stop_sender(void)
{
    loop_stop(loop);
    pthread_join(thread, NULL);
    sn_env_free(env);
    loop_free(loop);
}

static inline int tear_down(void **state)
{
    (void)state;
    stop_sender();
    stop_receiver(&receiver, SIGTERM);
    DV_FREE char *command = dv_printf("rm -rf %s", folder);
    return system(command);
}

// The main function of a test: of the receiver too, which is the same program started again.
static inline int run_lab(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 5) { // started by start_receiver
        struct receiver r = {.out = atoi(argv[2]), .wish = atoi(argv[3])};
        memcpy(folder, argv[4], sizeof(folder));
        return receive(&r, argv[1]);
    }
    unsigned host = (unsigned)getpid() % (250 * 250);
    snprintf(ip, sizeof(ip), "127.11.%u.%u", 1 + host / 250, 1 + host % 250);
    return _cmocka_run_group_tests(argv[0], tests, count, set_up, tear_down);
}

#endif
