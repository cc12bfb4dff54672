// The notification receiver: SNMPv3 authPriv informs and traps in, everything else counted.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_LISTENER_H
#define DVSAN_SNMP_LISTENER_H

#include "snmp/env.h"
#include "snmp/value.h"

struct sn_listener;

// A notification whose sender was authenticated and whose message was decrypted. Borrowed.
struct sn_notification {
    const char *from;           // the transport address it came from, for logs; proves nothing
    const char *user;           // securityName
    bool inform;                // it is acknowledged after the callback returns
    struct sn_engine_id engine; // contextEngineID
    const struct sn_oid *trap;  // snmpTrapOID.0
    const struct sn_var *vars;  // those behind sysUpTime.0 and snmpTrapOID.0
    size_t count;
};
typedef void sn_notify_fn(void *arg, const struct sn_notification *n);

// address is a Net-SNMP transport string such as "udp:127.0.0.1:1162".
struct sn_listener *sn_listener_new(struct sn_env *env, const char *address, sn_notify_fn *fn,
                                    void *arg, struct dv_err *err);
void sn_listener_free(struct sn_listener *l); // NULL is fine; not from its own callback

// Informs are authenticated against this process's own engine, by the keys of their user. From now
// on informs of this user are taken. The keys of a user that is there already are replaced.
int sn_listener_add_user(struct sn_listener *l, const struct sn_user *user, struct dv_err *err);
void sn_listener_remove_user(struct sn_listener *l, const char *name); // unknown is fine

// From now on traps that the engine sends under the listener's user are accepted as well.
int sn_listener_accept_engine(struct sn_listener *l, const struct sn_engine_id *engine,
                              const struct sn_user *user, struct dv_err *err);

// Counts since the start. What is not taken is dropped without an answer beyond USM's reports. A
// sender that discovers our engine is not counted. A sender that finds out that we restarted is
// counted once, as not in the time window.
struct sn_listener_stats {
    uint64_t informs, traps;
    uint64_t dropped_version;   // SNMPv1 and SNMPv2c
    uint64_t dropped_security;  // unknown user, wrong digest, not in time window, not authPriv
    uint64_t dropped_malformed; // not BER, not a notification, or without snmpTrapOID.0
};
void sn_listener_stats(const struct sn_listener *l, struct sn_listener_stats *out);

#endif
