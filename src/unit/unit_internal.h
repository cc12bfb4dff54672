// What the engine's own files share: all its parts.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_UNIT_INTERNAL_H
#define DVSAN_UNIT_UNIT_INTERNAL_H

#include "unit/counters.h"
#include "unit/tgtd.h"
#include "unit/unit.h"
#include "unit/worker.h"

struct unit {
    struct loop *loop;
    const struct unit_config *config;
    struct unit_calls calls;
    struct media_owner owner; // as media are told
    bool proves;
    struct journal *journal;
    struct state *state;
    struct sets *sets;
    struct portals *portals;
    struct worker *worker;
    struct tgtd **tgtds; // those that are kept running from here, of number 1, 2..
    uint32_t tgtd_count;
    struct counters *counters;

    enum member_state health;
    char last_error[LAST_ERROR_ROOM];    // why the unit as a whole is degraded, or ""
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
    bool had_pass;     // a pass has told what there is
    bool passed;       // and was taken over whole
    bool stopping;
    struct loop_timer *next_pass;
};

// Works out the state and the reason for it anew: to be called when what they depend on changed.
void unit_settle(struct unit *u);

// Makes what passes need. What was made is freed by unit_free, also after a failure.
int unit_open_passes(struct unit *u, struct dv_err *err);
// Starts a pass, or has one follow the one that is under way.
void unit_start_pass(struct unit *u);
// As sets_new has it: a SET changed what is wanted of a volume. arg: the unit.
void unit_work_wanted(void *arg, uint32_t volume);
// Sees to it that the generations of the next start lie behind those that are used until then.
void unit_reserve(struct unit *u);

#endif
