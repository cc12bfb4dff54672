// Tells changes of state by notifications: those of media, links and volumes.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_NOTIFIER_H
#define DVSAN_UNIT_NOTIFIER_H

#include "loop/loop.h"
#include "snmp-agents/unit/announcer.h"
#include "unit/portals.h"
#include "unit/state.h"

struct notifier;

// All is borrowed and must outlive the notifier. It watches the state from now on and sends
// nothing yet.
struct notifier *notifier_new(struct loop *loop, struct state *state, const struct portals *portals,
                              struct announcer *announcer);
void notifier_free(struct notifier *n); // NULL is fine

// The SNMP master is there, or is lost. Without one nothing is told; what is to be told waits.
void notifier_ready(struct notifier *n, bool ready);
// An interface that holds a portal went up or down.
void notifier_link(struct notifier *n, uint32_t interface, bool up);

// dvsanUnitNotificationsSuppressed
// One more login at the volume was refused.
void notifier_login(struct notifier *n, const struct unit_volume *volume);
uint32_t notifier_suppressed(const struct notifier *n);

#endif
