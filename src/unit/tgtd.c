// A tgtd that the unit's agent starts: kept running, and its log read.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/tgtd.h"
#include "base/log.h"
#include "base/mem.h"
#include "tgt/tgt.h"
#include "unit/tgtd_log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// Between its end and the next start, doubling; one that ran so long starts with the first again.
#define AGAIN_FIRST_MS 100
#define AGAIN_MAX_MS   10000
#define SETTLED_MS     60000
// So long may a living one not answer before somebody should look.
#define HUNG_MS 15000
// A packet takes a place of 4 KiB in the pipe, however short it is.
#define PIPE_BYTES  (1 << 20)
#define PACKET_ROOM 4096
#define TEXT_ROOM   1024
#define NAME_ROOM   16

struct tgtd {
    struct loop *loop;
    const struct unit_config *config;
    uint32_t number;
    struct tgtd_calls calls;
    char *socket;
    char name[NAME_ROOM]; // "tgtd", or with its number when there are several
    struct loop_timer *again;
    uint32_t again_ms;

    pid_t pid; // of the one that is watched
    int pidfd; // -1: none is
    struct loop_fd *end;
    uint64_t since_ms;  // it was started or found then
    uint64_t silent_ms; // it does not answer since then; 0: it does
    bool hung;          // that was reported
    bool complained;    // that none can be started

    int log; // the FIFO, open for reading and writing
    struct loop_fd *log_watch;
    struct tgtd_log parts;
    struct tgtd_log_limit limit;
};

// ---- Its log ------------------------------------------------------------------------------------

static void pass_on(struct tgtd *t, const char *data, size_t len)
{
    char text[TEXT_ROOM];
    uint32_t left_out;
    if (tgtd_log_text(data, len, text, sizeof(text)) == 0 ||
        !tgtd_log_admit(&t->limit, loop_now_ms(), &left_out))
        return;
    if (left_out > 0)
        log_info(t->name, "(%u messages were left out)", left_out);
    log_info(t->name, "%s", text);
}

static void take_packet(struct tgtd *t, const char *data, size_t len)
{
    char initiator[IQN_MAX_LEN + 1];
    enum tgtd_packet packet = tgtd_log_take(&t->parts, data, len);
    if (packet == TGTD_PACKET_NONE)
        return;
    pass_on(t, data, len);
    if (packet == TGTD_PACKET_MESSAGE && tgtd_log_refusal(data, len, initiator))
        t->calls.refused(t->calls.arg, t->number, initiator);
}

void tgtd_read_log(struct tgtd *t)
{
    char data[PACKET_ROOM];
    ssize_t n;
    // It writes no faster than this reads; but if it did, the others must have their turn.
    for (int i = 0; i < PIPE_BYTES / PACKET_ROOM && (n = read(t->log, data, sizeof(data))) > 0; i++)
        take_packet(t, data, (size_t)n);
}

static void on_log(void *arg, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    tgtd_read_log(arg);
}

// The FIFO may be there from before, with a tgtd at its other end and messages in it.
static int open_log(struct tgtd *t, struct dv_err *err)
{
    struct stat st;
    DV_FREE char *path = dv_printf("%s/tgtd.%u.log", t->config->member.state_dir,
                                   unit_config_control_port(t->config, t->number));
    if (mkfifo(path, 0600) != 0 && errno != EEXIST)
        return dv_fail_errno(err, errno, "cannot make %s", path);
    t->log = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (t->log < 0 || fstat(t->log, &st) != 0)
        return dv_fail_errno(err, errno, "cannot open %s", path);
    if (!S_ISFIFO(st.st_mode))
        return dv_fail(err, DV_CONFLICT, "%s is not a FIFO; remove it", path);
    if (fcntl(t->log, F_SETFL, O_NONBLOCK | O_DIRECT) != 0)
        return dv_fail_errno(err, errno, "cannot make %s keep messages apart", path);
    (void)fcntl(t->log, F_SETPIPE_SZ, PIPE_BYTES); // else it holds fewer
    t->log_watch = loop_fd_new(t->loop, t->log, LOOP_READ, on_log, t);
    return 0;
}

