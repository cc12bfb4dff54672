// Writing the log.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include "base/mem.h"
#include "base/text.h"
#include <errno.h>
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

void log_at(enum log_level level, const char *sub, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    char line[2048];
    size_t room = sizeof(line) - 1; // one byte for the newline
    size_t used = write_prefix(line, room, level, sub);
    if (used < room) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(line + used, room - used, fmt, args);
        va_end(args);
    }
    text_make_printable(line);
    size_t len = strlen(line);
    line[len++] = '\n';
    // One write a line, so that threads and processes that share stderr do not mix theirs.
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
    errno = saved;
}
