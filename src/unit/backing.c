// Backings of volumes: made, resized, moved and destroyed.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/backing.h"
#include "base/log.h"
#include "base/mem.h"

struct progress_teller {
    const struct pass_calls *calls;
    const struct order_volume *ov; // NULL: of no volume
    uint32_t percent;
};

static bool tell(void *arg, uint32_t percent)
{
    struct progress_teller *m = arg;
    if (percent == m->percent || !m->ov)
        return true;
    m->percent = percent;
    return m->calls->progress(m->calls->arg, m->ov, percent);
}

static void note_slice(struct order_volume *ov, const struct pass_ask *ask)
{
    ov->unfinished = ask->expired && ov->err.code == DV_CANCELLED;
    ov->percent = ask->percent;
}

bool backing_make(struct pass_media *p, struct order *o, struct order_volume *ov,
                  const struct pass_calls *calls)
{
    struct progress_teller making = {.calls = calls, .ov = ov};
    struct pass_ask ask = {.act = PASS_CREATE, .v = &ov->v, .tell = tell, .arg = &making};
    ov->made = pass_media_of(p, o, ov, &ov->err) && pass_media_ask(p, o, &ask, &ov->err) == 0;
    if (!ov->made)
        note_slice(ov, &ask);
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
static void goes_on(struct order_volume *ov, const struct pass_ask *ask)
{
    ov->resize_err = (struct dv_err){0};
    ov->unfinished = true;
    ov->percent = ask->percent;
}

// What of it was done is not known; a pass does it again when the medium answers.
static bool waits_for_medium(struct order_volume *ov)
{
    ov->err = ov->resize_err;
    ov->resize_err = (struct dv_err){0};
    return false;
}

// Nothing is lost when it fails: until it is copied whole the volume is where it was.
static bool move_backing(struct pass_media *p, struct order *o, struct order_volume *ov,
                         struct pass_ask *ask)
{
    ask->act = PASS_MOVE;
    ov->resized = pass_media_ask(p, o, ask, &ov->resize_err) == 0;
    if (ask->away)
        return waits_for_medium(ov);
    if (ov->resized) {
        leave_behind(o, ov, ov->v.start_lba, ov->v.blocks);
        return true;
    }
    if (ov->resize_err.code != DV_CANCELLED) {
        leave_behind(o, ov, ov->v.target_start_lba, ov->v.target_blocks);
        return true;
    }
    ov->closed = true;
    goes_on(ov, ask);
    return false;
}

// Of a growth that failed: what of it cannot be undone is the volume's. False when the medium does
// not answer.
static bool note_length(struct pass_media *p, struct order *o, struct order_volume *ov)
{
    struct dv_err err;
    struct pass_ask ask = {.act = PASS_LENGTH, .v = &ov->v};
    int rc = pass_media_ask(p, o, &ask, &err);
    if (ask.away) {
        ov->resize_err = err;
        return false;
    }
    if (rc != 0)
        log_warning("unit", "volume %s: %s", ov->v.name, err.text);
    else if (ask.blocks > ov->v.blocks && ask.blocks < ov->v.target_blocks &&
             ask.blocks % ALLOC_BLOCKS == 0)
        ov->kept_blocks = ask.blocks;
    return true;
}

bool backing_resize(struct pass_media *p, struct order *o, struct order_volume *ov,
                    const struct pass_calls *calls)
{
    struct media *m = pass_media_of(p, o, ov, &ov->err);
    struct progress_teller making = {.calls = calls, .ov = ov};
    struct pass_ask ask = {.act = order_grows(ov) ? PASS_GROW : PASS_SHRINK,
                           .v = &ov->v,
                           .blocks = ov->v.target_blocks,
                           .tell = tell,
                           .arg = &making};
    if (!m)
        return false;
    if (is_copied(m, ov))
        return move_backing(p, o, ov, &ask);
    int rc = pass_media_ask(p, o, &ask, &ov->resize_err);
    if (ask.away)
        return waits_for_medium(ov);
    ov->resized = rc == 0;
    if (rc != 0 && ov->resize_err.code == DV_CANCELLED) {
        goes_on(ov, &ask);
        return false;
    }
    if (rc != 0 && order_grows(ov) && !note_length(p, o, ov))
        return waits_for_medium(ov);
    return true;
}

void backing_destroy(struct pass_media *p, struct order *o, struct order_volume *ov,
                     const struct pass_calls *calls)
{
    struct progress_teller making = {.calls = calls, .ov = ov};
    struct pass_ask ask = {.act = PASS_DELETE, .v = &ov->v, .tell = tell, .arg = &making};
    ov->done = pass_media_of(p, o, ov, &ov->err) && pass_media_ask(p, o, &ask, &ov->err) == 0;
    if (!ov->done)
        note_slice(ov, &ask);
}

// What another unit, or a lost journal, began and nobody here knows of: it is of no use to
// anybody, and its blocks stay out of use until they are cleared.
static void clear_unknown(struct pass_media *p, struct order *o, struct order_medium *om)
{
    struct media_layout *l = &om->layout;
    for (size_t i = 0; i < l->unfinished_count; i++) {
        const struct media_found *f = &l->unfinished[i];
        if (order_volume_uuid(o, &f->uuid) || order_volume_to(o, om->index, f))
            continue;
        const struct volume v = {
            .uuid = f->uuid, .medium = om->index, .start_lba = f->start_lba, .blocks = f->blocks};
        struct pass_ask ask = {.act = PASS_DELETE, .v = &v};
        struct dv_err err;
        if (pass_media_at(p, om->index) && pass_media_ask(p, o, &ask, &err) == 0) {
            log_info("unit", "what a volume left behind on medium %u was cleared away", om->index);
            continue;
        }
        om->unfinished = om->unfinished || ask.expired;
        if (f->start_lba == MEDIA_ANYWHERE)
            continue;
        *DV_APPEND(l->reserved, l->reserved_count) = (struct extent){f->start_lba, f->blocks};
        extent_sort(l->reserved, l->reserved_count);
    }
}

void backing_tidy(struct pass_media *p, struct order *o)
{
    for (size_t i = 0; i < o->medium_count; i++)
        clear_unknown(p, o, &o->media[i]);
}
