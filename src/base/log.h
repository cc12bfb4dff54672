// The log: one line a message to stderr, with a level and a subsystem token.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_LOG_H
#define DVSAN_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_SILENT, // nothing at all; for tests
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO, // until log_init is called
    LOG_LEVEL_DEBUG
};

// Sets the program's name and level. Under a service manager (JOURNAL_STREAM is set) lines start
// with <N> priorities and carry no time; elsewhere they start with an ISO 8601 UTC time. Call it
// before there are threads, again at any time to change the level.
void log_init(const char *program, enum log_level level);

// "error", "warning", "info" or "debug"; false for anything else.
bool log_level_parse(const char *text, enum log_level *level);

// Writes one line; safe from any thread. sub is the subsystem token, such as "tgt" or "join".
// Line breaks and other control characters inside the message are replaced, so that outside
// input cannot forge lines; messages are cut at about 2,000 bytes. errno is kept.
// It never waits: where stderr is a pipe that nobody reads, lines are left out, and the next one
// that is written tells how many. Libraries return errors; programs log them, once. Never pass a
// secret.
void log_at(enum log_level level, const char *sub, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool log_enabled(enum log_level level);

// One kind of line that strangers or peers can cause as often as they like. Zero-initialised, and
// either static or part of what it limits, so that one peer's flood does not hide another's lines.
struct log_limit {
    uint64_t since_ms; // the start of the present minute
    uint64_t seen;     // in that minute
    uint64_t left_out; // since the last line that was written
};
#define LOG_LIMIT_LINES     10    // of each minute are written
#define LOG_LIMIT_WINDOW_MS 60000 // that minute

// Like log_at, for such a line: the first ten of a minute are written, then the 100th, 1,000th and
// so on; each that follows lines which were left out tells how many those were. Safe from any
// thread.
void log_limited(struct log_limit *limit, enum log_level level, const char *sub, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));
// The decision behind that: true when a line at now_ms (any clock that never goes back) is to be
// written, and then *left_out is how many before it were not. Not thread-safe.
bool log_limit_passes(struct log_limit *limit, uint64_t now_ms, uint64_t *left_out);

#define log_error(...)   log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                          \
            log_at(LOG_LEVEL_DEBUG, __VA_ARGS__);                                                  \
    } while (0)

#endif
