// Volumes on a disk: making, clearing, resizing, moving and removing their partitions.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/disk.h"

#include "base/file.h"
#include "base/mem.h"
#include "media/copy.h"
#include <inttypes.h>
#include <string.h>

typedef int edit_fn(const struct gpt_disk *, const struct gpt_part *, struct dv_err *);

static int edit(struct disk *d, edit_fn *with, const struct gpt_part *p, struct dv_err *err)
{
    disk_forget(d);
    return with(&d->table, p, err);
}

// ---- Clearing ---------------------------------------------------------------------------------

// Of part of a volume, by its blocks on the disk.
static struct clearing *clearing_of(struct disk *d, const struct dv_uuid *uuid, uint64_t start,
                                    uint64_t end)
{
    const uint64_t from = start * BLOCK_SIZE, to = end * BLOCK_SIZE;
    for (size_t i = 0; i < d->clearing_count; i++) {
        struct clearing *c = &d->clearings[i];
        if (uuid_equal(&c->uuid, uuid) && c->from == from && c->to == to)
            return c;
    }
    struct clearing *c = DV_APPEND(d->clearings, d->clearing_count);
    *c = (struct clearing){.uuid = *uuid, .from = from, .to = to};
    return c;
}

// The end of work on a volume. Once it was done or given up, others may write where it was: only
// what was cancelled goes on.
static int end_of(struct disk *d, const struct dv_uuid *uuid, int rc, const struct dv_err *err)
{
    if (rc != 0 && err->code == DV_CANCELLED)
        return rc;
    for (size_t i = d->clearing_count; i-- > 0;)
        if (uuid_equal(&d->clearings[i].uuid, uuid))
            d->clearings[i] = d->clearings[--d->clearing_count];
    return rc;
}

static int clear_blocks(struct disk *d, const struct dv_uuid *uuid, uint64_t start, uint64_t end,
                        bool thin, const struct media_progress *progress, struct dv_err *err)
{
    struct clearing *c = clearing_of(d, uuid, start, end);
    return storage_zero(&d->storage, c->from, c->to, thin, &c->done, progress, err);
}

static int clear_part(struct disk *d, const struct gpt_part *p, bool thin,
                      const struct media_progress *progress, struct dv_err *err)
{
    return clear_blocks(d, &p->uuid, p->start, p->start + p->blocks, thin, progress, err);
}

// ---- Volumes ----------------------------------------------------------------------------------

static int add_partition(struct disk *d, const struct volume *v, struct gpt_part *out,
                         struct dv_err *err)
{
    const struct dv_uuid uuid = v->uuid;
    *out = (struct gpt_part){
        .start = v->start_lba, .blocks = v->blocks, .ours = true, .unfinished = true, .uuid = uuid};
    dv_copy(out->name, GPT_NAME_MAX + 1, v->name);
    if (edit(d, gpt_add, out, err) != 0)
        return -1;
    int found = disk_find(d, &uuid, out, err);
    return found == 0 ? dv_fail(err, DV_IO, "%s did not keep a new partition", d->table.path)
                      : found - 1;
}

static int create(struct media *m, const struct volume *v, const struct media_progress *progress,
                  struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part p;
    if (file_limit_is_near(WINDOWS_SPARE + 1))
        return dv_fail(err, DV_BUSY,
                       "the unit holds so many volumes open that its limit of open files is near, "
                       "so no more are made on disks; raise LimitNOFILE of its service, and "
                       "restart it");
    int found = disk_find(d, &v->uuid, &p, err);
    if (found < 0 || (found > 0 && disk_check_place(m, v, &p, err) != 0) ||
        (found == 0 && add_partition(d, v, &p, err) != 0))
        return -1;
    if (!p.unfinished)
        return 0;
    if (clear_part(d, &p, v->thin, progress, err) != 0)
        return -1;
    p.unfinished = false;
    return edit(d, gpt_change, &p, err);
}

int disk_create(struct media *m, const struct volume *v, const struct media_progress *progress,
                struct dv_err *err)
{
    return end_of(m->own, &v->uuid, create(m, v, progress, err), err);
}

