// Volumes that a medium brought along: which they are, and their rows.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/adopt.h"
#include "base/log.h"
#include "base/mem.h"
#include <stdio.h>

bool adopt_is_stranger(const struct order *o, const struct state *state,
                       const struct media_found *f)
{
    return !f->odd && !o->set_under_way && !state_volume_uuid(state, &f->uuid) &&
           !order_volume_uuid(o, &f->uuid);
}

static bool fits(const struct media_found *f, uint64_t longest)
{
    return f->blocks > 0 && f->blocks % ALLOC_BLOCKS == 0 && f->blocks <= longest;
}

bool adopt_is_due(const struct order *o, const struct order_medium *om, const struct state *state)
{
    const struct unit_medium *m = state_medium(state, om->index);
    DV_FREE struct extent *used = NULL;
    if (!m || om->layout.found_count == 0)
        return false;
    size_t n = state_extents(state, om->index, &used);
    uint64_t longest = extent_space(used, n, m->m.blocks).largest_blocks;
    for (size_t i = 0; i < om->layout.found_count; i++) {
        const struct media_found *f = &om->layout.found[i];
        if ((f->start_lba != MEDIA_ANYWHERE || fits(f, longest)) && adopt_is_stranger(o, state, f))
            return true;
    }
    return false;
}

bool adopt_has_strangers(const struct order *o)
{
    for (size_t i = 0; i < o->medium_count; i++)
        for (size_t k = 0; k < o->media[i].layout.found_count; k++)
            if (!o->media[i].layout.found[k].odd &&
                !order_volume_uuid(o, &o->media[i].layout.found[k].uuid))
                return true;
    return false;
}

bool adopt_brings_volumes(const struct order *o, const struct state *state)
{
    for (size_t i = 0; i < o->medium_count; i++)
        if (adopt_is_due(o, &o->media[i], state))
            return true;
    return false;
}

const struct unit_volume *adopt_left_over(const struct order *o, const struct state *state)
{
    for (size_t i = 0; i < o->medium_count; i++)
        for (size_t k = 0; k < o->media[i].layout.found_count; k++) {
            const struct unit_volume *v =
                state_volume_uuid(state, &o->media[i].layout.found[k].uuid);
            const struct unit_medium *m =
                v && v->v.medium != o->media[i].index ? state_medium(state, v->v.medium) : NULL;
            if (m && m->gone)
                return v;
        }
    return NULL;
}

// Behind all that ever were, so that nothing that was meant for another volume reaches it; where
// there is nothing behind, the first that is free, from *low on.
static uint32_t free_index(const struct state *state, uint32_t *low)
{
    uint32_t last = state_volume_last(state);
    if (last < INT32_MAX)
        return last + 1;
    while (state_volume(state, *low))
        (*low)++;
    return *low;
}

// Fills in the row that a stranger gets; nobody may use it until rules say so.
static void adopt(const struct order *o, const struct order_medium *om, const struct media_found *f,
                  const struct state *state, uint32_t index, uint64_t start, struct volume *out)
{
    char uuid[UUID_TEXT_LEN];
    *out = (struct volume){.index = index,
                           .uuid = f->uuid,
                           .medium = om->index,
                           .start_lba = start,
                           .blocks = f->blocks,
                           .thin = f->thin,
                           .lun = 1,
                           .admin_online = true,
                           .state = VOLUME_FAILED,
                           .progress = 100};
    uuid_format(&f->uuid, uuid);
    dv_copy(out->name, sizeof(out->name), state_volume_named(state, f->name) ? uuid : f->name);
    snprintf(out->iqn, sizeof(out->iqn), "%s:%s", o->iqn_prefix, uuid);
    dv_copy(out->last_error, sizeof(out->last_error), "it was found on its medium just now");
}

// A medium either tells of all its volumes where they lie, or any place will do that is free.
static int record_all(const struct order *o, const struct order_medium *om, struct extent_fit *room,
                      struct state *state, struct journal *journal, struct dv_err *err)
{
    uint32_t low = 1;
    for (size_t i = 0; i < om->layout.found_count; i++) {
        const struct media_found *f = &om->layout.found[i];
        uint64_t start = f->start_lba;
        struct volume v;
        if (!adopt_is_stranger(o, state, f) ||
            (start == MEDIA_ANYWHERE && !extent_fit_take(room, f->blocks, &start)))
            continue;
        adopt(o, om, f, state, free_index(state, &low), start, &v);
        if (journal_put_volume(journal, &v, true, err) != 0)
            return -1;
        state_add_volume(state, &v)->made = true;
        log_info("unit", "volume %s was found on its medium and taken in", v.name);
    }
    return 0;
}

int adopt_record(const struct order *o, const struct order_medium *om, struct state *state,
                 struct journal *journal, struct dv_err *err)
{
    const struct unit_medium *m = state_medium(state, om->index);
    DV_FREE struct extent *used = NULL;
    if (!m || om->layout.found_count == 0)
        return 0;
    size_t n = state_extents(state, om->index, &used);
    struct extent_fit *room = extent_fit_new(used, n, m->m.blocks);
    int rc = record_all(o, om, room, state, journal, err);
    extent_fit_free(room);
    return rc;
}

void adopt_take_back(const struct order *o, struct state *state)
{
    for (size_t i = 0; i < o->medium_count; i++)
        for (size_t k = 0; k < o->media[i].layout.found_count; k++) {
            const struct dv_uuid *uuid = &o->media[i].layout.found[k].uuid;
            const struct unit_volume *v = state_volume_uuid(state, uuid);
            if (v && !order_volume_uuid(o, uuid))
                state_remove_volume(state, v->v.index);
        }
}
