// A unit that lost its journal: it does not start as another one, and is made anew from its media.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each medium keeps a note of the unit that used it last, and of the machine and state directory
// where that was. With the note of this very place and no journal, the journal was lost; a note of
// another place is on a medium that was moved here, which a new unit takes in like any other.
#ifndef DVSAN_UNIT_REBUILD_H
#define DVSAN_UNIT_REBUILD_H

#include "config/unit_config.h"
#include "media/media.h"

// Tells this machine and state directory from others.
uint64_t rebuild_place(const struct unit_config *config);

// Whether a path lies where fstab has a file system, and the table of mounted ones has none: what
// is there is the empty folder below.
bool rebuild_is_unmounted(const char *path, const char *fstab, const char *mounts);

// For a start without a journal: fails when there was one here, as its folder or a medium says, or
// a medium that would say so is away.
int rebuild_check_lost(const struct unit_config *config, struct dv_err *err);

// Makes a journal, which must not be there, with no more than the identity of the unit that all
// media name; unit, unless it is NULL, is believed instead. At its next start the unit takes in
// what lies on its media.
int rebuild_journal(const struct unit_config *config, const struct dv_uuid *unit,
                    struct dv_err *err);

#endif
