// Files that survive a crash at any point, and locks between processes.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_FILE_H
#define DVSAN_BASE_FILE_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Reads a whole file of at most max bytes; the caller frees *data, which ends with an extra NUL.
int file_read(const char *path, size_t max, char **data, size_t *len, struct dv_err *err);

// Writes path.tmp, fsyncs it, renames it over path and fsyncs the directory. The file gets
// exactly this mode whatever the umask. On failure path is what it was. One writer at a time:
// path.tmp is taken over from a writer that died.
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                      struct dv_err *err);

// fsyncs the directory that holds path (or path itself when it is a directory).
int file_sync_dir(const char *path, struct dv_err *err);

// Whether nothing is at path. False where that cannot be told: no answer is not the answer no.
bool file_is_missing(const char *path);

// Takes an exclusive flock on path, creating it with mode 0600; the holder's PID is written into
// it. Returns the descriptor that holds the lock, or -1 with DV_BUSY when another process has it.
// The lock ends when the descriptor is closed, as by the end of the process; the file stays.
int file_lock(const char *path, struct dv_err *err);

// Lets this process, and those that it starts, open as many files as its hard limit says.
void file_raise_limit(void);
uint64_t file_limit(void); // the most that can be open at once
// Below this are the numbers of descriptors of which there are few, however large a pool is.
#define FILE_FEW 1024
// Closes one of those of which there are many, and returns it under a number that is not below, as
// long as there are such; else it stays as it is.
int file_move_up(int fd);
// Whether fewer than so many can be opened before the limit is reached.
bool file_limit_is_near(unsigned spare);

// mkdir -p with the mode (less the umask) for what it makes.
int file_make_dirs(const char *path, mode_t mode, struct dv_err *err);

#endif
