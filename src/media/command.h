// Running another program to its end.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_COMMAND_H
#define DVSAN_MEDIA_COMMAND_H

#include "base/err.h"
#include <stdint.h>
#include <sys/types.h>

#define COMMAND_COMPLAINT 300 // bytes; the last ones are kept

// A program that runs.
struct media_command {
    const char *name; // borrowed
    pid_t pid;
    int errors; // the end of what it says on stderr
    char said[COMMAND_COMPLAINT];
};

// For one that may take long: no deadline ends it. Each that was started is either waited for until
// that is true, or killed.
int command_start(const char *const *argv, struct media_command *c, struct dv_err *err);
// Whether it ended within this time; then *result and err are as of command_run.
bool command_wait(struct media_command *c, int timeout_ms, int *result, struct dv_err *err);
void command_kill(struct media_command *c);
// Kills those that run, of all threads: for a program that ends while threads of its wait for them.
void command_kill_all(void);

// argv[0] is looked for in PATH; its input is empty and its output is dropped. Returns 0, or its
// exit code with an error that quotes the end of what it complained of, or -1 when it could not
// be run, was killed, or took longer than timeout_ms, after which it is killed.
int command_run(const char *const *argv, int timeout_ms, struct dv_err *err);

#endif
