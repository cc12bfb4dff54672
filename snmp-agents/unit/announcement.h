// The payload of the unit's notifications: what it tells of itself, as varbinds.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. The order is the DVSAN-MEMBER-MIB's: the notification's own objects, snmpTrapEnterprise.0,
// snmpEngineID.0, the member's objects, the number of volumes, and as many of them as fit.
#ifndef DVSAN_UNIT_ANNOUNCEMENT_H
#define DVSAN_UNIT_ANNOUNCEMENT_H

#include "netlink/netlink.h"
#include "snmp-agents/unit/member.h"
#include "snmp/env.h"
#include "snmp/value.h"
#include "unit/state.h"

// A message of more bytes than this may be fragmented on its way, and then is easily lost.
#define ANNOUNCEMENT_MESSAGE_MAX 1400
// Of these SNMPv3's own headers, and the two varbinds that every notification begins with, take
// this much at most: engine IDs and the user's name of 32 bytes each, 24 bytes of HMAC-SHA-256.
#define ANNOUNCEMENT_HEADERS_MAX 270

enum announcement_kind {
    ANNOUNCE_COLD_START,
    ANNOUNCE_AGAIN, // dvsanMemberAnnounce
    ANNOUNCE_LINK_UP,
    ANNOUNCE_LINK_DOWN
};

struct announcement {
    struct sn_oid trap;
    struct sn_var *vars; // values borrow from what they were made of
    size_t count;
};

// link is what linkUp and linkDown begin with; NULL unless the kind asks for one. A local engine
// whose ID is not known is left out.
void announcement_make(struct announcement *a, enum announcement_kind kind,
                       const struct netlink_interface *link, const struct member *member,
                       const struct state *state, const struct sn_engine_id *engine);
// That the medium, or the volume, is in another state: dvsanMediumOnline, dvsanMediumLow or
// dvsanMediumFailed; dvsanVolumeStateChange. Volumes' extents are left out.
void announcement_make_medium(struct announcement *a, const struct medium *medium,
                              const struct member *member, const struct state *state,
                              const struct sn_engine_id *engine);
void announcement_make_volume(struct announcement *a, const struct volume *volume,
                              const struct member *member, const struct state *state,
                              const struct sn_engine_id *engine);
// That a login at the volume was refused: iscsiTgtLoginFailure of the ISCSI-MIB.
void announcement_make_login(struct announcement *a, const struct unit_volume *volume,
                             const struct member *member, const struct state *state,
                             const struct sn_engine_id *engine);
// Leaves out what cannot go through snmpd: it makes an SNMPv1 trap of all that it passes on,
// whoever receives it, and these have no 64-bit counters. Those are additions to the notification
// alone.
void announcement_narrow(struct announcement *a);
void announcement_clear(struct announcement *a);

// The bytes that the varbinds take in a message.
size_t announcement_size(const struct announcement *a);

#endif
