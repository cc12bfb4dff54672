// Media: a disk or an image with a GPT; each volume is a partition.
// SPDX-License-Identifier: BSD-2-Clause
//
// A partition is served only after its blocks were made to read as zeros, and is removed only
// after they were again. In between it is marked in the table as unfinished, so that whoever finds
// it, after a crash or in another machine, knows that what it holds is to be cleared first.
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "media/copy.h"
#include "media/kind.h"
#include "media/owner.h"
#include "media/window.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

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

// ---- Opening ----------------------------------------------------------------------------------

static int check_owner(const struct media *m, struct dv_err *err)
{
    DV_FREE char *note = NULL;
    struct media_owner found;
    if (gpt_read_note(m->path, &note, err) != 0)
        return -1;
    return owner_parse(note, &found) ? owner_check(m, &found, err) : 0;
}

static int initialise(struct media *m, const struct disk *d, struct dv_err *err)
{
    if (!uuid_is_zero(&m->uuid))
        return dv_fail(err, DV_CONFLICT,
                       "%s has no GPT partition table, and the disk that was there before had one; "
                       "put that one back, or give this one an index of its own in the "
                       "configuration",
                       m->path);
    if (!m->initialise)
        return dv_fail(err, DV_CONFLICT,
                       "%s has no GPT partition table; if what it holds may be lost, say "
                       "initialise=\"yes\" in the configuration",
                       m->path);
    if (storage_check_blank(&d->storage, err) != 0 || gpt_create(&d->table, err) != 0)
        return -1;
    log_info("media", "%s was blank and has a partition table now", m->path);
    return 0;
}

static int disk_open(struct media *m, struct dv_err *err)
{
    struct disk *d = m->own = dv_calloc(1, sizeof(*d));
    enum gpt_presence there;
    struct gpt_table t;
    d->storage.fd = d->storage.below = d->table.fd = -1;
    d->table.path = m->path;
    // Not even a damaged table is repaired before it is known whose it is.
    if (storage_open(&d->storage, m->path, HOLD_PARTS, err) != 0 || check_owner(m, err) != 0 ||
        !(d->windows = windows_new(&d->storage, err)))
        return -1;
    d->table.sector = d->storage.sector;
    d->table.fd = open(m->path, O_RDWR | O_CLOEXEC | O_DSYNC);
    if (d->table.fd < 0)
        return dv_fail_errno(err, errno, "cannot open %s", m->path);
    if (gpt_look(&d->table, &there, err) != 0 ||
        (there == GPT_NONE && initialise(m, d, err) != 0) || gpt_read(&d->table, &t, err) != 0)
        return -1;
    m->uuid = t.uuid;
    gpt_table_clear(&t);
    if (d->storage.is_block && !windows_make_nodes(d->windows))
        log_info("media", "%s: without CAP_SYS_ADMIN, new volumes are served by loop devices",
                 m->path);
    return 0;
}

static void forget(struct disk *d)
{
    gpt_table_clear(&d->seen);
    d->has_seen = false;
}

static void disk_close(struct media *m)
{
    struct disk *d = m->own;
    if (!d)
        return;
    windows_free(d->windows);
    dv_cleanup_close(&d->table.fd);
    storage_close(&d->storage);
    forget(d);
    free(d->clearings);
    free(d);
}

static int disk_tell_owner(struct media *m, const struct media_owner *owner, struct dv_err *err)
{
    const struct disk *d = m->own;
    struct media_owner now;
    DV_FREE char *line = owner_format(owner);
    DV_FREE char *found = NULL;
    if (gpt_read_note(m->path, &found, err) != 0)
        return -1;
    if (owner_parse(found, &now) ? owner_equal(&now, owner) : found[0] != '\0')
        return 0; // it says so already, or holds what boots a machine
    return gpt_write_note(&d->table, line, err);
}

// Whether a table that cannot be read has volumes is not known.
static int disk_ask_owner(const char *path, struct media_owner *out, bool *holds_volumes,
                          struct dv_err *err)
{
    DV_FREE char *note = NULL;
    if (gpt_read_note(path, &note, err) != 0)
        return -1;
    *holds_volumes = owner_parse(note, out);
    return 0;
}

