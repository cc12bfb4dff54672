// What was read from a unit at one look, and the decoding of its rows.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_READING_H
#define DVSAN_CMS_READING_H

#include "model/pool.h"
#include "snmp/manager.h"

// The progress of a volume that is being made, deleted or resized.
struct reading_progress {
    uint32_t volume; // its index
    uint32_t percent;
};
#define READING_PROGRESS_MAX 8

enum reading_table { READING_MEDIA, READING_FREE, READING_PORTALS, READING_VOLUMES, READING_RULES };

// A row that is there and does not follow the MIB.
struct reading_unread {
    enum reading_table table;
    uint32_t index[2];
};

// What is taken in of a reading in one turn of the loop: all that is left of it, or volumes alone,
// of one volume the hosts alone, what is gone, or free extents.
enum reading_part {
    READING_REST,
    READING_SOME_VOLUMES,
    READING_SOME_HOSTS,
    READING_SOME_GONE,
    READING_SOME_ROOM
};

// So many rules of a volume are read, and one more: a volume that more hosts may use is not taken
// in, and no more are admitted to one.
#define READING_RULES_A_VOLUME 256

struct reading {
    struct dv_uuid uuid;
    enum member_kind kind;
    char name[NAME_MAX_LEN + 1];
    char address[ADDRESS_MAX_LEN + 1]; // where it says that it is reached
    uint32_t epoch, generation;
    enum member_state oper;
    uint32_t lease; // seconds that are left
    char software[64];
    uint32_t changes_since;
    char last_error[LAST_ERROR_ROOM]; // what is wrong with it as a whole, or ""
    char news_error[LAST_ERROR_ROOM]; // why its notifications do not get here, or ""
    struct lead lead;
    uint32_t held_for; // seconds for which that station goes on leading it
    char refused[LAST_ERROR_ROOM];
    uint32_t refusals;
    bool tells_key;       // an agent of before does not, and cannot be given other keys
    uint32_t key_number;  // of its own keys; 0: it has none, or does not tell
    int32_t spin_lock;    // to be named when another station or mark is to lead it
    uint64_t answered_at; // loop_now_ms
    uint32_t watched[READING_PROGRESS_MAX]; // the volumes whose progress was asked for
    size_t watched_count;
    struct reading_progress progress[READING_PROGRESS_MAX];
    size_t progress_count;

    size_t shows;                // volumes in all, of which volumes may hold a part alone
    enum reading_part part;      // of a long one that is taken in part by part
    bool tables;                 // something was read beyond the above: generation counts from here
    bool whole;                  // volumes holds all there are
    bool has_media, has_portals; // has_media: and the free extents
    struct medium *media;
    size_t media_count;
    struct free_extent *free_extents;
    size_t free_count;
    struct portal *portals;
    size_t portal_count;
    struct volume *volumes;
    size_t volume_count;
    struct access_rule *rules; // of these volumes
    size_t rule_count;
    uint32_t *gone; // indices of volumes that are no more; not used when whole
    size_t gone_count;
    size_t foreign_targets; // volumes whose targets' names are not made of their UUIDs
    char foreign_target[IQN_MAX_LEN + 1]; // the first of them
    struct reading_unread *unread;
    size_t unread_count;
};
void reading_free(struct reading *r); // NULL is fine
// Frees a part of a large one, which is not to be read any more. False: what is left is small.
bool reading_free_some(struct reading *r);

extern const char reading_no_agent[]; // why there is no head: another agent answers for it

// The request of a look: the member's scalars, and the progress of the volumes that are watched.
#define READING_HEAD_MAX (22 + READING_PROGRESS_MAX)
size_t reading_head_oids(const struct reading *r, struct sn_oid *oids);
// False with *why when the answer is not that of a unit.
bool reading_head(const struct sn_result *answer, struct reading *out, const char **why);

// The request behind the walks: whether it still is the same run of the unit, and how much it has.
struct reading_tail {
    uint32_t epoch, generation, volumes, media;
};
#define READING_TAIL_MAX 4
size_t reading_tail_oids(struct sn_oid *oids);
bool reading_tail(const struct sn_result *answer, struct reading_tail *out); // false: not a unit's

// The columns that are read of a table: those of its kind's fields, in their order, and some more.
#define READING_COLUMNS_MAX 32 // more than any table has
size_t reading_columns(enum reading_table table, struct sn_oid *oids);
// A row from their values. False when a value is missing or out of its range.
bool reading_medium(const uint32_t *index, size_t len, const struct sn_value *v,
                    struct medium *out);
bool reading_free_extent(const uint32_t *index, size_t len, const struct sn_value *v,
                         struct free_extent *out);
bool reading_portal(const uint32_t *index, size_t len, const struct sn_value *v,
                    struct portal *out);
bool reading_volume(const uint32_t *index, size_t len, const struct sn_value *v,
                    struct volume *out);
bool reading_rule(const uint32_t *index, size_t len, const struct sn_value *v,
                  struct access_rule *out);

struct reading_change {
    uint32_t generation;
    int32_t kind; // dvsanChangeKind
    uint32_t index;
};
size_t reading_change_columns(struct sn_oid *oids);
bool reading_change(const uint32_t *index, size_t len, const struct sn_value *v,
                    struct reading_change *out);

#endif
