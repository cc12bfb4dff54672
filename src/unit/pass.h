// One pass over all volumes: backings made and resized, tgtd reconciled, backings destroyed.
// SPDX-License-Identifier: BSD-2-Clause
//
// Everything here blocks; it belongs to the worker's thread. A pass is idempotent, so what a crash
// cut short the next one finishes.
#ifndef DVSAN_UNIT_PASS_H
#define DVSAN_UNIT_PASS_H

#include "config/unit_config.h"
#include "unit/order.h"

struct pass;

// config is borrowed; of the state only the tgtds are read, now.
struct pass *pass_new(const struct unit_config *config, const struct state *state);
// False when a medium still does not answer, on a thread that nobody can end; NULL is fine.
bool pass_free(struct pass *p);
// Any thread: the program ends, so that less time is given to media that do not answer.
void pass_hurry(struct pass *p);

// What a pass asks on its way; the first two wait for the loop.
struct pass_calls {
    // Makes durable which backings were made and resized, and which tgtd serves what, and changes
    // the order accordingly; none of them is served unless this returns 0.
    int (*record)(void *arg, struct dv_err *err);
    // Tells how far a backing is that takes long; false: the backing is not wanted any more.
    bool (*progress)(void *arg, const struct order_volume *ov, uint32_t percent);
    // Sessions of this tgtd may be ended next, and what it counted of them ends with them. Called
    // on a thread of the pass, perhaps for several tgtds at the same time.
    void (*look)(void *arg, uint32_t tgtd);
    void *arg;
};

// The results are written into the order.
void pass_run(struct pass *p, struct order *o, const struct pass_calls *calls);

#endif
