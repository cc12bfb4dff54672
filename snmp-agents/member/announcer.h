// Tells the station that the member is there, again and again until it gives a lease.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_ANNOUNCER_H
#define DVSAN_MEMBER_ANNOUNCER_H

#include "config/member_config.h"
#include "enrol/message.h"
#include "loop/loop.h"
#include "snmp-agents/member/announcement.h"
#include "snmp/agent.h"

#define ANNOUNCER_TROUBLE_ROOM 256

struct announcer;

// All is borrowed and must outlive the announcer. identity is NULL for a member that is not
// enrolled. Nothing is sent yet.
struct announcer *announcer_new(struct loop *loop, struct sn_env *env,
                                const struct member_config *config, const struct grant *identity,
                                const struct member *member, struct dv_err *err);
void announcer_free(struct announcer *a); // NULL is fine

// The tables can be read now, for the first time or again: announces the member, the first time
// by coldStart. agent passes on all that is sent to the receivers of the local master.
void announcer_start(struct announcer *a, struct sn_agent *agent);
// The station wrote the member's lease.
void announcer_leased(struct announcer *a);
// The identity has other keys, with which all is signed from now on.
void announcer_rekeyed(struct announcer *a);
// The member's address is another one, or known now: announces the member until it holds a lease,
// which has ended.
void announcer_moved(struct announcer *a);
// An interface by which the member is reached went up or down.
void announcer_link(struct announcer *a, bool up, const struct netlink_interface *link);
// Another notification, with the objects of its own definition: signs, sends and clears it. The
// notification goes through the master to others. It goes to the station, too, while the station
// counts the member in its pool; else the station will hear all from the announcement.
void announcer_tell(struct announcer *a, struct announcement *message);
// The same, to others alone.
void announcer_tell_others(struct announcer *a, struct announcement *message);

// How many notifications did not go out: no master took them, or a station that leads the member
// did not acknowledge them.
uint32_t announcer_lost(const struct announcer *a);
// And why they do not now, as a sentence; "" when they do.
const char *announcer_trouble(const struct announcer *a);

// The member is shutting down: sends a linkDown for each of the links (a dvsanMemberAnnounce when
// there is none) and calls done(arg) when the station has them, or after two seconds.
void announcer_stop(struct announcer *a, const struct netlink_interface *links, size_t count,
                    loop_fn *done, void *arg);

#endif
