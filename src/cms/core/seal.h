// The station's key: it seals secrets at rest, and members' keys come of it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_SEAL_H
#define DVSAN_CMS_SEAL_H

#include "enrol/keys.h"
#include "model/enrolment.h"

struct seal;
struct store;

// Reads the key file, or makes it (mode 0600) at the first start. When the store already knows a
// key and the file is missing or holds another one, that is an error that says what to do.
struct seal *seal_new(const char *path, struct store *store, struct dv_err *err);
void seal_free(struct seal *s); // NULL is fine; wipes the key

// Seals len bytes into out, which has room for SEAL_MORE more, so that they can be opened for the
// same whose alone.
#define SEAL_MORE 40
void seal_bytes(const struct seal *s, const void *whose, size_t whose_len, const void *data,
                size_t len, uint8_t *out);
// False when they were sealed with another key, for another, or are damaged. len counts SEAL_MORE.
bool seal_open_bytes(const struct seal *s, const void *whose, size_t whose_len,
                     const uint8_t *sealed, size_t len, void *out);

// The keys of a member come of the key and of what its record says.
void seal_member_keys(const struct seal *s, enum keys_role role, const struct unit_record *member,
                      uint32_t number, const struct engine_id *engine, struct member_keys *out);
// The station's SNMP engine comes of the key alone: so a station whose store is an older one is the
// engine that its members know.
void seal_engine_id(const struct seal *s, struct engine_id *out);

// Seals the secret into host->sealed_secret. It can be opened for the host of the same UUID only.
void seal_secret(const struct seal *s, struct host_record *host, const char *secret);
// DV_INTERNAL when it was sealed with another key, for another host, or is damaged. The caller
// wipes secret.
int seal_open_secret(const struct seal *s, const struct host_record *host,
                     char secret[CHAP_SECRET_MAX + 1], struct dv_err *err);

#endif
