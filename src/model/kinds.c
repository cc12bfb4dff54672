// The kinds of the station's records, field by field.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.h"
#include "base/mem.h"
#include "base/text.h"
#include "dvsan_oids.h"
#include "model/check.h"
#include "model/enrolment.h"
#include "model/kind.h"

#define TIME_MAX_S (INT64_MAX / 1000) // so that milliseconds can be counted
#define ID_MAX     (INT64_MAX / 2)    // more can follow
#define SEALED_MIN 40                 // a nonce and a tag, see cms/seal.c

#define IN(record, member) (((struct record *)0)->member)
#define TYPE_OF_NUMBER(n)                                                                          \
    _Generic((n), bool                                                                             \
             : KIND_BOOL, uint16_t                                                                 \
             : KIND_U16, uint32_t                                                                  \
             : KIND_U32, int32_t                                                                   \
             : KIND_I32, uint64_t                                                                  \
             : KIND_U64, int64_t                                                                   \
             : KIND_I64)

// record is a struct's tag, and the rest is more of the field's members.
#define UUID(record, member, column, ...)                                                          \
    {                                                                                              \
        .name = (column), .type = KIND_UUID, .offset = offsetof(struct record, member),            \
        .room = sizeof(IN(record, member).b), __VA_ARGS__                                          \
    }
#define TEXT(record, member, column, ...)                                                          \
    {                                                                                              \
        .name = (column), .type = KIND_TEXT, .offset = offsetof(struct record, member),            \
        .room = sizeof(IN(record, member)), __VA_ARGS__                                            \
    }
#define BYTES(record, member, column, ...)                                                         \
    {                                                                                              \
        .name = (column), .type = KIND_BYTES, .offset = offsetof(struct record, member),           \
        .room = sizeof(IN(record, member)), __VA_ARGS__                                            \
    }
#define BLOB(record, member, length_member, least_, column, ...)                                   \
    {                                                                                              \
        .name = (column), .type = KIND_BLOB, .offset = offsetof(struct record, member),            \
        .room = sizeof(IN(record, member)), .length = offsetof(struct record, length_member),      \
        .least = (least_), __VA_ARGS__                                                             \
    }
#define NUMBER(record, member, column, min_, max_, ...)                                            \
    {                                                                                              \
        .name = (column), .type = TYPE_OF_NUMBER(IN(record, member)),                              \
        .offset = offsetof(struct record, member), .min = (min_), .max = (max_), __VA_ARGS__       \
    }
#define FLAG(record, member, column, ...) NUMBER(record, member, column, 0, 1, __VA_ARGS__)
#define U32(record, member, column, ...)  NUMBER(record, member, column, 0, UINT32_MAX, __VA_ARGS__)
// Of rows that a unit shows: model/check.h judges the whole row.
#define ROOMY(record, member, column, ...) NUMBER(record, member, column, 0, INT64_MAX, __VA_ARGS__)
// Numbers from 1 to max_, which name_of calls by their names.
#define LABEL(record, member, column, max_, name_of, ...)                                          \
    {                                                                                              \
        .name = (column), .type = KIND_LABEL, .offset = offsetof(struct record, member), .min = 1, \
        .max = (max_), .label = (name_of), __VA_ARGS__                                             \
    }
#define TIME(record, member, type_, column, ...)                                                   \
    {                                                                                              \
        .name = (column), .type = (type_), .offset = offsetof(struct record, member),              \
        .max = (type_) == KIND_SECONDS ? TIME_MAX_S : INT64_MAX, __VA_ARGS__                       \
    }
#define FIELDS(list) .fields = (list), .field_count = DV_COUNT(list)

static int check_given(const char *what, const char *text, struct dv_err *err)
{
    return *text ? 0 : dv_fail(err, DV_INVALID, "the %s's name is empty", what);
}

static int check_iqn(const char *what, const char *text, struct dv_err *err)
{
    (void)what;
    return iqn_check(text, err);
}

static int check_chap_user(const char *what, const char *text, struct dv_err *err)
{
    (void)what;
    return chap_user_check(text, err);
}

static int check_transport(const char *what, const char *text, struct dv_err *err)
{
    (void)what;
    return transport_check(text, ADDRESS_OF_HOST, err);
}