// ---- Its end ------------------------------------------------------------------------------------

static void unwatch(struct tgtd *t)
{
    loop_fd_free(t->end);
    t->end = NULL;
    if (t->pidfd >= 0)
        close(t->pidfd);
    t->pidfd = -1;
    t->silent_ms = 0;
    t->hung = false;
}

static void report_end(const struct tgtd *t)
{
    siginfo_t how = {0};
    if (waitid(P_PIDFD, (id_t)t->pidfd, &how, WEXITED | WNOHANG) != 0 || how.si_pid == 0)
        log_warning(t->name,
                    "process %d has ended; why cannot be told, since another run of "
                    "dvsan-unit, or somebody else, started it",
                    (int)t->pid);
    else if (how.si_code == CLD_EXITED)
        log_warning(t->name, "process %d has ended with status %d", (int)t->pid, how.si_status);
    else
        log_warning(t->name, "process %d was ended by signal %d (%s)", (int)t->pid, how.si_status,
                    strsignal(how.si_status));
}

static void on_end(void *arg, int fd, unsigned events)
{
    struct tgtd *t = arg;
    (void)fd;
    (void)events;
    tgtd_read_log(t); // its last words
    report_end(t);
    if (loop_now_ms() - t->since_ms >= SETTLED_MS)
        t->again_ms = AGAIN_FIRST_MS;
    unwatch(t);
    loop_timer_set(t->again, t->again_ms);
    t->again_ms = 2 * t->again_ms < AGAIN_MAX_MS ? 2 * t->again_ms : AGAIN_MAX_MS;
}

static void watch(struct tgtd *t, pid_t pid, int pidfd)
{
    t->pid = pid;
    t->pidfd = pidfd;
    t->since_ms = loop_now_ms();
    t->end = loop_fd_new(t->loop, pidfd, LOOP_READ, on_end, t);
}

void tgtd_answered(struct tgtd *t, bool answered)
{
    uint64_t now = loop_now_ms();
    if (t->pidfd < 0)
        return;
    if (answered && t->hung)
        log_info(t->name, "process %d answers again", (int)t->pid);
    if (answered)
        t->hung = false;
    if (answered || t->silent_ms == 0)
        t->silent_ms = answered ? 0 : now;
    if (t->silent_ms == 0 || now - t->silent_ms < HUNG_MS || t->hung)
        return;
    t->hung = true;
    log_error(
        t->name,
        "process %d lives and has not answered for %u seconds; it is left alone, since hosts' "
        "data may be in its hands; see what it waits for, and if it is to be started anew, "
        "end it: kill -9 %d",
        (int)t->pid, HUNG_MS / 1000, (int)t->pid);
}

// ---- Its start ----------------------------------------------------------------------------------

// Whether it would find the one place where it is to listen at first. Were there none, it would
// listen at all addresses.
static bool can_listen(struct dv_err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    DV_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)inet_pton(AF_INET, TGT_FIRST_ADDRESS, &at.sin_addr);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return true;
    (void)dv_fail_errno(err, errno,
                        "the machine has no address " TGT_FIRST_ADDRESS
                        "; is its loopback interface up?");
    return false;
}

// Its standard streams, and nothing else that the agent has open: not its locks, not its sockets.
// Its input is a pipe that has ended: of volumes whose store opens no file (rbd) tgtd takes that
// for the file when a host asks which blocks are mapped, and over /dev/null, where each place is
// found at 0, it would look for the next one for ever.
static int spawn(const struct tgtd *t, const char *const argv[], const char *const env[],
                 pid_t *pid)
{
    int input[2];
    char *const *a = (char *const *)argv, *const *e = (char *const *)env;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    if (pipe2(input, O_CLOEXEC) != 0)
        return errno;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, t->log, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, t->log, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawn_file_actions_addchdir_np(&files, "/");
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int errnum = posix_spawnp(pid, argv[0], &files, &attributes, a, e);
    if (errnum == ENOENT) // an administrator's PATH often lacks it
        errnum = posix_spawn(pid, "/usr/sbin/tgtd", &files, &attributes, a, e);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    close(input[0]);
    close(input[1]);
    return errnum;
}

