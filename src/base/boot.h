// Which boot of its machine a program runs in.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_BOOT_H
#define DVSAN_BASE_BOOT_H

#include "base/err.h"
#include "base/uuid.h"

// The kernel's boot id, another one after each start of the machine (proc(5)).
int boot_id(struct dv_uuid *out, struct dv_err *err);

// How a unit tells it to hosts: in a mode page of each LUN, of the codes left to vendors (SPC-4
// section 7.5.1). After the page's header come the mark and the 16 bytes of the boot id.
#define BOOT_PAGE       0x3e
#define BOOT_MARK       "DVSN"
#define BOOT_PAGE_BYTES (sizeof(BOOT_MARK) - 1 + sizeof(struct dv_uuid)) // behind its header

#endif
