// The kinds of the station's records, field by field.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.h"
#include "base/mem.h"
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
#define LABEL(record, member, column)      NUMBER(record, member, column, 1, INT32_MAX)
#define FIELDS(list)                       .fields = (list), .field_count = DV_COUNT(list)

static bool is_name(const char *text)
{
    return new_name_check("thing", text, NULL) == 0;
}

static bool is_given(const char *text)
{
    return *text != '\0';
}

static bool is_iqn(const char *text)
{
    return iqn_check(text, NULL) == 0;
}

static bool is_chap_user(const char *text)
{
    return chap_user_check(text, NULL) == 0;
}

static bool is_transport(const char *text)
{
    return transport_check(text, ADDRESS_OF_HOST, NULL) == 0;
}

static bool is_range(const char *text)
{
    return address_range_check(text, NULL) == 0;
}

static bool is_code_id(const char *text)
{
    return strlen(text) == CODE_ID_LEN;
}

// ---- Units and what they show -------------------------------------------------------------------

static const struct kind_field unit_fields[] = {
    UUID(unit_record, uuid, "uuid", .flags = KIND_KEY),
    TEXT(unit_record, name, "name", .good = is_name, .flags = KIND_UNIQUE),
    TEXT(unit_record, address, "address", .good = is_transport, .flags = KIND_OPTIONAL),
    BLOB(unit_record, engine_id, engine_id_len, 5, "engine_id", .flags = 0),
    TEXT(unit_record, software, "software"),
    U32(unit_record, epoch, "epoch"),
    U32(unit_record, generation, "generation"),
    NUMBER(unit_record, state, "state", UNIT_JOINING, UNIT_CONFLICT),
    NUMBER(unit_record, last_seen, "last_seen", 0, TIME_MAX_S),
    TEXT(unit_record, last_error, "last_error"),
    NUMBER(unit_record, last_index, "last_index", 0, INDEX_MAX),
    UUID(unit_record, accepted.station, "word_station", .flags = KIND_OPTIONAL),
    U32(unit_record, accepted.number, "word_number"),
    U32(unit_record, accepted.mark, "word_mark"),
    FLAG(unit_record, named, "named"),
    NUMBER(unit_record, trust, "trust", TRUST_SHARED, TRUST_REVOKED),
    U32(unit_record, key_number, "key_number"),
    U32(unit_record, key_wanted, "key_wanted"),
    FLAG(unit_record, key_before, "key_before"),
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
    U32(medium, index, "idx", .flags = KIND_KEY),
    TEXT(medium, name, "name"),
    LABEL(medium, kind, "kind"),
    LABEL(medium, state, "state"),
    ROOMY(medium, blocks, "blocks"),
    ROOMY(medium, free_blocks, "free_blocks"),
    ROOMY(medium, largest_free_blocks, "largest_free_blocks"),
    TEXT(medium, last_error, "last_error"),
    ROOMY(medium, storage_blocks, "storage_blocks"),
    ROOMY(medium, storage_free_blocks, "storage_free_blocks"),
    ROOMY(medium, overcommitted_blocks, "overcommitted_blocks"),
    FLAG(medium, reserves, "reserves"),
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
    ROOMY(free_extent, start_lba, "start_lba", .flags = KIND_KEY),
    ROOMY(free_extent, blocks, "blocks"),
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
    U32(portal, index, "idx", .flags = KIND_KEY),
    U32(portal, group, "portal_group", .flags = KIND_KEY),
    TEXT(portal, address, "address"),
    NUMBER(portal, port, "port", 0, UINT16_MAX),
    U32(portal, if_index, "if_index"),
    FLAG(portal, up, "up"),
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
    UUID(volume, uuid, "volume", .flags = KIND_KEY, .refers = "volume ON DELETE CASCADE"),
    U32(volume, index, "idx"),
    TEXT(volume, name, "name"),
    U32(volume, medium, "medium"),
    ROOMY(volume, start_lba, "start_lba"),
    ROOMY(volume, blocks, "blocks"),
    FLAG(volume, thin, "thin"),
    TEXT(volume, iqn, "iqn"),
    U32(volume, lun, "lun"),
    FLAG(volume, admin_online, "admin_online"),
    LABEL(volume, state, "state"),
    U32(volume, progress, "progress"),
    U32(volume, generation, "generation"),
    TEXT(volume, last_error, "last_error"),
    ROOMY(volume, target_blocks, "target_blocks"),
    U32(volume, group, "portal_group"),
    ROOMY(volume, target_start_lba, "target_start_lba", .flags = KIND_UNSTORED),
};

