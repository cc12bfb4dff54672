// Where volumes lie on a folder: accounts that nothing but the journal keeps, and so can be wrong.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_ACCOUNTS_H
#define DVSAN_UNIT_ACCOUNTS_H

#include "unit/journal.h"
#include "unit/state.h"

// Gives volumes of folders whose blocks are those of another one, or lie behind the medium's end,
// other ones, and records that; nothing moves by it. Where there is no room the medium's accounts
// stay wrong, see state_check_accounts. Fails when the journal cannot be written.
int accounts_mend(struct state *s, struct journal *j, struct dv_err *err);

#endif