static int check_range(const char *what, const char *text, struct dv_err *err)
{
    (void)what;
    return address_range_check(text, err);
}

static int check_code_id(const char *what, const char *text, struct dv_err *err)
{
    return strlen(text) == CODE_ID_LEN ? 0
                                       : dv_fail(err, DV_INVALID, "that is no id of a %s", what);
}

// ---- Units and what they show -------------------------------------------------------------------

static const struct kind_field unit_fields[] = {
    UUID(unit_record, uuid, "uuid", .flags = KIND_KEY | KIND_SHOWN),
    TEXT(unit_record, name, "name", .check = new_name_check, .flags = KIND_UNIQUE | KIND_SHOWN),
    TEXT(unit_record, description, "description", .check = description_check,
         .flags = KIND_OPTIONAL | KIND_SHOWN),
    TEXT(unit_record, address, "address", .check = check_transport,
         .flags = KIND_OPTIONAL | KIND_SHOWN),
    BLOB(unit_record, engine_id, engine_id_len, 5, "engine_id", .flags = KIND_SHOWN),
    TEXT(unit_record, software, "software", .flags = KIND_SHOWN),
    U32(unit_record, epoch, "epoch", .flags = KIND_SHOWN),
    U32(unit_record, generation, "generation", .flags = KIND_SHOWN),
    LABEL(unit_record, state, "state", UNIT_CONFLICT, unit_state_name, .flags = KIND_SHOWN),
    TIME(unit_record, last_seen, KIND_SECONDS, "last_seen", .flags = KIND_SHOWN),
    TEXT(unit_record, last_error, "last_error", .flags = KIND_SHOWN),
    NUMBER(unit_record, last_index, "last_index", 0, INDEX_MAX),
    UUID(unit_record, accepted.station, "word_station", .flags = KIND_OPTIONAL),
    U32(unit_record, accepted.number, "word_number"),
    U32(unit_record, accepted.mark, "word_mark"),
    FLAG(unit_record, named, "named"),
    LABEL(unit_record, trust, "trust", TRUST_REVOKED, unit_trust_name, .flags = KIND_SHOWN),
    U32(unit_record, key_number, "key_number", .flags = KIND_SHOWN),
    U32(unit_record, key_wanted, "key_wanted"),
    FLAG(unit_record, key_before, "key_before", .flags = KIND_SHOWN),
    FLAG(unit_record, key_alone, "key_alone"),
    UUID(unit_record, enrolment, "enrolment", .flags = KIND_OPTIONAL),
};

static const char *unit_wrong(const void *record)
{
    const struct unit_record *u = record;
    return u->trust == TRUST_ENROLLED && u->key_number == 0 ? "key_number" : NULL;
}

const struct kind kind_unit = {
    .name = "unit", .size = sizeof(struct unit_record), .wrong = unit_wrong, FIELDS(unit_fields)};

static const struct kind_field medium_fields[] = {
    U32(medium, index, "idx", .key = "index", .flags = KIND_KEY | KIND_SHOWN),
    TEXT(medium, name, "name", .flags = KIND_SHOWN, .mib = SUB_dvsanMediumName),
    LABEL(medium, kind, "kind", MEDIUM_RBD, medium_kind_name, .flags = KIND_SHOWN,
          .mib = SUB_dvsanMediumKind),
    ROOMY(medium, blocks, "blocks", .flags = KIND_SHOWN, .mib = SUB_dvsanMediumBlocks),
    ROOMY(medium, free_blocks, "free_blocks", .flags = KIND_SHOWN,
          .mib = SUB_dvsanMediumFreeBlocks),
    ROOMY(medium, largest_free_blocks, "largest_free_blocks", .flags = KIND_SHOWN,
          .mib = SUB_dvsanMediumLargestFreeBlocks),
    LABEL(medium, state, "state", MEDIUM_FAILED, medium_state_name,
          .mib = SUB_dvsanMediumOperState),
    TEXT(medium, last_error, "last_error", .flags = KIND_PROSE | KIND_SHOWN,
         .mib = SUB_dvsanMediumLastError),
    ROOMY(medium, storage_blocks, "storage_blocks", .mib = SUB_dvsanMediumStorageBlocks),
    ROOMY(medium, storage_free_blocks, "storage_free_blocks",
          .mib = SUB_dvsanMediumStorageFreeBlocks),
    ROOMY(medium, overcommitted_blocks, "overcommitted_blocks",
          .mib = SUB_dvsanMediumOvercommitted),
    FLAG(medium, reserves, "reserves", .flags = KIND_SHOWN, .mib = SUB_dvsanMediumReserves),
    BYTES(medium, proof.now, "proof", .flags = KIND_UNSTORED),
    BYTES(medium, proof.before, "proof_before", .flags = KIND_UNSTORED),
};