static int disk_probe(struct media *m, struct media_space *space, struct dv_err *err)
{
    struct disk *d = m->own;
    return storage_probe(&d->storage, space, err) != 0 ? -1 : check_owner(m, err);
}

// ---- What lies where --------------------------------------------------------------------------

static bool is_aligned(const struct gpt_part *p)
{
    return p->blocks > 0 && p->start % ALLOC_BLOCKS == 0 && p->blocks % ALLOC_BLOCKS == 0;
}

static void add_found(const struct gpt_part *p, struct media_layout *out)
{
    char uuid[UUID_TEXT_LEN];
    struct media_found *f = DV_APPEND(out->found, out->found_count);
    *f = (struct media_found){
        .uuid = p->uuid, .start_lba = p->start, .blocks = p->blocks, .thin = true};
    dv_copy(f->name, sizeof(f->name), p->name);
    if (new_name_check("volume", f->name, NULL) != 0)
        dv_copy(f->name, sizeof(f->name), uuid_format(&p->uuid, uuid));
}

static void add_part(const struct gpt_table *t, const struct gpt_part *p, struct media_layout *out)
{
    bool is_volume = p->ours && gpt_find(t, &p->uuid) == p && is_aligned(p);
    if (is_volume && p->unfinished)
        *DV_APPEND(out->unfinished, out->unfinished_count) =
            (struct media_found){.uuid = p->uuid, .start_lba = p->start, .blocks = p->blocks};
    else if (is_volume)
        add_found(p, out);
    else
        *DV_APPEND(out->reserved, out->reserved_count) = (struct extent){p->start, p->blocks};
}

static void fill_layout(const struct gpt_table *t, struct media_layout *out)
{
    out->blocks = t->end;
    out->lists_volumes = true;
    *DV_APPEND(out->reserved, out->reserved_count) = (struct extent){0, t->first};
    for (size_t i = 0; i < t->count; i++)
        add_part(t, &t->parts[i], out);
    extent_sort(out->reserved, out->reserved_count);
}

static int see(struct disk *d, struct dv_err *err)
{
    if (!d->has_seen)
        d->has_seen = gpt_read(&d->table, &d->seen, err) == 0;
    return d->has_seen ? 0 : -1;
}

static int disk_layout(struct media *m, struct media_layout *out, struct dv_err *err)
{
    struct disk *d = m->own;
    forget(d);
    if (see(d, err) != 0)
        return -1;
    if (!uuid_equal(&d->seen.uuid, &m->uuid))
        return dv_fail(err, DV_CONFLICT, "%s has another partition table now", m->path);
    windows_prune(d->windows, &d->seen);
    fill_layout(&d->seen, out);
    out->unwritten_blocks = storage_unwritten(&d->storage);
    return 0;
}

// 1 with a copy of the volume's partition, 0 when there is none, or -1.
static int find(struct disk *d, const struct dv_uuid *uuid, struct gpt_part *out,
                struct dv_err *err)
{
    if (see(d, err) != 0)
        return -1;
    const struct gpt_part *p = gpt_find(&d->seen, uuid);
    if (p)
        *out = *p;
    return p != NULL;
}

typedef int edit_fn(const struct gpt_disk *, const struct gpt_part *, struct dv_err *);

static int edit(struct disk *d, edit_fn *with, const struct gpt_part *p, struct dv_err *err)
{
    forget(d);
    return with(&d->table, p, err);
}

static int check_place(const struct media *m, const struct volume *v, const struct gpt_part *p,
                       struct dv_err *err)
{
    if (p->start == v->start_lba && p->blocks == v->blocks)
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "its partition on %s was changed: it has %" PRIu64 " blocks from %" PRIu64
                   " on and should have %" PRIu64 " from %" PRIu64 " on",
                   m->path, p->blocks, p->start, v->blocks, v->start_lba);
}

// While a growth in place is recorded, its partition may be as long as it is to become. It is
// served as long as is recorded.
static void leave_out_growth(const struct volume *v, struct gpt_part *p)
{
    if (v->target_start_lba == v->start_lba && p->blocks > v->blocks &&
        p->blocks <= v->target_blocks)
        p->blocks = v->blocks;
}

