// Finding what a request names.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_REQUEST_H
#define DVSAN_CMS_REQUEST_H

#include "cms/cms.h"

// By name or UUID; NULL with DV_NOT_FOUND.
struct pool_unit *request_unit(struct cms *cms, const char *name, struct dv_err *err);
struct pool_volume *request_volume(struct cms *cms, const char *name, struct dv_err *err);
struct pool_host *request_host(struct cms *cms, const char *name, struct dv_err *err);

#endif
