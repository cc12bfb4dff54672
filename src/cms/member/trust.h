// With which keys a unit is asked, and which of its announcements are believed.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_TRUST_H
#define DVSAN_CMS_MEMBER_TRUST_H

#include "cms/member/link.h"
#include "enrol/message.h"

// A unit is asked with the keys that it was enrolled with, one that was not with those that many
// share. As sn_peer_new.
struct sn_peer *trust_peer(struct cms *cms, const struct dv_uuid *unit, const char *address,
                           const struct sn_engine_id *engine, struct dv_err *err);
// The same as the station's user of that number, whatever the record says; and the keys themselves.
struct sn_peer *trust_peer_as(struct cms *cms, const struct unit_record *rec, uint32_t number,
                              const char *address, const struct sn_engine_id *engine,
                              struct dv_err *err);
void trust_keys(const struct cms *cms, enum keys_role role, const struct unit_record *rec,
                uint32_t number, struct member_keys *out);
// The listener takes informs of the record's unit signed with its keys, and those keys alone: the
// present ones, and those of one other number (rekey_listens).
int trust_listen(struct cms *cms, const struct unit_record *rec, struct dv_err *err);
// Why an announcement of that unit by that user is not believed; NULL when it is.
const char *trust_doubts(const struct cms *cms, const char *user, const struct dv_uuid *unit);
// Whether the unit that the link has looked at, and the pool does not have, waits for a person's
// word before anything of it is taken in.
bool trust_waits(const struct unit_link *link);
void trust_wait(struct unit_link *link); // writes down that it waits
// What an enrolled unit is told: all but the address at which it reaches the station.
void trust_grant(struct cms *cms, const struct unit_record *rec, struct grant *out);

#endif
