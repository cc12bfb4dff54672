// The station's URL as somebody gives it. Pure.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_URL_H
#define DVSAN_CLI_URL_H

#include "base/err.h"

// Whether it is one: http:// or https://, a host, perhaps a port and a path. It has no user and no
// password in it, nor a query or fragment where one could hide: a URL is printed, and everybody
// sees it among the processes. No sentence of a refusal quotes what could be a secret.
int url_check(const char *url, struct dv_err *err);

#endif
