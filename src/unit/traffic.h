// From what a tgtd counts for live sessions to sums that never go back.
// SPDX-License-Identifier: BSD-2-Clause
//
// tgtd counts for each session and forgets a session that ends. So each look's growth is added to
// the volume and to the rule that let the initiator in; what a session did between the last look
// and its end is lost. The rows of the last look are recorded with the sums, so that an agent that
// is started again goes on where the last one was, while tgtd and its sessions live on. Each tgtd
// has traffic of its own: the numbers of sessions are its own, too.
#ifndef DVSAN_UNIT_TRAFFIC_H
#define DVSAN_UNIT_TRAFFIC_H

#include "unit/observer.h"
#include "unit/state.h"

struct traffic_session {
    struct observed_session of;
    uint64_t since_ms; // loop_now_ms() when it was first seen
    // Since it logged in, over all its LUNs. Commands that move data; they wrap.
    uint64_t read_bytes, write_bytes;
    uint32_t commands;
};

struct traffic;

struct traffic *traffic_new(uint32_t tgtd); // of the tgtd with this number
void traffic_free(struct traffic *t);       // NULL is fine

// Takes a look over, and frees it: adds to the counters in the state. Returns whether sessions
// began or ended, upon which the counters should be recorded.
bool traffic_take(struct traffic *t, struct sighting *o, struct state *state);
// There is no tgtd: no session is known to live.
void traffic_lost(struct traffic *t);

// The first session that is not before (tid, sid); NULL when there is none, and when the last
// look is older than TRAFFIC_FRESH_MS at now_ms.
#define TRAFFIC_FRESH_MS 3000
const struct traffic_session *traffic_session(const struct traffic *t, uint64_t now_ms,
                                              uint32_t tid, uint64_t sid);
size_t traffic_sessions(const struct traffic *t, uint64_t now_ms);
// What a target offers, or NULL while it is not known.
const struct tgt_parameters *traffic_parameters(const struct traffic *t, uint64_t now_ms,
                                                uint32_t tid);

// What was counted already, for the journal: which run of tgtd it was ("" for none), and its rows.
const char *traffic_tgtd(const struct traffic *t);
const struct tgt_statistics *traffic_rows(const struct traffic *t, size_t *count);
// Takes over what a former run of the agent had counted; rows are in any order.
void traffic_resume(struct traffic *t, const char *tgtd, const struct tgt_statistics *rows,
                    size_t count);

#endif