static bool has_room(const struct gpt_table *t, const struct gpt_part *p, uint64_t blocks)
{
    if (p->start + blocks > t->end)
        return false;
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].start >= p->start + p->blocks && t->parts[i].start < p->start + blocks)
            return false;
    return true;
}

// The partition of a volume that must be there.
static int find_own(const struct media *m, const struct volume *v, struct gpt_part *p,
                    struct dv_err *err)
{
    int found = disk_find(m->own, &v->uuid, p, err);
    if (found == 0)
        return dv_fail(err, DV_NOT_FOUND, "its partition is gone from the table of %s", m->path);
    return found < 0 ? -1 : 0;
}

// The new blocks are cleared before they become the partition's.
static int grow(struct media *m, const struct volume *v, uint64_t blocks,
                const struct media_progress *progress, struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part p;
    disk_forget(d); // what is cleared must be nobody's now
    if (find_own(m, v, &p, err) != 0)
        return -1;
    if (p.start != v->start_lba || p.blocks > blocks || p.blocks < v->blocks)
        return dv_fail(err, DV_INVALID,
                       "its partition on %s has %" PRIu64 " blocks from %" PRIu64
                       " on, and a volume only grows, from %" PRIu64 " to %" PRIu64
                       " blocks from %" PRIu64 " on",
                       m->path, p.blocks, p.start, v->blocks, blocks, v->start_lba);
    if (p.blocks == blocks)
        return 0;
    if (!has_room(&d->seen, &p, blocks))
        return dv_fail(err, DV_NO_SPACE, "there is no room behind the volume's partition on %s",
                       m->path);
    if (clear_blocks(d, &p.uuid, p.start + p.blocks, p.start + blocks, v->thin, progress, err) != 0)
        return -1;
    p.blocks = blocks;
    return edit(d, gpt_change, &p, err);
}

int disk_grow(struct media *m, const struct volume *v, uint64_t blocks,
              const struct media_progress *progress, struct dv_err *err)
{
    return end_of(m->own, &v->uuid, grow(m, v, blocks, progress, err), err);
}

// What is cut off is cleared when it becomes part of a volume again.
int disk_shrink(struct media *m, const struct volume *v, uint64_t blocks, struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part p;
    if (find_own(m, v, &p, err) != 0)
        return -1;
    if (blocks == p.blocks && p.start == v->start_lba)
        return 0;
    if (disk_check_place(m, v, &p, err) != 0)
        return -1;
    if (blocks > p.blocks)
        return dv_fail(err, DV_INVALID, "the volume has only %" PRIu64 " blocks", p.blocks);
    if (windows_flush(d->windows, &p, err) != 0 || windows_close(d->windows, &p, err) != 0)
        return -1;
    p.blocks = blocks;
    return edit(d, gpt_change, &p, err);
}

// ---- Moving -----------------------------------------------------------------------------------

// While a volume is copied its new partition has this UUID, and then its old one, until it is
// cleared away: one that no volume is known by, and always the same, so that a crash loses nothing.
static struct dv_uuid shadow_of(const struct dv_uuid *uuid)
{
    struct dv_uuid shadow = *uuid;
    for (size_t i = 0; i < 4; i++)
        shadow.b[i] ^= 0xff;
    return shadow;
}

static int clear_away(struct disk *d, const struct gpt_part *p,
                      const struct media_progress *progress, struct dv_err *err)
{
    if (clear_part(d, p, true, progress, err) != 0)
        return -1;
    return edit(d, gpt_remove, p, err);
}

// The partition at the volume's target, which may be there from a time that was broken off.
static int prepare_target(struct disk *d, const struct volume *v, struct gpt_part *out,
                          const struct media_progress *progress, struct dv_err *err)
{
    struct volume target = *v;
    target.uuid = shadow_of(&v->uuid);
    target.start_lba = v->target_start_lba;
    target.blocks = v->target_blocks;
    int found = disk_find(d, &target.uuid, out, err);
    if (found > 0 && (out->start != target.start_lba || out->blocks != target.blocks)) {
        // Of an earlier move.
        if (clear_away(d, out, progress, err) != 0)
            return -1;
        found = 0;
    }
    if (found == 0)
        return add_partition(d, &target, out, err);
    return found < 0 ? -1 : 0;
}

