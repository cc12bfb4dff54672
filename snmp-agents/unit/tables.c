// The unit's scalars, and the tables that managers only read: media, portals, changes.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/tables.h"
#include "base/log.h"
#include "base/mem.h"
#include "dvsan_oids.h"

// ---- Scalars ----------------------------------------------------------------------------------

TABLE_GET(summary_media, struct tables, t, sn_uint((uint32_t)state_media_count(t->state)))
TABLE_GET(summary_volumes, struct tables, t, sn_uint((uint32_t)state_volume_count(t->state)))
static struct sn_value counter32(uint32_t count)
{
    return (struct sn_value){.type = SN_COUNTER32, .u = count};
}

TABLE_GET(summary_since, struct tables, t, sn_uint(state_changes_since(t->state)))

TABLE_GET(summary_suppressed, struct tables, t, counter32(notifier_suppressed(t->notifier)))

TABLE_GET(summary_error, struct tables, t, sn_text(t->last_error))
TABLE_GET(summary_heartbeat, struct tables, t,
          counter32((uint32_t)((loop_now_ms() - t->started_ms) / 1000)))
TABLE_GET(summary_lost, struct tables, t, counter32(announcer_lost(t->announcer)))
TABLE_GET(summary_trouble, struct tables, t, sn_text(announcer_trouble(t->announcer)))

static const struct sn_column SUMMARY_COLUMNS[] = {
    {SUB_dvsanUnitMedia, SN_UINT, SN_READ_ONLY, 0, 0, summary_media},
    {SUB_dvsanUnitVolumes, SN_UINT, SN_READ_ONLY, 0, 0, summary_volumes},
    {SUB_dvsanUnitChangesSince, SN_UINT, SN_READ_ONLY, 0, 0, summary_since},
    {SUB_dvsanUnitNotificationsSuppressed, SN_COUNTER32, SN_READ_ONLY, 0, 0, summary_suppressed},
    {SUB_dvsanUnitLastError, SN_OCTETS, SN_READ_ONLY, 0, 0, summary_error},
    {SUB_dvsanUnitHeartbeat, SN_COUNTER32, SN_READ_ONLY, 0, 0, summary_heartbeat},
    {SUB_dvsanUnitNotificationsLost, SN_COUNTER32, SN_READ_ONLY, 0, 0, summary_lost},
    {SUB_dvsanUnitNotificationError, SN_OCTETS, SN_READ_ONLY, 0, 0, summary_trouble},
};

const struct sn_table table_summary = {
    .name = "unit summary",
    .entry = OID_dvsanUnitSummary,
    .columns = SUMMARY_COLUMNS,
    .column_count = DV_COUNT(SUMMARY_COLUMNS),
    .find = sn_scalar_find,
    .next = sn_scalar_next,
};

// ---- Media ------------------------------------------------------------------------------------

// The index behind which rows follow; those begin at 1.
static uint32_t index_after(const uint32_t *index, size_t len)
{
    return len > 0 ? index[0] : 0;
}

static const void *found_next(const void *row, uint32_t index, uint32_t *out, size_t *out_len)
{
    out[0] = index;
    *out_len = 1;
    return row;
}

TABLE_GET(medium_name, struct unit_medium, m, sn_text(m->m.name))
TABLE_GET(medium_kind_of, struct unit_medium, m, sn_int((int32_t)m->m.kind))
TABLE_GET(medium_blocks, struct unit_medium, m, sn_counter64(m->m.blocks))
TABLE_GET(medium_free, struct unit_medium, m, sn_counter64(m->m.free_blocks))
TABLE_GET(medium_largest, struct unit_medium, m, sn_counter64(m->m.largest_free_blocks))
TABLE_GET(medium_state_of, struct unit_medium, m, sn_int((int32_t)m->m.state))
TABLE_GET(medium_error, struct unit_medium, m, sn_text(m->m.last_error))
TABLE_GET(medium_storage, struct unit_medium, m, sn_counter64(m->m.storage_blocks))
TABLE_GET(medium_storage_free, struct unit_medium, m, sn_counter64(m->m.storage_free_blocks))
TABLE_GET(medium_overcommitted, struct unit_medium, m, sn_counter64(m->m.overcommitted_blocks))
TABLE_GET(medium_reserves, struct unit_medium, m, sn_int(m->m.reserves ? TRUTH_TRUE : TRUTH_FALSE))

