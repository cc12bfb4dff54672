// One Net-SNMP session, with its socket and its timeouts in our loop; for this folder only.
// SPDX-License-Identifier: BSD-2-Clause
//
// These sessions are opened by Net-SNMP's single-session calls (snmp_sess_*). They stay out of
// its global list, so work on one costs nothing for the thousand others.
#ifndef DVSAN_SNMP_SESSION_H
#define DVSAN_SNMP_SESSION_H

#include "snmp/convert.h"
#include "snmp/env.h"

struct sn_session;

// Takes over a handle from snmp_sess_open or snmp_sess_add.
struct sn_session *sn_session_new(struct sn_env *env, void *handle);
// Closes now, or, from inside one of the session's own callbacks, as soon as Net-SNMP has
// returned. Requests under way get their callback with NETSNMP_CALLBACK_OP_TIMED_OUT.
void sn_session_close(struct sn_session *s); // NULL is fine

netsnmp_session *sn_session_data(struct sn_session *s);
void *sn_session_handle(struct sn_session *s);
netsnmp_transport *sn_session_transport(struct sn_session *s);

// Sends and takes over pdu in every case. False when nothing was sent, and then *error is one of
// SNMPERR_*. Before this returns false Net-SNMP may have called callback: it must then do nothing.
bool sn_session_send(struct sn_session *s, netsnmp_pdu *pdu, uint32_t timeout_ms,
                     snmp_callback callback, void *magic, int *error);

#endif
