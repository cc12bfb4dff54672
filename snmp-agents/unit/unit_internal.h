// What the unit's own files share: all its parts.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_UNIT_INTERNAL_H
#define DVSAN_UNIT_UNIT_INTERNAL_H

#include "enrol/message.h"
#include "snmp-agents/unit/announcer.h"
#include "snmp-agents/unit/notifier.h"
#include "snmp-agents/unit/std/std.h"
#include "snmp-agents/unit/tables.h"
#include "snmp-agents/unit/unit.h"
#include "unit/counters.h"
#include "unit/journal.h"
#include "unit/portals.h"
#include "unit/tgtd.h"
#include "unit/worker.h"

struct unit {
    struct loop *loop;
    const struct unit_config *config;
    struct member member;
    struct media_owner owner; // as media are told
    struct grant identity;    // of an enrolled unit
    struct journal *journal;
    struct state *state;
    struct sets *sets;
    struct tables tables;
    struct sn_env *env;
    struct sn_agent *agent; // NULL until the first pass is over
    struct announcer *announcer;
    struct portals *portals;
    struct notifier *notifier;
    struct worker *worker;
    struct tgtd **tgtds; // those that are kept running from here, of number 1, 2..
    uint32_t tgtd_count;
    struct counters *counters;
    struct std *std;

    bool unfinished;                     // the last pass left something to go on with
    bool waiting;                        // a medium had not answered in the last pass
    bool work_wanted;                    // something changed since the last order was made
    bool *tgtds_answer;                  // they were seen to since the last order was made
    bool *tgtds_there;                   // of number 1, 2..
    bool *tgtds_foreign;                 // which of them have targets that are not ours
    struct dv_err *tgtd_errors;          // why they are not there
    char unrecorded[LAST_ERROR_ROOM];    // why changes cannot be recorded, or ""
    char intruder[LAST_ERROR_ROOM];      // who serves a volume's blocks beside the unit, or ""
    char portals_error[LAST_ERROR_ROOM]; // what is wrong about where tgtds listen, or ""
    uint32_t retry_ms;
    uint32_t reserved; // generations up to this one may be used
    bool had_pass, connected, was_connected, stopping;
    int exit_code;
    struct loop_timer *next_pass, *first_pass, *no_master;
};

// Works out member.state and member.last_error anew: to be called when what they depend on changed.
void unit_settle(struct unit *u);

// Makes what passes need. What was made is freed by unit_free, also after a failure.
int unit_open_passes(struct unit *u, struct dv_err *err);
// Starts a pass, or has one follow the one that is under way.
void unit_start_pass(struct unit *u);
// As sets_new has it: a SET changed what is wanted of a volume. arg: the unit.
void unit_work_wanted(void *arg, uint32_t volume);
// Sees to it that the generations of the next start lie behind those that are used until then.
void unit_reserve(struct unit *u);

// Offers the tables to the master agent, once the first pass is over or takes long.
void unit_connect_master(struct unit *u);

#endif
