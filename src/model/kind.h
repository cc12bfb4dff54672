// Kinds of records: what there is of each, written once.
// SPDX-License-Identifier: BSD-2-Clause
//
// A kind lists the fields of a record. Whoever carries records from one form to another (the store
// and its SQL, the tables that units show, the API's JSON, the comparison of two) goes by that list
// and names no field itself.
#ifndef DVSAN_MODEL_KIND_H
#define DVSAN_MODEL_KIND_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind_type {
    KIND_UUID,  // struct dv_uuid
    KIND_TEXT,  // char[room], with its NUL
    KIND_BYTES, // uint8_t[room], all of them
    KIND_BLOB,  // uint8_t[room], of which so many are used as the uint8_t at length says
    KIND_BOOL,  // TruthValue in SNMP; so are labels of two of which the first means yes
    KIND_U16,
    KIND_U32,
    KIND_I32,
    KIND_U64, // up to INT64_MAX
    KIND_I64,
    KIND_LABEL,   // an enum; its number is INTEGER in SNMP
    KIND_SECONDS, // int64_t since 1970; 0: never
    KIND_MILLISECONDS,
};

enum {
    KIND_KEY = 1,         // tells one record of its owner from another
    KIND_OPTIONAL = 2,    // zero, or no bytes: it has none
    KIND_UNIQUE = 4,      // no two records of the kind have the same
    KIND_UNSTORED = 8,    // it is in memory alone
    KIND_SHOWN = 16,      // by the API, as it is
    KIND_PROSE = 32,      // for people alone: what of it cannot be printed is replaced
    KIND_CHANGEABLE = 64, // at any time, by a request or by a manager of the unit
};

// Whether a text can be what it is; what: the name of the kind.
typedef int kind_check(const char *what, const char *text, struct dv_err *err);

struct kind_field {
    const char *name; // of the column
    enum kind_type type;
    unsigned flags;
    size_t offset;        // in the record, bytes
    size_t room;          // bytes of a text, of bytes
    size_t length, least; // of a BLOB: where its length is, and how long it is at least
    int64_t min, max;     // of a number
    kind_check *check;    // of a text; NULL: any that has room
    const char *refers; // the table, in SQL's words, of what it names; NULL: that need not be there
    const char *(*label)(unsigned number); // what an enum's number is called
    const char *key;                       // in the API's JSON; NULL: as the column
    uint32_t mib; // the sub-identifier of its column in the kind's table of the MIB; 0: none
};

struct kind {
    const char *name;   // of the table
    const char *owner;  // the name of the UUID of what the records belong to; NULL: to nothing
    const char *refers; // what that is of
    const char *order;  // in which all are read; NULL: by owner and keys
    const struct kind_field *fields;
    size_t field_count;
    size_t size; // of a record, bytes
    // The field that cannot be what it is, as far as not one field alone tells; NULL: none.
    const char *(*wrong)(const void *record);
};

extern const struct kind kind_unit, kind_medium, kind_free_extent, kind_portal, kind_volume,
    kind_shown, kind_rule, kind_host, kind_assignment, kind_task, kind_task_step, kind_event,
    kind_token, kind_code, kind_code_use;

// Of all fields: what lies between them in memory does not count.
bool kind_records_equal(const struct kind *k, const void *a, const void *b);
bool kind_lists_equal(const struct kind *k, const void *a, const void *b, size_t count);

// That which the API calls so; NULL: none.
const struct kind_field *kind_field(const struct kind *k, const char *key);
const struct kind_field *kind_column(const struct kind *k, uint32_t mib); // of the MIB; or NULL
const char *kind_key(const struct kind_field *f);

// Of the fields that have this flag.
bool kind_same(const struct kind *k, unsigned flag, const void *a, const void *b);
void kind_copy(const struct kind *k, unsigned flag, void *to, const void *from);
void kind_copy_field(const struct kind_field *f, void *to, const void *from);
// As each field's check says. The first that cannot be is the error.
int kind_judge(const struct kind *k, unsigned flag, const void *record, struct dv_err *err);

// By the column's name; NULL: none.
const struct kind_field *kind_named(const struct kind *k, const char *name);

// The text of a KIND_TEXT in a record.
static inline char *kind_text(const struct kind_field *f, const void *record)
{
    return (char *)record + f->offset;
}

// A number of any type, as the record has it.
int64_t kind_number(const struct kind_field *f, const void *record);
void kind_set_number(const struct kind_field *f, void *record, int64_t value);

#endif
