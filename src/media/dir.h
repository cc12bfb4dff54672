// A folder whose files are volumes, private part: what its files share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_DIR_H
#define DVSAN_MEDIA_DIR_H

#include "media/kind.h"

// What was cancelled and goes on in the next pass; all other ends of it, and a crash, make it
// forgotten.
struct making {
    struct dv_uuid uuid;
    uint64_t from; // bytes, of a file that grows: how long it was when that began here
};

struct dir {
    int lock; // descriptor
    // Volumes that grow, and those whose unfinished files have all their room as far as they are
    // long.
    struct making *making;
    size_t making_count;
    bool punches; // the file system can give back blocks within a file
};

// Of dir.c.

// The path of a volume's file; the caller frees it.
char *dir_file(const struct media *m, const struct dv_uuid *volume);
// The one under which it is made, until it is whole.
char *dir_unfinished(const struct media *m, const struct dv_uuid *volume);
int dir_space(const struct media *m, struct media_space *space, struct dv_err *err);

// Of dir_volume.c: the functions of media.h.

int dir_create(struct media *m, const struct volume *v, const struct media_progress *progress,
               struct dv_err *err);
int dir_grow(struct media *m, const struct volume *v, uint64_t blocks,
             const struct media_progress *progress, struct dv_err *err);
int dir_length(struct media *m, const struct volume *v, uint64_t *blocks, struct dv_err *err);
int dir_shrink(struct media *m, const struct volume *v, uint64_t blocks, struct dv_err *err);
int dir_remove(struct media *m, const struct volume *v, const struct media_progress *progress,
               struct dv_err *err);

#endif
