// Help texts, made from the tables in command.c.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_HELP_H
#define DVSAN_CLI_HELP_H

#include "console/cli/parse.h"
#include <stdio.h>

// The program's help, a group's or a command's, whichever the invocation names.
void help_print(FILE *out, const struct invocation *in);

#endif
