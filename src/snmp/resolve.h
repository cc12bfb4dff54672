// Names in transport addresses, looked up without waiting; for this folder only.
// SPDX-License-Identifier: BSD-2-Clause
//
// Net-SNMP resolves names while it opens a session, and everything waits for it.
#ifndef DVSAN_SNMP_RESOLVE_H
#define DVSAN_SNMP_RESOLVE_H

#include <stdbool.h>

struct loop;

#define SN_HOST_MAX 253 // characters of a DNS name

struct sn_name {
    char transport[8]; // "udp", "udp6", "tcp", "tcp6"
    char host[SN_HOST_MAX + 1];
    char port[6]; // "" for the default
};
// Takes address apart when it is [transport:]host[:port] over UDP or TCP and host is a name. False
// for numeric addresses, and for all that Net-SNMP has to understand by itself.
bool sn_name_split(const char *address, struct sn_name *out);

struct sn_lookup;
// address is numeric, or NULL when nothing was found; then why says why. Both are borrowed.
typedef void sn_lookup_fn(void *arg, const char *address, const char *why);
// Looks a name up in a thread of its own and calls fn from the loop.
struct sn_lookup *sn_lookup_start(struct loop *loop, const struct sn_name *name, sn_lookup_fn *fn,
                                  void *arg);
// Before fn has run: it never will. NULL is fine.
void sn_lookup_abandon(struct sn_lookup *lookup);

#endif
