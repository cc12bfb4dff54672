// The configured media, as a pass finds them: opened, and looked at.
// SPDX-License-Identifier: BSD-2-Clause
//
// Everything here blocks; it belongs to the worker's thread.
#ifndef DVSAN_UNIT_PASS_MEDIA_H
#define DVSAN_UNIT_PASS_MEDIA_H

#include "config/unit_config.h"
#include "snmp-agents/unit/order.h"

struct pass_media;

struct pass_media *pass_media_new(const struct unit_config *config); // borrowed
void pass_media_free(struct pass_media *p);                          // NULL is fine

// Opens those that are not open, and writes into the order what each of them tells.
void pass_media_check(struct pass_media *p, struct order *o);

// The medium of this index; NULL while it cannot be used.
struct media *pass_media_at(const struct pass_media *p, uint32_t index);
// The volume's medium; NULL with the reason while it cannot be used.
struct media *pass_media_of(const struct pass_media *p, const struct order *o,
                            const struct order_volume *ov, struct dv_err *err);
bool pass_media_is_device(const struct pass_media *p, uint32_t index);

#endif
