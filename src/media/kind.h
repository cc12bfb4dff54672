// Media, private part: what each kind of medium does.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_KIND_H
#define DVSAN_MEDIA_KIND_H

#include "media/media.h"

// The functions of media.h, for one kind.
struct media_kind {
    int (*open)(struct media *m, struct dv_err *err);
    int (*probe)(struct media *m, struct media_space *space, struct dv_err *err);
    char *(*path)(const struct media *m, const struct dv_uuid *volume);
    int (*create)(struct media *m, const struct dv_uuid *volume, uint64_t blocks, bool thin,
                  const struct media_progress *progress, struct dv_err *err);
    int (*grow)(struct media *m, const struct dv_uuid *volume, uint64_t blocks, bool thin,
                const struct media_progress *progress, struct dv_err *err);
    int (*remove)(struct media *m, const struct dv_uuid *volume, struct dv_err *err);
};

struct media {
    const struct media_kind *kind;
    char *path;
    uint64_t blocks;
    struct dv_uuid uuid;
    int lock; // descriptor
};

extern const struct media_kind media_dir;

#endif
