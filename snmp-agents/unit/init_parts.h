// The parts of dvsan-unit --init.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_INIT_PARTS_H
#define DVSAN_UNIT_INIT_PARTS_H

#include "config/setup.h"
#include "config/unit_config.h"

#define INIT_USER      "dvsan"
#define INIT_SNMP_USER "Debian-snmp"
#define INIT_UNITS     "/etc/systemd/system"

// snmpd's file, or what is missing in one that an earlier version made.
int init_make_snmpd(const struct setup *s, const struct unit_config *config, struct dv_err *err);

// The key of the journal's secrets becomes a credential, which a TPM or the machine seals, where
// systemd can do that and a service gets it: tried, since in some containers none comes. The key
// that a running agent has stays the same.
int init_make_key(const struct setup *s, const struct unit_config *config, struct dv_err *err);

#endif
