// The unit's planner: what its target daemon should serve, against what it does, gives steps.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: no I/O, no clock. The steps are idempotent and ordered so that at no moment between two of
// them anybody can log in who is not allowed to, neither before nor after:
//
// - Only names are bound, never addresses (the daemon ORs its two lists), and CHAP is always
//   demanded. The daemon demands none of a target without an account, so every target holds a
//   guard account of ours whose secret nobody knows, from its creation to its end.
// - Granting binds the account, then the name; revoking unbinds the name, then the account, then
//   ends the live sessions, which the daemon leaves alone.
// - The daemon admits any bound account with any bound name, and tells of no session which account
//   it used. So when access is taken from a host and others stay, all sessions of the target end:
//   the others log in again. It is offline meanwhile, which is also what tells after a crash that
//   they were to end. An account that ends beside another one of its host's leaves them alone.
// - The daemon dies on the next listing when an account is unbound from the middle of a target's
//   list (it leaves a hole and follows a null pointer), so accounts are always unbound from the end
//   and those that stay are bound again. An account is deleted only when no target holds it.
// - A target that cannot be deleted, since the daemon goes on showing a session that has ended, is
//   left without LUN, name and account of a host, and offline.
// - A CHAP name has one secret. The daemon shows no secrets, so beside each account stands an
//   unbound account of ours, its mark, whose name holds a keyed digest of the secret (`tag`). It is
//   made after its account, and the daemon lists the youngest first. A missing mark, or one that is
//   older than its account, means a changed, half-made or exchanged account: it is deleted and made
//   again, and the sessions that used it are ended.
#ifndef DVSAN_LOGIC_UNIT_PLAN_H
#define DVSAN_LOGIC_UNIT_PLAN_H

#include "base/err.h"
#include "base/text.h"
#include "base/uuid.h"
#include "logic/unit_seen.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_LUN     1
#define PLAN_STORE   "rdwr"                 // the backing store type that flushes
#define PLAN_GUARD   CHAP_USER_OWN "guard:" // and a salt; what it is for is told above
#define PLAN_MARK    CHAP_USER_OWN "mark:"  // and a tag, a colon, the user
#define PLAN_TAG_LEN 16
#define PLAN_NONE    SIZE_MAX

struct plan_rule {
    const char *initiator; // an iSCSI name
    const char *user;      // one of the accounts
};

struct plan_target {
    uint32_t tid; // 1..2^31-1; see plan_tid
    const char *iqn;
    const char *path;    // the backing file; absolute, without commas and control characters;
                         // NULL: it is not known now, so what the daemon has open stays
    const char *store;   // the backing store's type, whose paths may be relative; NULL: PLAN_STORE
    const char *options; // of the store, under the same rules; not shown by the daemon; or NULL
    bool unmaps;         // hosts may give back blocks
    struct dv_uuid uuid;
    // What the backing file has at least, and at most: a file that is just growing has something in
    // between. 0: not compared.
    uint64_t blocks, most_blocks;
    bool writable; // the backing file can be opened for writing now
    bool replaced; // another file is at the path than the one that the daemon has open
    bool online;   // or its target stays, but refuses everybody and has closed the file
    const struct plan_rule *rules;
    size_t rule_count; // 0: nobody may log in
    bool revokes;      // a rule that it had has just been taken away
};

struct plan_account {
    const char *user;           // 1..CHAP_USER_MAX printable characters, no white space or comma
    const char *secret;         // not read by the planner
    char tag[PLAN_TAG_LEN + 1]; // keyed digest of user and secret
};

// All pointers are borrowed from the caller.
struct plan_wanted {
    const char *prefix; // of target names: targets named otherwise are somebody else's, left alone
    const char *guard;  // PLAN_GUARD and the salt of the tags
    const struct plan_target *targets;
    size_t target_count;
    const struct plan_account *accounts;
    size_t account_count;
};

enum plan_op {
    PLAN_ADD_ACCOUNT,    // name; with account == PLAN_NONE its secret is random and forgotten
    PLAN_DELETE_ACCOUNT, // name
    PLAN_NEW_TARGET,     // tid, name: its IQN
    PLAN_DELETE_TARGET,  // tid
    PLAN_SET_PARAMETERS, // tid
    PLAN_SET_OFFLINE,    // tid
    PLAN_SET_READY,      // tid
    PLAN_NEW_LUN,        // tid, name: the path
    PLAN_IDENTIFY_LUN,   // tid: serial, SCSI id and so on
    PLAN_RELOAD_LUN,     // tid, name: the path, whose size the daemon reads anew; ends all sessions
    PLAN_DELETE_LUN,     // tid, lun
    PLAN_BIND_ACCOUNT,   // tid, name: the user
    PLAN_UNBIND_ACCOUNT, // tid, name: the user
    PLAN_UNBIND_OUTGOING, // tid, name: the user, by whose secret the target proves itself
    PLAN_BIND_NAME,       // tid, name: the initiator
    PLAN_UNBIND_NAME,     // tid, name: the initiator
    PLAN_UNBIND_ADDRESS,  // tid, name: the address
    PLAN_END_SESSIONS,    // tid, name: the initiator, or NULL for all
};

struct plan_step {
    enum plan_op op;
    size_t target;  // whose step it is: an index into the wanted targets, or PLAN_NONE
    size_t account; // an index into the wanted accounts, or PLAN_NONE
    uint32_t tid;
    uint64_t lun;
    char *name;
};

// What no step can cure.
struct plan_problem {
    size_t target; // an index into the wanted targets, or PLAN_NONE
    size_t rule;   // an index into its rules: this one alone admits nobody; or PLAN_NONE
    struct dv_err err;
};

struct plan {
    struct plan_step *steps;
    size_t step_count;
    struct plan_problem *problems;
    size_t problem_count;
};

void unit_plan(const struct plan_wanted *wanted, const struct seen *seen, struct plan *out);
void plan_clear(struct plan *p);

const char *plan_store(const struct plan_target *t);

// The user whose mark an account is, or NULL; points into the name.
const char *plan_marked_user(const char *account);
bool plan_is_ours(const struct plan_wanted *wanted, const char *target_name);
// The SCSI id, from which the daemon makes two designators (SPC-4 section 7.8.6): it is the T10
// vendor one, so it begins with the vendor, and its last 32 characters, as hex digits, are the NAA
// one (type 6). So only the UUID's last 28 digits have room in it.
#define PLAN_VENDOR       "DVSAN"
#define PLAN_SCSI_ID_ROOM 37
void plan_scsi_id(const struct dv_uuid *uuid, char out[PLAN_SCSI_ID_ROOM]);
// The target id that a volume should have: from it and the LUN the daemon makes another NAA
// designator (type 3), in which 28 bits of it have room. So that hosts of many units can tell their
// volumes apart it comes from the UUID; 1..PLAN_TID_MAX.
#define PLAN_TID_MAX ((1U << 28) - 1)
uint32_t plan_tid(const struct dv_uuid *uuid);

// The number of megabytes that the daemon shows for a file of so many blocks; another one for each
// multiple of 1 MiB.
uint64_t plan_megabytes(uint64_t blocks);

const char *plan_op_text(enum plan_op op); // "bind account"
// One step as a line without a newline: "target 7: bind account alice".
void plan_print_step(const struct plan_step *step, struct strbuf *out);

#endif
