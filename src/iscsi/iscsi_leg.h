// A leg over iSCSI: one session to one LUN, by libiscsi.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_ISCSI_LEG_H
#define DVSAN_ISCSI_ISCSI_LEG_H

#include "block/leg.h"
#include "loop/loop.h"

struct iscsi_leg_config {
    const char *portal;    // "192.0.2.1:3260", "[2001:db8::1]:3260"; numeric, so nothing blocks
    const char *target;    // IQN
    const char *initiator; // IQN
    unsigned lun;
    const char *chap_user;   // NULL: no CHAP
    const char *chap_secret; // copied, and wiped with the leg
    bool header_digest;      // CRC32C on every header
    uint32_t connect_ms;     // TCP connect to login, and each answer on the way to ready
    uint32_t nop_ms;         // a NOP-Out this often; the fourth finding silence ends the session
};

// Values that suit a local network: 10 s, 2 s.
void iscsi_leg_defaults(struct iscsi_leg_config *config);
// The strings are copied.
struct leg *iscsi_leg_new(struct loop *loop, const struct iscsi_leg_config *config);

#endif