static const char *is_shown_wrong(const void *record)
{
    return volume_wrong(record);
}

const struct kind kind_shown = {
    .name = "shown", .size = sizeof(struct volume), .wrong = is_shown_wrong, FIELDS(shown_fields)};

static const struct kind_field rule_fields[] = {
    U32(access_rule, index, "idx", .flags = KIND_KEY),
    TEXT(access_rule, initiator, "initiator"),
    TEXT(access_rule, chap_user, "chap_user"),
    FLAG(access_rule, secret_is_set, "secret_is_set"),
    LABEL(access_rule, state, "state"),
    TEXT(access_rule, last_error, "last_error"),
    U32(access_rule, secret_mark, "secret_mark"),
    TEXT(access_rule, previous_user, "previous_user"),
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
    UUID(volume_record, uuid, "uuid", .flags = KIND_KEY),
    TEXT(volume_record, name, "name", .good = is_name, .flags = KIND_UNIQUE),
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
    UUID(host_record, uuid, "uuid", .flags = KIND_KEY),
    TEXT(host_record, name, "name", .good = is_name, .flags = KIND_UNIQUE),
    TEXT(host_record, iqn, "iqn", .good = is_iqn, .flags = KIND_UNIQUE),
    TEXT(host_record, chap_user, "chap_user", .good = is_chap_user),
    BLOB(host_record, sealed_secret, sealed_len, SEALED_MIN, "sealed_secret",
         .flags = KIND_OPTIONAL),
    U32(host_record, secret_mark, "secret_mark"),
    FLAG(host_record, one_secret, "one_secret"),
    TEXT(host_record, previous.user, "previous_user", .good = is_chap_user, .flags = KIND_OPTIONAL),
    BLOB(host_record, previous.sealed_secret, previous.sealed_len, SEALED_MIN, "previous_secret",
         .flags = KIND_OPTIONAL),
    U32(host_record, previous.mark, "previous_mark"),
    FLAG(host_record, previous.one_secret, "previous_one_secret"),
    NUMBER(host_record, previous.since, "previous_since", 0, INT64_MAX),
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
    FLAG(assignment_record, unasked, "unasked"),
};

const struct kind kind_assignment = {
    .name = "assignment", .size = sizeof(struct assignment_record), FIELDS(assignment_fields)};

// ---- What happens -------------------------------------------------------------------------------

// Its steps are rows of their own.
static const struct kind_field task_fields[] = {
    NUMBER(task_record, id, "id", 1, ID_MAX, .flags = KIND_KEY),
    NUMBER(task_record, kind, "kind", TASK_VOLUME_CREATE, TASK_UNIT_REKEY),
    NUMBER(task_record, state, "state", TASK_QUEUED, TASK_CANCELLED),
    NUMBER(task_record, progress, "progress", 0, 100),
    TEXT(task_record, summary, "summary"),
    UUID(task_record, volume, "volume", .flags = KIND_OPTIONAL),
    UUID(task_record, host, "host", .flags = KIND_OPTIONAL),
    NUMBER(task_record, error_code, "error_code", DV_OK, DV_CODES - 1),
    TEXT(task_record, error, "error"),
    TEXT(task_record, waiting, "waiting"),
    NUMBER(task_record, created, "created", 0, INT64_MAX),
    NUMBER(task_record, started, "started", 0, INT64_MAX),
    NUMBER(task_record, finished, "finished", 0, INT64_MAX),
    NUMBER(task_record, cancel, "cancel", TASK_CANCEL_NO, TASK_CANCEL_LATE),
    UUID(task_record, unit, "unit", .flags = KIND_OPTIONAL),
    NUMBER(task_record, version, "version", 0, INT64_MAX, .flags = KIND_UNSTORED),
    NUMBER(task_record, moved, "moved", 0, INT64_MAX, .flags = KIND_UNSTORED),
};

