// Media, private part: what each kind of medium does.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_KIND_H
#define DVSAN_MEDIA_KIND_H

#include "media/media.h"

// The functions of media.h, for one kind.
struct media_kind {
    int (*open)(struct media *m, struct dv_err *err);
    void (*close)(struct media *m); // also after an open that failed
    int (*probe)(struct media *m, struct media_space *space, struct dv_err *err);
    int (*read_layout)(struct media *m, struct media_layout *out, struct dv_err *err);
    char *(*path)(struct media *m, const struct volume *v, struct dv_err *err);
    bool (*unmaps)(const struct media *m, const struct volume *v);     // NULL: none of its volumes
    const char *(*store)(const struct media *m, const char **options); // NULL: the usual one
    int (*create)(struct media *m, const struct volume *v, const struct media_progress *progress,
                  struct dv_err *err);
    int (*grow)(struct media *m, const struct volume *v, uint64_t blocks,
                const struct media_progress *progress, struct dv_err *err);
    // NULL: a growth that fails leaves nothing behind.
    int (*length)(struct media *m, const struct volume *v, uint64_t *blocks, struct dv_err *err);
    // NULL: it cannot.
    int (*shrink)(struct media *m, const struct volume *v, uint64_t blocks, struct dv_err *err);
    int (*move)(struct media *m, const struct volume *v, const struct media_progress *progress,
                struct dv_err *err); // NULL: its volumes have no blocks of their own
    int (*rename)(struct media *m, const struct volume *v,
                  struct dv_err *err); // NULL: nothing to do
    int (*remove)(struct media *m, const struct volume *v, const struct media_progress *progress,
                  struct dv_err *err);
    // Both NULL: it cannot.
    // Also says in m->owner.proof what the medium has now.
    int (*tell_owner)(struct media *m, const struct media_owner *owner, struct dv_err *err);
    int (*ask_owner)(const char *path, struct media_owner *out, bool *holds_volumes,
                     struct dv_err *err);
    // What tells the device at the path from others; the caller frees it. NULL: a UUID on it does.
    char *(*ask_identity)(const char *path, struct dv_err *err);
    bool resumes;
    bool grows_open;
};

struct media {
    const struct media_kind *kind;
    char *path;
    uint64_t blocks;
    bool initialise;
    char *ceph_conf, *ceph_user;
    struct dv_uuid uuid; // before it is opened: of what was there before
    struct media_owner owner;
    char *identity; // before it is opened: of what was there before; NULL: nothing was
    char *take;     // may be NULL
    void *own;      // the kind's
};

extern const struct media_kind media_dir, media_disk, media_device, media_rbd;

#endif
