// Copies one part of a disk or image over another one.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_COPY_H
#define DVSAN_MEDIA_COPY_H

#include "media/storage.h"

// Makes the bytes to .. to + bytes - 1 what from .. from + bytes - 1 are, which nobody writes
// meanwhile; both are whole MiB and do not overlap. Where `thin`, what is only zeros takes no room.
// *done, 0 at first, is how many were copied, so that what was cut short goes on there. On stable
// storage when it returns 0; DV_CANCELLED when the progress's report said so.
int storage_copy(const struct storage *s, uint64_t from, uint64_t to, uint64_t bytes, bool thin,
                 uint64_t *done, const struct media_progress *progress, struct dv_err *err);

#endif
