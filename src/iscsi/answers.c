// Reads what a LUN answers about itself. Pure: a short, cut or foreign answer is refused.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/answers.h"

#include "base/boot.h"
#include <string.h>

#define CAPACITY_BYTES   32
#define VPD_HEAD         4
#define PAGE_LIMITS      0xb0
#define PAGE_PROVISION   0xb2
#define MODE_HEAD        4
#define WRITE_PROTECTED  0x80
#define DPO_FUA          0x10
#define SMALLEST_BLOCK   512
#define LARGEST_BLOCK    65536
#define PHYSICAL_AT_MOST 8 // logical blocks in a physical one, as a power of two

static uint64_t number(const uint8_t *at, unsigned bytes)
{
    uint64_t n = 0;
    while (bytes--)
        n = n << 8 | *at++;
    return n;
}

bool answer_capacity(const uint8_t *data, size_t len, struct leg_info *info)
{
    if (len < CAPACITY_BYTES)
        return false;
    uint64_t last = number(data, 8), block = number(data + 8, 4);
    unsigned exponent = data[13] & 0x0f;
    if (block < SMALLEST_BLOCK || block > LARGEST_BLOCK || (block & (block - 1)) ||
        last >= INT64_MAX / block)
        return false;
    info->block_size = (uint32_t)block;
    info->physical_block = (uint32_t)(exponent < PHYSICAL_AT_MOST ? block << exponent : block);
    info->bytes = (last + 1) * block;
    return true;
}

// The bytes of a VPD page of a disk that is there, header included; 0 when it is none, or is cut.
static size_t vpd(const uint8_t *data, size_t len, unsigned page)
{
    if (len < VPD_HEAD || data[0] != 0 || data[1] != page)
        return 0;
    size_t whole = VPD_HEAD + number(data + 2, 2);
    return whole <= len ? whole : 0;
}

// A field of a page; 0 when the page ends before it, as older ones do.
static uint64_t field(const uint8_t *data, size_t len, size_t at, unsigned bytes)
{
    return at + bytes <= len ? number(data + at, bytes) : 0;
}

bool answer_limits(const uint8_t *data, size_t len, struct split_pages *pages)
{
    size_t whole = vpd(data, len, PAGE_LIMITS);
    if (!whole)
        return false;
    pages->max_transfer = (uint32_t)field(data, whole, 8, 4);
    pages->max_unmap = (uint32_t)field(data, whole, 20, 4);
    pages->max_unmap_descriptors = (uint32_t)field(data, whole, 24, 4);
    pages->max_same = field(data, whole, 36, 8);
    return true;
}

bool answer_provisioning(const uint8_t *data, size_t len, struct split_pages *pages)
{
    size_t whole = vpd(data, len, PAGE_PROVISION);
    if (!whole)
        return false;
    uint8_t can = (uint8_t)field(data, whole, 5, 1);
    pages->can_unmap = can & 0x80;
    pages->can_same = can & 0x40;
    return true;
}

// Whether all bytes of a MODE SENSE(6) answer are there; its first byte counts those behind it.
static bool mode_is_whole(const uint8_t *data, size_t len)
{
    return len >= MODE_HEAD && (size_t)data[0] + 1 <= len && data[0] + 1 >= MODE_HEAD;
}

bool answer_mode(const uint8_t *data, size_t len, bool *read_only, bool *fua)
{
    if (!mode_is_whole(data, len))
        return false;
    *read_only = data[2] & WRITE_PROTECTED;
    *fua = data[2] & DPO_FUA;
    return true;
}

bool answer_boot(const uint8_t *data, size_t len, struct dv_uuid *boot)
{
    if (!mode_is_whole(data, len))
        return false;
    size_t at = MODE_HEAD + (size_t)data[3]; // behind the block descriptors
    const size_t mark = sizeof(BOOT_MARK) - 1;
    if (at + 2 + BOOT_PAGE_BYTES > (size_t)data[0] + 1 || (data[at] & 0x3f) != BOOT_PAGE ||
        data[at + 1] < BOOT_PAGE_BYTES || memcmp(data + at + 2, BOOT_MARK, mark) != 0)
        return false;
    memcpy(boot->b, data + at + 2 + mark, sizeof(boot->b));
    return true;
}
