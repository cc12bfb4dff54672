// The journal as outside input: whether what its tables hold can be what this program wrote.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_JOURNAL_CHECK_H
#define DVSAN_UNIT_JOURNAL_CHECK_H

#include "sqlite/db.h"

// Checks every number, name and reference, and changes nothing. DV_DAMAGED when one cannot be;
// what may be loaded then is safe to load. That the file is whole,
// that keys are unique, and types, were checked when it was opened.
int journal_check(struct db *db, struct dv_err *err);

#endif
