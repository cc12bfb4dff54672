// Reading a unit's tables: whole, or what its change table names.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_FETCH_H
#define DVSAN_CMS_FETCH_H

#include "cms/member/reading.h"

struct fetch;

// Called once, from the loop, never from inside fetch_new. why is NULL when *r is complete. The
// fetch is to be freed in there, or later.
typedef void fetch_done_fn(void *arg, const char *why);

// Reads into *r, which must outlive the fetch. since 0: everything; else what has changed behind
// generation since, where reading everything is the way when that is too much.
struct fetch *fetch_new(struct sn_peer *peer, struct sn_timing timing, struct reading *r,
                        uint32_t since, fetch_done_fn *done, void *arg);
// Whether it ended because what the unit shows has no end: more rows than there can be, or a walk
// that takes too long. To read that again at once would be work without end.
bool fetch_is_excessive(const struct fetch *f);
// NULL is fine. Only from inside its done function, or after its peer was freed.
void fetch_free(struct fetch *f);

#endif
