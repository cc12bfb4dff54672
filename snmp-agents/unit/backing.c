// Backings of volumes: made, resized, moved and destroyed.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/backing.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wait.h"

#define SLICE_MS 500 // of clearing a volume's blocks in one pass

struct making {
    const struct pass_calls *calls;
    const struct order_volume *ov; // NULL: of no volume
    int64_t until;                 // or for as long as it takes: 0
    bool expired;
    uint32_t percent;
};

static bool report(void *arg, uint32_t percent)
{
    struct making *m = arg;
    m->expired = m->until != 0 && wait_now_ms() >= m->until;
    if (m->expired)
        m->percent = percent;
    if (m->expired || percent == m->percent || !m->ov)
        return !m->expired;
    m->percent = percent;
    return m->calls->progress(m->calls->arg, m->ov, percent);
}

// What can go on later gets a slice of time, so that other volumes need not wait for it.
static struct making making_of(const struct media *m, const struct order_volume *ov,
                               const struct pass_calls *calls)
{
    return (struct making){
        .calls = calls, .ov = ov, .until = m && media_resumes(m) ? wait_now_ms() + SLICE_MS : 0};
}

static void note_slice(struct order_volume *ov, const struct making *m)
{
    ov->unfinished = m->expired && ov->err.code == DV_CANCELLED;
    ov->percent = m->percent;
}

bool backing_make(const struct pass_media *p, const struct order *o, struct order_volume *ov,
                  const struct pass_calls *calls)
{
    struct media *m = pass_media_of(p, o, ov, &ov->err);
    struct making making = making_of(m, ov, calls);
    const struct media_progress progress = {.report = report, .arg = &making};
    ov->made = m && media_volume_create(m, &ov->v, &progress, &ov->err) == 0;
    if (!ov->made)
        note_slice(ov, &making);
    else
        ov->tgtd = ov->v.group;
    ov->moved = ov->made;
    return ov->made;
}

static bool is_copied(const struct media *m, const struct order_volume *ov)
{
    return m && order_moves(ov) && media_moves_by_copy(m);
}

bool backing_is_resized_closed(const struct media *m, const struct order_volume *ov)
{
    return order_shrinks(ov) || is_copied(m, ov) || (order_grows(ov) && m && !media_grows_open(m));
}

bool backing_is_resized_open(const struct pass_media *p, const struct order *o,
                             struct order_volume *ov)
{
    struct media *m = order_grows(ov) ? pass_media_of(p, o, ov, &ov->err) : NULL;
    return m && media_grows_open(m) && !is_copied(m, ov);
}

// What a move leaves behind is out of use until the next pass finds it and clears it.
static void leave_behind(struct order *o, struct order_volume *ov, uint64_t start, uint64_t blocks)
{
    struct order_medium *om = order_medium(o, ov->v.medium);
    ov->left = (struct extent){start, blocks};
    if (!om || !om->has_layout)
        return;
    *DV_APPEND(om->layout.reserved, om->layout.reserved_count) = (struct extent){start, blocks};
    extent_sort(om->layout.reserved, om->layout.reserved_count);
    om->unfinished = true;
}

// The next pass goes on resizing it.
static void goes_on(struct order_volume *ov, const struct making *m)
{
    ov->resize_err = (struct dv_err){0};
    ov->unfinished = true;
    ov->percent = m->percent;
}

// Nothing is lost when it fails: until it is copied whole the volume is where it was.
static bool move_backing(struct media *m, struct order *o, struct order_volume *ov,
                         const struct pass_calls *calls)
{
    struct making making = making_of(m, ov, calls);
    const struct media_progress progress = {.report = report, .arg = &making};
    ov->resized = media_volume_move(m, &ov->v, &progress, &ov->resize_err) == 0;
    if (ov->resized) {
        leave_behind(o, ov, ov->v.start_lba, ov->v.blocks);
        return true;
    }
    if (ov->resize_err.code != DV_CANCELLED) {
        leave_behind(o, ov, ov->v.target_start_lba, ov->v.target_blocks);
        return true;
    }
    ov->closed = true;
    goes_on(ov, &making);
    return false;
}

// Of a growth that failed: what of it cannot be undone is the volume's.
static void note_length(struct media *m, struct order_volume *ov)
{
    struct dv_err err;
    uint64_t blocks;
    if (media_volume_length(m, &ov->v, &blocks, &err) != 0)
        log_warning("unit", "volume %s: %s", ov->v.name, err.text);
    else if (blocks > ov->v.blocks && blocks < ov->v.target_blocks && blocks % ALLOC_BLOCKS == 0)
        ov->kept_blocks = blocks;
}

bool backing_resize(const struct pass_media *p, struct order *o, struct order_volume *ov,
                    const struct pass_calls *calls)
{
    struct media *m = pass_media_of(p, o, ov, &ov->err);
    struct making making = making_of(m, ov, calls);
    const struct media_progress progress = {.report = report, .arg = &making};
    if (!m)
        return false;
    if (is_copied(m, ov))
        return move_backing(m, o, ov, calls);
    int rc = order_grows(ov)
                 ? media_volume_grow(m, &ov->v, ov->v.target_blocks, &progress, &ov->resize_err)
                 : media_volume_shrink(m, &ov->v, ov->v.target_blocks, &ov->resize_err);
    ov->resized = rc == 0;
    if (rc != 0 && ov->resize_err.code == DV_CANCELLED) {
        goes_on(ov, &making);
        return false;
    }
    if (rc != 0 && order_grows(ov))
        note_length(m, ov);
    return true;
}

void backing_destroy(const struct pass_media *p, const struct order *o, struct order_volume *ov,
                     const struct pass_calls *calls)
{
    struct media *m = pass_media_of(p, o, ov, &ov->err);
    struct making making = making_of(m, ov, calls);
    const struct media_progress progress = {.report = report, .arg = &making};
    ov->done = m && media_volume_delete(m, &ov->v, &progress, &ov->err) == 0;
    if (!ov->done)
        note_slice(ov, &making);
}

// What another unit, or a lost journal, began and nobody here knows of: it is of no use to
// anybody, and its blocks stay out of use until they are cleared.
static void clear_unknown(struct media *m, const struct order *o, struct order_medium *om,
                          const struct pass_calls *calls)
{
    struct media_layout *l = &om->layout;
    for (size_t i = 0; i < l->unfinished_count; i++) {
        const struct media_found *f = &l->unfinished[i];
        if (order_volume_uuid(o, &f->uuid) || order_volume_to(o, om->index, f))
            continue;
        struct volume v = {.uuid = f->uuid, .start_lba = f->start_lba, .blocks = f->blocks};
        struct making making = making_of(m, NULL, calls);
        const struct media_progress progress = {.report = report, .arg = &making};
        struct dv_err err;
        if (media_volume_delete(m, &v, &progress, &err) == 0) {
            log_info("unit", "what a volume left behind on medium %u was cleared away", om->index);
            continue;
        }
        om->unfinished = om->unfinished || making.expired;
        if (f->start_lba == MEDIA_ANYWHERE)
            continue;
        *DV_APPEND(l->reserved, l->reserved_count) = (struct extent){f->start_lba, f->blocks};
        extent_sort(l->reserved, l->reserved_count);
    }
}

void backing_tidy(const struct pass_media *p, struct order *o, const struct pass_calls *calls)
{
    for (size_t i = 0; i < o->medium_count; i++) {
        struct media *m = pass_media_at(p, o->media[i].index);
        if (m)
            clear_unknown(m, o, &o->media[i], calls);
    }
}
