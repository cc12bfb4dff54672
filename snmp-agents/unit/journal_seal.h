// How the journal keeps secrets: sealed, with a key of systemd's credentials or of a file.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_JOURNAL_SEAL_H
#define DVSAN_UNIT_JOURNAL_SEAL_H

#include "base/text.h"
#include "store/seal_key.h"

struct db;

// The key: $CREDENTIALS_DIRECTORY/unit-key, else STATE/key, which is made when nothing is sealed
// yet. DV_CONFLICT with the way out when it cannot be had.
int journal_seal_key(struct db *db, const char *state_dir, struct seal_key *key,
                     struct dv_err *err);
// Seals what an older program wrote, and leaves nothing of that in the file.
int journal_seal_plain(struct db *db, const struct seal_key *key, struct dv_err *err);
// Of a CHAP user; "" stays "". The caller wipes out.
int journal_open_secret(const struct seal_key *key, const char *user, const char *sealed,
                        char out[CHAP_SECRET_MAX + 1], struct dv_err *err);
int journal_forget_secrets(struct db *db, const char *state_dir, struct dv_err *err);

#endif
