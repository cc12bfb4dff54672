// What to do about a member's announcement: a pure decision.
// SPDX-License-Identifier: BSD-2-Clause
//
// An announcement is only news. Whatever it says, nothing is believed until the member's own
// engine has answered. So the worst that a lost, repeated, late or false announcement can do is a
// question that is asked in vain, or that is not asked until the next poll.
#ifndef DVSAN_LOGIC_JOIN_H
#define DVSAN_LOGIC_JOIN_H

#include "model/pool.h"

enum heard_kind {
    HEARD_COLD_START = 1,
    HEARD_LINK_UP,
    HEARD_LINK_DOWN,
    HEARD_REPEAT, // dvsanMemberAnnounce: the member says that it holds no lease
    HEARD_NEWS    // a medium or a volume of it is in another state
};

struct heard {
    enum heard_kind kind;
    struct dv_uuid uuid;
    enum member_kind member;
    char name[NAME_MAX_LEN + 1];
    char address[ADDRESS_MAX_LEN + 1];
    uint8_t engine_id[ENGINE_ID_MAX_LEN];
    uint8_t engine_id_len;
    uint32_t epoch, generation;
    enum member_state state;
};

// What is known of the unit with this UUID.
struct join_known {
    const struct unit_record *unit;             // NULL: nothing
    bool lease_held;                            // by what we know, its lease has not run out
    bool reading;                               // it is being asked just now
    uint32_t reading_epoch, reading_generation; // what the announcement that led to it said
};

enum join_action {
    JOIN_IGNORE,  // nothing new
    JOIN_QUERY,   // ask the unit: something is new
    JOIN_LEAVE,   // the unit says that it is being stopped: look whether it still answers
    JOIN_SUSPECT, // another engine claims a known unit's UUID: ask that engine whether it is so
    JOIN_REFUSE   // members of this kind cannot join: tell a person so
};

// *why becomes a short reason for the log.
enum join_action join_decide(const struct join_known *known, const struct heard *a,
                             const char **why);

#endif
