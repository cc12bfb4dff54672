// Media: a disk or an image with a GPT; each volume is a partition.
// SPDX-License-Identifier: BSD-2-Clause
//
// A partition is served only after its blocks were made to read as zeros, and is removed only
// after they were again. In between it is marked in the table as unfinished, so that whoever finds
// it, after a crash or in another machine, knows that what it holds is to be cleared first.
#include "media/disk.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "media/owner.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

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

void disk_forget(struct disk *d)
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
    disk_forget(d);
    free(d->clearings);
    free(d);
}

static int disk_tell_owner(struct media *m, const struct media_owner *owner, struct dv_err *err)
{
    const struct disk *d = m->own;
    struct media_owner now, next;
    DV_FREE char *found = NULL;
    if (gpt_read_note(m->path, &found, err) != 0)
        return -1;
    if (!owner_parse(found, &now) && found[0] != '\0')
        return 0; // what boots a machine
    bool news = owner_next(&now, owner, &next);
    DV_FREE char *note = owner_note(&next);
    if (news && gpt_write_note(&d->table, note, err) != 0)
        return -1;
    m->owner.proof = next.proof;
    return 0;
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
    disk_forget(d);
    if (see(d, err) != 0)
        return -1;
    if (!uuid_equal(&d->seen.uuid, &m->uuid))
        return dv_fail(err, DV_CONFLICT, "%s has another partition table now", m->path);
    windows_prune(d->windows, &d->seen);
    fill_layout(&d->seen, out);
    out->unwritten_blocks = storage_unwritten(&d->storage);
    return 0;
}

int disk_find(struct disk *d, const struct dv_uuid *uuid, struct gpt_part *out, struct dv_err *err)
{
    if (see(d, err) != 0)
        return -1;
    const struct gpt_part *p = gpt_find(&d->seen, uuid);
    if (p)
        *out = *p;
    return p != NULL;
}

int disk_check_place(const struct media *m, const struct volume *v, const struct gpt_part *p,
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
    int found = disk_find(d, &v->uuid, &p, err);
    if (found == 0)
        (void)dv_fail(err, DV_NOT_FOUND,
                      "its partition is gone from the table of %s; put it back, or delete the "
                      "volume",
                      m->path);
    if (found > 0)
        leave_out_growth(v, &p);
    if (found <= 0 || disk_check_place(m, v, &p, err) != 0)
        return NULL;
    if (p.unfinished) {
        (void)dv_fail(err, DV_CONFLICT, "its partition on %s is marked as not cleared", m->path);
        return NULL;
    }
    return windows_open(d->windows, &p, err);
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
