// What the unit holds, in memory: media, volumes, access rules, portals, and what changed when.
// SPDX-License-Identifier: BSD-2-Clause
//
// Rows are kept in the order of their MIB indexes. Pointers to rows live until the row is removed.
// Nothing here does I/O; the journal keeps what must survive a restart. Generations start anew
// from a reserved number at each start, together with the epoch, after which every observer reads
// everything; so the change table is kept in memory alone.
#ifndef DVSAN_UNIT_STATE_H
#define DVSAN_UNIT_STATE_H

#include "logic/extent.h"
#include "media/media.h"
#include "model/unit.h"
#include <stddef.h>
#include <uthash.h>

// Of a medium that still has volumes on record.
#define MEDIUM_GONE                                                                                \
    "it is not in the configuration any more: put it back there, or forget its volumes"

#define STATE_DELETIONS 1024 // deletions that the change table remembers

struct unit_medium {
    struct medium m;
    bool thin;           // whether a volume is thin when its creator does not say
    bool gone;           // not in the configuration: shown while it has volumes on record
    struct dv_uuid uuid; // of the medium itself; zero until it was there for the first time
    char identity[MEDIA_IDENTITY_ROOM]; // likewise, ""; see media_identity
    struct extent *reserved;            // where no volume can lie; sorted
    size_t reserved_count;
    struct extent *free; // its free extents, ascending
    size_t free_count;
    size_t left_out;                        // volumes on it that could not be taken in
    size_t odd;                             // files on it that are not taken for volumes
    uint64_t told_free, told_overcommitted; // of what lies below it, when that was a change last
    uint32_t generation;
};

struct volume_counters { // since the volume, or the rule, was made
    uint64_t read_ops, write_ops, read_bytes, written_bytes;
};

// What the counters of a row need beside themselves.
struct counting {
    uint64_t logins;   // sessions that were seen to begin
    uint64_t since_ms; // loop_now_ms() when the row was first seen; 0: not yet, 1: at the start
    bool changed;      // since they were last recorded
};

// Logins that were refused because of their CHAP user or secret, as far as it is certain that they
// were at this volume.
struct refused {
    uint64_t count; // since the volume was made
    uint64_t at_ms; // loop_now_ms() of the last one; 0: none since the machine started
    char initiator[IQN_MAX_LEN + 1]; // of the last one, or ""
};

struct unit_volume {
    struct volume v;
    struct volume_counters counters;
    struct counting counting;
    struct refused refused;
    uint32_t tgtd; // the number of the only tgtd that may be serving it; 0: none is on record
    uint32_t tid;  // its target's id there: plan_tid, or the next one that no other volume has
    bool made;     // its backing exists, so it may be served and is never made again
    char resize_error[LAST_ERROR_ROOM]; // why the last resize that was asked for was not made
    UT_hash_handle by_name;
};

struct unit_rule {
    struct access_rule r;
    char secret[CHAP_SECRET_MAX + 1];
    char previous_secret[CHAP_SECRET_MAX + 1]; // of r.previous_user
    uint32_t previous_mark;                    // likewise
    struct volume_counters counters;           // of the sessions of its initiator
    struct counting counting;
    uint32_t refused;        // logins of the initiator that were refused since its last good one
    uint64_t refused_logins; // counting.logins when the last login was refused
    bool refused_doubt;      // that login may have been at another volume of the host
    char refused_at[sizeof("2026-11-29T12:00:00Z")]; // when that login was
};

struct unit_portal {
    struct portal p;
    uint8_t raw[16]; // the address in network byte order
    size_t raw_len;  // 4 or 16
    char text[PORTAL_TEXT_ROOM];
    uint32_t generation;
};

struct listener { // where a tgtd was made to listen
    uint32_t tgtd;
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
};

// Numbers as in dvsanChangeKind. Managers never see one that is void.
enum state_change_kind {
    STATE_CHANGE_VOID,
    STATE_CHANGE_MEDIUM,
    STATE_CHANGE_PORTAL,
    STATE_CHANGE_VOLUME,
    STATE_CHANGE_VOLUME_DELETED
};

struct state_change {
    uint32_t generation;
    enum state_change_kind kind;
    uint32_t index;
};

struct state;

// The first change gets generation + 1. Volumes are spread over so many portal groups.
struct state *state_new(uint32_t generation, uint32_t groups);
void state_free(struct state *s); // wipes the secrets; NULL is fine
// From now on changed(arg) is called from inside of whatever makes a change; NULL ends that.
void state_watch(struct state *s, void (*changed)(void *arg), void *arg);

uint32_t state_generation(const struct state *s);
uint32_t state_changes_since(const struct state *s); // dvsanUnitChangesSince

// The tgtds, by their sockets. Those with the numbers 1..groups are the portal groups; behind them
// come those that had volumes to serve before the configuration was changed. Adding one that is
// there returns its number; NULL: there is none with that number.
uint32_t state_groups(const struct state *s);
uint32_t state_add_tgtd(struct state *s, const char *socket);
const char *state_tgtd(const struct state *s, uint32_t number);
uint32_t state_tgtd_count(const struct state *s);

