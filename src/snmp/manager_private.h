// Peers and requests as the files of the manager's side share them.
// SPDX-License-Identifier: BSD-2-Clause
//
// peer.c has the peer: its address, session, engine and end. manager.c has its requests. walk.c
// only watches for the peer's end.
#ifndef DVSAN_SNMP_MANAGER_PRIVATE_H
#define DVSAN_SNMP_MANAGER_PRIVATE_H

#include "snmp/convert.h"
#include "snmp/manager.h"
#include "snmp/resolve.h"
#include "snmp/session.h"
#include "snmp/usm.h"

struct loop_timer;

struct sn_request {
    struct sn_peer *peer; // NULL once it was cancelled
    struct sn_request *prev, *next;
    netsnmp_pdu *template;
    struct sn_timing timing;
    sn_done_fn *done;
    void *arg;
    uint32_t tries;   // sent so far
    unsigned reports; // taken so far
    bool sending;     // Net-SNMP's callback comes from inside the call that sends
    bool in_library;  // Net-SNMP holds a pointer to this, and will call back once more
    bool failed;      // waits for the loop to tell this:
    enum dv_code code;
    char text[160];
    struct loop_timer *waiting; // for the peer's name to be looked up
    bool reported;              // waits for the loop to look at this:
    int report;                 // SNMPERR_*, the report's meaning
    struct sn_engine_id reporter;
};

struct sn_peer {
    struct sn_env *env;
    char *address;
    bool named; // the address has a name in it, which may move
    struct sn_lookup *lookup;
    struct sn_keys *keys;
    struct sn_session *session;
    struct sn_engine_id engine; // as given or found; len 0 when not known
    bool pinned;                // it was given: another one is not believed
    bool doubted;               // nothing came back: the next try begins with a probe
    bool freeing;
    struct sn_request *requests; // under way, in no particular order
    struct loop_timer *later;    // looks at the requests that wait for the loop
    struct sn_peer_watcher *watchers;
};

// ---- peer.c ---------------------------------------------------------------------------------

// Opens a session at an address, which is the peer's own or what its name was resolved to.
int sn_peer_open(struct sn_peer *peer, const char *address, struct dv_err *err);
// Looks the peer's name up, unless that is under way; sn_requests_resume runs at the end.
void sn_peer_look_up(struct sn_peer *peer);
// Takes the engine that a report names. True when requests can go on with it.
bool sn_peer_learn(struct sn_peer *peer, const struct sn_engine_id *engine);

// Whoever holds one sees peer become NULL when the peer is freed.
struct sn_peer_watcher {
    struct sn_peer *peer;
    struct sn_peer_watcher *prev, *next;
};
void sn_peer_watch(struct sn_peer *peer, struct sn_peer_watcher *w);
void sn_peer_unwatch(struct sn_peer_watcher *w); // also when the peer is gone

// ---- manager.c ------------------------------------------------------------------------------

// Goes on with the requests that waited for the session; err is NULL when there is one now.
void sn_requests_resume(struct sn_peer *peer, const struct dv_err *err);
void sn_requests_cancel(struct sn_peer *peer); // answers all with DV_CANCELLED
void sn_requests_later(void *peer);            // the function of peer->later

#endif
