// Names for things that come in from outside: made valid and unique.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_NAMES_H
#define DVSAN_CMS_NAMES_H

#include "cms/pool/pool.h"

// The names given out that the pool does not have yet. Zero-initialise; free with names_free. It
// also remembers which numbers are taken, so that n things of one name cost no more than n names.
struct names {
    struct names_entry *volumes, *hosts; // by name
    struct names_entry *volume_stems, *host_stems;
    size_t tries; // names that were looked for so far; grows as the names given out do
};
void names_free(struct names *n);

// Each writes a valid name that nothing else of its kind has, neither in the pool nor given out
// before: wanted itself if it can be, else with "-2", "-3"... behind. What reads as a UUID is not
// taken as it is, since things are found by UUIDs, too. except is the thing itself, so that it
// keeps its name.
void names_for_unit(struct pool *p, const char *wanted, const struct dv_uuid *except,
                    char out[NAME_MAX_LEN + 1]);
void names_for_volume(struct pool *p, struct names *n, const char *wanted,
                      char out[NAME_MAX_LEN + 1]);
// From an initiator name: what is behind its last colon, else all of it.
void names_for_host(struct pool *p, struct names *n, const char *iqn, char out[NAME_MAX_LEN + 1]);

// Whether name is wanted itself or was made of it by the functions above.
bool names_stem_is(const char *name, const char *wanted);

#endif
