// What every member's agent does: joins the pool, and shows and tells what its owner has.
// SPDX-License-Identifier: BSD-2-Clause
//
// A program of its own kind brings a struct member_owner: its tables, what its announcements carry,
// what of its things is told, and where it records who leads it.
#ifndef DVSAN_MEMBER_MEMBER_AGENT_H
#define DVSAN_MEMBER_MEMBER_AGENT_H

#include "config/member_config.h"
#include "loop/loop.h"
#include "netlink/netlink.h"
#include "snmp-agents/member/announcer.h"
#include "snmp-agents/member/notifier.h"
#include "snmp-agents/member/scalars.h"

struct member_agent;

// All is borrowed. Of the member its kind, owner, UUID and epoch are filled in, and who led it by
// the last record; the rest is made here. Nothing is shown or told yet.
struct member_agent *member_agent_new(struct loop *loop, const struct member_config *config,
                                      struct member *member, struct dv_err *err);
// Unregisters first: a SET under way may still be made true. NULL is fine.
void member_agent_free(struct member_agent *a);

// Offers all tables to the SNMP master, and announces the member as soon as that is there. Once;
// NULL when that cannot be.
struct sn_agent *member_agent_connect(struct member_agent *a, struct dv_err *err);
bool member_agent_is_offered(const struct member_agent *a);
// What the member has is known: changes are told from now on.
void member_agent_known(struct member_agent *a);
// The member is reached at this address from now on ("": it is not known), or at other portals: the
// station's last word was about others.
void member_agent_reached_at(struct member_agent *a, const char *address);

// Says good-bye, by a linkDown for each link, which takes two seconds at most; then done(arg).
void member_agent_stop(struct member_agent *a, const struct netlink_interface *links, size_t count,
                       loop_fn *done, void *arg);

// Its parts, which live as long as the agent.
struct member_agent_parts {
    struct scalars *scalars;
    struct announcer *announcer;
    struct notifier *notifier;
};
struct member_agent_parts member_agent_parts(struct member_agent *a);
// Whether the member has keys that no other member has.
bool member_agent_has_own_keys(const struct member_agent *a);

#endif
