// The unit's agent: the engine and its face.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_UNIT_AGENT_H
#define DVSAN_UNIT_UNIT_AGENT_H

#include "config/unit_config.h"
#include "loop/loop.h"

struct unit_agent;

// Takes up what the journal holds and begins to serve and to show it; config is borrowed.
struct unit_agent *unit_agent_new(struct loop *loop, const struct unit_config *config,
                                  struct dv_err *err);
// As unit_free.
bool unit_agent_free(struct unit_agent *u);

// Says good-bye to the station, which takes two seconds at most, and then stops the loop. What
// tgtd serves goes on being served. A second call stops at once.
void unit_agent_stop(struct unit_agent *u);

// Why the loop was stopped: 0 when somebody asked for it.
int unit_agent_exit_code(const struct unit_agent *u);

// The command line: returns the process's exit code.
int unit_agent_main(int argc, char **argv);

#endif