static const char *is_medium_wrong(const void *record)
{
    return medium_wrong(record);
}

const struct kind kind_medium = {.name = "medium",
                                 .owner = "unit",
                                 .refers = "unit",
                                 .size = sizeof(struct medium),
                                 .wrong = is_medium_wrong,
                                 FIELDS(medium_fields)};

static const struct kind_field free_fields[] = {
    U32(free_extent, medium, "medium", .flags = KIND_KEY),
    ROOMY(free_extent, start_lba, "start_lba", .flags = KIND_KEY | KIND_SHOWN,
          .mib = SUB_dvsanFreeExtentStartLba),
    ROOMY(free_extent, blocks, "blocks", .flags = KIND_SHOWN, .mib = SUB_dvsanFreeExtentBlocks),
};

static const char *is_free_wrong(const void *record)
{
    return free_extent_wrong(record);
}

const struct kind kind_free_extent = {.name = "free_extent",
                                      .owner = "unit",
                                      .refers = "unit",
                                      .size = sizeof(struct free_extent),
                                      .wrong = is_free_wrong,
                                      FIELDS(free_fields)};

static const struct kind_field portal_fields[] = {
    U32(portal, index, "idx", .key = "index", .flags = KIND_KEY | KIND_SHOWN),
    U32(portal, group, "portal_group", .key = "group", .flags = KIND_KEY | KIND_SHOWN),
    TEXT(portal, address, "address", .flags = KIND_SHOWN),
    NUMBER(portal, port, "port", 0, UINT16_MAX, .flags = KIND_SHOWN, .mib = SUB_dvsanPortalPort),
    U32(portal, if_index, "if_index"),
    FLAG(portal, up, "up", .mib = SUB_dvsanPortalOperState),
};

static const char *is_portal_wrong(const void *record)
{
    return portal_wrong(record);
}

const struct kind kind_portal = {.name = "portal",
                                 .owner = "unit",
                                 .refers = "unit",
                                 .size = sizeof(struct portal),
                                 .wrong = is_portal_wrong,
                                 FIELDS(portal_fields)};

static const struct kind_field shown_fields[] = {
    UUID(volume, uuid, "volume", .flags = KIND_KEY, .refers = "volume ON DELETE CASCADE",
         .mib = SUB_dvsanVolumeUuid),
    U32(volume, index, "idx"),
    TEXT(volume, name, "name", .flags = KIND_PROSE | KIND_CHANGEABLE, .mib = SUB_dvsanVolumeName),
    TEXT(volume, description, "description", .mib = SUB_dvsanVolumeDescription,
         .flags = KIND_OPTIONAL | KIND_PROSE | KIND_CHANGEABLE),
    U32(volume, medium, "medium", .mib = SUB_dvsanVolumeMedium),
    FLAG(volume, thin, "thin", .mib = SUB_dvsanVolumeThin),
    ROOMY(volume, start_lba, "start_lba", .mib = SUB_dvsanVolumeStartLba),
    ROOMY(volume, blocks, "blocks", .mib = SUB_dvsanVolumeBlocks),
    TEXT(volume, iqn, "iqn", .flags = KIND_SHOWN, .mib = SUB_dvsanVolumeIqn),
    U32(volume, lun, "lun", .mib = SUB_dvsanVolumeLun),
    FLAG(volume, admin_online, "admin_online", .flags = KIND_CHANGEABLE,
         .mib = SUB_dvsanVolumeAdminState),
    LABEL(volume, state, "state", VOLUME_DELETING, volume_state_name,
          .mib = SUB_dvsanVolumeOperState),
    U32(volume, progress, "progress", .flags = KIND_SHOWN, .mib = SUB_dvsanVolumeProgress),
    TEXT(volume, last_error, "last_error", .flags = KIND_PROSE | KIND_SHOWN,
         .mib = SUB_dvsanVolumeLastError),
    U32(volume, generation, "generation", .mib = SUB_dvsanVolumeGeneration),
    ROOMY(volume, target_blocks, "target_blocks"),
    U32(volume, group, "portal_group", .mib = SUB_dvsanVolumePortalGroup),
    ROOMY(volume, target_start_lba, "target_start_lba", .flags = KIND_UNSTORED),
    ROOMY(volume, lacks, "lacks", .flags = KIND_UNSTORED),
};

