// Rows of a table as records, by the list of fields of their kind.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_RECORD_H
#define DVSAN_SNMP_RECORD_H

#include "model/kind.h"
#include "snmp/value.h"

// The columns below an entry that have fields, in the order of these. Returns how many.
size_t sn_record_columns(const struct kind *k, const struct sn_oid *entry, struct sn_oid *out);

// Reads the values of these columns into a record; a field without a column becomes zero. False
// when a value is missing that is not optional, or has another type, length or range than its
// field. What of prose cannot be printed is replaced. kind.wrong is not asked.
bool sn_record_read(const struct kind *k, const struct sn_value *values, void *record);

// One field of a record, which has a column, as it came. False: as above.
bool sn_record_field(const struct kind_field *f, const struct sn_value *v, void *record);

// The columns among them that are missing, each the bit of its sub-identifier: an older agent does
// not have them.
uint64_t sn_record_lacks(const struct kind *k, const struct sn_value *values);

#endif
