// The member's scalars, and who may change what: the lease, the station's word, and refusals by it.
// SPDX-License-Identifier: BSD-2-Clause
//
// A SET that carries a word has it before its rows, so it is checked before them; what it says of
// who asks is kept here until the request ends.
#ifndef DVSAN_MEMBER_SCALARS_H
#define DVSAN_MEMBER_SCALARS_H

#include "enrol/message.h"
#include "snmp-agents/member/member.h"
#include "snmp/agent.h"

// What they show and change; all borrowed.
struct scalars {
    struct member *member;
    struct grant *identity;     // NULL: the member is not enrolled
    const char *state_dir;      // where that is kept
    void (*leased)(void *arg);  // dvsanMemberLease was written to member
    void (*rekeyed)(void *arg); // the identity has other keys
    void *arg;
    // What the SET that is being checked says of who asks: valid for this request.
    bool asked;
    uint32_t asked_request;
    struct lead_ask ask;
};

extern const struct sn_table scalars_table; // its context is a struct scalars

// Whether a request may change rows, by who leads the member; else the reason is shown, and
// SN_NO_ACCESS returned. undone: the station that leads would not take it over. what names the row
// ("volume 7").
int scalars_may_change(struct scalars *s, const struct sn_change *c, bool undone, const char *what);

#endif
