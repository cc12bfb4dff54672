// The pool's records: what the station keeps of units, volumes, hosts, access, tasks and events.
// SPDX-License-Identifier: BSD-2-Clause
//
// Plain data, as the store keeps it: a record has no pointers to other records, only UUIDs. What
// a unit holds is the unit's truth (model/unit.h); what is here and not there is intent.
#ifndef DVSAN_MODEL_POOL_H
#define DVSAN_MODEL_POOL_H

#include "model/lead.h"
#include "model/unit.h"

#define ADDRESS_MAX_LEN   255 // a management address, DVSAN-MEMBER-MIB dvsanMemberAddress
#define ENGINE_ID_MAX_LEN 32  // snmpEngineID, RFC 3411 section 5
#define TASK_STEPS_MAX    8

// joining: heard of, and not all it holds is read or served yet. up and degraded: its tables are
// known and it answers. down: it does not answer. stopped: it said that it is being
// stopped, and so it is. conflict: another engine uses its UUID too; nothing is changed on it until
// that one is silent or a person has decided.
enum unit_state {
    UNIT_JOINING = 1,
    UNIT_UP,
    UNIT_DEGRADED,
    UNIT_DOWN,
    UNIT_STOPPED,
    UNIT_CONFLICT
};

// How far a unit's word is believed. shared: it has the pass-phrases that several units know.
// waiting: the same, and nobody has accepted it. enrolled: it has keys of its own. quarantined: a
// person does not trust it just now: nothing it shows is taken in, nothing is given to it. revoked:
// its keys are not taken any more.
enum unit_trust {
    TRUST_SHARED = 1,
    TRUST_WAITING,
    TRUST_ENROLLED,
    TRUST_QUARANTINED,
    TRUST_REVOKED
};

struct unit_record {
    struct dv_uuid uuid;
    enum unit_trust trust;
    uint32_t key_number;      // of its own keys, 1..; 0: it never had any
    struct dv_uuid enrolment; // random, of the enrolment that gave them; zero: before there was one
    uint32_t key_wanted;      // that it is to get instead, of a rotation that has begun; 0: none
    bool key_before;          // those of the number before are good, too
    bool key_alone;           // once it has those that are wanted, the ones before are to end
    char name[NAME_MAX_LEN + 1];
    char description[DESCRIPTION_MAX_LEN + 1];
    bool named; // a person gave it that name; else it is the unit's own, as far as that is free
    char address[ADDRESS_MAX_LEN + 1]; // a Net-SNMP transport string
    uint8_t engine_id[ENGINE_ID_MAX_LEN];
    uint8_t engine_id_len;
    char software[64];
    uint32_t epoch;            // as last read
    uint32_t generation;       // all its changes up to this one are known
    uint32_t last_index;       // the highest index that the station gave to a volume there
    struct lead_word accepted; // what it was told by another store, if that was taken in here
    enum unit_state state;
    int64_t last_seen; // seconds since 1970; 0 when it never answered
    char last_error[LAST_ERROR_ROOM];
};

// A volume as the station wants it. Where it lies and how it is doing is in struct volume.
struct volume_record {
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1]; // unique in the pool
    char description[DESCRIPTION_MAX_LEN + 1];
    struct dv_uuid unit;
    uint32_t medium; // the medium's index on that unit
    uint32_t index;  // dvsanVolumeIndex there
    uint64_t blocks; // as asked; a multiple of ALLOC_BLOCKS
    // For this size what is behind the end may be cut off, or hosts be cut off; of a volume that is
    // not wanted: it is forgotten, with its medium away, and not deleted.
    bool forced;
    bool thin;
    bool thin_default;          // thin was not asked for: the medium's configuration decides
    bool wanted;                // false: an explicit task deletes it
    bool seen;                  // its unit has shown it at least once
    uint8_t proof[PROOF_BYTES]; // of the medium on which its unit showed it last; zero: none
    // The unit that had it, until a person said that another one has it, and still shows rules for
    // it: these end. Zero: none.
    struct dv_uuid left;
};

// A volume's label is what is KIND_CHANGEABLE of it: its name, and people's words, of which there
// may be none. Whether the unit shows all of it that is wanted; an agent that has no column for
// some of it is not asked for that.
bool volume_is_labelled(const struct volume_record *want, const struct volume *shown);
// Whether it shows no words where some are wanted, as one that lost its journal.
bool volume_lost_words(const struct volume_record *want, const struct volume *shown);
// What the unit shows is wanted from now on; of words alone, and not that there are none.
void volume_take_label(struct volume_record *want, const struct volume *shown);
void volume_follow_words(struct volume_record *want, const struct volume *shown);
// Whether its unit's agent has the column of that field.
struct kind_field;
bool volume_has_column(const struct volume *shown, const struct kind_field *of);

