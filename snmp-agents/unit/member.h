// The unit as a member of the pool: what the DVSAN-MEMBER-MIB tells of it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_MEMBER_H
#define DVSAN_UNIT_MEMBER_H

#include "base/log.h"
#include "logic/lead.h"
#include "model/unit.h"

#define MEMBER_ADDRESS_MAX 255
#define MEMBER_LEASE_MAX   86400u // seconds

struct member {
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1];
    char address[MEMBER_ADDRESS_MAX + 1]; // where snmpd is reached
    uint32_t epoch;
    enum member_state state;
    char last_error[LAST_ERROR_ROOM]; // why the unit as a whole is degraded, or ""
    // loop_now_ms() at which the lease runs out; in the past: there is none, and the station is
    // asked to look.
    uint64_t lease_end;
    struct lead lead;            // as recorded
    uint64_t held_until;         // loop_now_ms() up to which that station leads
    int32_t spin_lock;           // changes whenever lead.word does
    char refused[LEAD_WHY_ROOM]; // why a SET was refused last because of that, or ""
    uint32_t refusals;
    struct log_limit refused_log;
};

#endif
