// What a unit's target daemon was seen to hold: the planner's second input.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_UNIT_SEEN_H
#define DVSAN_LOGIC_UNIT_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen_session {
    uint64_t sid;
    uint32_t cid; // of its one connection
    char *initiator;
    char *address;
};

struct seen_lun {
    uint64_t lun; // LUN 0 is the daemon's own controller
    char *path, *store, *scsi_id, *serial;
    uint64_t megabytes; // as the daemon rounds its size
    bool online, read_only, removable;
    bool unmaps; // it offers UNMAP
};

struct seen_target {
    uint32_t tid;
    char *name;
    bool ready;             // or offline: no login is taken
    bool parameters_differ; // what it offers to sessions is not as wanted; not looked at each time
    // The daemon's list of sessions holds text that initiators chose. This is true where it was
    // not as expected, so that the sessions below may be incomplete or wrong.
    bool sessions_unclear;
    struct seen_session *sessions;
    size_t session_count;
    // Sessions beside those, which the daemon only still shows: they were told to end, have no
    // command under way, and never will have. They keep a target from being deleted, no more.
    size_t ghost_count;
    struct seen_lun *luns;
    size_t lun_count;
    char **accounts; // incoming ones, in the order in which the daemon keeps them
    size_t account_count;
    char *outgoing; // the account by which it proves itself, or NULL
    char **acl;     // initiator names and addresses
    size_t acl_count;
};

struct seen {
    struct seen_target *targets; // ascending by tid
    size_t target_count;
    char **accounts; // the youngest first
    size_t account_count;
};

void seen_clear_sessions(struct seen_target *t);
void seen_clear(struct seen *s); // frees what it holds and empties it

#endif
