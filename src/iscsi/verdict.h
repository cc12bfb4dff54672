// What an iSCSI answer means for the request: done, again, failed, or the session is over.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_VERDICT_H
#define DVSAN_ISCSI_VERDICT_H

#include "iscsi/leg.h"

enum verdict {
    VERDICT_DONE,
    VERDICT_AGAIN, // a unit attention or an abort: send it again at once
    VERDICT_LATER, // busy or not ready: send it again after a pause
    VERDICT_LOST,  // the session is over
    VERDICT_FAILED,
};
// status: SAM status or libiscsi's own; key, ascq: the sense data of a CHECK CONDITION, ascq as
// ASC << 8 | ASCQ. *error gets an errno value with VERDICT_FAILED.
enum verdict verdict_of(int status, int key, int ascq, int *error);

// The iSCSI login status (class << 8 | detail, RFC 7143 section 11.13.5) as a loss.
enum leg_loss verdict_of_login(unsigned status);
// A name for people: "authentication failure".
const char *verdict_login_text(unsigned status);

#endif
