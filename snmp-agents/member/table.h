// What the tables of all agents share: columns as data, and whom a refusal blames.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_TABLE_H
#define DVSAN_MEMBER_TABLE_H

#include "snmp/agent.h"
#include "snmp/smi.h"

// Defines a column's get: value is an expression over the row, or one that needs none.
#define TABLE_GET(name, row_type, row_name, value)                                                 \
    static void name(void *ctx, const void *row, struct sn_value *out)                             \
    {                                                                                              \
        const row_type *row_name = row;                                                            \
        (void)ctx;                                                                                 \
        *out = value;                                                                              \
    }
#define TABLE_CONSTANT(name, value)                                                                \
    static void name(void *ctx, const void *row, struct sn_value *out)                             \
    {                                                                                              \
        (void)ctx;                                                                                 \
        (void)row;                                                                                 \
        *out = value;                                                                              \
    }

// Names the column that is to blame for a refusal, and returns status.
int table_blame(struct sn_change *c, uint32_t column, int status);

#endif
