// Whether a member that has proven that it knows a code is let in.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_ENROLMENT_H
#define DVSAN_LOGIC_ENROLMENT_H

#include "base/err.h"
#include "model/enrolment.h"

struct enrolment {
    const struct code_record *code;
    const struct code_use *uses; // of the code
    size_t use_count;
    int64_t now;      // seconds since 1970
    const char *from; // the network address that the member comes from
    const struct enrol_request *request;
    const struct unit_record *known;    // the unit of that UUID, NULL: none
    const struct unit_record *namesake; // another unit that has the code's name, NULL: none
    const char *engine_of;              // another member that has the engine already; NULL: nobody
    uint32_t number; // of the keys that the member gets now, if it was not let in before
};

// The network that an address (as sockets show it) is counted as: a machine has one IPv4 address,
// and as many of an IPv6 network as it likes.
void enrolment_try_source(const char *from, char out[TRY_SOURCE_ROOM]);
// Whether a code may be tried at all, before anything is proven. Fails with DV_DENIED, or with
// DV_BUSY when the code may be tried later, and a sentence. source: what came from that network so
// far, NULL: nothing. As many tries may be under way at once as members can still be let in, and
// no more than may still be wrong.
int enrolment_may_be_tried(const struct code_record *code, const struct code_source *source,
                           int64_t now, const char *from, struct dv_err *why);

// ENROL_AGAIN: the member was let in by this code before and never had its keys on disk, since the
// connection broke or one side crashed. The member gets the same keys. *before is that use.
// ENROL_NO fills why.
enum enrolment_verdict { ENROL_NO, ENROL_YES, ENROL_AGAIN };
enum enrolment_verdict enrolment_decide(const struct enrolment *e, const struct code_use **before,
                                        struct dv_err *why);

// The name that the member is to get, if that name is free.
const char *enrolment_name(const struct enrolment *e);

#endif
