// Who else on this machine uses a block device or an image.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_HOLDER_H
#define DVSAN_MEDIA_HOLDER_H

#include <sys/stat.h>

// Each tells it as part of a sentence, which the caller frees: "it is mounted at /srv". NULL when
// nobody is known to.

// Of a block device: what lies over it, where it is mounted; not what uses its partitions.
char *holder_of(const struct stat *device);
// The same of the first one of its partitions that is in use.
char *holder_of_part(const struct stat *device);
// Of a file or device: a loop device over it that may be written to, other than those windows of
// ours that end by themselves: see window.h.
char *holder_loop(const struct stat *below);

#endif