const struct kind kind_task = {
    .name = "task", .size = sizeof(struct task_record), FIELDS(task_fields)};

static const struct kind_field step_fields[] = {
    TEXT(task_step, text, "text"),
    NUMBER(task_step, state, "state", STEP_WAITING, STEP_FAILED),
};

bool task_records_equal(const struct task_record *a, const struct task_record *b)
{
    return kind_records_equal(&kind_task, a, b) && a->step_count == b->step_count &&
           kind_lists_equal(&kind_task_step, a->steps, b->steps, a->step_count);
}

const struct kind kind_task_step = {
    .name = "task_step", .size = sizeof(struct task_step), FIELDS(step_fields)};

static const struct kind_field event_fields[] = {
    NUMBER(event_record, id, "id", 1, ID_MAX, .flags = KIND_KEY),
    NUMBER(event_record, time, "time", 0, INT64_MAX),
    NUMBER(event_record, severity, "severity", EVENT_INFO, EVENT_ERROR),
    TEXT(event_record, subject, "subject"),
    TEXT(event_record, text, "text"),
};

const struct kind kind_event = {
    .name = "event", .size = sizeof(struct event_record), FIELDS(event_fields)};

// ---- Who may ask, and join ----------------------------------------------------------------------

static const struct kind_field token_fields[] = {
    NUMBER(token_record, id, "id", 1, ID_MAX, .flags = KIND_KEY),
    TEXT(token_record, name, "name", .good = is_given, .flags = KIND_UNIQUE),
    BYTES(token_record, hash, "hash"),
    NUMBER(token_record, created, "created", 0, TIME_MAX_S),
};

const struct kind kind_token = {
    .name = "token", .size = sizeof(struct token_record), FIELDS(token_fields)};

static const struct kind_field code_fields[] = {
    TEXT(code_record, id, "id", .good = is_code_id, .flags = KIND_KEY),
    NUMBER(code_record, kind, "kind", MEMBER_UNIT, MEMBER_HOST),
    TEXT(code_record, name, "name", .good = is_name, .flags = KIND_OPTIONAL),
    UUID(code_record, member, "member", .flags = KIND_OPTIONAL),
    TEXT(code_record, range, "range", .good = is_range, .flags = KIND_OPTIONAL),
    NUMBER(code_record, count, "count", 1, CODE_COUNT_MAX),
    NUMBER(code_record, tries, "tries", 0, CODE_TRIES),
    NUMBER(code_record, created, "created", 0, TIME_MAX_S),
    NUMBER(code_record, expires, "expires", 0, TIME_MAX_S),
    BYTES(code_record, sealed_key, "sealed_key"),
};

const struct kind kind_code = {
    .name = "code", .size = sizeof(struct code_record), FIELDS(code_fields)};

static const struct kind_field use_fields[] = {
    TEXT(code_use, code, "code", .flags = KIND_KEY, .refers = "code ON DELETE CASCADE"),
    UUID(code_use, member, "member", .flags = KIND_KEY),
    BLOB(code_use, engine.b, engine.len, 5, "engine", .flags = KIND_KEY),
    TEXT(code_use, name, "name", .good = is_name),
    NUMBER(code_use, number, "number", 1, UINT32_MAX),
    TEXT(code_use, from, "source"),
    NUMBER(code_use, time, "time", 0, TIME_MAX_S),
    FLAG(code_use, kept, "kept"),
};

const struct kind kind_code_use = {
    .name = "code_use", .order = "time", .size = sizeof(struct code_use), FIELDS(use_fields)};
