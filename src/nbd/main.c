// The program dvsan-nbd: a volume of the pool as an NBD disk.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/service.h"
#include "block/steady.h"
#include "iscsi/iscsi_leg.h"
#include "loop/loop.h"
#include "nbd/background.h"
#include "nbd/listen.h"
#include "nbd/options.h"
#include "nbd/params.h"
#include "nbd/run.h"
#include "nbd/server.h"
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHUT_MS 1000 // for the answers to clients when the program ends

static const int ends[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};

struct program {
    const struct nbd_options *options;
    struct loop *loop;
    struct leg *leg;
    struct nbd_server *server;
    struct run_child *run;
    int fds[NBD_PLACES_MOST];
    int passed; // sockets of the service manager
    bool ready, ending, has_pid_file;
    int rc;
};

static int fail(const struct dv_err *err)
{
    log_error("nbd", "%s", err->text);
    return dv_code_exit(err->code);
}

// ---- The end ------------------------------------------------------------------------------------

static void stop(void *arg)
{
    loop_stop(((struct program *)arg)->loop);
}

// While they are ours: another server may have these places as soon as nobody listens there.
static void remove_places(struct program *p)
{
    for (unsigned i = 0; i < p->options->place_count; i++) {
        if (p->options->places[i].is_path && p->fds[i] >= 0)
            (void)unlink(p->options->places[i].text);
        p->fds[i] = -1;
    }
    if (p->has_pid_file)
        (void)unlink(p->options->pid_file);
    p->has_pid_file = false;
}

// Whoever waits for an answer gets one: that it could not be done. A command is told first: it may
// still write, and its end, or one more signal, leads back to here.
static void end(void *arg)
{
    struct program *p = arg;
    if (p->ending || !p->ready) {
        loop_stop(p->loop);
        return;
    }
    if (run_tell(p->run))
        return;
    p->ending = true;
    service_stopping();
    remove_places(p);
    leg_disconnect(p->leg, LEG_LOSS_ASKED, "the server ends");
    nbd_server_shut(p->server, SHUT_MS, stop, p);
}

static void ran(void *arg, int rc)
{
    struct program *p = arg;
    if (p->ending)
        return;
    p->rc = rc;
    end(p);
}

// ---- The volume ---------------------------------------------------------------------------------

static void on_event(void *arg, bool good, const char *text)
{
    static struct log_limit limit; // of requests that fail there may be many
    (void)arg;
    if (good)
        log_info("nbd", "%s", text);
    else
        log_limited(&limit, LOG_LEVEL_ERROR, "nbd", "%s", text);
}

