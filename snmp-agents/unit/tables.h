// The unit's MIB tables as data for the AgentX subagent.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_TABLES_H
#define DVSAN_UNIT_TABLES_H

#include "snmp-agents/member/announcer.h"
#include "snmp-agents/member/notifier.h"
#include "snmp-agents/member/scalars.h"
#include "snmp-agents/member/table.h"
#include "unit/portals.h"
#include "unit/sets.h"

// What the tables show and change, and what is told of it; all borrowed.
struct tables {
    struct state *state;
    struct sets *sets;
    const struct portals *portals;
    struct scalars *scalars;
    const struct notifier *notifier;
    struct announcer *announcer;
    const char *last_error; // why the unit as a whole is degraded, or ""
    uint64_t started_ms;    // when the agent was
    const char *iqn_prefix; // a volume's IQN is iqn_prefix:uuid
    uint32_t seen;          // the generation up to which changes were looked at, to be told
};

// What a unit does as a member in its own way, with these tables.
struct member_owner tables_owner(struct tables *t);

// Registers all tables with struct tables as their context.
int tables_register(struct sn_agent *agent, struct tables *t, struct dv_err *err);

extern const struct sn_table table_summary;
extern const struct sn_table table_medium;
extern const struct sn_table table_volume;
extern const struct sn_table table_access;
extern const struct sn_table table_portal;
extern const struct sn_table table_change;
extern const struct sn_table table_free;

// The phases that volumes and rules share; check stages an intent in change->memory.
int table_apply(void *ctx, struct sn_change *c);
int table_undo(void *ctx, struct sn_change *c);
void table_commit(void *ctx, struct sn_change *c);
void table_release(void *ctx, struct sn_change *c);

// Logs the refusal of a change of what, by the column that is to blame.
void table_tell_refusal(const struct sn_change *c, const char *what, int status);

#endif
