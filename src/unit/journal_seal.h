// How the journal keeps secrets: sealed, with a key of systemd's credentials or of a file.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_JOURNAL_SEAL_H
#define DVSAN_UNIT_JOURNAL_SEAL_H

#include "base/seal_key.h"
#include "base/text.h"

struct db;

// The key: $CREDENTIALS_DIRECTORY/unit-key, else STATE/key, which is made when there is none yet;
// then what an older program wrote is sealed with it. DV_CONFLICT with the way out when it cannot
// be had.
int journal_seal_key(struct db *db, const char *state_dir, struct seal_key *key,
                     struct dv_err *err);

// A CHAP user's secret with its mark, for the journal. The caller frees it; NULL after a failure.
char *journal_seal_secret(struct db *db, const struct seal_key *key, const char *user,
                          uint32_t mark, const char *secret, struct dv_err *err);
// Gives up what was not written here: plain text, and what was sealed for another user or mark. key
// may be NULL where there is no text.
int journal_drop_foreign(struct db *db, const struct seal_key *key, struct dv_err *err);
// Of what is left then; "" stays "". The caller wipes out.
bool journal_open_secret(const struct seal_key *key, const char *user, uint32_t mark,
                         const char *sealed, char out[CHAP_SECRET_MAX + 1]);
int journal_forget_secrets(struct db *db, const char *state_dir, size_t *users, struct dv_err *err);

#endif