static void start_log(const struct nbd_options *o)
{
    log_init("dvsan-nbd", o->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
}

static int serve(struct program *p, struct dv_err *err)
{
    const struct nbd_options *o = p->options;
    DV_FREE char *pid = dv_printf("%d\n", (int)getpid());
    p->ready = true;
    for (unsigned i = 0; i < o->place_count; i++)
        nbd_server_listen(p->server, p->fds[i]);
    for (int i = 0; i < p->passed; i++)
        nbd_server_listen(p->server, NBD_LISTEN_FDS_START + i);
    if (o->pid_file && file_write_atomic(o->pid_file, pid, strlen(pid), 0644, err) != 0)
        return -1;
    p->has_pid_file = o->pid_file != NULL;
    if (o->run && !(p->run = run_start(p->loop, o->run, &o->places[0], o->name, ran, p, err)))
        return -1;
    if (o->log && background_go(o->log, err) != 0)
        return -1;
    start_log(o); // which may be another one now
    log_info("nbd", "a volume of %llu bytes is served", (unsigned long long)p->leg->info.bytes);
    service_ready();
    return 0;
}

static void on_state(struct leg *leg, void *owner)
{
    struct program *p = owner;
    struct dv_err err = leg->why;
    if (leg->state == LEG_CONNECTING || p->ending)
        return;
    if (leg->state == LEG_READY && serve(p, &err) == 0)
        return;
    p->rc = fail(&err);
    loop_stop(p->loop);
}

static struct leg *make_leg(struct loop *loop, const struct params *params)
{
    struct iscsi_leg_config config = {
        .portal = params->portal,
        .target = params->target,
        .initiator = params->initiator,
        .lun = params->lun,
        .chap_user = params->chap_user,
        .chap_secret = params->chap_secret,
        .header_digest = params->header_digest,
    };
    const struct steady_config steady = {.timeout_ms = params->timeout_s * 1000,
                                         .on_event = on_event};
    iscsi_leg_defaults(&config);
    return steady_new(loop, iscsi_leg_new(loop, &config), &steady);
}

// ---- The program --------------------------------------------------------------------------------

// One more signal at the end kills nobody who is about to remove his sockets.
static void block_ends(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < DV_COUNT(ends); i++)
        sigaddset(&set, ends[i]);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

// By nohup(1).
static bool hang_up_is_ignored(void)
{
    struct sigaction was;
    return sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler == SIG_IGN;
}

static int run(struct program *p, const struct params *params)
{
    struct loop_signal *signals[DV_COUNT(ends)];
    const struct nbd_server_config config = {.name = p->options->name,
                                             .read_only = p->options->read_only};
    signal(SIGPIPE, SIG_IGN);
    p->loop = loop_new_few();
    for (size_t i = 0; i < DV_COUNT(ends); i++)
        signals[i] = ends[i] == SIGHUP && hang_up_is_ignored()
                         ? NULL
                         : loop_signal_new(p->loop, ends[i], end, p);
    p->leg = make_leg(p->loop, params);
    p->leg->on_state = on_state;
    p->leg->owner = p;
    p->server = nbd_server_new(p->loop, p->leg, &config);
    leg_connect(p->leg);
    loop_run(p->loop);
    block_ends();
    remove_places(p);
    leg_free(p->leg);
    nbd_server_free(p->server);
    run_free(p->run);
    for (size_t i = 0; i < DV_COUNT(ends); i++)
        loop_signal_free(signals[i]);
    loop_free(p->loop);
    return p->rc;
}

// Before the login, so that what cannot be served is known first. The leg's first session may take
// long; clients that come meanwhile wait.
static int listen_all(struct program *p, struct dv_err *err)
{
    const struct nbd_options *o = p->options;
    p->passed = nbd_listen_passed();
    if (o->place_count == 0 && p->passed == 0)
        return dv_fail(
            err, DV_INVALID,
            "there is no place to listen at: say --socket PATH or --listen ADDRESS:PORT");
    for (unsigned i = 0; i < o->place_count; i++) {
        const struct nbd_place *at = &o->places[i];
        p->fds[i] = at->is_path ? nbd_listen_unix(at->text, err) : nbd_listen_tcp(at->text, err);
        if (p->fds[i] < 0)
            return -1;
    }
    return 0;
}

// A socket for a command alone needs no name that a person gives it.
static int make_place(struct nbd_options *o, char folder[static 32], struct dv_err *err)
{
    strcpy(folder, "/tmp/dvsan-nbd.XXXXXX");
    if (!mkdtemp(folder))
        return dv_fail_errno(err, errno, "cannot make a folder below /tmp");
    o->places[0] = (struct nbd_place){dv_printf("%s/socket", folder), true};
    o->place_count = 1;
    return 0;
}

static int serve_options(struct nbd_options *o, const struct params *params)
{
    struct dv_err err;
    struct program p = {.options = o};
    char folder[32] = "";
    for (unsigned i = 0; i < NBD_PLACES_MOST; i++)
        p.fds[i] = -1;
    if ((o->run && o->place_count == 0 && make_place(o, folder, &err) != 0) ||
        listen_all(&p, &err) != 0 || (o->log && background_begin(&err) != 0))
        p.rc = fail(&err);
    else
        p.rc = run(&p, params);
    remove_places(&p);
    if (folder[0]) {
        (void)rmdir(folder);
        free((char *)(uintptr_t)o->places[0].text);
    }
    return p.rc;
}

int main(int argc, char **argv)
{
    struct nbd_options options;
    struct dv_err err;
    secret_harden_process();
    log_init("dvsan-nbd", LOG_LEVEL_INFO);
    enum nbd_parsed parsed = nbd_options_parse(argc, argv, &options);
    if (parsed != NBD_RUN)
        return parsed == NBD_DONE ? 0 : dv_code_exit(DV_INVALID);
    start_log(&options);
    struct params *params = params_read(options.params, &err);
    if (!params)
        return fail(&err);
    int rc = serve_options(&options, params);
    params_free(params);
    return rc;
}
