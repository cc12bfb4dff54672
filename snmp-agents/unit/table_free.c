// The free extents: between the volumes of each medium, as the state counted them last.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "dvsan_oids.h"
#include "snmp-agents/unit/tables.h"

#define GETTER(name, value) TABLE_GET(get_##name, struct extent, e, value)

GETTER(start, sn_counter64(e->start))
GETTER(blocks, sn_counter64(e->blocks))
GETTER(end, sn_counter64(e->start + e->blocks - 1))

static const struct sn_column COLUMNS[] = {
    {SUB_dvsanFreeExtentStartLba, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_start},
    {SUB_dvsanFreeExtentBlocks, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_blocks},
    {SUB_dvsanFreeExtentEndLba, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_end},
};

// The first one of a medium that begins at `mib` or behind it, or NULL.
static const struct extent *from(const struct unit_medium *m, uint64_t mib)
{
    size_t i = extent_place(m->free, m->free_count, mib * BLOCKS_PER_MIB);
    return i < m->free_count ? &m->free[i] : NULL;
}

static const void *find(void *ctx, const uint32_t *index, size_t len)
{
    const struct tables *t = ctx;
    const struct unit_medium *m = len == 2 ? state_medium(t->state, index[0]) : NULL;
    const struct extent *e = m ? from(m, index[1]) : NULL;
    return e && e->start / BLOCKS_PER_MIB == index[1] ? e : NULL;
}

static const void *next(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                        size_t *out_len)
{
    const struct tables *t = ctx;
    const struct unit_medium *m = len > 0 ? state_medium(t->state, index[0]) : NULL;
    const struct extent *e = m ? from(m, len > 1 ? (uint64_t)index[1] + 1 : 0) : NULL;
    uint32_t after = len > 0 ? index[0] : 0;
    while (!e && (m = state_medium_next(t->state, after))) {
        e = from(m, 0);
        after = m->m.index;
    }
    if (!e)
        return NULL;
    out[0] = m->m.index;
    out[1] = (uint32_t)(e->start / BLOCKS_PER_MIB);
    *out_len = 2;
    return e;
}

const struct sn_table table_free = {
    .name = "free extents",
    .entry = OID_dvsanFreeExtentEntry,
    .columns = COLUMNS,
    .column_count = DV_COUNT(COLUMNS),
    .find = find,
    .next = next,
};
