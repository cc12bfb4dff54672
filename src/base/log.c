// Writing the log.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include "base/mem.h"
#include "base/text.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    char program[32];
    bool journal;
    atomic_int level;
} logger = {.program = "dvsan", .level = LOG_LEVEL_INFO};

static const struct {
    const char *name;
    int priority; // of syslog(3)
} levels[] = {
    [LOG_LEVEL_SILENT] = {"silent", 0},   [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARNING] = {"warning", 4}, [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

void log_init(const char *program, enum log_level level)
{
    if (strcmp(logger.program, program) != 0)
        dv_copy(logger.program, sizeof(logger.program), program);
    logger.journal = getenv("JOURNAL_STREAM") != NULL;
    atomic_store(&logger.level, (int)level);
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = LOG_LEVEL_ERROR; i < DV_COUNT(levels); i++)
        if (strcmp(text, levels[i].name) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

static size_t write_prefix(char *line, size_t room, enum log_level level, const char *sub)
{
    if (logger.journal)
        return (size_t)snprintf(line, room, "<%d>%s: ", levels[level].priority, sub);
    struct timespec now;
    struct tm utc;
    char date[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    return (size_t)snprintf(line, room, "%s.%03ldZ %s %s %s: ", date, now.tv_nsec / 1000000,
                            logger.program, levels[level].name, sub);
}

static atomic_uint_fast64_t lost; // lines that nobody had room for

// A pipe that is full would hold up whoever writes to it. One that is ready takes a line whole.
static bool has_room(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) != 0; // what has failed is left to write(2)
}

// One write a line, so that threads and processes that share stderr do not mix theirs.
static void put(char *line, size_t room, const char *end)
{
    text_make_printable(line);
    size_t len = strlen(line);
    len += (size_t)snprintf(line + len, room - len, "%s\n", end);
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

static void write_line(enum log_level level, const char *sub, const char *fmt, va_list args,
                       const char *end)
{
    int saved = errno;
    char line[2048];
    size_t room = sizeof(line) - 1 - strlen(end); // one byte for the newline
    if (!has_room()) {
        atomic_fetch_add(&lost, 1);
        errno = saved;
        return;
    }
    uint64_t before = atomic_exchange(&lost, 0);
    if (before > 0) {
        size_t used = write_prefix(line, room, LOG_LEVEL_WARNING, "log");
        snprintf(line + used, room - used,
                 "%" PRIu64 " lines are lost, since nobody read the log for a while", before);
        put(line, sizeof(line), "");
    }
    size_t used = write_prefix(line, room, level, sub);
    if (used < room)
        vsnprintf(line + used, room - used, fmt, args);
    put(line, sizeof(line), end);
    errno = saved;
}

void log_at(enum log_level level, const char *sub, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    va_list args;
    va_start(args, fmt);
    write_line(level, sub, fmt, args, "");
    va_end(args);
}

// ---- What others can cause -------------------------------------------------------------------

static bool is_power_of_ten(uint64_t n)
{
    while (n >= 10 && n % 10 == 0)
        n /= 10;
    return n == 1;
}

bool log_limit_passes(struct log_limit *limit, uint64_t now_ms, uint64_t *left_out)
{
    if (limit->seen == 0 || now_ms - limit->since_ms >= LOG_LIMIT_WINDOW_MS) {
        limit->since_ms = now_ms;
        limit->seen = 0;
    }
    if (++limit->seen > LOG_LIMIT_LINES && !is_power_of_ten(limit->seen)) {
        limit->left_out++;
        return false;
    }
    *left_out = limit->left_out;
    limit->left_out = 0;
    return true;
}

void log_limited(struct log_limit *limit, enum log_level level, const char *sub, const char *fmt,
                 ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (!log_enabled(level))
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t left_out = 0;
    pthread_mutex_lock(&lock);
    bool passes = log_limit_passes(
        limit, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, &left_out);
    pthread_mutex_unlock(&lock);
    if (!passes)
        return;
    char end[64] = "";
    if (left_out > 0)
        snprintf(end, sizeof(end), " (%llu more like this were left out)",
                 (unsigned long long)left_out);
    va_list args;
    va_start(args, fmt);
    write_line(level, sub, fmt, args, end);
    va_end(args);
}
