// Reads what a LUN answers about itself. Pure: a short, cut or foreign answer is refused.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_ANSWERS_H
#define DVSAN_ISCSI_ANSWERS_H

#include "base/uuid.h"
#include "block/leg.h"
#include "iscsi/split.h"
#include <stddef.h>

// Each takes the data of one answer and returns false, changing nothing, unless all of the bytes
// that it believes are there and are what was asked for.

// READ CAPACITY(16), SBC-3 section 5.16.2: bytes, block_size, physical_block.
bool answer_capacity(const uint8_t *data, size_t len, struct leg_info *info);
// The VPD page Block Limits, SBC-3 section 6.6.4.
bool answer_limits(const uint8_t *data, size_t len, struct split_pages *pages);
// The VPD page Logical Block Provisioning, SBC-3 section 6.6.6.
bool answer_provisioning(const uint8_t *data, size_t len, struct split_pages *pages);
// The header of MODE SENSE(6), SPC-4 section 7.5.5: whether it is write-protected, and takes FUA.
bool answer_mode(const uint8_t *data, size_t len, bool *read_only, bool *fua);

// The mode page BOOT_PAGE (base/boot.h).
bool answer_boot(const uint8_t *data, size_t len, struct dv_uuid *boot);

#endif