static const char *is_shown_wrong(const void *record)
{
    return volume_wrong(record);
}

const struct kind kind_shown = {
    .name = "shown", .size = sizeof(struct volume), .wrong = is_shown_wrong, FIELDS(shown_fields)};

static const struct kind_field rule_fields[] = {
    U32(access_rule, index, "idx", .flags = KIND_KEY),
    TEXT(access_rule, initiator, "initiator", .mib = SUB_dvsanAccessInitiator),
    TEXT(access_rule, chap_user, "chap_user", .mib = SUB_dvsanAccessChapUser),
    FLAG(access_rule, secret_is_set, "secret_is_set", .mib = SUB_dvsanAccessSecretIsSet),
    LABEL(access_rule, state, "state", ACCESS_REVOKING, access_state_name,
          .mib = SUB_dvsanAccessOperState),
    TEXT(access_rule, last_error, "last_error", .flags = KIND_PROSE,
         .mib = SUB_dvsanAccessLastError),
    U32(access_rule, secret_mark, "secret_mark", .mib = SUB_dvsanAccessSecretMark),
    TEXT(access_rule, previous_user, "previous_user", .flags = KIND_OPTIONAL,
         .mib = SUB_dvsanAccessPreviousUser),
    U32(access_rule, volume, "volume_idx", .flags = KIND_UNSTORED), // that of its volume
};

static const char *is_rule_wrong(const void *record)
{
    return access_rule_wrong(record);
}

const struct kind kind_rule = {.name = "rule",
                               .owner = "volume",
                               .refers = "shown",
                               .size = sizeof(struct access_rule),
                               .wrong = is_rule_wrong,
                               FIELDS(rule_fields)};

// ---- What is wanted -----------------------------------------------------------------------------

static const struct kind_field volume_fields[] = {
    UUID(volume_record, uuid, "uuid", .flags = KIND_KEY | KIND_SHOWN),
    TEXT(volume_record, name, "name", .check = new_name_check,
         .flags = KIND_UNIQUE | KIND_SHOWN | KIND_CHANGEABLE),
    TEXT(volume_record, description, "description", .check = description_check,
         .flags = KIND_OPTIONAL | KIND_SHOWN | KIND_CHANGEABLE),
    UUID(volume_record, unit, "unit", .refers = "unit"),
    NUMBER(volume_record, medium, "medium", 0, INDEX_MAX),
    NUMBER(volume_record, index, "idx", 1, INDEX_MAX),
    NUMBER(volume_record, blocks, "blocks", 1, (int64_t)BLOCKS_MAX),
    FLAG(volume_record, thin, "thin"),
    FLAG(volume_record, thin_default, "thin_default"),
    FLAG(volume_record, wanted, "wanted"),
    FLAG(volume_record, seen, "seen"),
    FLAG(volume_record, forced, "may_shrink"),
    BYTES(volume_record, proof, "proof", .flags = KIND_OPTIONAL),
    UUID(volume_record, left, "left_unit", .flags = KIND_OPTIONAL),
};

const struct kind kind_volume = {.name = "volume",
                                 .order = "unit, idx",
                                 .size = sizeof(struct volume_record),
                                 FIELDS(volume_fields)};

