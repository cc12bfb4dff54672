// Which files another process has open, as the kernel tells.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_OPEN_FILES_H
#define DVSAN_UNIT_OPEN_FILES_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

struct open_files;

// NULL when it is not to be told, as of a process of another user.
struct open_files *open_files_of(pid_t pid);
void open_files_free(struct open_files *f); // NULL is fine
// The file itself, or for a device any node of it.
bool open_files_have(const struct open_files *f, const struct stat *file);

#endif
