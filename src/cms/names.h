// Names for things that come in from outside: made valid and unique.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_NAMES_H
#define DVSAN_CMS_NAMES_H

#include "cms/pool.h"

// Each writes a valid name that nothing else of its kind has, neither in the pool nor among the
// pending changes: wanted itself if it can be, else with "-2", "-3"... behind. except is the thing
// itself, so that it keeps its name.
void names_for_unit(struct pool *p, const char *wanted, const struct dv_uuid *except,
                    char out[NAME_MAX_LEN + 1]);
void names_for_volume(struct pool *p, const struct changes *pending, const char *wanted,
                      char out[NAME_MAX_LEN + 1]);
// From an initiator name: what is behind its last colon, else all of it.
void names_for_host(struct pool *p, const struct changes *pending, const char *iqn,
                    char out[NAME_MAX_LEN + 1]);

// Whether name is wanted itself or was made of it by the functions above.
bool names_stem_is(const char *name, const char *wanted);

#endif
