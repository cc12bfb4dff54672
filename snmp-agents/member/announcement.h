// The payload of a member's notifications: what it tells of itself, as varbinds.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. The order is the DVSAN-MEMBER-MIB's: the notification's own objects, snmpTrapEnterprise.0,
// snmpEngineID.0, the member's objects, and what members of its kind tell besides.
#ifndef DVSAN_MEMBER_ANNOUNCEMENT_H
#define DVSAN_MEMBER_ANNOUNCEMENT_H

#include "netlink/netlink.h"
#include "snmp-agents/member/member.h"
#include "snmp/env.h"
#include "snmp/value.h"

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

// An announcement. link is what linkUp and linkDown begin with; NULL unless the kind asks for one.
// A local engine whose ID is not known is left out. What the member's owner adds comes last.
void announcement_make(struct announcement *a, enum announcement_kind kind,
                       const struct netlink_interface *link, const struct member *member,
                       const struct sn_engine_id *engine);

// Another notification: begun, then the objects of its own definition are added, then whose it is.
void announcement_begin(struct announcement *a, const struct sn_oid *trap);
void announcement_add(struct announcement *a, struct sn_oid oid, struct sn_value value);
void announcement_add_scalar(struct announcement *a, const struct sn_oid *oid,
                             struct sn_value value);
void announcement_sign(struct announcement *a, const struct member *member,
                       const struct sn_engine_id *engine);

// Whether it goes into one message that is not fragmented.
bool announcement_fits(const struct announcement *a);
// Leaves out what cannot go through snmpd. snmpd makes an SNMPv1 trap of all that it passes on,
// whoever receives it, and SNMPv1 traps have no 64-bit counters. These counters are additions to
// the notification alone.
void announcement_narrow(struct announcement *a);
void announcement_clear(struct announcement *a);

// The bytes that the varbinds take in a message.
size_t announcement_size(const struct announcement *a);

#endif
