// Media: where the blocks of a unit's volumes lie.
// SPDX-License-Identifier: BSD-2-Clause
//
// A medium is held by one process at a time. Which volume lies where on it is the caller's to
// know; a medium gives and takes the storage. Every change is on disk when its function returns,
// and repeating one that was done is fine, so a journal can be replayed.
#ifndef DVSAN_MEDIA_MEDIA_H
#define DVSAN_MEDIA_MEDIA_H

#include "base/err.h"
#include "model/unit.h"

struct media;

struct media_space {
    enum medium_state state; // MEDIUM_ONLINE, or MEDIUM_LOW when real room runs out
    uint64_t free_bytes;     // what the storage really has left
    uint64_t total_bytes;    // of the storage; 0: it does not tell, and free_bytes means nothing
};

// Told now and then, with 0..100, by what takes long; false takes the request back.
struct media_progress {
    bool (*report)(void *arg, uint32_t percent);
    void *arg;
};

// Opens and locks a medium of `blocks` blocks. Fails with DV_BUSY when another process has it.
struct media *media_open(enum medium_kind kind, const char *path, uint64_t blocks,
                         struct dv_err *err);
void media_close(struct media *m); // NULL is fine

// Written onto the medium when it is first opened. A medium that comes back with another one is
// not the one that was there: a folder, say, whose file system is not mounted.
const struct dv_uuid *media_uuid(const struct media *m);
uint64_t media_blocks(const struct media *m);

// Fails when the medium cannot be used as it stands.
int media_probe(struct media *m, struct media_space *space, struct dv_err *err);

// What tgtd is given to serve; the caller frees it.
char *media_volume_path(const struct media *m, const struct dv_uuid *volume);

// Makes a volume that reads as zeros. A thin one takes room as it is written; a full one has all
// of it, or DV_NO_SPACE. progress may be NULL. A volume appears whole or not at all.
int media_volume_create(struct media *m, const struct dv_uuid *volume, uint64_t blocks, bool thin,
                        const struct media_progress *progress, struct dv_err *err);

// Makes a volume longer; what is new reads as zeros. Never makes one shorter.
int media_volume_grow(struct media *m, const struct dv_uuid *volume, uint64_t blocks, bool thin,
                      const struct media_progress *progress, struct dv_err *err);

// Also takes away what a create left that was broken off.
int media_volume_delete(struct media *m, const struct dv_uuid *volume, struct dv_err *err);

#endif
