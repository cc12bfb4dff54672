// The station's users in the file in which snmpd keeps its users: /var/lib/snmp/snmpd.conf.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_SNMPD_USERS_H
#define DVSAN_MEMBER_SNMPD_USERS_H

#include "enrol/message.h"

// Puts both of the station's users with these keys, at snmpd's engine, into the file at path, in
// place of those that were there; all else stays. snmpd must not run: it writes the file when it
// ends. Called as the owner of the folder, who is snmpd; the file gets mode 0600.
int snmpd_users_put(const char *path, const struct engine_id *engine, const struct grant *grant,
                    struct dv_err *err);

#endif
