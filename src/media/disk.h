// A disk or image with a GPT, private part: what its files share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_DISK_H
#define DVSAN_MEDIA_DISK_H

#include "media/gpt.h"
#include "media/kind.h"
#include "media/window.h"

// How far a partition was cleared, and then written to by a copy, by work that was cancelled and
// goes on. All other ends of the work, and a crash, make it forgotten: what is done then begins
// anew.
struct clearing {
    struct dv_uuid uuid;
    uint64_t from, to; // bytes from the start of the disk: what is to be cleared
    uint64_t done;     // likewise: where it goes on
    uint64_t copied;   // bytes
};

struct disk {
    struct storage storage;
    struct gpt_disk table; // the same, opened so that each write is on stable storage
    struct gpt_table seen; // what was read last; empty before, and after a change
    bool has_seen;
    struct windows *windows;
    struct clearing *clearings;
    size_t clearing_count;
};

// Of disk.c.

// 1 with a copy of the volume's partition, 0 when there is none, or -1.
int disk_find(struct disk *d, const struct dv_uuid *uuid, struct gpt_part *out, struct dv_err *err);
// Whether the partition is where its volume should be.
int disk_check_place(const struct media *m, const struct volume *v, const struct gpt_part *p,
                     struct dv_err *err);
void disk_forget(struct disk *d); // what was read of the table

// Of disk_volume.c: the functions of media.h.

int disk_create(struct media *m, const struct volume *v, const struct media_progress *progress,
                struct dv_err *err);
int disk_grow(struct media *m, const struct volume *v, uint64_t blocks,
              const struct media_progress *progress, struct dv_err *err);
int disk_shrink(struct media *m, const struct volume *v, uint64_t blocks, struct dv_err *err);
int disk_move(struct media *m, const struct volume *v, const struct media_progress *progress,
              struct dv_err *err);
int disk_rename(struct media *m, const struct volume *v, struct dv_err *err);
int disk_remove(struct media *m, const struct volume *v, const struct media_progress *progress,
                struct dv_err *err);

#endif
