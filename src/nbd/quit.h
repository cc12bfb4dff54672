// Ends what is under way when nbdkit is told to end.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NBD_QUIT_H
#define DVSAN_NBD_QUIT_H

#include "base/err.h"
#include "iscsi/volume.h"

// nbdkit waits for every request before it ends, and tells a plugin nothing until then. So SIGTERM,
// SIGINT, SIGQUIT and SIGHUP are noticed on their way to nbdkit's handlers, and shut the volume.
// Call it after the last fork, when nbdkit has set its handlers.
int quit_watch(struct volume_session *volume, struct dv_err *err);
void quit_unwatch(void); // harmless when nothing is watched

#endif
