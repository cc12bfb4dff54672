// The engine of a unit: its parts put together.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_UNIT_H
#define DVSAN_UNIT_UNIT_H

#include "config/unit_config.h"
#include "loop/loop.h"
#include "unit/journal.h"
#include "unit/portals.h"
#include "unit/sets.h"
#include "unit/state.h"
#include "unit/traffic.h"

struct unit;

// What the engine tells, on the loop's thread.
struct unit_calls {
    void (*passed)(void *arg);  // a pass is over: the state has what it found
    void (*settled)(void *arg); // unit_health may be another one
    // An interface brought portals up or took them down.
    void (*link)(void *arg, uint32_t interface, bool up);
    // Portals that follow an interface have got another address, or their first one.
    void (*moved)(void *arg);
    // One more login at the volume was refused.
    void (*refused)(void *arg, const struct unit_volume *volume);
    void *arg;
};

// Takes up what the journal holds; config is borrowed. Nothing is served yet, and nothing is told.
struct unit *unit_new(struct loop *loop, const struct unit_config *config,
                      const struct unit_calls *calls, struct dv_err *err);
// Begins to serve it. proves: the proofs of media are shown, since the station alone has keys here.
int unit_start(struct unit *u, bool proves, struct dv_err *err);
// After loop_run has returned; NULL is fine. False when a medium does not answer, on a thread that
// nobody can end: then everything else is in order, and the process is to end by _exit.
bool unit_free(struct unit *u);

// Its state is to be "shutting down" from now on. What tgtd serves goes on being served.
void unit_stop(struct unit *u);

// The unit's state as a member of the pool, and why it is degraded as a whole, or "".
enum member_state unit_health(const struct unit *u, const char **why);
// Whether a pass has told what there is.
bool unit_is_known(const struct unit *u);

// Its parts, which live as long as the unit.
struct unit_parts {
    struct journal *journal;
    struct state *state;
    struct sets *sets;
    const struct portals *portals;
};
struct unit_parts unit_parts(const struct unit *u);
// The traffic of the portal groups, the first one's first; once it was started.
const struct traffic *const *unit_traffic(const struct unit *u);

#endif
