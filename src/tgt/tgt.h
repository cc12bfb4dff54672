// The target daemon: brings a running tgtd to what a unit should serve, and looks at it.
// SPDX-License-Identifier: BSD-2-Clause
//
// All functions block, each request at most for the engine's timeout. An engine remembers things of
// the tgtd that it talks to, so it is for one thread at a time. Several engines may ask the same
// tgtd, of which only one should change it.
//
// tgtd is Debian's, unmodified: tgtd -f -C PORT -t THREADS --iscsi portal=ADDRESS:3260 with
// TGT_IPC_SOCKET=PATH. Each LUN has its own -t threads (16 when not said; LUN 0 has none), so a
// thousand volumes with -t 2 are two thousand threads. It keeps nothing over a restart, and this
// program must run as the same user and group.
#ifndef DVSAN_TGT_TGT_H
#define DVSAN_TGT_TGT_H

#include "base/err.h"
#include "logic/unit_plan.h"
#include "model/session.h"
#include "model/unit.h"
#include <sys/types.h>

#define TGT_TIMEOUT_MS 5000 // a good value for an engine: more than a loaded tgtd takes

// A tgtd that is told of no portal, or of none that it can have, listens at all addresses. So one
// that is started from here is told to listen at some port of this one, until it has others.
#define TGT_FIRST_ADDRESS "127.255.255.254"
// So is one that is started as packaging/systemd does; it keeps that.
#define TGT_SERVICE_ADDRESS "127.0.0.1"

// What a volume says of itself to INQUIRY; the revision is of that, not of the program.
#define TGT_VENDOR   PLAN_VENDOR
#define TGT_PRODUCT  "VOLUME"
#define TGT_REVISION "0001"

struct tgt_engine;

// socket is TGT_IPC_SOCKET, a dot and the control port. prefix is what the names of this unit's
// targets begin with ("iqn.2026-11.org.example:unit-3:"); all others are left alone.
struct tgt_engine *tgt_engine_new(const char *socket, const char *prefix, int timeout_ms);
void tgt_engine_free(struct tgt_engine *e);
// What its targets offer from the next reconciliation on; SESSION_DEFAULTS until then. Targets that
// tgtd has already are compared at first, and then some of them in turn. Live sessions keep what
// they agreed on.
void tgt_engine_session(struct tgt_engine *e, const struct session_parameters *session);

struct tgt_rule_error {
    size_t target, rule; // indexes of a wanted target, and of one of its rules
    struct dv_err err;
};

struct tgt_foreign { // a target that is not ours
    uint32_t tid;
    char *name;
    char **paths; // of its LUNs, as it was given them
    size_t path_count;
};

struct tgt_result {
    // For each wanted target: DV_OK when tgtd serves it as wanted, to exactly the initiators that
    // its rules name, but for rules with an error; else what is in the way.
    struct dv_err *targets;
    // Rules that do not admit their initiator, and why; the first word on a rule counts.
    struct tgt_rule_error *rules;
    size_t rule_count;
    uint32_t *sessions; // live ones of each wanted target
    bool *reloaded;     // whether the file of a wanted target was opened anew
    size_t target_count;
    struct dv_err other; // trouble with an account, or with a target nobody wants any more
    size_t steps;        // that were carried out
    struct tgt_foreign *foreign;
    size_t foreign_count;
    // Names of all targets that have a file open, in the end: also of foreign ones, since a volume
    // may have been made with another prefix.
    char **holding;
    size_t holding_count;
};
void tgt_result_clear(struct tgt_result *r);

// Makes tgtd serve exactly the targets: reads what it has, carries out what the planner says and
// reads again until nothing is left to do. Trouble with one target leaves the others alone. Run it
// also now and then without a cause: a login that was under way when its rule was revoked becomes
// a session after the fact, and only the next run ends it.
// Fails, with some of the steps done, only when tgtd cannot be talked to; run it again later. The
// result is filled in either case; the caller clears it. The tags of the accounts are not read.
int tgt_reconcile(struct tgt_engine *e, const struct plan_target *targets, size_t target_count,
                  const struct plan_account *accounts, size_t account_count,
                  struct tgt_result *result, struct dv_err *err);

// Ends every session of an initiator (NULL: of all) with a target, and waits until they are gone.
int tgt_end_sessions(struct tgt_engine *e, uint32_t tid, const char *initiator, struct dv_err *err);

// Makes tgtd listen at each portal's address and port, unless it does already, and no more at
// TGT_FIRST_ADDRESS.
// One that fails does not keep the others from being added.
int tgt_add_portals(struct tgt_engine *e, const struct portal *portals, size_t count,
                    struct dv_err *err);
// Makes tgtd listen there no more, and ends the sessions of our targets with those who came in
// there. Also when it does not listen there: it may have been made to stop just before.
int tgt_close_portal(struct tgt_engine *e, const struct portal *portal, struct dv_err *err);
// Where else tgtd listens, but for the addresses that it is started with; the caller frees *others.
int tgt_other_portals(struct tgt_engine *e, const struct portal *wanted, size_t count,
                      struct portal **others, size_t *other_count, struct dv_err *err);

// What keeps hosts out of all targets, whatever these are told; no listing of targets shows it.
struct tgt_barred {
    bool offline; // no login is taken
    bool named;   // none but of those whom an iSNS server names
};
int tgt_read_barred(const struct tgt_engine *e, struct tgt_barred *out, struct dv_err *err);
// Ends both.
int tgt_unbar(const struct tgt_engine *e, struct dv_err *err);

// The tgtd that answers: its process, and a descriptor (the caller closes it) that becomes
// readable when it ends.
int tgt_watch(struct tgt_engine *e, pid_t *pid, int *pidfd, struct dv_err *err);

// Whether no tgtd runs that could be asked by this socket: while it lives it holds a lock beside
// it. False also when that cannot be told.
bool tgt_is_gone(const struct tgt_engine *e);

// What a session did on a LUN since it logged in; it takes its row along when it ends.
struct tgt_statistics {
    uint32_t tid;
    uint64_t lun, sid;
    uint64_t read_bytes, write_bytes;
    uint32_t read_commands, write_commands, errors; // these wrap
    uint32_t under_way;                             // commands begun and not done
};
// Of all sessions, in one request; the caller frees *rows.
int tgt_read_statistics(struct tgt_engine *e, struct tgt_statistics **rows, size_t *count,
                        struct dv_err *err);

// The session parameters that a target offers to initiators; times in seconds. What a session then
// agreed on tgtd does not tell.
struct tgt_parameters {
    struct session_parameters session;
    bool no_header_digest, no_data_digest; // they are "None" alone, as ours are
    bool data_pdu_in_order, data_sequence_in_order;
    uint32_t max_connections, time2wait, time2retain, error_recovery_level;
};
int tgt_read_parameters(const struct tgt_engine *e, uint32_t tid, struct tgt_parameters *out,
                        struct dv_err *err);

// The sessions of one target, into t->sessions; none when there is no such target. The caller
// calls seen_clear_sessions in any case. Changes nothing in tgtd.
int tgt_read_connections(struct tgt_engine *e, uint32_t tid, struct seen_target *t,
                         struct dv_err *err);

#endif