static const struct kind_field host_fields[] = {
    UUID(host_record, uuid, "uuid", .flags = KIND_KEY | KIND_SHOWN),
    TEXT(host_record, name, "name", .check = new_name_check, .flags = KIND_UNIQUE | KIND_SHOWN),
    TEXT(host_record, description, "description", .check = description_check,
         .flags = KIND_OPTIONAL | KIND_SHOWN),
    TEXT(host_record, iqn, "iqn", .check = check_iqn, .flags = KIND_UNIQUE | KIND_SHOWN),
    TEXT(host_record, chap_user, "chap_user", .check = check_chap_user, .flags = KIND_SHOWN),
    BLOB(host_record, sealed_secret, sealed_len, SEALED_MIN, "sealed_secret",
         .flags = KIND_OPTIONAL),
    U32(host_record, secret_mark, "secret_mark"),
    FLAG(host_record, one_secret, "one_secret", .flags = KIND_SHOWN),
    TEXT(host_record, previous.user, "previous_user", .check = check_chap_user,
         .flags = KIND_OPTIONAL),
    BLOB(host_record, previous.sealed_secret, previous.sealed_len, SEALED_MIN, "previous_secret",
         .flags = KIND_OPTIONAL),
    U32(host_record, previous.mark, "previous_mark"),
    FLAG(host_record, previous.one_secret, "previous_one_secret"),
    TIME(host_record, previous.since, KIND_MILLISECONDS, "previous_since"),
    TEXT(host_record, previous_iqn, "previous_iqn", .check = check_iqn, .flags = KIND_OPTIONAL),
    TIME(host_record, previous_iqn_since, KIND_MILLISECONDS, "previous_iqn_since"),
};

// An account of before is there with its secret, or not at all.
static const char *host_wrong(const void *record)
{
    const struct host_account *before = &((const struct host_record *)record)->previous;
    return (before->user[0] != '\0') == (before->sealed_len > 0) ? NULL : "previous_secret";
}

const struct kind kind_host = {
    .name = "host", .size = sizeof(struct host_record), .wrong = host_wrong, FIELDS(host_fields)};

static const struct kind_field assignment_fields[] = {
    UUID(assignment_record, volume, "volume", .flags = KIND_KEY,
         .refers = "volume ON DELETE CASCADE"),
    UUID(assignment_record, host, "host", .flags = KIND_KEY, .refers = "host"),
    NUMBER(assignment_record, index, "idx", 1, INDEX_MAX),
    FLAG(assignment_record, wanted, "wanted"),
    FLAG(assignment_record, found, "found"),
    FLAG(assignment_record, unasked, "unasked", .flags = KIND_SHOWN),
};

const struct kind kind_assignment = {
    .name = "assignment", .size = sizeof(struct assignment_record), FIELDS(assignment_fields)};

// ---- What happens -------------------------------------------------------------------------------

// Its steps are rows of their own.
static const struct kind_field task_fields[] = {
    NUMBER(task_record, id, "id", 1, ID_MAX, .flags = KIND_KEY | KIND_SHOWN),
    LABEL(task_record, kind, "kind", TASK_UNIT_REKEY, task_kind_name, .flags = KIND_SHOWN),
    LABEL(task_record, state, "state", TASK_CANCELLED, task_state_name, .flags = KIND_SHOWN),
    NUMBER(task_record, progress, "progress", 0, 100, .flags = KIND_SHOWN),
    TEXT(task_record, summary, "summary", .flags = KIND_SHOWN),
    UUID(task_record, volume, "volume", .flags = KIND_OPTIONAL | KIND_SHOWN),
    UUID(task_record, host, "host", .flags = KIND_OPTIONAL | KIND_SHOWN),
    NUMBER(task_record, error_code, "error_code", DV_OK, DV_CODES - 1),
    TEXT(task_record, error, "error"),
    TEXT(task_record, waiting, "waiting", .flags = KIND_SHOWN),
    TIME(task_record, created, KIND_MILLISECONDS, "created", .flags = KIND_SHOWN),
    TIME(task_record, started, KIND_MILLISECONDS, "started", .flags = KIND_SHOWN),
    TIME(task_record, finished, KIND_MILLISECONDS, "finished", .flags = KIND_SHOWN),
    NUMBER(task_record, cancel, "cancel", TASK_CANCEL_NO, TASK_CANCEL_LATE),
    UUID(task_record, unit, "unit", .flags = KIND_OPTIONAL),
    NUMBER(task_record, version, "version", 0, INT64_MAX, .flags = KIND_UNSTORED | KIND_SHOWN),
    NUMBER(task_record, moved, "moved", 0, INT64_MAX, .flags = KIND_UNSTORED),
};

