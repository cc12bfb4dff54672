// Secrets at rest: sealed with a key that is kept apart from the store.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_SEAL_H
#define DVSAN_CMS_SEAL_H

#include "model/pool.h"

struct seal;
struct store;

// Reads the key file, or makes it (mode 0600) at the first start. When the store already knows a
// key and the file is missing or holds another one, that is an error that says what to do.
struct seal *seal_new(const char *path, struct store *store, struct dv_err *err);
void seal_free(struct seal *s); // NULL is fine; wipes the key

// Seals the secret into host->sealed_secret. It can be opened for the host of the same UUID only.
void seal_secret(const struct seal *s, struct host_record *host, const char *secret);
// DV_INTERNAL when it was sealed with another key, for another host, or is damaged. The caller
// wipes secret.
int seal_open_secret(const struct seal *s, const struct host_record *host,
                     char secret[CHAP_SECRET_MAX + 1], struct dv_err *err);

#endif
