// One pass of the worker: what is wanted, copied from the state, and what came of it.
// SPDX-License-Identifier: BSD-2-Clause
//
// An order is made and applied on the loop's thread, and is the worker's in between. The state may
// change meanwhile: applying believes a result only where what was wanted is still wanted.
#ifndef DVSAN_UNIT_ORDER_H
#define DVSAN_UNIT_ORDER_H

#include "media/media.h"
#include "unit/journal.h"
#include "unit/state.h"

enum order_task {
    ORDER_MAKE,  // make the volume's backing, then serve the volume
    ORDER_SERVE, // serve the volume, or not, as admin_online says
    ORDER_DELETE // stop serving the volume, then destroy its backing
};

struct order_rule {
    uint32_t index;
    char initiator[IQN_MAX_LEN + 1];
    char user[CHAP_USER_MAX + 1];
    bool previous; // by the rule's previous account; stands behind the entry by the other account
    char *error;   // filled in by the worker: why this rule alone admits nobody; owned, or NULL
};

struct order_volume {
    struct volume v;
    enum order_task task;
    struct order_rule *rules; // that are to be in force
    size_t rule_count;
    uint32_t *revoked; // indexes of the rules that are to end
    size_t revoked_count;
    uint32_t tid;    // of the volume's target
    uint32_t tgtd;   // the number of the only tgtd that may be serving the volume; 0: none is,
    bool unrecorded; // or any may: there is a backing, and no record of who serves it
    // Filled in by the worker.
    bool made;                // the backing was made
    bool moved;               // another tgtd serves the volume now
    bool resized;             // the backing has the target's size
    struct dv_err resize_err; // else why not; the backing stays as it was,
    uint64_t kept_blocks;     // or became so long; 0: it did not
    struct extent left; // what the resizing leaves on the medium to be cleared; 0 blocks: none
    bool closed;        // nothing serves the volume until its backing is finished
    bool let_go;        // nothing serves the volume, for whatever reason
    struct dv_err held; // else what may be serving it still, where nothing should
    bool done;          // all is as wanted
    bool unfinished;    // the next pass goes on with the volume
    bool waits;         // the medium has not answered yet, so the volume is shown as it was
    uint32_t percent;   // of what is unfinished
    struct dv_err err;  // else what is in the way
};

struct order_account {
    char user[CHAP_USER_MAX + 1];
    char secret[CHAP_SECRET_MAX + 1];
};

struct order_medium { // filled in by the worker
    uint32_t index;
    struct dv_uuid uuid;                // of what was there before; zero when nothing was yet
    char identity[MEDIA_IDENTITY_ROOM]; // likewise; see media_identity
    struct medium_proof proof;
    bool taken; // it was opened while a person's word about it was there: see take.h
    enum medium_state state;
    char error[LAST_ERROR_ROOM];
    bool misfit; // it is not to be used, for the reason in error
    bool full, reserves;
    uint64_t storage_blocks, storage_free_blocks; // as in struct medium
    bool unjudged; // there were no descriptors or memory to look: the medium is shown as it was
    bool waits;    // the medium has not answered yet: the same
    bool hung;     // the medium does not answer: what tgtd has open of it stays
    bool has_layout;
    struct media_layout layout;
    bool unfinished; // the next pass goes on clearing what nobody knows of
};

struct order_listener { // on record, and not wanted any more
    struct listener l;
    bool closed;   // by the worker
    bool was_told; // a tgtd that is there was told to; else none is

    struct dv_err err; // else why not
};

struct order_tgtd {
    bool answers;              // this tgtd was seen to answer since the last pass
    bool watched;              // the end of the process that was found last will be noticed
    int watch_fd;              // readable when the process found now ends; -1: none was found
    bool there;                // this tgtd could be talked to
    struct dv_err err;         // else why not
    bool portals_there;        // this tgtd listens at all portals of its group
    struct dv_err portals_err; // else why not
    bool foreign;              // this tgtd has targets that are somebody else's
    // The first address at which it listens, that nobody configured and that stays; or "".
    char other_portal[PORTAL_TEXT_ROOM];
    char barred[LAST_ERROR_ROOM];   // why it keeps hosts out of all its targets, and goes on so; ""
    char intruder[LAST_ERROR_ROOM]; // a target of somebody else's serves a volume's own blocks; ""
};

struct order {
    bool first;                   // nothing is known yet of what media bring along
    bool set_under_way;           // while the order is applied: nothing is taken in
    bool postponed;               // so strangers were only looked at; the next order takes them in
    struct media_owner owner;     // what media are told; no unit: nothing
    bool proves;                  // the proofs of media are shown: the station alone has keys here
    struct order_volume *volumes; // all, ascending by index
    size_t volume_count;
    struct order_volume **by_uuid;  // the volumes again, ascending by UUID
    struct order_account *accounts; // those that rules in force name, sorted by user
    size_t account_count;
    struct order_medium *media;
    size_t medium_count;
    struct portal *portals; // at which the tgtd of each one's group is to listen
    size_t portal_count;
    struct order_listener *listeners;
    size_t listener_count;
    const char *iqn_prefix;   // for volumes that media tell of; borrowed
    struct order_tgtd *tgtds; // number 1 is the first; see state_add_tgtd
    uint32_t tgtd_count, groups;
};

struct order *order_new(const struct state *state);
void order_free(struct order *o); // wipes the secrets; NULL is fine

// Whether its backing is to become longer, or shorter; or longer at other LBAs.
bool order_grows(const struct order_volume *ov);
bool order_shrinks(const struct order_volume *ov);
bool order_moves(const struct order_volume *ov);
// The volume that is to be moved to this extent of the medium, or NULL.
const struct order_volume *order_volume_to(const struct order *o, uint32_t medium,
                                           const struct media_found *at);

// What the order has of the medium of this index, or NULL.
struct order_medium *order_medium(const struct order *o, uint32_t index);
// The secret of an account of this user, or "".
const char *order_secret(const struct order *o, const char *user);

// Records the portals that tgtds will be made to listen at, before an order has them.
int order_record_listeners(struct state *state, struct journal *journal, struct dv_err *err);
// Records on stable storage what was made, resized and moved, before it may be served.
int order_record_made(struct order *o, struct state *state, struct journal *journal,
                      struct dv_err *err);
// Shows how far a backing is; false when it is not wanted any more.
bool order_progress(const struct order_volume *ov, struct state *state, uint32_t percent);
// Takes listeners that were closed off the record.
void order_apply_listeners(const struct order *o, struct state *state, struct journal *journal);
// Takes over all results: first into the journal, then into the state.
int order_apply(const struct order *o, struct state *state, struct journal *journal,
                struct dv_err *err);
// Whether something is not as it was wanted.
bool order_has_failures(const struct order *o);
// Whether the next pass has something to go on with.
bool order_is_unfinished(const struct order *o);
// Whether a medium may answer at any time what it was asked.
bool order_waits(const struct order *o);
// The volume of this UUID, or NULL.
const struct order_volume *order_volume_uuid(const struct order *o, const struct dv_uuid *uuid);

#endif
