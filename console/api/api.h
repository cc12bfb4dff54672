// The REST server: /api/v1 over HTTP, in threads of its own.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_API_H
#define DVSAN_API_API_H

#include "base/err.h"

struct api;
struct cms;
struct cms_config;
struct loop;

// Listens at the address and port of the configuration and serves from then on; requests that
// come before loop_run wait for it. Borrows all three.
struct api *api_new(struct loop *loop, struct cms *cms, const struct cms_config *config,
                    struct dv_err *err);

// Ends requests that wait, closes all connections, returns when every thread is gone. Call it when
// the loop was stopped, before cms_free. NULL is fine.
void api_free(struct api *api);

#endif
