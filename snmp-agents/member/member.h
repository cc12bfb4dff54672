// A member of the pool: what the DVSAN-MEMBER-MIB tells of it, and what its agent brings along.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_MEMBER_H
#define DVSAN_MEMBER_MEMBER_H

#include "base/log.h"
#include "logic/lead.h"
#include "model/unit.h"

#define MEMBER_ADDRESS_MAX 255
#define MEMBER_LEASE_MAX   86400u // seconds

struct announcement;
struct news;
struct news_kind;
struct sn_agent;

// What each kind of member does in its own way; all on the loop's thread.
struct member_owner {
    uint32_t (*generation)(void *arg); // dvsanMemberGeneration
    // Adds what an announcement tells behind the member's own objects, as far as there is room.
    void (*announce)(void *arg, struct announcement *a);
    // Registers the tables that only members of this kind have.
    int (*offer)(void *arg, struct sn_agent *agent, struct dv_err *err);

    // Its things whose changes are told, see notifier.h.
    const struct news_kind *kinds;
    size_t kind_count;
    void (*look)(void *arg, struct news *n); // news_see and news_forget what changed since
    void (*tell)(void *arg, unsigned kind, uint32_t index, int state);

    // Records who leads the member, durable with all that the same request asks for, or not at all.
    // The phases of struct sn_table: stage returns what the others get, or NULL when there is
    // nothing to record; apply and undo return an enum sn_status.
    void *(*stage)(void *arg, uint32_t request, const struct lead *next, const struct lead *now);
    int (*apply)(void *arg, void *staged);
    int (*undo)(void *arg, void *staged);
    void (*release)(void *arg, void *staged);
    void *arg;
};

struct member {
    enum member_kind kind;
    struct member_owner owner;
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1];
    char address[MEMBER_ADDRESS_MAX + 1]; // where snmpd is reached
    uint32_t epoch;
    enum member_state state;
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
