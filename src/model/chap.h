// The CHAP secret that a unit knows of a host.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MODEL_CHAP_H
#define DVSAN_MODEL_CHAP_H

#include "base/text.h"
#include "base/uuid.h"

// Another one on each unit, so that what a unit knows opens no door of another unit: the first 16
// characters of base64 (RFC 4648 section 4) of SHA-256 of the host's own secret, ":" and the unit's
// UUID in lower case, with a for + and b for /. Any shell computes it; 16 characters are 95 bits.
void chap_unit_secret(const char *secret, const struct dv_uuid *unit,
                      char out[CHAP_SECRET_MAX + 1]);

#endif