struct host_account {
    char user[CHAP_USER_MAX + 1]; // "": there is none
    uint8_t sealed_secret[96];    // as in struct host_record
    uint8_t sealed_len;
    uint32_t mark;
    bool one_secret;
    int64_t since; // when another one became the host's, in milliseconds since 1970
};

struct host_record {
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1]; // unique in the pool
    char description[DESCRIPTION_MAX_LEN + 1];
    char iqn[IQN_MAX_LEN + 1];         // unique in the pool
    char chap_user[CHAP_USER_MAX + 1]; // unique in the pool
    uint8_t sealed_secret[96];         // the CHAP secret, sealed with the station's key
    uint8_t sealed_len;                // 0: the station does not know it
    uint32_t secret_mark;              // drawn at random with each new secret
    bool one_secret; // each unit knows the secret itself; else one of its own (model/chap.h)
    struct host_account previous; // that is valid beside this one until a person ends it
    // Likewise the name by which its initiator may log in, too; "": none. And since when there is
    // another one, in milliseconds since 1970.
    char previous_iqn[IQN_MAX_LEN + 1];
    int64_t previous_iqn_since;
};

// A host's right to a volume. It stays, with wanted false, until the unit has confirmed its end.
struct assignment_record {
    struct dv_uuid volume;
    struct dv_uuid host;
    uint32_t index; // dvsanAccessIndex
    bool wanted;
    // Its unit brought it along with another secret than the host's: that one is not sent there
    // until a person assigns the volume.
    bool found;
    // Its unit showed it, and nobody here asked for it: no host is told how to use the volume until
    // a person assigns it.
    bool unasked;
};

enum task_kind {
    TASK_VOLUME_CREATE = 1,
    TASK_VOLUME_DELETE,
    TASK_ASSIGN,
    TASK_UNASSIGN,
    TASK_VOLUME_RESIZE,
    TASK_VOLUME_RENAME,
    TASK_UNIT_REKEY
};
enum task_state { TASK_QUEUED = 1, TASK_RUNNING, TASK_DONE, TASK_FAILED, TASK_CANCELLED };
// ASKED: a person takes it back; an order of it may still be carried out. LATE: it was carried out
// before that.
enum task_cancel { TASK_CANCEL_NO, TASK_CANCEL_ASKED, TASK_CANCEL_LATE };
enum step_state { STEP_WAITING = 1, STEP_RUNNING, STEP_DONE, STEP_FAILED };

struct task_step {
    char text[96];
    enum step_state state;
};

struct task_record {
    uint64_t id; // 1.., ascending
    enum task_kind kind;
    enum task_state state;
    enum task_cancel cancel;
    uint32_t progress;     // 0..100
    char summary[160];     // "create volume db1 (10G)"
    struct dv_uuid volume; // what it is about; zero when there is none
    struct dv_uuid host;
    struct dv_uuid unit; // of a task that is about a unit and no volume
    struct task_step steps[TASK_STEPS_MAX];
    size_t step_count;
    int error_code; // enum dv_code, DV_OK when none
    char error[LAST_ERROR_ROOM];
    char waiting[512];                  // for what it waits just now, and the ways out; may be ""
    int64_t created, started, finished; // milliseconds since 1970; 0 when not yet
    uint64_t version;                   // goes up with every change; not kept over a restart
    // When it went on last; 0 while something known is in its way. Not kept, either.
    int64_t moved;
};

enum event_severity { EVENT_INFO = 1, EVENT_WARNING, EVENT_ERROR };
struct event_record {
    uint64_t id;  // 1.., ascending
    int64_t time; // milliseconds since 1970
    enum event_severity severity;
    char subject[NAME_MAX_LEN + 16]; // "unit unit2", "volume db1", "pool"
    char text[300];
};

// An API token. The token itself is shown once, when it is made, and not kept.
struct token_record {
    uint64_t id;
    char name[NAME_MAX_LEN + 1];
    uint8_t hash[32]; // BLAKE2b-256 of the token
    int64_t created;  // seconds since 1970
};

const char *unit_trust_name(enum unit_trust trust);
const char *unit_state_name(enum unit_state state);
const char *task_kind_name(enum task_kind kind); // "volume_create"
const char *task_state_name(enum task_state state);
const char *step_state_name(enum step_state state);
const char *event_severity_name(enum event_severity severity);

// The volume, or the unit, by which it is found.
static inline const struct dv_uuid *task_about(const struct task_record *t)
{
    return uuid_is_zero(&t->unit) ? &t->volume : &t->unit;
}

bool task_records_equal(const struct task_record *a, const struct task_record *b);

static inline bool task_is_over(const struct task_record *t)
{
    return t->state >= TASK_DONE;
}

#endif
