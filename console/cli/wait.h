// Waiting for tasks.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_WAIT_H
#define DVSAN_CLI_WAIT_H

#include "base/err.h"
#include <jansson.h>

struct client;

// Waits until the task is over and shows its progress on stderr; *task becomes what it is then.
// The station may be away for a minute meanwhile. Ctrl-C ends the program, not the task.
int wait_for_task(struct client *client, json_t **task, struct dv_err *err);

// 0 for one that is done, else an error that says what it failed with, or that it was cancelled.
int wait_result(const json_t *task, struct dv_err *err);

#endif
