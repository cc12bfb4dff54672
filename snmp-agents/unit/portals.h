// The portals and the interfaces they depend on: who has each address, and whether it is up.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_PORTALS_H
#define DVSAN_UNIT_PORTALS_H

#include "config/unit_config.h"
#include "loop/loop.h"
#include "snmp-agents/unit/announcement.h"
#include "snmp-agents/unit/state.h"

struct portals;

// changed(arg, interface, up) is called for each interface that brought portals up or took them
// down.
typedef void portals_fn(void *arg, uint32_t interface, bool up);

// Adds the configured portals to the state and keeps them as the kernel tells.
struct portals *portals_new(struct loop *loop, const struct unit_config *config,
                            struct state *state, portals_fn *changed, void *arg,
                            struct dv_err *err);
void portals_free(struct portals *p); // NULL is fine

// The interface as it is now.
struct announcement_link portals_link(const struct portals *p, uint32_t interface);
// The interfaces that hold portals now, each once; returns how many.
size_t portals_links(const struct portals *p, struct announcement_link *out, size_t room);

#endif
