// What an iSCSI answer means for the request: done, again, failed, or the session is over.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_VERDICT_H
#define DVSAN_ISCSI_VERDICT_H

#include "block/leg.h"
#include <stddef.h>

enum verdict {
    VERDICT_DONE,
    VERDICT_AGAIN, // a unit attention or an abort: send it again
    VERDICT_LATER, // busy or not ready: send it again after a pause
    VERDICT_LOST,  // the session is over
    VERDICT_FAILED,
};

// Sense data (SPC-4 section 4.5). known: they were there, of a format that is known, and about the
// command itself, not about an earlier one; else the rest is 0.
struct sense {
    bool known;
    int key, ascq; // ascq: ASC << 8 | ASCQ
};
// data: the data segment of a SCSI Response, SenseLength first (RFC 7143 section 11.4.7).
struct sense verdict_sense(const uint8_t *data, size_t len);

// status: SAM status or libiscsi's own; sense: with CHECK CONDITION. *error gets an errno value
// with VERDICT_FAILED.
enum verdict verdict_of(int status, const struct sense *sense, int *error);

// The iSCSI login status (class << 8 | detail, RFC 7143 section 11.13.5) as a loss.
enum leg_loss verdict_of_login(unsigned status);
// A name for people: "authentication failure".
const char *verdict_login_text(unsigned status);

#endif
