// Reading tgtd's listings, which are text for people, back into data.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. An initiator's alias is printed into the list of targets as it came over the network, line
// ends and all. So nothing is searched for: every line must be the one that is due, and the
// targets must be exactly those of a second listing that no initiator can write into.
#ifndef DVSAN_TGT_SHOW_H
#define DVSAN_TGT_SHOW_H

#include "base/err.h"
#include "logic/unit_seen.h"
#include "tgt/tgt.h"

// The drivers' listing: fills out->targets with ids and names only, ascending by id.
int show_names(const char *text, struct seen *out, struct dv_err *err);

// The targets' listing, which must be of the targets in names. On failure *broken is the index
// in names of the target whose block, or the one behind it, is not as it should be.
int show_targets(const char *text, const struct seen *names, struct seen *out, size_t *broken,
                 struct dv_err *err);

// The accounts' listing, into out->accounts.
int show_accounts(const char *text, struct seen *out, struct dv_err *err);

// The listing of one target's connections, into t->sessions (what was there is freed).
int show_connections(const char *text, struct seen_target *t, struct dv_err *err);

struct show_portal {
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
};
// The caller frees *portals.
int show_portals(const char *text, struct show_portal **portals, size_t *count, struct dv_err *err);

// What it says of itself as a whole.
int show_system(const char *text, struct tgt_barred *out, struct dv_err *err);

// The statistics of sessions and LUNs; the caller frees *rows.
int show_statistics(const char *text, struct tgt_statistics **rows, size_t *count,
                    struct dv_err *err);

// What a target offers.
int show_parameters(const char *text, struct tgt_parameters *out, struct dv_err *err);

#endif
