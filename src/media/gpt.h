// The partition table of a disk medium, read and written by libfdisk.
// SPDX-License-Identifier: BSD-2-Clause
//
// Every function reads the table anew, so nothing here goes stale when an administrator edits it.
// A table is written backup first, each part on stable storage before the next one is begun, so
// that one of its two copies is whole at any moment. Addresses are in blocks of BLOCK_SIZE
// whatever the disk's sectors are.
#ifndef DVSAN_MEDIA_GPT_H
#define DVSAN_MEDIA_GPT_H

#include "base/err.h"
#include "model/unit.h"

// The type of our partitions. It is on disks out there and never changes.
#define GPT_TYPE "D75A4E2C-3B60-4C1F-8D5B-647673616E31"
// What a table that we make can hold; one that we find may hold fewer (128 is usual).
#define GPT_ENTRIES 1024u

#define GPT_NAME_MAX 36 // UTF-16 units; as many characters of our names, which are ASCII

struct gpt_part {
    size_t number; // from 0
    uint64_t start, blocks;
    bool ours;           // of GPT_TYPE
    bool unfinished;     // ours: its blocks may hold what was there before (attribute bit 48)
    struct dv_uuid uuid; // zero when it is not a UUID
    char name[4 * GPT_NAME_MAX + 1];
};

struct gpt_table {
    struct dv_uuid uuid; // of the disk
    uint64_t first, end; // partitions may lie in first .. end - 1
    struct gpt_part *parts;
    size_t count;
};

enum gpt_presence { GPT_NONE, GPT_THERE, GPT_DAMAGED };

// The descriptors must be open for reading and writing with O_DSYNC. path is for messages.
struct gpt_disk {
    int fd;
    const char *path;
    unsigned sector; // bytes: 512 or 4096
};

// Reads the table, and repairs it where one copy is damaged, which is logged. Fails with
// DV_NOT_FOUND when the disk has none, DV_IO when both copies are damaged.
int gpt_read(const struct gpt_disk *d, struct gpt_table *out, struct dv_err *err);
void gpt_table_clear(struct gpt_table *t);
// The partition of ours with this UUID, or NULL.
const struct gpt_part *gpt_find(const struct gpt_table *t, const struct dv_uuid *uuid);

// Writes an empty table onto a disk that holds nothing known: DV_CONFLICT when it holds something.
int gpt_create(const struct gpt_disk *d, struct dv_err *err);
int gpt_add(const struct gpt_disk *d, const struct gpt_part *part, struct dv_err *err);
// Writes length, name, UUID and mark of the partition with the part's number, which is ours.
int gpt_change(const struct gpt_disk *d, const struct gpt_part *part, struct dv_err *err);
// Of two at once: whatever happens, either both are changed or none is.
int gpt_change_both(const struct gpt_disk *d, const struct gpt_part parts[2], struct dv_err *err);
int gpt_remove(const struct gpt_disk *d, const struct gpt_part *part, struct dv_err *err);

// ---- gpt_header.c -----------------------------------------------------------------------------

// Looks for headers where they should be, without libfdisk, which takes a disk whose first sector
// was lost for one without a table. Where the copy at the end is whole, a lost protective MBR is
// written again.
int gpt_look(const struct gpt_disk *d, enum gpt_presence *out, struct dv_err *err);

// A note in the room of the first sector where a machine's first boot code lies, if it boots from
// the disk: "" when that is empty, and whatever is there. It is read past the page cache where that
// is possible, since another machine may have written it. The caller frees *note.
#define GPT_NOTE_MAX 440u
int gpt_read_note(const char *path, char **note, struct dv_err *err);
int gpt_write_note(const struct gpt_disk *d, const char *note, struct dv_err *err);

#endif
