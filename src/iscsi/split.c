// Cuts requests into commands that the target takes.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/split.h"

#include <errno.h>

// tgtd computes lengths of UNMAP and WRITE SAME in 32 bits of bytes; and one command should not
// occupy a target for long.
#define DISCARD_CAP (1u << 30)

static uint32_t in_bytes(uint64_t blocks, uint32_t block_size, uint32_t cap)
{
    uint64_t most = cap / block_size;
    if (blocks == 0 || blocks > most)
        blocks = most;
    return (uint32_t)(blocks * block_size);
}

struct split_limits split_limits_from(const struct split_pages *pages)
{
    struct split_limits l = {.block_size = pages->block_size};
    l.transfer = in_bytes(pages->max_transfer, pages->block_size, SPLIT_TRANSFER_CAP);
    // Zero descriptors or zero blocks in the page mean that UNMAP is not there.
    if (pages->can_unmap && pages->max_unmap && pages->max_unmap_descriptors)
        l.unmap = in_bytes(pages->max_unmap, pages->block_size, DISCARD_CAP);
    if (pages->can_same)
        l.same = in_bytes(pages->max_same, pages->block_size, DISCARD_CAP);
    return l;
}

enum split_command split_command_for(enum leg_op op, unsigned flags,
                                     const struct split_limits *limits)
{
    switch (op) {
    case LEG_READ:
        return SPLIT_READ;
    case LEG_WRITE:
        return SPLIT_WRITE;
    case LEG_FLUSH:
        return SPLIT_SYNC;
    case LEG_SIZE:
        return SPLIT_CAPACITY;
    case LEG_TRIM:
        return limits->unmap ? SPLIT_UNMAP : SPLIT_NOTHING;
    case LEG_ZERO:
        if ((flags & LEG_MAY_TRIM) && limits->same)
            return SPLIT_SAME;
        return (flags & LEG_FAST) ? SPLIT_REFUSE : SPLIT_WRITE_ZEROS;
    }
    return SPLIT_REFUSE;
}

uint32_t split_next(enum split_command command, uint64_t left, const struct split_limits *limits)
{
    uint32_t most = limits->transfer;
    if (command == SPLIT_SAME)
        most = limits->same;
    else if (command == SPLIT_UNMAP)
        most = limits->unmap;
    return left < most ? (uint32_t)left : most;
}

int split_check(enum leg_op op, uint64_t offset, uint64_t bytes, const struct leg_info *info)
{
    if (op == LEG_FLUSH || op == LEG_SIZE)
        return 0;
    if (offset % info->block_size || bytes % info->block_size || bytes == 0)
        return EINVAL;
    if (offset > info->bytes || bytes > info->bytes - offset)
        return op == LEG_READ ? EIO : ENOSPC;
    return 0;
}
