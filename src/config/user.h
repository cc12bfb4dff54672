// An SNMPv3 user as the configuration files give it: a name, and pass-phrases from files.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CONFIG_USER_H
#define DVSAN_CONFIG_USER_H

#define SNMP_USER_MAX 32 // characters, RFC 3414 section 5
#define SNMP_PASS_MIN 8  // characters, RFC 3414 section 11.2

// Always authPriv. The pass-phrases are wiped when the configuration is freed.
struct user_config {
    char name[SNMP_USER_MAX + 1];
    char *auth_pass, *priv_pass; // SNMP_PASS_MIN characters or more
};

void user_config_wipe(struct user_config *user); // wipes and frees what it points to

#endif