// Of the agent's environment tgtd gets PATH alone: what a service manager wants of the agent is
// none of its business.
static int start(struct tgtd *t, struct dv_err *err)
{
    char control_port[8], threads[8];
    const char *path = getenv("PATH");
    snprintf(control_port, sizeof(control_port), "%u",
             unit_config_control_port(t->config, t->number));
    snprintf(threads, sizeof(threads), "%u", t->config->tgtd.threads);
    DV_FREE char *env_path = dv_printf("PATH=%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
    DV_FREE char *env_socket = dv_printf("TGT_IPC_SOCKET=%s", t->config->tgtd.socket);
    const char *argv[] = {"tgtd", "-f",    "-C",      control_port,
                          "-t",   threads, "--iscsi", "portal=" TGT_FIRST_ADDRESS ":0",
                          NULL};
    const char *env[] = {env_path, env_socket, NULL};
    pid_t pid;
    if (!can_listen(err))
        return -1;
    int errnum = spawn(t, argv, env, &pid);
    if (errnum != 0)
        return dv_fail_errno(err, errnum, "tgtd cannot be started; is the package tgt installed?");
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0)
        return dv_fail_errno(err, errno, "cannot watch tgtd, process %d", (int)pid);
    log_info(t->name, "started process %d", (int)pid);
    watch(t, pid, pidfd);
    return 0;
}

// Whether one is there. Connecting to a local socket does not wait.
static bool find(struct tgtd *t)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    DV_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !dv_copy(at.sun_path, sizeof(at.sun_path), t->socket))
        return false;
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
        return errno == EAGAIN; // it has no time for more
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.pid <= 0)
        return true;
    int pidfd = pidfd_open(peer.pid, 0);
    if (pidfd < 0)
        return false; // it has ended since
    log_info(t->name, "goes on as process %d", (int)peer.pid);
    watch(t, peer.pid, pidfd);
    return true;
}

static void look(void *arg)
{
    struct tgtd *t = arg;
    struct dv_err err;
    if (t->pidfd >= 0)
        return;
    bool there = find(t);
    bool failed = !there && start(t, &err) != 0;
    if (failed && !t->complained)
        log_error(t->name, "%s", err.text);
    t->complained = failed;
    if (t->pidfd < 0) {
        loop_timer_set(t->again, t->again_ms);
        t->again_ms = 2 * t->again_ms < AGAIN_MAX_MS ? 2 * t->again_ms : AGAIN_MAX_MS;
    }
}

// ---- Life ---------------------------------------------------------------------------------------

// It has a descriptor or more for each volume and session. As root it raises its own limit; else it
// has the agent's.
static void raise_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_debug("tgtd", "the limit of open files cannot be raised: %s", strerror(errno));
}

struct tgtd *tgtd_new(struct loop *loop, const struct unit_config *config, uint32_t number,
                      const struct tgtd_calls *calls, struct dv_err *err)
{
    struct tgtd *t = dv_calloc(1, sizeof(*t));
    t->loop = loop;
    t->config = config;
    t->number = number;
    t->calls = *calls;
    t->pidfd = t->log = -1;
    t->again_ms = AGAIN_FIRST_MS;
    t->socket = unit_config_tgtd_socket(config, number);
    dv_copy(t->name, sizeof(t->name), "tgtd");
    if (config->tgtd.instances > 1)
        snprintf(t->name, sizeof(t->name), "tgtd%u", number);
    t->again = loop_timer_new(loop, look, t);
    if (open_log(t, err) != 0) {
        tgtd_free(t);
        return NULL;
    }
    raise_limit();
    loop_timer_set(t->again, 0);
    return t;
}

void tgtd_free(struct tgtd *t)
{
    if (!t)
        return;
    unwatch(t);
    loop_fd_free(t->log_watch);
    if (t->log >= 0)
        close(t->log);
    loop_timer_free(t->again);
    free(t->socket);
    free(t);
}
