// What the configuration of every member of the pool says, whatever kind of member it is.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CONFIG_MEMBER_CONFIG_H
#define DVSAN_CONFIG_MEMBER_CONFIG_H

#include "base/err.h"
#include "base/text.h"
#include "config/user.h"
#include <stddef.h>
#include <stdint.h>

struct xml_node;

#define CONFIG_ENGINE_ID_MAX 32 // bytes

struct member_config {
    char name[NAME_MAX_LEN + 1];
    char *state_dir;
    char *agentx;             // the master's socket, or a Net-SNMP transport string
    char *management_address; // of the local snmpd, as the station reaches it; "%portal1" in a
                              // unit's stands for the address of the portal with index 1
    uint8_t engine_id[CONFIG_ENGINE_ID_MAX]; // of the local snmpd
    size_t engine_id_len;                    // 5..32, or 0: not given, so ask snmpd
    char *snmpd_state;                       // the file in which it keeps its users
    char *snmpd_conf;                        // its configuration
    struct user_config notify; // for informs to the station, until the member is enrolled; "": none

    char **cms; // Net-SNMP transport strings that announcements go to; none: where it is enrolled
    size_t cms_count;
};

// Reads all but the management address from the file's root element.
int member_config_get(const struct xml_node *root, struct member_config *config,
                      struct dv_err *err);
void member_config_clear(struct member_config *config); // frees what it has, wipes pass-phrases

#endif
