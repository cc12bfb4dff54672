// What the journal's own files share: its database.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_JOURNAL_INTERNAL_H
#define DVSAN_UNIT_JOURNAL_INTERNAL_H

#include "unit/journal.h"

struct db;
struct seal_key;

struct db *journal_db(struct journal *j); // the journal's own
// Which secrets are sealed with; asked for when it is needed first. NULL with a sentence.
const struct seal_key *journal_key(struct journal *j, struct dv_err *err);
bool journal_rebooted(const struct journal *j); // the machine has started anew since the last start

// Brings the tables of a journal that is new, or that an older program wrote, up to date.
int journal_migrate(struct db *db, struct dv_err *err);

// Adds to the sentence what helps where a start fails by damage. Returns -1.
int journal_start_fails(struct dv_err *err);

#endif
