// Which unit holds a medium, as a line of text that is kept on the medium itself.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_OWNER_H
#define DVSAN_MEDIA_OWNER_H

#include "media/kind.h"

char *owner_format(const struct media_owner *o); // a line without the proof; the caller frees it
char *owner_note(const struct media_owner *o);   // that line, and one with the proof; likewise
bool owner_parse(const char *line, struct media_owner *out);
bool owner_equal(const struct media_owner *a, const struct media_owner *b);
// What a medium on which this was found (no unit: nothing was) is to say, now that the owner has
// it. False: it says so already. One of another unit gets a new proof, and says which one it had.
bool owner_next(const struct media_owner *found, const struct media_owner *owner,
                struct media_owner *out);
// Fails with DV_CONFLICT when what was found on a medium is not the note of who opened it, unless a
// person said that it may be taken over.
int owner_check(const struct media *m, const struct media_owner *found, struct dv_err *err);

#endif