// What is on record of where tgtds listen, wanted or not any more.
const struct listener *state_listeners(const struct state *s, size_t *count);
bool state_has_listener(const struct state *s, const struct listener *l);
void state_add_listener(struct state *s, const struct listener *l);
void state_drop_listener(struct state *s, const struct listener *l);

// Rows: by index, and the first one behind an index (0: the first of all); NULL when there is none.
struct unit_medium *state_medium(const struct state *s, uint32_t index);
struct unit_medium *state_medium_next(const struct state *s, uint32_t after);
struct unit_portal *state_portal(const struct state *s, uint32_t index, uint32_t group);
struct unit_portal *state_portal_next(const struct state *s, uint32_t index, uint32_t after);
struct unit_volume *state_volume(const struct state *s, uint32_t index);
struct unit_volume *state_volume_next(const struct state *s, uint32_t after);
struct unit_rule *state_rule(const struct state *s, uint32_t volume, uint32_t index);
struct unit_rule *state_rule_next(const struct state *s, uint32_t volume, uint32_t after);
const struct state_change *state_change(const struct state *s, uint32_t generation);
const struct state_change *state_change_next(const struct state *s, uint32_t after);

struct unit_volume *state_volume_uuid(const struct state *s, const struct dv_uuid *uuid);
struct unit_volume *state_volume_tid(const struct state *s, uint32_t tid);
struct unit_volume *state_volume_named(const struct state *s, const char *name);
bool state_volume_has_rules(const struct state *s, uint32_t volume);
bool state_medium_has_volumes(const struct state *s, uint32_t medium);
size_t state_media_count(const struct state *s);
size_t state_volume_count(const struct state *s);
// The highest index that a volume ever had, also of those that are gone; 0 when there was none.
uint32_t state_volume_last(const struct state *s);
void state_note_last(struct state *s, uint32_t index);

// Add copies the record and returns the new row; the index must be free. Each of the functions
// below is one change: it takes a new generation, but for rules, which count as their volume's.
struct unit_medium *state_add_medium(struct state *s, const struct medium *m, bool thin);
struct unit_portal *state_add_portal(struct state *s, const struct portal *p);
struct unit_volume *state_add_volume(struct state *s, const struct volume *v);
struct unit_rule *state_add_rule(struct state *s, const struct access_rule *r, const char *secret);
void state_remove_medium(struct state *s, uint32_t index); // it has no volumes any more
void state_remove_volume(struct state *s, uint32_t index); // it has no rules any more
void state_remove_rule(struct state *s, uint32_t volume, uint32_t index);

// The portal is at another address now.
void state_move_portal(struct state *s, struct unit_portal *p, const char *address);

// The volume is found by this name from now on, which no other volume has. That is no change yet.
void state_rename_volume(struct state *s, struct unit_volume *v, const char *name);

// To be called after a row was edited in place. A name is not edited in place: see
// state_rename_volume.
void state_medium_changed(struct state *s, struct unit_medium *m);
void state_portal_changed(struct state *s, struct unit_portal *p);
void state_volume_changed(struct state *s, struct unit_volume *v);

// Change states, and count as a change only when there is one. error "" for none; it is cut to fit.
void state_set_medium(struct state *s, struct unit_medium *m, enum medium_state state,
                      const char *error);
// What lies below the medium; see struct medium. It counts as a change when it is worth telling.
void state_set_storage(struct state *s, struct unit_medium *m, uint64_t blocks,
                       uint64_t free_blocks, uint64_t overcommitted, bool reserves);
// What the medium tells of itself: its range, and where no volume can lie (copied).
void state_set_layout(struct state *s, struct unit_medium *m, uint64_t blocks,
                      const struct extent *reserved, size_t count);
// Until the medium tells of itself again, no volume can lie there either; nothing for 0 blocks.
void state_reserve(struct state *s, uint32_t medium, const struct extent *left);
void state_set_volume(struct state *s, struct unit_volume *v, enum volume_state state,
                      uint32_t progress, const char *error);
void state_set_rule(struct state *s, struct unit_rule *r, enum access_state state,
                    const char *error);
// The rule has these CHAP users from now on, whose secrets are to be set next.
void state_set_users(struct state *s, struct unit_rule *r, const struct access_rule *now);
// Gives the secret and its mark to all rules of this CHAP user, whether it is the one that they
// have or the previous one. Returns whether any had others.
bool state_set_secret(struct state *s, const char *chap_user, const char *secret, uint32_t mark);

// Shows why a resize is not made, or "".
void state_set_resize_error(struct state *s, struct unit_volume *v, const char *error);

// The extents in use on a medium, sorted: reserved ones, and those that volumes are being resized
// to, are included. The caller frees *list (NULL when there are none).
size_t state_extents(const struct state *s, uint32_t medium, struct extent **list);
// Fails when the volumes that are recorded for a folder do not fit it: they overlap, or its size in
// the configuration is too small. Other media tell where their volumes lie.
int state_check_accounts(const struct state *s, const struct unit_medium *m, struct dv_err *err);
// Counts a medium's free extents again, after volumes came, went or changed their places.
void state_count_free(struct state *s, uint32_t medium);

#endif
