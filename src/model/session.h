// What a unit's targets offer in the negotiation of a session (RFC 7143 section 13).
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MODEL_SESSION_H
#define DVSAN_MODEL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#define SESSION_LENGTH_MIN 512u // bytes; of all three lengths, as the next
#define SESSION_LENGTH_MAX 16777215u
#define SESSION_R2T_MAX    65535u

// Only these: of the other keys tgtd has one value, or the initiator's counts.
struct session_parameters {
    bool initial_r2t, immediate_data;
    uint32_t max_recv;            // bytes, SESSION_LENGTH_MIN..SESSION_LENGTH_MAX, as the next two
    uint32_t first_burst;         // not more than the next
    uint32_t max_burst;           //
    uint32_t max_outstanding_r2t; // 1..SESSION_R2T_MAX
};

// Data comes with the command instead of being asked for, and in big pieces: tgtd's own defaults
// are those of RFC 7143, for 1 Gbit/s and little memory. docs/design/benchmarks.md has the
// measurements.
#define SESSION_DEFAULTS                                                                           \
    ((struct session_parameters){.initial_r2t = false,                                             \
                                 .immediate_data = true,                                           \
                                 .max_recv = 262144,                                               \
                                 .first_burst = 262144,                                            \
                                 .max_burst = 1048576,                                             \
                                 .max_outstanding_r2t = 16})

#endif
