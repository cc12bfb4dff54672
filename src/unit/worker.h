// The thread that does what blocks: it makes files, and makes tgtd serve what is wanted.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_WORKER_H
#define DVSAN_UNIT_WORKER_H

#include "config/unit_config.h"
#include "loop/loop.h"
#include "unit/order.h"

struct worker;

// What the worker calls back, on the loop's thread but for look.
struct worker_calls {
    // Backings were made or resized; they are served only if this returns 0. The order is still the
    // worker's.
    int (*made)(void *arg, struct order *o, struct dv_err *err);
    // A backing is so far; false when it is not wanted any more.
    bool (*progress)(void *arg, const struct order_volume *ov, uint32_t percent);
    // The pass is over; the order belongs to whom is called.
    void (*done)(void *arg, struct order *o);
    // On any thread but the loop's: sessions of this tgtd may be ended next.
    void (*look)(void *arg, uint32_t tgtd);
    // This tgtd has ended.
    void (*lost)(void *arg, uint32_t tgtd);
    void *arg;
};

// config is borrowed; of the state only the tgtds are read, now.
struct worker *worker_new(struct loop *loop, const struct unit_config *config,
                          const struct state *state, const struct worker_calls *calls,
                          struct dv_err *err);
// Waits until a pass under way is over, which calls nothing back any more; the loop was stopped
// before. Media that do not answer are not waited for: then false, as of pass_free. NULL is fine.
bool worker_free(struct worker *w);

// Starts a pass and takes the order over; only when none is under way.
void worker_start(struct worker *w, struct order *o);
bool worker_is_idle(const struct worker *w);

#endif
