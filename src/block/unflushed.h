// Whether writes that were answered are on stable storage, and what a restart of the unit costs.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BLOCK_UNFLUSHED_H
#define DVSAN_BLOCK_UNFLUSHED_H

#include "block/leg.h"

// Pure. Zero-initialise. A unit keeps what it answered in its machine's memory until a flush, so
// that a restart of tgtd loses nothing, and one of the machine everything since the last flush.
// Which boot a session is with, the unit tells (leg_info.tells_boot). A target that never told, as
// a plain tgtd, shows nothing by which a restart of its machine differs from one of the daemon:
// there nothing is noticed, as with any other initiator.
struct unflushed {
    uint64_t written; // answered requests that change blocks
    uint64_t flushed; // of those, how many a flush covers
    unsigned losses;  // restarts, and flushes that failed, that may have cost some
    unsigned told;    // of those, how many some client has been told of
    bool known;
    struct dv_uuid boot;
};

// A session is there. Returns true when it shows a loss.
bool unflushed_session(struct unflushed *u, const struct leg_info *info);
// A request was answered with success. mark: of a flush, what unflushed_mark said when it was sent.
void unflushed_done(struct unflushed *u, enum leg_op op, unsigned flags, uint64_t mark);
uint64_t unflushed_mark(const struct unflushed *u);
// A flush failed: what it was to cover may be lost, for all. *told: of who asked for it, and is
// told by that; NULL: of nobody.
void unflushed_failed(struct unflushed *u, unsigned *told);
// A client, which knows of *told losses, flushed with success; returns false, once, when it has to
// be told that it was none. Who is new knows of those that some client was told of.
bool unflushed_tell(struct unflushed *u, unsigned *told);

#endif
