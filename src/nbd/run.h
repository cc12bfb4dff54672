// A command that is run while a volume is served.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NBD_RUN_H
#define DVSAN_NBD_RUN_H

#include "base/err.h"
#include "loop/loop.h"
#include "nbd/options.h"

struct run_child;

// The NBD URI of a place, as the NBD project's doc/uri.md has it. The caller's.
char *run_uri(const struct nbd_place *place, const char *name);

// Runs a command by sh with the variables uri and, of a place that is a path, socket. done(arg, rc)
// is called once when it has ended, with its exit code, or 128 and the signal that ended it; 0 when
// it was told to.
struct run_child *run_start(struct loop *loop, const char *command, const struct nbd_place *place,
                            const char *name, void (*done)(void *arg, int rc), void *arg,
                            struct dv_err *err);
// Tells the command to end, once. False: it has ended, or was told before, or there is none (NULL).
bool run_tell(struct run_child *r);
// Ends the command where it has not ended, within a second. NULL is fine.
void run_free(struct run_child *r);

#endif