// Part of a longer work, that tells how far the whole is.
struct work_part {
    const struct media_progress *whole; // may be NULL
    uint64_t before, size, all;
};

static bool report_part(void *arg, uint32_t percent)
{
    const struct work_part *p = arg;
    double done = (double)p->before + (double)p->size * percent / 100;
    return !p->whole || p->whole->report(p->whole->arg, (uint32_t)(done * 100 / (double)p->all));
}

static int fill_target(struct disk *d, const struct gpt_part *from, const struct gpt_part *to,
                       bool thin, const struct media_progress *progress, struct dv_err *err)
{
    uint64_t start = to->start * BLOCK_SIZE, all = to->blocks * BLOCK_SIZE;
    uint64_t bytes = from->blocks * BLOCK_SIZE;
    struct clearing *c =
        clearing_of(d, &to->uuid, to->start + from->blocks, to->start + to->blocks);
    struct work_part zeros = {progress, 0, all - bytes, all};
    struct work_part data = {progress, all - bytes, bytes, all};
    int rc = storage_zero(&d->storage, c->from, c->to, thin, &c->done,
                          &(struct media_progress){report_part, &zeros}, err);
    if (rc == 0)
        rc = storage_copy(&d->storage, from->start * BLOCK_SIZE, start, bytes, thin, &c->copied,
                          &(struct media_progress){report_part, &data}, err);
    return rc;
}

// The table says which of the two is the volume, and is switched at once.
static int move(struct media *m, const struct volume *v, const struct media_progress *progress,
                struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part from, to;
    int found = disk_find(d, &v->uuid, &from, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return dv_fail(err, DV_NOT_FOUND, "its partition is gone from the table of %s", m->path);
    if (from.start == v->target_start_lba && from.blocks == v->target_blocks)
        return 0;
    if (disk_check_place(m, v, &from, err) != 0 || windows_flush(d->windows, &from, err) != 0 ||
        windows_close(d->windows, &from, err) != 0 ||
        prepare_target(d, v, &to, progress, err) != 0 ||
        fill_target(d, &from, &to, v->thin, progress, err) != 0)
        return -1;
    struct gpt_part both[2] = {from, to};
    both[0].uuid = to.uuid;
    both[0].unfinished = true;
    both[1].uuid = from.uuid;
    both[1].unfinished = false;
    disk_forget(d);
    return gpt_change_both(&d->table, both, err);
}

int disk_move(struct media *m, const struct volume *v, const struct media_progress *progress,
              struct dv_err *err)
{
    const struct dv_uuid shadow = shadow_of(&v->uuid);
    return end_of(m->own, &shadow, move(m, v, progress, err), err);
}

int disk_rename(struct media *m, const struct volume *v, struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part p;
    char name[GPT_NAME_MAX + 1];
    int found = disk_find(d, &v->uuid, &p, err);
    if (found <= 0)
        return found;
    dv_copy(name, sizeof(name), v->name);
    if (strcmp(name, p.name) == 0)
        return 0;
    dv_copy(p.name, sizeof(p.name), name);
    return edit(d, gpt_change, &p, err);
}

static int destroy(struct media *m, const struct volume *v, const struct media_progress *progress,
                   struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part p;
    int found = disk_find(d, &v->uuid, &p, err);
    if (found <= 0)
        return found;
    if (windows_close(d->windows, &p, err) != 0)
        return -1;
    if (!p.unfinished) {
        p.unfinished = true;
        if (edit(d, gpt_change, &p, err) != 0)
            return -1;
    }
    return clear_away(d, &p, progress, err);
}

int disk_remove(struct media *m, const struct volume *v, const struct media_progress *progress,
                struct dv_err *err)
{
    return end_of(m->own, &v->uuid, destroy(m, v, progress, err), err);
}
