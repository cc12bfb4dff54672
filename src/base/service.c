// Telling the service manager.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/service.h"

#include "base/mem.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void tell(const char *what)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len > sizeof(addr.sun_path))
        return;
    memcpy(addr.sun_path, path, len);
    if (path[0] == '@') // its name is in the abstract namespace
        addr.sun_path[0] = '\0';
    DV_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)sendto(fd, what, strlen(what), MSG_NOSIGNAL, (const struct sockaddr *)&addr,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

void service_ready(void)
{
    tell("READY=1");
}

void service_stopping(void)
{
    tell("STOPPING=1");
}

bool service_logs(int fd)
{
    struct stat st;
    uintmax_t device, inode;
    const char *stream = getenv("JOURNAL_STREAM");
    return stream && sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &device, &inode) == 2 &&
           fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}
