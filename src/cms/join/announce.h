// From a notification's variable bindings to an announcement: pure parsing.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_ANNOUNCE_H
#define DVSAN_CMS_ANNOUNCE_H

#include "logic/join.h"
#include "snmp/listener.h"

enum announce_result {
    ANNOUNCE_OURS,    // *out is filled
    ANNOUNCE_FOREIGN, // a notification of something else, such as snmpd's own coldStart
    ANNOUNCE_BAD      // it claims to be ours and is not well formed; *why says what is wrong
};

enum announce_result announce_parse(const struct sn_notification *n, struct heard *out,
                                    const char **why);

#endif
