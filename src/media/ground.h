// Where bytes lie that are read by some path: below loop devices and partitions.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_GROUND_H
#define DVSAN_MEDIA_GROUND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

// A part of a file, or of a block device that is neither a partition nor a loop device. What other
// devices, such as those of LVM, lie upon is not looked for.
struct ground {
    dev_t dev;
    ino_t ino;          // 0: of the block device dev
    uint64_t from, end; // bytes
};

void ground_of(const struct stat *st, struct ground *out);

// Whether the two have bytes in common.
bool ground_is_shared(const struct ground *a, const struct ground *b);

#endif
