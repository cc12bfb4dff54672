// Running another program to its end.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_COMMAND_H
#define DVSAN_MEDIA_COMMAND_H

#include "base/err.h"
#include <stdint.h>

// argv[0] is looked for in PATH; its input is empty and its output is dropped. Returns 0, or its
// exit code with an error that quotes the end of what it complained of, or -1 when it could not
// be run, was killed, or took longer than timeout_ms, after which it is killed.
int command_run(const char *const *argv, int timeout_ms, struct dv_err *err);

#endif
