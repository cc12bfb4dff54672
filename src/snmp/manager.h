// The manager's side: requests to one agent, answered later (RFC 3416 section 4.2).
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_MANAGER_H
#define DVSAN_SNMP_MANAGER_H

#include "snmp/env.h"
#include "snmp/value.h"

struct sn_peer;

struct sn_timing {
    uint32_t timeout_ms; // for each try
    uint32_t retries;    // further tries after the first; 0 is fine
};

// What came of a request. vars and text are borrowed for the callback.
struct sn_result {
    enum dv_code code;    // DV_OK, DV_TIMEOUT, DV_UNREACHABLE, DV_DENIED (a USM report, or an
                          // error-status), DV_CONFLICT, DV_INVALID, DV_BUSY, DV_IO (others),
                          // DV_CANCELLED (the peer was freed)
    int error_status;     // enum sn_status; 0 unless the agent answered with an error
    uint32_t error_index; // 1-based, 0 for none
    const struct sn_var *vars;
    size_t count;
    const char *text; // a sentence when code is not DV_OK, else ""
};
typedef void sn_done_fn(void *arg, const struct sn_result *result);

// address: a Net-SNMP transport string, such as "udp:192.0.2.7:161", "tcp:[::1]:161",
// "udp:unit7.example.net". Nothing is sent yet and nothing blocks. engine_id may be NULL: then it
// is the one that the user's keys are of, or else the first message asks for it. The context engine
// is the same.
struct sn_peer *sn_peer_new(struct sn_env *env, const char *address, const struct sn_user *user,
                            const struct sn_engine_id *engine_id, struct dv_err *err);
// NULL is fine. Requests under way are answered with DV_CANCELLED, from here, and these callbacks
// must not use the peer. May be called from the peer's own callbacks.
void sn_peer_free(struct sn_peer *peer);
// The engine ID given or found so far; len 0 when not known yet.
void sn_peer_engine_id(const struct sn_peer *peer, struct sn_engine_id *out);

// An engine whose count of boots has gone back, as after a backup was restored, is taken for a
// replay for ever (RFC 3414 section 3.2, 7b). This function makes the engine's next authentic
// message count as its first one. An answer must still match its request, so no old answer is taken
// for a new one.
void sn_peer_forget_time(struct sn_peer *peer);

// Each request calls done exactly once, later, from the loop, and never from inside the call.
// A request that cannot be sent also ends in done. Values are copied.
void sn_get(struct sn_peer *peer, const struct sn_oid *oids, size_t count, struct sn_timing timing,
            sn_done_fn *done, void *arg);
void sn_bulk(struct sn_peer *peer, const struct sn_oid *oids, size_t count, uint32_t non_repeaters,
             uint32_t max_repetitions, struct sn_timing timing, sn_done_fn *done, void *arg);
void sn_set(struct sn_peer *peer, const struct sn_var *vars, size_t count, struct sn_timing timing,
            sn_done_fn *done, void *arg);
// sysUpTime.0 and snmpTrapOID.0 are put in front of vars.
void sn_inform(struct sn_peer *peer, const struct sn_oid *trap, const struct sn_var *vars,
               size_t count, struct sn_timing timing, sn_done_fn *done, void *arg);

// Walks some columns of one table by GETBULK and calls row for each row, in order. index is the
// row's index as sub-identifiers; values has one entry for each column, SN_NO_INSTANCE where the
// row lacks it. Rows behind after (a row's index; len 0 for all) are walked; row returns false to
// stop early. done is called once, with vars NULL; rows that come and go meanwhile may or may not
// be seen.
typedef bool sn_row_fn(void *arg, const uint32_t *index, size_t index_len,
                       const struct sn_value *values);
// A master agent whose subagent is away answers for the subagent that there are no rows. So each
// answer has to carry a number of the subagent's as well, object.0, with this value. An answer
// without it ends the walk with DV_UNREACHABLE.
struct sn_proof {
    struct sn_oid object; // without the .0
    uint32_t value;
};
// proof may be NULL: then the end of the rows that come is taken for the end of the table.
void sn_walk(struct sn_peer *peer, const struct sn_oid *columns, size_t count,
             const uint32_t *after, size_t after_len, const struct sn_proof *proof,
             struct sn_timing timing, sn_row_fn *row, sn_done_fn *done, void *arg);

#endif
