// The unit's MIB tables as data for the AgentX subagent.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_TABLES_H
#define DVSAN_UNIT_TABLES_H

#include "enrol/message.h"
#include "snmp-agents/unit/announcer.h"
#include "snmp-agents/unit/member.h"
#include "snmp-agents/unit/notifier.h"
#include "snmp/agent.h"
#include "snmp/smi.h"
#include "unit/sets.h"

// What the tables show and change; all borrowed.
struct tables {
    struct state *state;
    struct sets *sets;
    struct member *member;
    const struct notifier *notifier;
    const struct announcer *announcer;
    uint64_t started_ms;        // when the agent was
    const char *iqn_prefix;     // a volume's IQN is iqn_prefix:uuid
    void (*leased)(void *arg);  // dvsanMemberLease was written to member
    struct grant *identity;     // NULL: the unit is not enrolled
    const char *state_dir;      // where that is kept
    void (*rekeyed)(void *arg); // the identity has other keys
    void *arg;
    // What the SET that is being checked says of who asks: valid for this request.
    bool asked;
    uint32_t asked_request;
    struct lead_ask ask;
};

// Whether a request may change rows of volumes and rules, by who leads the unit; else the reason is
// shown, and SN_NO_ACCESS returned. undone: the station that leads would not take it over. what
// names the row ("volume 7").
int table_may_change(struct tables *t, const struct sn_change *c, bool undone, const char *what);

// Registers all tables with struct tables as their context.
int tables_register(struct sn_agent *agent, struct tables *t, struct dv_err *err);

extern const struct sn_table table_member;
extern const struct sn_table table_summary;
extern const struct sn_table table_medium;
extern const struct sn_table table_volume;
extern const struct sn_table table_access;
extern const struct sn_table table_portal;
extern const struct sn_table table_change;
extern const struct sn_table table_free;

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

// The phases that volumes and rules share; check stages an intent in change->memory.
int table_apply(void *ctx, struct sn_change *c);
int table_undo(void *ctx, struct sn_change *c);
void table_commit(void *ctx, struct sn_change *c);
void table_release(void *ctx, struct sn_change *c);

// Names the column that is to blame for a refusal, and returns status.
int table_blame(struct sn_change *c, uint32_t column, int status);
// Logs the refusal of a change of what, by the column that is to blame.
void table_tell_refusal(const struct sn_change *c, const char *what, int status);

#endif
