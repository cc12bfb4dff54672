// Changes on their way: decided in turns, written on a thread of their own, then followed.
// SPDX-License-Identifier: BSD-2-Clause
//
// Who decides by the pool what is to be written does so in a turn. A turn begins when all that was
// written before is in the store and in the pool, so no decision is made by what is about to
// change. While the store is slow, or hangs, turns wait, and all else of the loop goes on.
// Everything here is for the loop's thread.
#ifndef DVSAN_CMS_LEDGER_H
#define DVSAN_CMS_LEDGER_H

#include "base/err.h"
#include "model/change.h"

struct ledger;
struct loop;

enum ledger_weight {
    LEDGER_SEEN, // of what can be seen again: a power cut may lose it
    LEDGER_KEPT, // survives a power cut
};

struct ledger_owner {
    // Writes all of the changes or, when it returns -1, none. Runs on the ledger's thread.
    int (*write)(void *arg, const struct changes *c, enum ledger_weight weight, struct dv_err *err);
    // They are written, and no others are just now: all that follows of itself.
    void (*follow)(void *arg, const struct changes *c);
    void *arg;
};

// Without a loop, for tests, it has no thread, and nothing is done but by ledger_step: it writes
// the next changes, or takes the next turn. False: nothing waits.
struct ledger *ledger_new(struct loop *loop, const struct ledger_owner *owner);
bool ledger_step(struct ledger *l);
// Waits for what is being written; what waits behind that is dropped. NULL is fine.
void ledger_free(struct ledger *l);

// Calls fn with the owner's arg and a copy of size bytes, at once when no other turn waits, is
// taken, or has changes under way. Returns its number.
typedef void ledger_turn_fn(void *owner, const void *arg);
uint64_t ledger_turn(struct ledger *l, ledger_turn_fn *fn, const void *arg, size_t size);
// The same before all turns that wait: for what follows from changes.
void ledger_turn_first(struct ledger *l, ledger_turn_fn *fn, const void *arg, size_t size);
// False: it was taken, or is.
bool ledger_cancel(struct ledger *l, uint64_t turn);

// Takes the changes, which are empty then. What was decided by the pool may be committed in a turn
// alone; what adds events and nothing else, at any time. A failure is logged, now and then.
void ledger_commit(struct ledger *l, struct changes *c, enum ledger_weight weight);
// The same, and then calls it in a turn before all others: err is NULL when all is written.
typedef void ledger_then_fn(void *owner, const void *arg, const struct dv_err *err);
void ledger_commit_then(struct ledger *l, struct changes *c, enum ledger_weight weight,
                        ledger_then_fn *then, const void *arg, size_t size);

// What becomes of all that is committed while it is set; NULL: of nothing from here on. closed is
// called in a turn once the last of it is written or has failed, and not when nothing was
// committed.
struct ledger_outcome {
    unsigned open;     // changes under way
    struct dv_err err; // the first failure, else DV_OK
    void (*closed)(struct ledger_outcome *o);
};
void ledger_watch(struct ledger *l, struct ledger_outcome *outcome);

// Whether changes are under way.
bool ledger_is_busy(const struct ledger *l);
// Whether those that are being written are for this long.
#define LEDGER_SLOW_MS 1000
bool ledger_is_slow(const struct ledger *l);

#endif