static struct sn_value medium_proof_of(const struct medium_proof *p)
{
    static const uint8_t none[PROOF_BYTES];
    bool some = memcmp(p->now, none, PROOF_BYTES) != 0;
    return sn_octets(p->now, !some                                       ? 0
                             : memcmp(p->before, none, PROOF_BYTES) == 0 ? PROOF_BYTES
                                                                         : sizeof(*p));
}
TABLE_GET(medium_proof, struct unit_medium, m, medium_proof_of(&m->m.proof))

static const struct sn_column MEDIUM_COLUMNS[] = {
    {SUB_dvsanMediumName, SN_OCTETS, SN_READ_ONLY, 0, 0, medium_name},
    {SUB_dvsanMediumKind, SN_INT, SN_READ_ONLY, 0, 0, medium_kind_of},
    {SUB_dvsanMediumBlocks, SN_COUNTER64, SN_READ_ONLY, 0, 0, medium_blocks},
    {SUB_dvsanMediumFreeBlocks, SN_COUNTER64, SN_READ_ONLY, 0, 0, medium_free},
    {SUB_dvsanMediumLargestFreeBlocks, SN_COUNTER64, SN_READ_ONLY, 0, 0, medium_largest},
    {SUB_dvsanMediumOperState, SN_INT, SN_READ_ONLY, 0, 0, medium_state_of},
    {SUB_dvsanMediumLastError, SN_OCTETS, SN_READ_ONLY, 0, 0, medium_error},
    {SUB_dvsanMediumStorageBlocks, SN_COUNTER64, SN_READ_ONLY, 0, 0, medium_storage},
    {SUB_dvsanMediumStorageFreeBlocks, SN_COUNTER64, SN_READ_ONLY, 0, 0, medium_storage_free},
    {SUB_dvsanMediumOvercommitted, SN_COUNTER64, SN_READ_ONLY, 0, 0, medium_overcommitted},
    {SUB_dvsanMediumReserves, SN_INT, SN_READ_ONLY, 0, 0, medium_reserves},
    {SUB_dvsanMediumProof, SN_OCTETS, SN_READ_ONLY, 0, 0, medium_proof},
};

static const void *find_medium(void *ctx, const uint32_t *index, size_t len)
{
    const struct tables *t = ctx;
    return len == 1 ? state_medium(t->state, index[0]) : NULL;
}

static const void *next_medium(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                               size_t *out_len)
{
    const struct tables *t = ctx;
    const struct unit_medium *m = state_medium_next(t->state, index_after(index, len));
    return m ? found_next(m, m->m.index, out, out_len) : NULL;
}

const struct sn_table table_medium = {
    .name = "media",
    .entry = OID_dvsanMediumEntry,
    .columns = MEDIUM_COLUMNS,
    .column_count = DV_COUNT(MEDIUM_COLUMNS),
    .find = find_medium,
    .next = next_medium,
};

// ---- Portals ----------------------------------------------------------------------------------

enum { PORTAL_UP = 1, PORTAL_DOWN = 2 };

TABLE_GET(portal_type, struct unit_portal, p, sn_int(p->raw_len == 16 ? INET_IPV6 : INET_IPV4))
TABLE_GET(portal_address, struct unit_portal, p, sn_octets(p->raw, p->raw_len))
TABLE_GET(portal_port, struct unit_portal, p, sn_uint(p->p.port))
TABLE_GET(portal_interface, struct unit_portal, p, sn_int((int32_t)p->p.if_index))
TABLE_GET(portal_state, struct unit_portal, p, sn_int(p->p.up ? PORTAL_UP : PORTAL_DOWN))

TABLE_GET(portal_text, struct unit_portal, p, sn_text(p->text))

static const struct sn_column PORTAL_COLUMNS[] = {
    {SUB_dvsanPortalAddressType, SN_INT, SN_READ_ONLY, 0, 0, portal_type},
    {SUB_dvsanPortalAddress, SN_OCTETS, SN_READ_ONLY, 0, 0, portal_address},
    {SUB_dvsanPortalPort, SN_UINT, SN_READ_ONLY, 0, 0, portal_port},
    {SUB_dvsanPortalIfIndex, SN_INT, SN_READ_ONLY, 0, 0, portal_interface},
    {SUB_dvsanPortalOperState, SN_INT, SN_READ_ONLY, 0, 0, portal_state},
    {SUB_dvsanPortalText, SN_OCTETS, SN_READ_ONLY, 0, 0, portal_text},
};

