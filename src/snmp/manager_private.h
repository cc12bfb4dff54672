// What a walk needs to know of its peer beyond the public calls.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_MANAGER_PRIVATE_H
#define DVSAN_SNMP_MANAGER_PRIVATE_H

#include "snmp/manager.h"

// Whoever holds one sees peer become NULL when the peer is freed.
struct sn_peer_watcher {
    struct sn_peer *peer;
    struct sn_peer_watcher *prev, *next;
};
void sn_peer_watch(struct sn_peer *peer, struct sn_peer_watcher *w);
void sn_peer_unwatch(struct sn_peer_watcher *w); // also when the peer is gone

#endif
