// Object identifiers of standard modules that our programs read or send.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_STD_OIDS_H
#define DVSAN_SNMP_STD_OIDS_H

// SNMPv2-MIB (RFC 3418)
#define OID_sysUpTime                                                                              \
    {                                                                                              \
        .len = 8, .id = { 1, 3, 6, 1, 2, 1, 1, 3 }                                                 \
    }
#define OID_snmpTrapOID                                                                            \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 6, 3, 1, 1, 4, 1 }                                          \
    }
#define OID_snmpTrapEnterprise                                                                     \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 6, 3, 1, 1, 4, 3 }                                          \
    }
#define OID_coldStart                                                                              \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 6, 3, 1, 1, 5, 1 }                                          \
    }
#define OID_linkDown                                                                               \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 6, 3, 1, 1, 5, 3 }                                          \
    }
#define OID_linkUp                                                                                 \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 6, 3, 1, 1, 5, 4 }                                          \
    }
// IF-MIB (RFC 2863); columns, to be followed by ifIndex
#define OID_ifIndex                                                                                \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 2, 1, 2, 2, 1, 1 }                                          \
    }
#define OID_ifAdminStatus                                                                          \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 2, 1, 2, 2, 1, 7 }                                          \
    }
#define OID_ifOperStatus                                                                           \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 2, 1, 2, 2, 1, 8 }                                          \
    }
// SNMP-USER-BASED-SM-MIB (RFC 3414); columns, to be followed by the engine's ID and the user's
// name, the length of each before it
#define OID_usmUserAuthKeyChange                                                                   \
    {                                                                                              \
        .len = 12, .id = { 1, 3, 6, 1, 6, 3, 15, 1, 2, 2, 1, 6 }                                   \
    }
#define OID_usmUserPrivKeyChange                                                                   \
    {                                                                                              \
        .len = 12, .id = { 1, 3, 6, 1, 6, 3, 15, 1, 2, 2, 1, 9 }                                   \
    }
// UCD-SNMP-MIB, of Net-SNMP
#define OID_versionSavePersistentData                                                              \
    {                                                                                              \
        .len = 9, .id = { 1, 3, 6, 1, 4, 1, 2021, 100, 13 }                                        \
    }
// SNMP-FRAMEWORK-MIB (RFC 3411)
#define OID_snmpEngineID                                                                           \
    {                                                                                              \
        .len = 10, .id = { 1, 3, 6, 1, 6, 3, 10, 2, 1, 1 }                                         \
    }

#endif
