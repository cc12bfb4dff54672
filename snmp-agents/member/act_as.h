// Root acting as the owner of a folder.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_ACT_AS_H
#define DVSAN_MEMBER_ACT_AS_H

#include "base/err.h"
#include <sys/types.h>

// Root's, which it has no more while it acts as somebody else; NULL: it is itself.
struct own_groups {
    gid_t *list;
    int count;
};

// The state folder is the service's, snmpd's file snmpd's. Root reads and writes each as its owner,
// so that the owner can make root do that nowhere else, and has the file from its first byte on.
// Anybody else stays who he is.
int act_as_owner(const char *folder, struct own_groups *own, struct dv_err *err);
void act_as_oneself(struct own_groups *own);

#endif
