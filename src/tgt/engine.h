// The target daemon, private part: one step, and one look at everything.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_TGT_ENGINE_H
#define DVSAN_TGT_ENGINE_H

#include "tgt/mgmt.h"
#include "tgt/tgt.h"

struct tgt_engine {
    char *socket, *prefix;
    int timeout_ms;
    struct dv_uuid boot; // of this machine; zero: it cannot be read
    struct session_parameters session;
    bool session_compared;    // by all targets of the tgtd that was met last
    uint32_t compared;        // since then: up to which one again
    struct tgt_ghost *ghosts; // of the tgtd that was met last
    size_t ghost_count;
};

// A session that was told to end, has nothing under way, and is shown on: after two LUN resets that
// waited for the same command tgtd has forgotten the first, and keeps its session until it ends.
struct tgt_ghost {
    uint32_t tid;
    uint64_t sid;
};
bool tgt_is_ghost(const struct tgt_engine *e, uint32_t tid, uint64_t sid);

// What a step may answer beside 0: REFUSED with err is trouble with that step alone, -1 with err
// means that tgtd cannot be talked to.
#define TGT_REFUSED 1

// One request. ok is a status that counts as done already (TGT_OK when there is none).
int tgt_ask(const struct tgt_engine *e, const struct tgt_request *r, enum tgt_status ok,
            struct dv_err *err);

extern const struct tgt_request tgt_list_portals;

// The ids and names of all targets; the caller clears *names, also after a failure.
int tgt_read_names(const struct tgt_engine *e, struct seen *names, struct dv_err *err);

// Carries out one step of a plan.
int tgt_do_step(struct tgt_engine *e, const struct plan_wanted *wanted,
                const struct plan_step *step, struct dv_err *err);

// Ends sessions: 0, TGT_REFUSED when they do not end in time, or -1. Those that turn out to be
// ghosts count as ended.
int tgt_do_end_sessions(struct tgt_engine *e, uint32_t tid, const char *initiator,
                        struct dv_err *err);

struct tgt_choice { // of sessions
    bool (*takes)(const void *arg, const struct seen_session *s);
    const void *arg;
};
// The same of those that are chosen.
int tgt_do_end_chosen(struct tgt_engine *e, uint32_t tid, const struct tgt_choice *which,
                      struct dv_err *err);

// Whether a target offers something else than it should; false when there is no such target.
int tgt_compare_session(const struct tgt_engine *e, uint32_t tid, bool *differs,
                        struct dv_err *err);
// Makes a target offer what it should, from the next login on.
int tgt_set_session(const struct tgt_engine *e, uint32_t tid, struct dv_err *err);

// Reads targets, accounts and sessions, and what our targets offer unless that was compared
// already; the caller clears *seen, also after a failure.
int tgt_look(struct tgt_engine *e, struct seen *seen, struct dv_err *err);

#endif
