// What the kernel tells of block devices in the files of sysfs(5).
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_SYSFS_H
#define DVSAN_MEDIA_SYSFS_H

#include <sys/stat.h>

// The folder of a block device. The caller frees it.
char *sysfs_folder(dev_t device);
// What the file in this folder says, without the newline at its end; NULL when there is none. The
// caller frees it.
char *sysfs_word(const char *folder, const char *file);

#endif