static char *disk_path(struct media *m, const struct volume *v, struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part p;
    int found = find(d, &v->uuid, &p, err);
    if (found == 0)
        (void)dv_fail(err, DV_NOT_FOUND,
                      "its partition is gone from the table of %s; put it back, or delete the "
                      "volume",
                      m->path);
    if (found > 0)
        leave_out_growth(v, &p);
    if (found <= 0 || check_place(m, v, &p, err) != 0)
        return NULL;
    if (p.unfinished) {
        (void)dv_fail(err, DV_CONFLICT, "its partition on %s is marked as not cleared", m->path);
        return NULL;
    }
    return windows_open(d->windows, &p, err);
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
    int found = find(d, &uuid, out, err);
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
    int found = find(d, &v->uuid, &p, err);
    if (found < 0 || (found > 0 && check_place(m, v, &p, err) != 0) ||
        (found == 0 && add_partition(d, v, &p, err) != 0))
        return -1;
    if (!p.unfinished)
        return 0;
    if (clear_part(d, &p, v->thin, progress, err) != 0)
        return -1;
    p.unfinished = false;
    return edit(d, gpt_change, &p, err);
}

static int disk_create(struct media *m, const struct volume *v,
                       const struct media_progress *progress, struct dv_err *err)
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
    int found = find(m->own, &v->uuid, p, err);
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
    forget(d); // what is cleared must be nobody's now
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

static int disk_grow(struct media *m, const struct volume *v, uint64_t blocks,
                     const struct media_progress *progress, struct dv_err *err)
{
    return end_of(m->own, &v->uuid, grow(m, v, blocks, progress, err), err);
}

// What is cut off is cleared when it becomes part of a volume again.
static int disk_shrink(struct media *m, const struct volume *v, uint64_t blocks, struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part p;
    if (find_own(m, v, &p, err) != 0)
        return -1;
    if (blocks == p.blocks && p.start == v->start_lba)
        return 0;
    if (check_place(m, v, &p, err) != 0)
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
    int found = find(d, &target.uuid, out, err);
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
struct part {
    const struct media_progress *whole; // may be NULL
    uint64_t before, size, all;
};

static bool report_part(void *arg, uint32_t percent)
{
    const struct part *p = arg;
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
    struct part zeros = {progress, 0, all - bytes, all};
    struct part data = {progress, all - bytes, bytes, all};
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
    int found = find(d, &v->uuid, &from, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return dv_fail(err, DV_NOT_FOUND, "its partition is gone from the table of %s", m->path);
    if (from.start == v->target_start_lba && from.blocks == v->target_blocks)
        return 0;
    if (check_place(m, v, &from, err) != 0 || windows_flush(d->windows, &from, err) != 0 ||
        windows_close(d->windows, &from, err) != 0 ||
        prepare_target(d, v, &to, progress, err) != 0 ||
        fill_target(d, &from, &to, v->thin, progress, err) != 0)
        return -1;
    struct gpt_part both[2] = {from, to};
    both[0].uuid = to.uuid;
    both[0].unfinished = true;
    both[1].uuid = from.uuid;
    both[1].unfinished = false;
    forget(d);
    return gpt_change_both(&d->table, both, err);
}

static int disk_move(struct media *m, const struct volume *v, const struct media_progress *progress,
                     struct dv_err *err)
{
    const struct dv_uuid shadow = shadow_of(&v->uuid);
    return end_of(m->own, &shadow, move(m, v, progress, err), err);
}

static int disk_rename(struct media *m, const struct volume *v, struct dv_err *err)
{
    struct disk *d = m->own;
    struct gpt_part p;
    char name[GPT_NAME_MAX + 1];
    int found = find(d, &v->uuid, &p, err);
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
    int found = find(d, &v->uuid, &p, err);
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

static int disk_remove(struct media *m, const struct volume *v,
                       const struct media_progress *progress, struct dv_err *err)
{
    return end_of(m->own, &v->uuid, destroy(m, v, progress, err), err);
}

const struct media_kind media_disk = {
    .open = disk_open,
    .close = disk_close,
    .probe = disk_probe,
    .read_layout = disk_layout,
    .path = disk_path,
    .create = disk_create,
    .grow = disk_grow,
    .shrink = disk_shrink,
    .grows_open = true,
    .move = disk_move,
    .rename = disk_rename,
    .remove = disk_remove,
    .tell_owner = disk_tell_owner,
    .ask_owner = disk_ask_owner,
    .resumes = true,
};
