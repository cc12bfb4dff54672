// Errors are values: a class that every interface can map, and one sentence for a person.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_ERR_H
#define DVSAN_BASE_ERR_H

#include <stdbool.h>

// The classes of failure. err_map.c maps each to a name, an exit code and an HTTP status, and an
// errno to its class; an SNMP error-status gets its class in src/snmp, which knows what was asked.
enum dv_code {
    DV_OK = 0,
    DV_INVALID,     // the request itself is wrong; repeating it cannot help
    DV_NOT_FOUND,   // it names something that does not exist
    DV_EXISTS,      // it would make something that exists already
    DV_CONFLICT,    // what is asked contradicts the present state
    DV_NO_SPACE,    // no medium has room
    DV_DENIED,      // not authenticated or not permitted
    DV_UNREACHABLE, // the other side cannot be reached
    DV_TIMEOUT,     // the other side did not answer in time
    DV_BUSY,        // a limit is reached; try again later
    DV_IO,          // a file, device or socket failed
    DV_CANCELLED,   // somebody took the request back
    DV_INTERNAL,    // a bug of ours or of a library below us
    DV_DAMAGED,     // what is stored cannot be what was stored: starting again does not help
    DV_CODES
};

struct dv_err {
    enum dv_code code;
    int errnum;     // of the failed system call; 0: there was none, or it is not known
    char text[480]; // one whole sentence, saying what to do where there is something to do
};

// Fills *err (which may be NULL) and returns -1, so that `return dv_fail(err, ...)` reads well.
// The arguments may point into err->text, so that a caller can put words in front. The text
// becomes printable UTF-8 (see text_make_printable) and ends in "..." when it had to be cut.
int dv_fail(struct dv_err *err, enum dv_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// The same for a failed system call: the class comes from errnum and ": No such file or
// directory" is added to the text.
int dv_fail_errno(struct dv_err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Whether this process, or the machine, had no descriptors or memory left for what was to be done:
// that tells nothing of the thing with which it was to be done.
bool dv_is_shortage(const struct dv_err *err);

// The stable snake_case name of a class: "not_found". It is part of the API and of --json output.
const char *dv_code_name(enum dv_code code);
int dv_code_http(enum dv_code code); // an HTTP status, 200 for DV_OK
int dv_code_exit(enum dv_code code); // a process exit code, 0..10, listed in dvsan(1)

// The other way: the class of a failed system call, DV_OK for 0, DV_IO for what is not known.
enum dv_code dv_code_from_errno(int errnum);

#endif
