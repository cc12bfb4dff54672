// The agent's side: an AgentX subagent (RFC 2741) whose tables are data.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_AGENT_H
#define DVSAN_SNMP_AGENT_H

#include "snmp/env.h"
#include "snmp/value.h"

struct sn_agent;

// Connects to the master at socket ("/run/agentx/master" or a Net-SNMP transport string) and keeps
// trying, every 100 ms at first and at most every second, also after the master was lost. It
// blocks for the round trips of opening and registering; a master that accepts and then keeps
// silent costs a second, and is tried again more rarely. changed(arg, true) runs, from the loop,
// when all tables are registered with the master, changed(arg, false) when the master is lost.
// It must not free the agent. One agent a process, because Net-SNMP's is global.
typedef void sn_agent_fn(void *arg, bool connected);
struct sn_agent_timing {
    uint32_t ping_ms;   // between looks at whether the master answers
    uint32_t answer_s;  // after which a master that does not answer is given up
    uint32_t silent_ms; // until a master that accepted and kept silent is tried again
};
struct sn_agent *sn_agent_new(struct sn_env *env, const char *socket,
                              const struct sn_agent_timing *timing, // NULL: the usual one
                              sn_agent_fn *changed, void *arg, struct dv_err *err);
void sn_agent_free(struct sn_agent *a); // unregisters and closes in order

// Sends a notification through the master to whatever receivers it is configured with; false when
// it did not go out, as while there is no master. sysUpTime.0 and snmpTrapOID.0 are put in front.
bool sn_agent_notify(struct sn_agent *a, const struct sn_oid *trap, const struct sn_var *vars,
                     size_t count);

// The master's sysUpTime.0 now, as far as it told; hundredths of a second.
uint32_t sn_agent_uptime(const struct sn_agent *a);

// ---- Tables -------------------------------------------------------------------------------
// A table is a list of columns and five functions over rows that the program keeps. A group of
// scalars is the table with the one row {0}: its entry OID is the group's OID.

enum sn_access { SN_READ_ONLY, SN_READ_WRITE, SN_READ_CREATE, SN_NOT_ACCESSIBLE };

struct sn_column {
    uint32_t number;
    enum sn_type type;
    enum sn_access access;
    // Checked before anything else is asked: the range of an SN_INT or SN_UINT, the length in bytes
    // of an SN_OCTETS. min == max == 0 means unlimited.
    int64_t min, max;
    // Fills *out from the row, with a value of type, or with SN_NO_INSTANCE where the row lacks it.
    // What it points to must live until the request is answered.
    void (*get)(void *ctx, const void *row, struct sn_value *out);
};

#define SN_INDEX_MAX 32 // sub-identifiers of an index of ours
#define SN_ROW_SETS  24 // columns that one request may set in one row

// One row's part of a SET request, gathered over all its varbinds.
struct sn_change {
    uint32_t index[SN_INDEX_MAX];
    size_t index_len;
    const void *row; // the row as it stands, NULL when there is none
    size_t count;
    struct {
        uint32_t column;
        struct sn_value value; // borrowed until the request ends
    } sets[SN_ROW_SETS];
    uint32_t request; // the same for all changes of one request, another for those of another
    size_t failed;    // out: which of sets is to blame, when a function returns an error
    void *memory;     // the table's own, from check to commit or undo/release; NULL at first
};
// The value set for a column, or NULL.
const struct sn_value *sn_change_value(const struct sn_change *c, uint32_t column);

struct sn_table {
    const char *name; // for logs
    struct sn_oid entry;
    const struct sn_column *columns; // ascending by number
    size_t column_count;
    // The row with exactly this index, or NULL.
    const void *(*find)(void *ctx, const uint32_t *index, size_t len);
    // The first row whose index is behind the one given (len 0: the first row of all), or NULL;
    // its index goes to out, which has room for SN_INDEX_MAX.
    const void *(*next)(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                        size_t *out_len);
    // SET in phases (RFC 3416 section 4.2.5); all NULL for a table that is read-only. Each returns
    // an enum sn_status. check changes nothing. apply makes it durable, so that it can still be
    // undone. Then either undo (another part failed) or commit (all is well) runs. release ends
    // every change that check was asked about, whatever became of it, and frees memory. commit
    // and release may be NULL.
    int (*check)(void *ctx, struct sn_change *c);
    int (*apply)(void *ctx, struct sn_change *c);
    int (*undo)(void *ctx, struct sn_change *c);
    void (*commit)(void *ctx, struct sn_change *c);
    void (*release)(void *ctx, struct sn_change *c);
};

// find and next of a group of scalars: its row is the context.
const void *sn_scalar_find(void *ctx, const uint32_t *index, size_t len);
const void *sn_scalar_next(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                           size_t *out_len);

// The table, and what it points to, must outlive the agent. Register before the loop runs, or at
// least in the turn of the loop in which the agent was made. Entries must not be within others.
int sn_agent_table(struct sn_agent *a, const struct sn_table *table, void *ctx, struct dv_err *err);

#endif
