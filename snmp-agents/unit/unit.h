// The unit's agent: its parts put together.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_UNIT_H
#define DVSAN_UNIT_UNIT_H

#include "config/unit_config.h"
#include "loop/loop.h"

struct unit;

// Takes up what the journal holds and begins to serve it; config is borrowed.
struct unit *unit_new(struct loop *loop, const struct unit_config *config, struct dv_err *err);
// After loop_run has returned; NULL is fine. False when a medium does not answer, on a thread that
// nobody can end: then everything else is in order, and the process is to end by _exit.
bool unit_free(struct unit *u);

// Says good-bye to the station, which takes two seconds at most, and then stops the loop. What
// tgtd serves goes on being served. A second call stops at once.
void unit_stop(struct unit *u);

// Why the loop was stopped: 0 when somebody asked for it.
int unit_exit_code(const struct unit *u);

// The command line: returns the process's exit code.
int unit_main(int argc, char **argv);

#endif
