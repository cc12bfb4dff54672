// What a unit holds, as its MIB tables tell it: media, volumes, access rules, portals.
// SPDX-License-Identifier: BSD-2-Clause
//
// Plain data shared by the unit's agent, the planner and the CMS. Numbers of the enums are those
// of the DVSAN-UNIT-MIB and DVSAN-MEMBER-MIB and so never change.
#ifndef DVSAN_MODEL_UNIT_H
#define DVSAN_MODEL_UNIT_H

#include "base/text.h"
#include "base/uuid.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define BLOCK_SIZE      512u  // bytes; the unit of every LBA and block count
#define ALLOC_BLOCKS    2048u // volumes start and end on multiples of this: 1 MiB
#define BLOCKS_PER_MIB  2048u
#define BLOCKS_MAX      ((uint64_t)INT64_MAX / BLOCK_SIZE) // so that bytes can be counted
#define INDEX_MAX       2147483647u // of all tables that have an index of its creator's choice
#define LAST_ERROR_ROOM 256         // bytes, with the NUL
#define UNIT_GROUPS_MAX 16          // portal groups of a unit

enum member_kind { MEMBER_UNIT = 1, MEMBER_HOST = 2 };
enum member_state { MEMBER_STARTING = 1, MEMBER_RUNNING, MEMBER_DEGRADED, MEMBER_SHUTTING_DOWN };

enum medium_kind { MEDIUM_DIR = 1, MEDIUM_DISK, MEDIUM_DEVICE, MEDIUM_RBD };
enum medium_state { MEDIUM_ONLINE = 1, MEDIUM_LOW, MEDIUM_FAILED };

// A volume goes creating -> online -> deleting -> gone; offline and failed come and go between.
enum volume_state {
    VOLUME_CREATING = 1,
    VOLUME_ONLINE,
    VOLUME_OFFLINE,
    VOLUME_FAILED,
    VOLUME_DELETING
};
enum access_state { ACCESS_PENDING = 1, ACCESS_ACTIVE, ACCESS_FAILED, ACCESS_REVOKING };

#define PROOF_BYTES 16
// What is written on a medium by which who holds it is told from who knows of it: drawn at random
// when a unit takes the medium in use, and anew when another one does. Zero: none is known.
struct medium_proof {
    uint8_t now[PROOF_BYTES];
    uint8_t before[PROOF_BYTES]; // that the unit found on it when it took it from another one
};

struct medium {
    uint32_t index; // 1.., fixed by the unit's configuration
    char name[NAME_MAX_LEN + 1];
    enum medium_kind kind;
    enum medium_state state;
    uint64_t blocks;              // its whole address range: LBA 0 .. blocks - 1
    uint64_t free_blocks;         // the sum of its free extents
    uint64_t largest_free_blocks; // the longest free extent
    char last_error[LAST_ERROR_ROOM];
    // Of the file system from which volumes take room as they are written; 0: none is known.
    uint64_t storage_blocks;
    uint64_t storage_free_blocks;  // what it really has left
    uint64_t overcommitted_blocks; // what is promised beyond that
    bool reserves;                 // a full volume has its room for good
    struct medium_proof proof;     // the station keeps it in memory alone
};

struct free_extent { // that no volume of a medium occupies
    uint32_t medium; // a medium's index
    uint64_t start_lba, blocks;
};
// One of them begins at this place, or would; they go by medium and start.
struct free_place {
    uint32_t medium;
    uint64_t start_lba;
};
#define FREE_PLACE_END ((struct free_place){UINT32_MAX, 0}) // behind all
static inline struct free_place free_place_of(const struct free_extent *e)
{
    return (struct free_place){e->medium, e->start_lba};
}
// Below 0: a comes first.
static inline int free_place_order(struct free_place a, struct free_place b)
{
    if (a.medium != b.medium)
        return a.medium < b.medium ? -1 : 1;
    return a.start_lba < b.start_lba ? -1 : a.start_lba > b.start_lba;
}

struct volume {
    uint32_t index; // 1..2^31-1, chosen by who creates it
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1];
    char description[DESCRIPTION_MAX_LEN + 1];
    uint32_t medium;    // a medium's index
    uint64_t start_lba; // on the medium; a multiple of ALLOC_BLOCKS
    uint64_t blocks;    // > 0, a multiple of ALLOC_BLOCKS; end LBA = start_lba + blocks - 1
    // What it is being resized to; 0 when it is not. Where to, only its unit knows.
    uint64_t target_blocks, target_start_lba;
    bool thin;
    char iqn[IQN_MAX_LEN + 1];
    uint32_t lun;
    uint32_t group;    // the portal group that serves it, 1..UNIT_GROUPS_MAX
    bool admin_online; // what is asked; state tells what is
    enum volume_state state;
    uint32_t progress; // of the work that state names, or of resizing, 0..100
    uint32_t generation;
    char last_error[LAST_ERROR_ROOM];
    // Of a row that was read: the columns that its unit's agent, an older one, does not have, each
    // the bit of its sub-identifier.
    uint64_t lacks;
};

struct access_rule {
    uint32_t volume; // a volume's index
    uint32_t index;  // 1..2^31-1, chosen by who creates it
    char initiator[IQN_MAX_LEN + 1];
    char chap_user[CHAP_USER_MAX + 1];
    char previous_user[CHAP_USER_MAX + 1]; // that still admits the initiator, too; "": none
    bool secret_is_set;                    // the secret itself is never part of this record
    uint32_t secret_mark; // drawn with each secret by who sets it, tells nothing of it; 0: none
    enum access_state state;
    char last_error[LAST_ERROR_ROOM];
};

struct portal {
    uint32_t index;
    uint32_t group; // 1..UNIT_GROUPS_MAX; a portal with an index is there once for each group
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
    uint32_t if_index; // IF-MIB ifIndex of the interface that holds the address, 0 if none does
    bool up;
};

#define PORTAL_TEXT_ROOM (INET6_ADDRSTRLEN + 8)

// "192.0.2.7:3260", "[2001:db8::7]:3260"; returns out.
const char *portal_format(const struct portal *p, char out[PORTAL_TEXT_ROOM]);

static inline uint64_t volume_end_lba(const struct volume *v)
{
    return v->start_lba + v->blocks - 1;
}

// The portal group that a volume with this index is reached through, of so many: each is the
// portals of one tgtd, which alone serves the volume. Groups are 1..groups, and volumes are spread
// evenly.
static inline uint32_t volume_group(uint32_t index, uint32_t groups)
{
    return 1 + (index - 1) % groups;
}

// How a volume can get other LBAs. Where each is a file or an image of its own, its place on the
// medium is a matter of accounts; where its blocks lie at its LBAs, they must be copied.
enum medium_moves { MOVES_NOT, MOVES_BY_COPY, MOVES_FREELY };
enum medium_moves medium_kind_moves(enum medium_kind kind);

// The names that the API, the CLI and logs show: "online", "dir", "running", "unit"; "unknown"
// for a number outside its enum.
const char *member_kind_name(enum member_kind kind);
const char *member_state_name(enum member_state state);
const char *medium_kind_name(enum medium_kind kind);
const char *medium_state_name(enum medium_state state);
const char *volume_state_name(enum volume_state state);
const char *access_state_name(enum access_state state);

#endif
