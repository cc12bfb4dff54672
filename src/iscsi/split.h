// Cuts requests into commands that the target takes.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_SPLIT_H
#define DVSAN_ISCSI_SPLIT_H

#include "block/leg.h"

// More than this in one command gains nothing, and parts of a large request are then read from
// the medium and sent in parallel.
#define SPLIT_TRANSFER_CAP (512u << 10)

// What the target's Block Limits and Logical Block Provisioning pages allow, in bytes.
struct split_limits {
    uint32_t block_size;
    uint32_t transfer; // most bytes of data of one READ or WRITE
    uint32_t unmap;    // most bytes of one UNMAP; 0: UNMAP is not supported
    uint32_t same;     // most bytes of one WRITE SAME with UNMAP; 0: not supported
};

// Raw values of the pages (in blocks; 0 where the target states none) to limits.
struct split_pages {
    uint32_t block_size;
    uint32_t max_transfer, max_unmap, max_unmap_descriptors;
    uint64_t max_same;
    bool can_unmap, can_same;
};
struct split_limits split_limits_from(const struct split_pages *pages);

enum split_command {
    SPLIT_READ,
    SPLIT_WRITE,
    SPLIT_WRITE_ZEROS, // a WRITE whose data are zeros
    SPLIT_SAME,        // WRITE SAME of zeros with UNMAP
    SPLIT_UNMAP,
    SPLIT_SYNC,
    SPLIT_CAPACITY, // READ CAPACITY
    SPLIT_NOTHING,  // there is nothing to send: done at once
    SPLIT_REFUSE,   // a fast zero that cannot be fast
};
// The command that carries out an operation.
enum split_command split_command_for(enum leg_op op, unsigned flags,
                                     const struct split_limits *limits);
// How many of the left bytes the next command takes.
uint32_t split_next(enum split_command command, uint64_t left, const struct split_limits *limits);

// 0, or why a request cannot be sent: EINVAL (not aligned), ENOSPC (beyond the end, writing),
// EIO (beyond the end, reading).
int split_check(enum leg_op op, uint64_t offset, uint64_t bytes, const struct leg_info *info);

#endif
