// Net-SNMP's table of users, and which of them it has to look through; for this folder only.
// SPDX-License-Identifier: BSD-2-Clause
//
// Net-SNMP has one table for the whole process, a list, and goes through it for each message that
// it makes or reads. What it is about to look for is known beforehand, so all others are hidden
// from it meanwhile.
#ifndef DVSAN_SNMP_USM_TABLE_H
#define DVSAN_SNMP_USM_TABLE_H

#include "snmp/env.h"
#include <stdbool.h>
#include <stddef.h>

#define SN_USER_NAME_MAX 32 // RFC 3411 SnmpAdminString as usmUserName

struct usmUser;

struct sn_usm_key { // a user at an engine; compared by its bytes, of which none is padding
    struct sn_engine_id engine;
    char user[SN_USER_NAME_MAX + 1];
};
// False: no user can be called so, or no engine.
bool sn_usm_key(const char *user, const uint8_t *engine, size_t engine_len, struct sn_usm_key *out);

// Takes over the user, which replaces the one of that key.
void sn_usm_table_put(struct usmUser *user, const struct sn_usm_key *key);
void sn_usm_table_remove(const struct sn_usm_key *key);

// From here to sn_usm_table_show_all the library finds that user, if there is one, and one other
// at most. Changes of the table, and another call of this, show all again.
void sn_usm_table_show(const char *user, const uint8_t *engine, size_t engine_len);
void sn_usm_table_show_all(void);

// Whose message that says it is. False: it is not SNMPv3, or not whole, or says it in another way
// than all do.
bool sn_usm_message_key(const uint8_t *message, size_t len, struct sn_usm_key *out);

#endif
