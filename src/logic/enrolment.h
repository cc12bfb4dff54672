// Whether a member that has proven that it knows a code is let in.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_ENROLMENT_H
#define DVSAN_LOGIC_ENROLMENT_H

#include "base/err.h"
#include "model/enrolment.h"

struct enrolment {
    const struct code_record *code;
    const struct code_use *uses; // those of the code
    size_t use_count;
    int64_t now;      // seconds since 1970
    const char *from; // the network address it comes from
    const struct enrol_request *request;
    const struct unit_record *known;    // the unit of that UUID, NULL: none
    const struct unit_record *namesake; // another unit that has the code's name, NULL: none
    const char *engine_of;              // whose the engine is already, if another's; NULL: nobody's
    uint32_t number; // of the keys that it would get now, if it was not let in before
};

// The network that an address (as sockets show it) is counted as: a machine has one IPv4 address,
// and as many of an IPv6 network as it likes.
void enrolment_try_source(const char *from, char out[TRY_SOURCE_ROOM]);
// Whether a code may be tried at all: before anything is proven. DV_DENIED, or DV_BUSY when it may
// be later, and a sentence. source: what came from that network so far, NULL: nothing. So many may
// be under way at once as can be let in, and no more are wrong than may be.
int enrolment_may_be_tried(const struct code_record *code, const struct code_source *source,
                           int64_t now, const char *from, struct dv_err *why);

// ENROL_AGAIN: it was let in by this code before, never had its keys on disk, and gets the same;
// the connection broke, or one side crashed. *before is that use. ENROL_NO fills why.
enum enrolment_verdict { ENROL_NO, ENROL_YES, ENROL_AGAIN };
enum enrolment_verdict enrolment_decide(const struct enrolment *e, const struct code_use **before,
                                        struct dv_err *why);

// The name that it is to get, if that is free.
const char *enrolment_name(const struct enrolment *e);

#endif
