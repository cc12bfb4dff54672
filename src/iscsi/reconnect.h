// When to connect again, and when to stop making requests wait for it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_RECONNECT_H
#define DVSAN_ISCSI_RECONNECT_H

#include "iscsi/leg.h"
#include <stdbool.h>

// A target that was just restarted refuses logins for a moment, before its access rules are back;
// so one refusal of a session that worked before means little.
#define RECONNECT_REFUSALS 3 // refused logins in a row that count as an answer
#define RECONNECT_ABSENCES 8 // the same for "no such target", which tgtd also says to strangers

// Zero-initialise.
struct reconnect {
    unsigned attempts; // since the session last worked
    unsigned refusals, absences;
    bool refused; // requests need not wait: access is gone
};

void reconnect_ready(struct reconnect *r); // the session works
// The session was lost, or connecting failed; returns the pause before connecting (again), in
// ms. random is any number.
uint32_t reconnect_lost(struct reconnect *r, enum leg_loss loss, uint32_t random);

#endif
