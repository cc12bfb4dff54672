// Where an NBD server listens.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NBD_LISTEN_H
#define DVSAN_NBD_LISTEN_H

#include "base/err.h"

// A listening socket, or -1. Where nobody listens any more at a path, the socket that was left
// there is replaced; where somebody does, or where there is something else, that is an error. Only
// the program's own user may connect to a path.
int nbd_listen_unix(const char *path, struct dv_err *err);
// "192.0.2.1:10809" or "[2001:db8::1]:10809", numeric. Port 10809 is NBD's.
int nbd_listen_tcp(const char *address, struct dv_err *err);
// The sockets that a service manager has passed (sd_listen_fds(3)): how many, from
// NBD_LISTEN_FDS_START on. Their variables are taken out of the environment.
#define NBD_LISTEN_FDS_START 3
int nbd_listen_passed(void);

#endif
