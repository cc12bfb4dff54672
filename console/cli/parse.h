// From argv to a checked invocation of one command.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_PARSE_H
#define DVSAN_CLI_PARSE_H

#include "console/cli/command.h"

struct invocation {
    const struct command *command; // NULL for help and version
    const char *group;             // the group whose help is asked for, or NULL
    const char *args[ARGS_MAX];    // NULL where an optional one was left out
    const char *values[OPTIONS];   // "" for a flag that is set, NULL for what was not given
};

// Borrows from argv. An invocation with --help or --version is not checked any further.
int parse_args(int argc, char *const *argv, struct invocation *out, struct dv_err *err);

#endif
