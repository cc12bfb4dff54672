// Fault points of the test build: recording them, and stopping at one.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/fault.h"
#include "base/mem.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POINT_ROOM 128

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char wanted[POINT_ROOM]; // what the file said when the count began
static unsigned long count;

static void record(const char *point)
{
    const char *path = getenv("DVSAN_FAULT_RECORD");
    DV_CLOSE int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    char line[POINT_ROOM + 1];
    int len = snprintf(line, sizeof(line), "%s\n", point);
    if (fd >= 0 && write(fd, line, (size_t)len) != len)
        abort(); // a test that misses a point would pass without having tried it
}

// Reads what is asked for; the count begins when that is something else than before.
static bool is_asked_for(const char *path)
{
    char text[POINT_ROOM] = "";
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        text[0] = '\0';
    if (strcmp(text, wanted) != 0) {
        memcpy(wanted, text, sizeof(wanted));
        count = 0;
    }
    return wanted[0] != '\0';
}

static bool is_reached(const char *point, const char *path)
{
    const char *colon;
    if (!path || !is_asked_for(path) || !(colon = strrchr(wanted, ':')) ||
        strlen(point) != (size_t)(colon - wanted) ||
        strncmp(point, wanted, (size_t)(colon - wanted)) != 0 ||
        ++count != strtoul(colon + 1, NULL, 10))
        return false;
    wanted[0] = '\0';
    return unlink(path) == 0;
}

void fault_pass(const char *name, const char *detail)
{
    char point[POINT_ROOM];
    snprintf(point, sizeof(point), "%s%s%s", name, detail ? "." : "", detail ? detail : "");
    pthread_mutex_lock(&mutex);
    record(point);
    bool reached = is_reached(point, getenv("DVSAN_FAULT_STOP"));
    pthread_mutex_unlock(&mutex);
    if (reached)
        raise(SIGSTOP); // all threads stop, this one before it does anything else
}