static const void *find_portal(void *ctx, const uint32_t *index, size_t len)
{
    const struct tables *t = ctx;
    return len == 2 ? state_portal(t->state, index[0], index[1]) : NULL;
}

static const void *next_portal(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                               size_t *out_len)
{
    const struct tables *t = ctx;
    const struct unit_portal *p =
        state_portal_next(t->state, len > 0 ? index[0] : 0, len > 1 ? index[1] : 0);
    if (!p)
        return NULL;
    out[0] = p->p.index;
    out[1] = p->p.group;
    *out_len = 2;
    return p;
}

const struct sn_table table_portal = {
    .name = "portals",
    .entry = OID_dvsanPortalEntry,
    .columns = PORTAL_COLUMNS,
    .column_count = DV_COUNT(PORTAL_COLUMNS),
    .find = find_portal,
    .next = next_portal,
};

// ---- Changes ----------------------------------------------------------------------------------

TABLE_GET(change_kind, struct state_change, c, sn_int((int32_t)c->kind))
TABLE_GET(change_index, struct state_change, c, sn_uint(c->index))

static const struct sn_column CHANGE_COLUMNS[] = {
    {SUB_dvsanChangeKind, SN_INT, SN_READ_ONLY, 0, 0, change_kind},
    {SUB_dvsanChangeIndex, SN_UINT, SN_READ_ONLY, 0, 0, change_index},
};

static const void *find_change(void *ctx, const uint32_t *index, size_t len)
{
    const struct tables *t = ctx;
    return len == 1 ? state_change(t->state, index[0]) : NULL;
}

static const void *next_change(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                               size_t *out_len)
{
    const struct tables *t = ctx;
    const struct state_change *c = state_change_next(t->state, index_after(index, len));
    return c ? found_next(c, c->generation, out, out_len) : NULL;
}

const struct sn_table table_change = {
    .name = "changes",
    .entry = OID_dvsanChangeEntry,
    .columns = CHANGE_COLUMNS,
    .column_count = DV_COUNT(CHANGE_COLUMNS),
    .find = find_change,
    .next = next_change,
};

// ---- What volumes and rules share -------------------------------------------------------------

int table_apply(void *ctx, struct sn_change *c)
{
    struct tables *t = ctx;
    struct dv_err err;
    if (sets_apply(t->sets, c->memory, &err) == 0)
        return SN_NO_ERROR;
    log_error("unit", "a change could not be recorded and was refused: %s", err.text);
    return SN_COMMIT_FAILED;
}

int table_undo(void *ctx, struct sn_change *c)
{
    struct tables *t = ctx;
    struct dv_err err;
    if (sets_undo(t->sets, c->memory, &err) == 0)
        return SN_NO_ERROR;
    log_error("unit", "a change that was refused could not be taken back: %s", err.text);
    return SN_UNDO_FAILED;
}

void table_commit(void *ctx, struct sn_change *c)
{
    struct tables *t = ctx;
    sets_commit(t->sets, c->memory);
}

void table_release(void *ctx, struct sn_change *c)
{
    struct tables *t = ctx;
    sets_release(t->sets, c->memory);
    c->memory = NULL;
}

void table_tell_refusal(const struct sn_change *c, const char *what, int status)
{
    static struct log_limit told;
    log_limited(&told, LOG_LEVEL_INFO, "unit", "a SET for %s was refused: %s, for column %u", what,
                sn_status_name(status), c->count > 0 ? c->sets[c->failed].column : 0);
}

int tables_register(struct sn_agent *agent, struct tables *t, struct dv_err *err)
{
    static const struct sn_table *const all[] = {&table_summary, &table_medium, &table_volume,
                                                 &table_access,  &table_portal, &table_change,
                                                 &table_free};
    for (size_t i = 0; i < DV_COUNT(all); i++)
        if (sn_agent_table(agent, all[i], t, err) != 0)
            return -1;
    return 0;
}
