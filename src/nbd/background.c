// Going to the background once all is well.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/background.h"

#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int tell = -1; // the parent reads a byte from it

static int wait_for_child(pid_t child, int fd)
{
    char byte;
    int status;
    ssize_t n;
    while ((n = read(fd, &byte, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1)
        return 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    // It never came so far: that is a failure, also where it was told to end.
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

int background_begin(struct dv_err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return dv_fail_errno(err, errno, "cannot make a pipe");
    pid_t child = fork();
    if (child < 0) {
        int error = errno;
        close(fds[0]);
        close(fds[1]);
        return dv_fail_errno(err, error, "cannot go to the background");
    }
    if (child > 0) {
        close(fds[1]);
        _exit(wait_for_child(child, fds[0]));
    }
    close(fds[0]);
    tell = fds[1];
    return 0;
}

int background_go(const char *log, struct dv_err *err)
{
    DV_CLOSE int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    DV_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (out < 0 || null < 0)
        return dv_fail_errno(err, errno, "cannot open %s", out < 0 ? log : "/dev/null");
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(out, 2) < 0)
        return dv_fail_errno(err, errno, "cannot log to %s", log);
    setsid();                   // not before: what ends the parent from the terminal ends both
    unsetenv("JOURNAL_STREAM"); // of the standard error that was
    if (write(tell, "", 1) != 1)
        return dv_fail(err, DV_CANCELLED, "who started it has gone");
    close(tell);
    return 0;
}