const struct kind kind_task = {
    .name = "task", .size = sizeof(struct task_record), FIELDS(task_fields)};

static const struct kind_field step_fields[] = {
    TEXT(task_step, text, "text", .flags = KIND_SHOWN),
    LABEL(task_step, state, "state", STEP_FAILED, step_state_name, .flags = KIND_SHOWN),
};

bool task_records_equal(const struct task_record *a, const struct task_record *b)
{
    return kind_records_equal(&kind_task, a, b) && a->step_count == b->step_count &&
           kind_lists_equal(&kind_task_step, a->steps, b->steps, a->step_count);
}

const struct kind kind_task_step = {
    .name = "task_step", .size = sizeof(struct task_step), FIELDS(step_fields)};

static const struct kind_field event_fields[] = {
    NUMBER(event_record, id, "id", 1, ID_MAX, .flags = KIND_KEY | KIND_SHOWN),
    TIME(event_record, time, KIND_MILLISECONDS, "time", .flags = KIND_SHOWN),
    LABEL(event_record, severity, "severity", EVENT_ERROR, event_severity_name,
          .flags = KIND_SHOWN),
    TEXT(event_record, subject, "subject", .flags = KIND_SHOWN),
    TEXT(event_record, text, "text", .flags = KIND_SHOWN),
};

const struct kind kind_event = {
    .name = "event", .size = sizeof(struct event_record), FIELDS(event_fields)};

// ---- Who may ask, and join ----------------------------------------------------------------------

static const struct kind_field token_fields[] = {
    NUMBER(token_record, id, "id", 1, ID_MAX, .flags = KIND_KEY | KIND_SHOWN),
    TEXT(token_record, name, "name", .check = check_given, .flags = KIND_UNIQUE | KIND_SHOWN),
    BYTES(token_record, hash, "hash"),
    TIME(token_record, created, KIND_SECONDS, "created", .flags = KIND_SHOWN),
};

const struct kind kind_token = {
    .name = "token", .size = sizeof(struct token_record), FIELDS(token_fields)};

static const struct kind_field code_fields[] = {
    TEXT(code_record, id, "id", .check = check_code_id, .flags = KIND_KEY | KIND_SHOWN),
    LABEL(code_record, kind, "kind", MEMBER_HOST, member_kind_name, .flags = KIND_SHOWN),
    TEXT(code_record, name, "name", .check = new_name_check, .flags = KIND_OPTIONAL | KIND_SHOWN),
    UUID(code_record, member, "member", .flags = KIND_OPTIONAL),
    TEXT(code_record, range, "range", .key = "from", .check = check_range,
         .flags = KIND_OPTIONAL | KIND_SHOWN),
    NUMBER(code_record, count, "count", 1, CODE_COUNT_MAX, .flags = KIND_SHOWN),
    NUMBER(code_record, tries, "tries", 0, CODE_TRIES, .flags = KIND_SHOWN),
    TIME(code_record, created, KIND_SECONDS, "created", .flags = KIND_SHOWN),
    TIME(code_record, expires, KIND_SECONDS, "expires", .flags = KIND_SHOWN),
    BYTES(code_record, sealed_key, "sealed_key"),
};

const struct kind kind_code = {
    .name = "code", .size = sizeof(struct code_record), FIELDS(code_fields)};

static const struct kind_field use_fields[] = {
    TEXT(code_use, code, "code", .flags = KIND_KEY, .refers = "code ON DELETE CASCADE"),
    UUID(code_use, member, "member", .key = "uuid", .flags = KIND_KEY | KIND_SHOWN),
    BLOB(code_use, engine.b, engine.len, 5, "engine", .flags = KIND_KEY),
    TEXT(code_use, name, "name", .check = new_name_check, .flags = KIND_SHOWN),
    NUMBER(code_use, number, "number", 1, UINT32_MAX),
    TEXT(code_use, from, "source", .key = "from", .flags = KIND_SHOWN),
    TIME(code_use, time, KIND_SECONDS, "time", .flags = KIND_SHOWN),
    FLAG(code_use, kept, "kept"),
};

const struct kind kind_code_use = {
    .name = "code_use", .order = "time", .size = sizeof(struct code_use), FIELDS(use_fields)};
