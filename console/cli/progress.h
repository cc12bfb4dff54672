// Showing how a task goes on: a bar on a terminal, plain lines elsewhere.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_PROGRESS_H
#define DVSAN_CLI_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct progress {
    FILE *out;
    int width;      // of the terminal; 0: plain lines
    char last[320]; // what was shown last
    char doing[160];
    int percent;
};

// One line for a task as it is now, at most width - 1 characters on a terminal. Pure.
void progress_line(const json_t *task, int width, char *out, size_t room);

void progress_show(struct progress *p, const json_t *task);
void progress_note(struct progress *p, const char *text); // a line of its own
void progress_end(struct progress *p);                    // clears the bar

#endif
