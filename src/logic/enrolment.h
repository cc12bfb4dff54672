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
};

// Whether a code may be tried at all: before anything is proven. DV_DENIED and a sentence.
int code_may_be_tried(const struct code_record *code, int64_t now, const char *from,
                      struct dv_err *why);

// ENROL_AGAIN: it was let in by this code before, and gets the same keys; the connection broke, or
// one side crashed. *before is that use. ENROL_NO fills why.
enum enrolment_verdict { ENROL_NO, ENROL_YES, ENROL_AGAIN };
enum enrolment_verdict enrolment_decide(const struct enrolment *e, const struct code_use **before,
                                        struct dv_err *why);

// The name that it is to get, if that is free.
const char *enrolment_name(const struct enrolment *e);

#endif
