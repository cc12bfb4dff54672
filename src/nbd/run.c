// A command that is run while a volume is served.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/run.h"

#include "base/mem.h"
#include "base/text.h"
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_MS   1000 // for a command that is told to end
#define PAUSE_MS 10

struct run_child {
    pid_t child; // 0: it has ended
    bool told;   // to end
    struct loop_signal *signal;
    void (*done)(void *arg, int rc);
    void *arg;
};

// RFC 3986: what is not "unreserved", nor a slash of a path, is written as %XX.
static void add_quoted(struct strbuf *b, const char *text)
{
    for (; *text; text++)
        if (isalnum((unsigned char)*text) || strchr("-._~/", *text))
            strbuf_addn(b, text, 1);
        else
            strbuf_add(b, "%%%02X", (unsigned char)*text);
}

char *run_uri(const struct nbd_place *place, const char *name)
{
    struct strbuf b = {0};
    strbuf_add(&b, place->is_path ? "nbd+unix:///" : "nbd://%s/", place->text);
    add_quoted(&b, name);
    if (place->is_path) {
        strbuf_add(&b, "?socket=");
        add_quoted(&b, place->text);
    }
    return b.text;
}

static void on_child(void *arg)
{
    struct run_child *r = arg;
    int status;
    if (r->child == 0 || waitpid(r->child, &status, WNOHANG) != r->child)
        return;
    r->child = 0;
    r->done(r->arg, r->told ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void exec_command(const char *command, const struct nbd_place *place, const char *name)
{
    DV_FREE char *uri = run_uri(place, name);
    signal(SIGPIPE, SIG_DFL);
    unsetenv("socket");
    if (setenv("uri", uri, 1) == 0 && (!place->is_path || setenv("socket", place->text, 1) == 0))
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    fprintf(stderr, "dvsan-nbd: cannot run sh: %s\n", strerror(errno));
    _exit(127);
}

struct run_child *run_start(struct loop *loop, const char *command, const struct nbd_place *place,
                            const char *name, void (*done)(void *arg, int rc), void *arg,
                            struct dv_err *err)
{
    struct run_child *r = dv_calloc(1, sizeof(*r));
    r->done = done;
    r->arg = arg;
    r->signal = loop_signal_new(loop, SIGCHLD, on_child, r);
    r->child = fork();
    if (r->child == 0)
        exec_command(command, place, name);
    if (r->child > 0)
        return r;
    (void)dv_fail_errno(err, errno, "cannot run the command");
    r->child = 0;
    run_free(r);
    return NULL;
}

bool run_tell(struct run_child *r)
{
    if (!r || !r->child || r->told)
        return false;
    r->told = true;
    return kill(r->child, SIGTERM) == 0;
}

// One that ignores SIGTERM does not keep this program.
static void end_child(struct run_child *r)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    kill(r->child, SIGTERM);
    for (int left = END_MS / PAUSE_MS; left > 0; left--) {
        if (waitpid(r->child, NULL, WNOHANG) != 0)
            return;
        nanosleep(&pause, NULL);
    }
    kill(r->child, SIGKILL);
    (void)waitpid(r->child, NULL, 0);
}

void run_free(struct run_child *r)
{
    if (!r)
        return;
    loop_signal_free(r->signal);
    if (r->child)
        end_child(r);
    free(r);
}
