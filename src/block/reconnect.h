// When to connect again, when to tell of it, and when to stop making requests wait for it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BLOCK_RECONNECT_H
#define DVSAN_BLOCK_RECONNECT_H

#include "block/leg.h"
#include <stdbool.h>

// A target that was just restarted refuses logins for a moment, before its access rules are back.
// So access counts as gone when this many logins in a row were refused, over this time.
#define RECONNECT_REFUSALS   3
#define RECONNECT_REFUSED_MS 1000
#define RECONNECT_PROVEN_MS  5000  // a session that lived as long is taken to work
#define RECONNECT_SAY_MS     60000 // losses are told at most so often; between, they are counted

// Zero-initialise. now_ms: any clock that never goes back.
struct reconnect {
    unsigned attempts; // since a session was last proven to work
    unsigned refusals; // in a row
    uint64_t refused_since_ms, ready_ms, said_ms;
    bool up;           // there is a session, not proven yet
    bool said;         // a loss has been told at said_ms
    bool refused;      // requests need not wait: access is gone
    unsigned untold;   // losses not told since then
    unsigned was_lost; // losses since a session was last proven to work, for telling
};

// A session is there. That alone forgets no failed attempt: the next command may end it.
void reconnect_ready(struct reconnect *r, uint64_t now_ms);
// A command of a request was answered: the session works. Returns how many sessions and attempts
// were lost before, once; 0: none, or it was told already.
unsigned reconnect_proven(struct reconnect *r);

struct reconnect_plan {
    uint32_t pause_ms; // before connecting (again)
    bool say;          // this loss is to be told,
    unsigned untold;   // with the number of those that were not
};
// The session was lost, or connecting failed. random is any number.
struct reconnect_plan reconnect_lost(struct reconnect *r, enum leg_loss loss, uint64_t now_ms,
                                     uint32_t random);

#endif
