// Sends SNMPv3 informs to a receiver with some always under way, and prints how many it took in.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: bench_informs ADDRESS STATE_DIR COUNT [WINDOW [listen]]
// The receiver must know user "bench", SHA-256 "bench-auth-pass", AES "bench-priv-pass". With
// "listen" a receiver of ours runs as a child, for a comparison with snmptrapd.
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/listener.h"
#include "snmp/manager.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXTRA 14 // variables behind snmpTrapOID.0, as in an announcement of a unit

static const struct sn_user user = {"bench", "bench-auth-pass", "bench-priv-pass", NULL};
static const struct sn_timing timing = {.timeout_ms = 1000, .retries = 5};
static const struct sn_oid trap = {11, {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 21137, 1}};

struct bench {
    struct loop *loop;
    struct sn_peer *peer;
    struct sn_var vars[EXTRA];
    unsigned to_send, under_way, taken, failed;
};

static void on_done(void *arg, const struct sn_result *result);

static void send_one(struct bench *b)
{
    b->to_send--;
    b->under_way++;
    sn_inform(b->peer, &trap, b->vars, EXTRA, timing, on_done, b);
}

static void on_done(void *arg, const struct sn_result *result)
{
    struct bench *b = arg;
    b->under_way--;
    if (result->code == DV_OK) {
        b->taken++;
    } else {
        if (b->failed++ == 0)
            fprintf(stderr, "%s\n", result->text);
    }
    if (b->to_send > 0)
        send_one(b);
    else if (b->under_way == 0)
        loop_stop(b->loop);
}

static void on_notification(void *arg, const struct sn_notification *n)
{
    (void)n;
    ++*(unsigned *)arg;
}

static void on_term(void *arg)
{
    loop_stop(arg);
}

// The receiver: it counts.
static int listen_on(const char *address, const char *state_dir, int ready)
{
    struct dv_err err;
    unsigned count = 0;
    struct loop *loop = loop_new();
    struct sn_env *env = sn_env_new(loop, "bench_receiver", state_dir, NULL, &err);
    struct sn_listener *l =
        env ? sn_listener_new(env, address, on_notification, &count, &err) : NULL;
    if (!l || sn_listener_add_user(l, &user, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_term, loop);
    close(ready);
    loop_run(loop);
    printf("the receiver was told of %u\n", count);
    loop_signal_free(term);
    sn_listener_free(l);
    sn_env_free(env);
    loop_free(loop);
    return 0;
}

static pid_t start_listener(const char *address, const char *state_dir)
{
    int ready[2];
    char byte;
    DV_FREE char *dir = dv_printf("%s/receiver", state_dir);
    if (pipe(ready) != 0)
        return -1;
    pid_t pid = fork(); // before this process has an environment of its own
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        exit(listen_on(address, dir, ready[1]));
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) < 0) // the end of the file, when it listens
        return -1;
    close(ready[0]);
    return pid;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench_informs ADDRESS STATE_DIR COUNT [WINDOW [listen]]\n");
        return 2;
    }
    log_init("bench_informs", LOG_LEVEL_WARNING);
    struct dv_err err;
    pid_t child = argc > 5 ? start_listener(argv[1], argv[2]) : 0;
    DV_FREE char *dir = dv_printf("%s/sender", argv[2]);
    struct bench b = {.to_send = (unsigned)atoi(argv[3])};
    unsigned window = argc > 4 ? (unsigned)atoi(argv[4]) : 32, count = b.to_send;
    b.loop = loop_new();
    struct sn_env *env = sn_env_new(b.loop, "bench_informs", dir, NULL, &err);
    b.peer = env ? sn_peer_new(env, argv[1], &user, NULL, &err) : NULL;
    if (!b.peer) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (uint32_t i = 0; i < EXTRA; i++) {
        b.vars[i].oid = sn_oid_append(&trap, i + 1);
        b.vars[i].value = i % 2 ? sn_counter64(i) : sn_text("a value of 20 bytes");
    }
    uint64_t start = loop_now_ms();
    while (b.to_send > 0 && b.under_way < window)
        send_one(&b);
    loop_run(b.loop);
    uint64_t ms = loop_now_ms() - start;
    printf("%u of %u informs taken in, %u at a time: %.0f a second\n", b.taken, count, window,
           ms ? b.taken * 1000.0 / (double)ms : 0.0);
    sn_peer_free(b.peer);
    sn_env_free(env);
    loop_free(b.loop);
    if (child > 0) {
        kill(child, SIGTERM);
        waitpid(child, NULL, 0);
    }
    return b.failed ? 1 : 0;
}
