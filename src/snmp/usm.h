// Users' keys, and Net-SNMP's table of users by engine; for this folder only.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_USM_H
#define DVSAN_SNMP_USM_H

#include "snmp/env.h"

// Deriving a master key from a passphrase hashes a megabyte (RFC 3414 appendix A.2), so a
// thousand peers of one user share one derivation. Counted; owned by the book.
struct sn_keys;
struct sn_usm; // the book of keys, and of what is in Net-SNMP's table

struct sn_usm *sn_usm_new(void);
void sn_usm_free(struct sn_usm *usm); // NULL is fine; after all that hold keys

// Checks user and derives its keys, or takes those of an earlier call. NULL on error.
struct sn_keys *sn_keys_hold(struct sn_usm *usm, const struct sn_user *user, struct dv_err *err);
void sn_keys_release(struct sn_usm *usm, struct sn_keys *keys); // NULL is fine
const char *sn_keys_user(const struct sn_keys *keys);

// Puts the user, with these keys localised to engine, into Net-SNMP's table, which has one entry
// for each engine and name: the newest keys win. Counted; each is undone by one sn_usm_remove.
int sn_usm_add(struct sn_usm *usm, struct sn_keys *keys, const struct sn_engine_id *engine,
               struct dv_err *err);
void sn_usm_remove(struct sn_usm *usm, const char *user, const struct sn_engine_id *engine);

// What is known of the engine's boots and time begins anew with its next authentic message.
void sn_usm_forget_time(const struct sn_engine_id *engine);

#endif
