// Between our values and Net-SNMP's variable lists; for this folder only.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_CONVERT_H
#define DVSAN_SNMP_CONVERT_H

#include "snmp/value.h"
// clang-format off: this one must come first
#include <net-snmp/net-snmp-config.h>
// clang-format on
#include <net-snmp/net-snmp-includes.h>

// Variables as read from a PDU. Their octets stay in the PDU. Zero-initialise; the arrays grow
// and are used again; sn_vars_free frees them.
struct sn_vars {
    struct sn_var *var;
    size_t count, room;
    struct sn_oid *objids; // what the values of type SN_OBJID point to
    size_t objid_room;
};

// False when a variable cannot be told in our types: an unknown type, or a number out of range.
bool sn_vars_read(struct sn_vars *out, const netsnmp_variable_list *list);
void sn_vars_free(struct sn_vars *vars);

// False for an OID that is too long.
bool sn_oid_read(struct sn_oid *out, const oid *name, size_t len);
// name has room for SN_OID_MAX; returns the length.
size_t sn_oid_write(const struct sn_oid *in, oid *name);

// Reads one value; *objid is where an SN_OBJID is put.
bool sn_value_read(struct sn_value *out, struct sn_oid *objid, const netsnmp_variable_list *var);
// Sets the type and the value of var, copying. False for want of memory.
bool sn_value_write(const struct sn_value *in, netsnmp_variable_list *var);
// Appends to a list at *tail, which then points to the end of the new variable.
bool sn_vars_append(netsnmp_variable_list ***tail, const struct sn_oid *name,
                    const struct sn_value *value);

// Fills the empty list of a notification: sysUpTime.0, snmpTrapOID.0, vars (RFC 3416
// section 4.2.6).
bool sn_notification_fill(netsnmp_variable_list **list, const struct sn_oid *trap,
                          const struct sn_var *vars, size_t count);

extern const struct sn_oid sn_sys_up_time;   // sysUpTime.0
extern const struct sn_oid sn_snmp_trap_oid; // snmpTrapOID.0

#endif
