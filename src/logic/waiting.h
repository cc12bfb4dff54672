// For what a task waits, and what a person can do about it: a pure decision.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_WAITING_H
#define DVSAN_LOGIC_WAITING_H

#include "model/pool.h"

// What is known of the things that an unfinished task is about. Texts are borrowed, never NULL
// unless it says so.
struct waiting_case {
    uint64_t task;
    enum task_kind kind;
    bool forgets;     // of a delete: what the medium holds is left alone
    bool taking_back; // it is being taken back, and its order may still be carried out
    bool can_cancel;  // it can be taken back now
    const char *unit;
    enum unit_state unit_state;
    const char *untrusted; // why the unit is left alone, and what to do; NULL or "": it is not
    const char *not_led;   // why the station orders nothing of the unit now; NULL or "": it does
    const char *volume;
    bool shown; // its unit shows the volume
    bool rules; // and that hosts may use it
    bool at_it; // and that it is at it, and how far
    enum volume_state volume_state;
    const char *volume_error;
    bool medium_away;         // failed, or not in the unit's configuration
    const char *medium;       // NULL: its unit knows no such medium
    const char *medium_error; // why it failed
    const char *access_error; // why a rule could not be put in force, or ended
    const char *refusal;      // what the unit said when it refused last
    int64_t now, moved;       // milliseconds since 1970: now, and when the task went on last
};

#define WAITING_ROOM sizeof(((struct task_record *)0)->waiting)

// A task that nothing is known to be in the way of is to be carried out in this time, or to go on,
// when its unit shows that it is at it: one percent of a large volume takes a while.
#define WAITING_STILL_MS       30000
#define WAITING_STILL_AT_IT_MS 600000

// Writes a sentence, or "" when the task goes on by itself. True when that which is told is known
// to be in its way, and not merely that it does not go on.
bool waiting_text(const struct waiting_case *c, char out[WAITING_ROOM]);

#endif
