// The portals and the interfaces they depend on: who has each address, and whether it is up.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_PORTALS_H
#define DVSAN_UNIT_PORTALS_H

#include "config/unit_config.h"
#include "loop/loop.h"
#include "netlink/netlink.h"
#include "unit/state.h"

struct portals;

struct portals_calls {
    // An interface brought portals up or took them down.
    void (*changed)(void *arg, uint32_t interface, bool up);
    // Portals that follow an interface have got another address, or their first one.
    void (*moved)(void *arg);
    void *arg;
};

// Adds the configured portals to the state, each for every portal group, and keeps them as the
// kernel tells. A portal that follows an interface is not there before the interface has an
// address, and keeps the address when the interface loses it.
struct portals *portals_new(struct loop *loop, const struct unit_config *config,
                            struct state *state, const struct portals_calls *calls,
                            struct dv_err *err);
void portals_free(struct portals *p); // NULL is fine

// The management address as it is now; false when it names a portal that is not there yet, or
// when there is no room.
bool portals_address(const struct state *state, const char *pattern, char *out, size_t room);

// Why a portal is down, of the first portal that is; "" when all portals are up.
void portals_reason(const struct portals *p, char out[LAST_ERROR_ROOM]);

// The interface as it is now.
struct netlink_interface portals_link(const struct portals *p, uint32_t interface);
// The interfaces that hold portals now, each once; returns how many.
size_t portals_links(const struct portals *p, struct netlink_interface *out, size_t room);

#endif
