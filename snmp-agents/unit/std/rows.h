// The rows of the standard tables, and what their columns share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_STD_ROWS_H
#define DVSAN_UNIT_STD_ROWS_H

#include "snmp-agents/unit/std/oids.h"
#include "snmp-agents/unit/std/shape.h"
#include "snmp-agents/unit/std/std.h"
#include "snmp-agents/unit/tables.h"

// A row as the columns' functions get it; what is not of its kind is NULL.
struct std_row {
    const struct std *std;
    uint32_t group; // of the ISCSI-MIB's rows; else 0
    const struct unit_portal *portal;
    const struct unit_volume *volume;
    const struct unit_rule *rule;
    const struct traffic_session *session; // its volume may be NULL
    uint32_t below;                        // which of the rows below the thing, from 1
};

struct std_table {
    const char *name;
    struct sn_oid entry;
    struct shape shape;
    const struct sn_column *columns;
    size_t column_count;
};

// What each module's file offers; the last one of each list has no name.
extern const struct std_table std_iscsi_tables[];
extern const struct std_table std_iscsi_session_tables[];
extern const struct std_table std_scsi_tables[];
extern const struct std_table std_scsi_unit_tables[];
extern const struct std_table std_ips_auth_tables[];

// ---- Rows ---------------------------------------------------------------------------------------

// Rows without tables of any agent.
struct std *std_bare(const struct unit_config *config, const struct state *state,
                     const struct traffic *const *traffic);

// The first row whose keys are not before these. Volumes without a backing are left out, and what
// belongs to them. *keys becomes the row's.
bool std_row_from(const struct std *s, const struct shape *shape, uint64_t keys[SHAPE_KEYS],
                  struct std_row *row);

// ---- Values -------------------------------------------------------------------------------------

const struct unit_config *std_config(const struct std *s);
size_t std_sessions(const struct std *s, uint32_t group);
size_t std_volumes(const struct std *s, uint32_t group); // that are shown
const struct tgt_parameters *std_parameters(const struct std *s, const struct unit_volume *v);
// Whom the session's initiator is to the volume's rules, or NULL.
const struct unit_rule *std_rule_of(const struct std *s, const struct traffic_session *session);

// These borrow from memory that the next call overwrites.
struct sn_value std_pointer(const struct std *s, struct sn_oid entry, uint32_t column,
                            const uint32_t *index, size_t len);
struct sn_value std_format(const struct std *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct sn_value std_copy(const struct std *s, const void *octets, size_t len);
// The volume's identifiers as its INQUIRY tells them.
struct sn_value std_scsi_id(const struct std *s, const struct unit_volume *v, uint32_t which);

// A moment of loop_now_ms() as the TimeStamp it was; 0 for one before the master started.
struct sn_value std_stamp(const struct std *s, uint64_t ms);
struct sn_value std_counter32(uint64_t count); // its low half
struct sn_value std_megabytes(uint64_t bytes); // of 2^20 bytes
struct sn_value std_bits(bool first);          // BITS with the first bit or none
struct sn_value std_rule_status(const struct unit_rule *r);

#define STD_GET(name, value)                                                                       \
    static void name(void *ctx, const void *of, struct sn_value *out)                              \
    {                                                                                              \
        const struct std_row *row = of;                                                            \
        (void)ctx;                                                                                 \
        *out = value;                                                                              \
    }

#define STD_COLUMN(object, type, get)                                                              \
    {                                                                                              \
        SUB_##object, type, SN_READ_ONLY, 0, 0, get                                                \
    }

#define STD_TABLE(title, object, row_kind, row_form, rows_below, list)                             \
    {                                                                                              \
        .name = title, .entry = OID_##object, .shape = {row_kind, row_form, rows_below},           \
        .columns = list, .column_count = DV_COUNT(list),                                           \
    }

static const struct sn_oid STD_ZERO_DOT_ZERO = {.len = 2, .id = {0, 0}};

#endif
