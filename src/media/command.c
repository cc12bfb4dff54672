// Running another program to its end.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/command.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/wait.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t *running;
static size_t running_count;

static void note(pid_t pid)
{
    pthread_mutex_lock(&lock);
    *DV_APPEND(running, running_count) = pid;
    pthread_mutex_unlock(&lock);
}

// Before it is waited for: from then on its number may be another one's.
static void forget(pid_t pid)
{
    size_t i = 0;
    pthread_mutex_lock(&lock);
    while (running[i] != pid)
        i++;
    running[i] = running[--running_count];
    if (running_count == 0) {
        free(running);
        running = NULL;
    }
    pthread_mutex_unlock(&lock);
}

void command_kill_all(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < running_count; i++)
        kill(running[i], SIGKILL);
    pthread_mutex_unlock(&lock);
}

static int spawn(const char *const *argv, int errors, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int errnum = posix_spawnp(pid, argv[0], &files, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return errnum;
}

// Adds what fits, at the cost of what came first.
static void add(char *kept, const char *more, size_t len)
{
    size_t had = strlen(kept);
    if (had + len >= COMMAND_COMPLAINT) {
        size_t drop = had + len - (COMMAND_COMPLAINT - 1);
        memmove(kept, kept + (drop < had ? drop : had), had - (drop < had ? drop : had));
        had -= drop < had ? drop : had;
    }
    memcpy(kept + had, more, len);
    kept[had + len] = '\0';
}

// Reads what there is until the program closed its end, which makes true; false when `until` comes
// before.
static bool listen_to(int fd, int64_t until, char kept[COMMAND_COMPLAINT])
{
    char part[COMMAND_COMPLAINT / 2];
    while (wait_now_ms() < until && wait_for(fd, POLLIN, until)) {
        ssize_t n = read(fd, part, sizeof(part));
        if (n == 0)
            return true;
        if (n > 0)
            add(kept, part, (size_t)n);
    }
    return false;
}

static int judge(const char *name, int status, const char *complaint, struct dv_err *err)
{
    if (!WIFEXITED(status))
        return dv_fail(err, DV_IO, "%s was killed by signal %d", name, WTERMSIG(status));
    int code = WEXITSTATUS(status);
    if (code != 0)
        (void)dv_fail(err, DV_IO, "%s failed with exit code %d: %s", name, code,
                      complaint[0] ? complaint : "it did not say why");
    return code;
}

int command_start(const char *const *argv, struct media_command *c, struct dv_err *err)
{
    int ends[2];
    *c = (struct media_command){.name = argv[0]};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return dv_fail_errno(err, errno, "cannot run %s", argv[0]);
    int errnum = spawn(argv, ends[1], &c->pid);
    close(ends[1]);
    if (errnum != 0) {
        close(ends[0]);
        return dv_fail_errno(err, errnum, "cannot run %s; is its package installed?", argv[0]);
    }
    c->errors = ends[0];
    note(c->pid);
    return 0;
}

static int reap(struct media_command *c)
{
    int status = 0;
    close(c->errors);
    forget(c->pid);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

void command_kill(struct media_command *c)
{
    kill(c->pid, SIGKILL);
    (void)reap(c);
}

bool command_wait(struct media_command *c, int timeout_ms, int *result, struct dv_err *err)
{
    if (!listen_to(c->errors, wait_now_ms() + timeout_ms, c->said))
        return false;
    int status = reap(c);
    for (size_t len = strlen(c->said); len > 0 && c->said[len - 1] == '\n'; len--)
        c->said[len - 1] = '\0';
    const char *last = strrchr(c->said, '\r'); // before it: how far it was
    *result = judge(c->name, status, last ? last + 1 : c->said, err);
    return true;
}

int command_run(const char *const *argv, int timeout_ms, struct dv_err *err)
{
    struct media_command c;
    int result;
    if (command_start(argv, &c, err) != 0)
        return -1;
    if (command_wait(&c, timeout_ms, &result, err))
        return result;
    command_kill(&c);
    return dv_fail(err, DV_TIMEOUT, "%s did not end within %d s and was killed", argv[0],
                   timeout_ms / 1000);
}
