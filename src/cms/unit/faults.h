// Media and volumes that have failed, told by their reasons.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_FAULTS_H
#define DVSAN_CMS_UNIT_FAULTS_H

#include "cms/member/link.h"

// What a unit that is starting says of its media it does not know yet: they are as they were.
void faults_keep_media(const struct pool_unit *unit, struct medium *now, size_t count);
// An event for each medium that is in another state than before. unit is NULL for a new one.
void faults_tell_media(struct cms *cms, struct changes *c, const char *name,
                       const struct pool_unit *unit, const struct medium *now, size_t count,
                       struct faults *f);
// Notes when a volume has failed or is served again, unless its medium says that already, or the
// unit is starting.
void faults_note_volume(struct faults *f, const struct pool_volume *v, const struct volume *now,
                        const struct medium *media, size_t count, enum unit_state before,
                        bool starting);
// An event for each reason, and one for what is well again.
void faults_tell_volumes(struct cms *cms, struct changes *c, const char *unit, struct faults *f);

#endif
