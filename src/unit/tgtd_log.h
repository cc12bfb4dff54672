// What tgtd writes to its standard error: its messages put together, limited, and understood.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. In the foreground tgtd logs to stderr alone, each message by two writes: "tgtd: ", then the
// message, which may lack a newline and may hold text that an initiator chose, newlines included.
// So lines mean nothing. The pipe is in packet mode (O_DIRECT of pipe(2)), so that what is read at
// once is what was written at once, and only what stands where tgtd itself put it is believed.
#ifndef DVSAN_UNIT_TGTD_LOG_H
#define DVSAN_UNIT_TGTD_LOG_H

#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How a packet goes on: all zero at the start of a pipe.
struct tgtd_log {
    unsigned announced; // how often "tgtd: " came since the last text; 2 stands for more
};

enum tgtd_packet {
    TGTD_PACKET_NONE,    // only the beginning of a message
    TGTD_PACKET_MESSAGE, // a message, from its first byte on
    TGTD_PACKET_REST     // the rest of one, or one whose beginning cannot be told
};
enum tgtd_packet tgtd_log_take(struct tgtd_log *l, const char *data, size_t len);

// Whether a TGTD_PACKET_MESSAGE says that an initiator's CHAP user or secret was wrong. The name
// is as the initiator gave it; it is an iSCSI name.
bool tgtd_log_refusal(const char *data, size_t len, char initiator[IQN_MAX_LEN + 1]);

// The message as text of one line: without white space at its end and with what is not printable
// replaced; returns its length. room is at least 1; what does not fit is left out.
size_t tgtd_log_text(const char *data, size_t len, char *out, size_t room);

// How many messages are passed on.
#define TGTD_LOG_BURST       20
#define TGTD_LOG_INTERVAL_MS 1000 // between further ones
struct tgtd_log_limit {
    uint64_t paid_ms;  // each message takes an interval; those up to here are taken
    uint32_t left_out; // messages, since the last one that was passed on
};
// Whether one more may be passed on now; *left_out is then how many before it were not.
bool tgtd_log_admit(struct tgtd_log_limit *l, uint64_t now_ms, uint32_t *left_out);

#endif
