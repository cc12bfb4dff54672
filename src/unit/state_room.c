// Room on the media: their layout and storage, the extents in use, and what is free.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "unit/state_internal.h"
#include <string.h>

// By a hundredth of the whole.
static bool has_moved(uint64_t was, uint64_t is, uint64_t whole)
{
    uint64_t by = was > is ? was - is : is - was;
    return by > 0 && by >= whole / 100;
}

void state_set_storage(struct state *s, struct unit_medium *m, uint64_t blocks,
                       uint64_t free_blocks, uint64_t overcommitted, bool reserves)
{
    struct medium *row = &m->m;
    bool moved = row->storage_blocks != blocks || row->reserves != reserves ||
                 has_moved(m->told_free, free_blocks, blocks) ||
                 has_moved(m->told_overcommitted, overcommitted, blocks) ||
                 // At once, when there is none left, or more is promised than there is; that this
                 // is over by a little is not: what hovers there would be told of in each pass.
                 (free_blocks == 0 && m->told_free > 0) ||
                 (overcommitted > 0 && m->told_overcommitted == 0);
    row->storage_blocks = blocks;
    row->storage_free_blocks = free_blocks;
    row->overcommitted_blocks = overcommitted;
    row->reserves = reserves;
    if (!moved)
        return;
    m->told_free = free_blocks;
    m->told_overcommitted = overcommitted;
    state_medium_changed(s, m);
}

void state_set_layout(struct state *s, struct unit_medium *m, uint64_t blocks,
                      const struct extent *reserved, size_t count)
{
    bool changed = m->m.blocks != blocks;
    m->m.blocks = blocks;
    if (changed || m->reserved_count != count ||
        (count > 0 && memcmp(m->reserved, reserved, count * sizeof(*reserved)) != 0)) {
        free(m->reserved);
        m->reserved = count > 0 ? dv_calloc(count, sizeof(*reserved)) : NULL;
        m->reserved_count = count;
        if (count > 0)
            memcpy(m->reserved, reserved, count * sizeof(*reserved));
        state_count_free(s, m->m.index);
    }
    if (changed)
        state_medium_changed(s, m);
}

void state_reserve(struct state *s, uint32_t medium, const struct extent *left)
{
    struct unit_medium *m = state_medium(s, medium);
    struct extent *list = NULL;
    size_t n = 0;
    if (!m || left->blocks == 0)
        return;
    for (size_t i = 0; i < m->reserved_count; i++)
        *DV_APPEND(list, n) = m->reserved[i];
    *DV_APPEND(list, n) = *left;
    extent_sort(list, n);
    free(m->reserved);
    m->reserved = list;
    m->reserved_count = n;
}

size_t state_extents(const struct state *s, uint32_t medium, struct extent **list)
{
    size_t n = 0;
    const struct unit_medium *m = state_medium(s, medium);
    *list = NULL;
    for (size_t i = 0; m && i < m->reserved_count; i++)
        *DV_APPEND(*list, n) = m->reserved[i];
    for (size_t i = 0; i < s->volumes.count; i++) {
        const struct unit_volume *v = s->volumes.at[i];
        const struct extent now = {v->v.start_lba, v->v.blocks};
        const struct extent target = {v->v.target_start_lba, v->v.target_blocks};
        if (v->v.medium == medium)
            extent_add_both(&now, target.blocks ? &target : &now, list, &n);
    }
    if (n > 0)
        extent_sort(*list, n);
    return n;
}

int state_check_accounts(const struct state *s, const struct unit_medium *m, struct dv_err *err)
{
    DV_FREE struct extent *used = NULL;
    struct dv_err why;
    if (m->gone || m->m.kind != MEDIUM_DIR)
        return 0;
    size_t n = state_extents(s, m->m.index, &used);
    if (extent_check(used, n, m->m.blocks, &why) == 0)
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "the volumes that are recorded for it do not fit it: give it the size that it "
                   "had, or forget some (%s)",
                   why.text);
}

void state_count_free(struct state *s, uint32_t medium)
{
    struct unit_medium *m = state_medium(s, medium);
    if (!m || m->gone)
        return;
    DV_FREE struct extent *list = NULL;
    size_t n = state_extents(s, medium, &list);
    struct extent *free_list;
    size_t count = extent_free_list(list, n, m->m.blocks, &free_list);
    bool same = count == m->free_count &&
                (count == 0 || memcmp(free_list, m->free, count * sizeof(*free_list)) == 0);
    struct extent_space space = extent_space(list, n, m->m.blocks);
    free(m->free);
    m->free = free_list;
    m->free_count = count;
    m->m.free_blocks = space.free_blocks;
    m->m.largest_free_blocks = space.largest_blocks;
    if (!same)
        state_medium_changed(s, m);
}
