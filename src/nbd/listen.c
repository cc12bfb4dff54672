// Where an NBD server listens.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/listen.h"

#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static int open_socket(int family, struct dv_err *err)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        (void)dv_fail_errno(err, errno, "cannot make a socket");
    return fd;
}

// Whether a socket that nobody listens at any more was there, and is removed.
static bool remove_left_over(const struct sockaddr_un *at)
{
    struct stat st;
    if (lstat(at->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    DV_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 &&
           errno == ECONNREFUSED && unlink(at->sun_path) == 0;
}

int nbd_listen_unix(const char *path, struct dv_err *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(at.sun_path))
        return dv_fail(err, DV_INVALID,
                       "the socket's path %s is longer than the %zu bytes that a "
                       "socket's path may have",
                       path, sizeof(at.sun_path) - 1);
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = open_socket(AF_UNIX, err);
    if (fd < 0)
        return -1;
    mode_t before = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)&at, sizeof(at));
    if (rc != 0 && errno == EADDRINUSE && remove_left_over(&at))
        rc = bind(fd, (const struct sockaddr *)&at, sizeof(at));
    int error = errno;
    umask(before);
    if (rc == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (rc == 0)
        error = errno;
    close(fd);
    return dv_fail_errno(err, error, "cannot listen at %s", path);
}

int nbd_listen_tcp(const char *address, struct dv_err *err)
{
    DV_FREE char *host = dv_strdup(address);
    char *colon = strrchr(host, ':'), *name = host;
    struct addrinfo want = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                            .ai_socktype = SOCK_STREAM},
                    *at = NULL;
    int one = 1;
    if (colon)
        *colon = '\0';
    if (*name == '[' && name[strlen(name) - 1] == ']') {
        name[strlen(name) - 1] = '\0';
        name++;
    }
    if (!colon || getaddrinfo(name, colon + 1, &want, &at) != 0)
        return dv_fail(err, DV_INVALID,
                       "\"%s\" is no address and port: write 192.0.2.1:10809 or "
                       "[2001:db8::1]:10809",
                       address);
    int fd = open_socket(at->ai_family, err);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
            (void)dv_fail_errno(err, errno, "cannot listen at %s", address);
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(at);
    return fd;
}

int nbd_listen_passed(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int count = pid && fds && strtol(pid, NULL, 10) == getpid() ? atoi(fds) : 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (int i = 0; i < count; i++) {
        int fd = NBD_LISTEN_FDS_START + i;
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
    return count > 0 ? count : 0;
}
