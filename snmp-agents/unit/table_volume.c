// The volume table: its columns, and what a SET may ask of a volume.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "dvsan_oids.h"
#include "model/kind.h"
#include "snmp-agents/unit/tables.h"
#include "snmp/record.h"
#include <stdio.h>
#include <string.h>

#define VOLUME_LUN 1 // one target a volume, so always the same

static uint64_t wanted_blocks(const struct unit_volume *v)
{
    return v->v.target_blocks ? v->v.target_blocks : v->v.blocks;
}

#define GETTER(name, value)   TABLE_GET(get_##name, struct unit_volume, v, value)
#define CONSTANT(name, value) TABLE_CONSTANT(get_##name, value)

GETTER(uuid, sn_octets(v->v.uuid.b, sizeof(v->v.uuid.b)))
GETTER(name, sn_text(v->v.name))
GETTER(medium, sn_uint(v->v.medium))
GETTER(size, sn_uint((uint32_t)(wanted_blocks(v) / BLOCKS_PER_MIB)))
GETTER(thin, sn_int(v->v.thin ? TRUTH_TRUE : TRUTH_FALSE))
GETTER(start, sn_counter64(v->v.start_lba))
GETTER(blocks, sn_counter64(v->v.blocks))
GETTER(end, sn_counter64(volume_end_lba(&v->v)))
CONSTANT(block_size, sn_uint(BLOCK_SIZE))
GETTER(iqn, sn_text(v->v.iqn))
GETTER(lun, sn_uint(v->v.lun))
GETTER(group, sn_uint(v->v.group))
GETTER(admin,
       sn_int(v->v.admin_online ? dvsanVolumeAdminState_online : dvsanVolumeAdminState_offline))
GETTER(oper, sn_int((int32_t)v->v.state))
GETTER(progress, sn_uint(v->v.progress))
GETTER(error, sn_text(v->v.last_error))
GETTER(read_ops, sn_counter64(v->counters.read_ops))
GETTER(write_ops, sn_counter64(v->counters.write_ops))
GETTER(read_bytes, sn_counter64(v->counters.read_bytes))
GETTER(written_bytes, sn_counter64(v->counters.written_bytes))
GETTER(generation, sn_uint(v->v.generation))
GETTER(description, sn_text(v->v.description))
CONSTANT(storage, sn_int(STORAGE_NON_VOLATILE))
CONSTANT(status, sn_int(ROW_ACTIVE))
CONSTANT(force, sn_int(TRUTH_FALSE))

static const struct sn_column COLUMNS[] = {
    {SUB_dvsanVolumeUuid, SN_OCTETS, SN_READ_CREATE, 16, 16, get_uuid},
    {SUB_dvsanVolumeName, SN_OCTETS, SN_READ_CREATE, 1, NAME_MAX_LEN, get_name},
    {SUB_dvsanVolumeMedium, SN_UINT, SN_READ_CREATE, 1, INDEX_MAX, get_medium},
    {SUB_dvsanVolumeSize, SN_UINT, SN_READ_CREATE, 1, UINT32_MAX, get_size},
    {SUB_dvsanVolumeThin, SN_INT, SN_READ_CREATE, TRUTH_TRUE, TRUTH_FALSE, get_thin},
    {SUB_dvsanVolumeStartLba, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_start},
    {SUB_dvsanVolumeBlocks, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_blocks},
    {SUB_dvsanVolumeEndLba, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_end},
    {SUB_dvsanVolumeBlockSize, SN_UINT, SN_READ_ONLY, 0, 0, get_block_size},
    {SUB_dvsanVolumeIqn, SN_OCTETS, SN_READ_ONLY, 0, 0, get_iqn},
    {SUB_dvsanVolumeLun, SN_UINT, SN_READ_ONLY, 0, 0, get_lun},
    {SUB_dvsanVolumeAdminState, SN_INT, SN_READ_CREATE, dvsanVolumeAdminState_online,
     dvsanVolumeAdminState_offline, get_admin},
    {SUB_dvsanVolumeOperState, SN_INT, SN_READ_ONLY, 0, 0, get_oper},
    {SUB_dvsanVolumeProgress, SN_UINT, SN_READ_ONLY, 0, 0, get_progress},
    {SUB_dvsanVolumeLastError, SN_OCTETS, SN_READ_ONLY, 0, 0, get_error},
    {SUB_dvsanVolumeReadOps, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_read_ops},
    {SUB_dvsanVolumeWriteOps, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_write_ops},
    {SUB_dvsanVolumeReadBytes, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_read_bytes},
    {SUB_dvsanVolumeWrittenBytes, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_written_bytes},
    {SUB_dvsanVolumeGeneration, SN_UINT, SN_READ_ONLY, 0, 0, get_generation},
    {SUB_dvsanVolumeStorageType, SN_INT, SN_READ_ONLY, 0, 0, get_storage},
    {SUB_dvsanVolumeRowStatus, SN_INT, SN_READ_CREATE, ROW_ACTIVE, ROW_DESTROY, get_status},
    {SUB_dvsanVolumeForce, SN_INT, SN_READ_CREATE, TRUTH_TRUE, TRUTH_FALSE, get_force},
    {SUB_dvsanVolumePortalGroup, SN_UINT, SN_READ_ONLY, 0, 0, get_group},
    {SUB_dvsanVolumeDescription, SN_OCTETS, SN_READ_CREATE, 0, DESCRIPTION_MAX_LEN,
     get_description},
};

static const void *find(void *ctx, const uint32_t *index, size_t len)
{
    const struct tables *t = ctx;
    return len == 1 ? state_volume(t->state, index[0]) : NULL;
}

static const void *next(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                        size_t *out_len)
{
    const struct tables *t = ctx;
    const struct unit_volume *v = state_volume_next(t->state, len > 0 ? index[0] : 0);
    if (!v)
        return NULL;
    out[0] = v->v.index;
    *out_len = 1;
    return v;
}

// ---- SET --------------------------------------------------------------------------------------

// What the request says. given has a bit for each column that it sets and that says what the volume
// is to be.
struct request {
    uint32_t given;
    struct volume want;
    uint32_t mib; // of its size
    bool force;
    int32_t status; // enum row status, 0 when it is not set
};
#define GIVEN(column) (UINT32_C(1) << SUB_dvsanVolume##column)

// Of the columns that can be changed at any time.
static uint32_t changes(const struct request *r)
{
    uint32_t columns = 0;
    for (size_t i = 0; i < kind_shown.field_count; i++)
        if (kind_shown.fields[i].flags & KIND_CHANGEABLE)
            columns |= UINT32_C(1) << kind_shown.fields[i].mib;
    return r->given & columns;
}

// As what is wanted of a volume is judged. Types and ranges were checked by the table handler.
static bool is_good(const struct kind_field *f, const struct volume *want)
{
    const struct kind_field *wanted = kind_field(&kind_volume, f->name);
    if (f->mib == SUB_dvsanVolumeUuid)
        return uuid_names(&want->uuid);
    return f->type != KIND_TEXT || !wanted || !wanted->check ||
           wanted->check("volume", (const char *)want + f->offset, NULL) == 0;
}

static bool take(const struct sn_value *v, uint32_t column, struct request *r)
{
    int32_t number = TRUTH_FALSE;
    const struct kind_field *f;
    bool good;
    switch (column) {
    case SUB_dvsanVolumeForce:
        good = sn_get_int(v, TRUTH_TRUE, TRUTH_FALSE, &number);
        r->force = number == TRUTH_TRUE;
        return good;
    case SUB_dvsanVolumeRowStatus:
        return sn_get_int(v, ROW_ACTIVE, ROW_DESTROY, &r->status) &&
               (r->status == ROW_CREATE_AND_GO || r->status == ROW_DESTROY);
    case SUB_dvsanVolumeSize:
        r->given |= GIVEN(Size);
        return sn_get_uint(v, &r->mib);
    default:
        f = kind_column(&kind_shown, column);
        r->given |= UINT32_C(1) << column;
        return f && sn_record_field(f, v, &r->want) && is_good(f, &r->want);
    }
}

static int parse(struct sn_change *c, struct request *r)
{
    *r = (struct request){.want.admin_online = true};
    for (size_t i = 0; i < c->count; i++) {
        if (take(&c->sets[i].value, c->sets[i].column, r))
            continue;
        c->failed = i;
        return SN_WRONG_VALUE;
    }
    return SN_NO_ERROR;
}

static void fill(const struct tables *t, uint32_t index, const struct request *r,
                 const struct unit_medium *m, uint64_t start, struct volume *v)
{
    char uuid[UUID_TEXT_LEN];
    *v = r->want;
    v->index = index;
    v->start_lba = start;
    v->blocks = (uint64_t)r->mib * BLOCKS_PER_MIB;
    if (!(r->given & GIVEN(Thin)))
        v->thin = m->thin;
    v->lun = VOLUME_LUN;
    v->state = VOLUME_CREATING;
    snprintf(v->iqn, sizeof(v->iqn), "%s:%s", t->iqn_prefix, uuid_format(&v->uuid, uuid));
}

static int check_create(struct tables *t, struct sn_change *c, const struct request *r,
                        struct intent *in)
{
    const uint32_t needed = GIVEN(Uuid) | GIVEN(Name) | GIVEN(Medium) | GIVEN(Size);
    if ((r->given & needed) != needed)
        return table_blame(c, SUB_dvsanVolumeRowStatus, SN_INCONSISTENT_VALUE);
    const struct unit_medium *m = state_medium(t->state, r->want.medium);
    if (!m)
        return table_blame(c, SUB_dvsanVolumeMedium, SN_WRONG_VALUE);
    if (m->m.state == MEDIUM_FAILED)
        return table_blame(c, SUB_dvsanVolumeMedium, SN_RESOURCE_UNAVAILABLE);
    if (sets_volume_uuid_taken(t->sets, &r->want.uuid, c->index[0]))
        return table_blame(c, SUB_dvsanVolumeUuid, SN_INCONSISTENT_VALUE);
    if (sets_volume_name_taken(t->sets, r->want.name, c->index[0]))
        return table_blame(c, SUB_dvsanVolumeName, SN_INCONSISTENT_VALUE);

    uint64_t blocks = (uint64_t)r->mib * BLOCKS_PER_MIB;
    if (m->m.kind == MEDIUM_DEVICE && m->m.blocks != 0 && blocks != m->m.blocks) // all or nothing
        return table_blame(c, SUB_dvsanVolumeSize, SN_INCONSISTENT_VALUE);
    DV_FREE struct extent *used = NULL;
    size_t n = sets_extents(t->sets, r->want.medium, &used);
    uint64_t start;
    if (extent_find(used, n, m->m.blocks, blocks, &start, NULL) != 0)
        return table_blame(c, SUB_dvsanVolumeSize, SN_RESOURCE_UNAVAILABLE);
    in->kind = INTENT_PUT_VOLUME;
    in->create = true;
    fill(t, c->index[0], r, m, start, &in->volume);
    return SN_NO_ERROR;
}

// createAndGo for a row that is there: a manager repeats itself, or makes a mistake.
static int check_again(struct sn_change *c, const struct unit_volume *v, const struct request *r)
{
    if (!(r->given & GIVEN(Uuid)) || v->v.state == VOLUME_DELETING)
        return table_blame(c, SUB_dvsanVolumeRowStatus, SN_INCONSISTENT_VALUE);
    if (!uuid_equal(&r->want.uuid, &v->v.uuid))
        return table_blame(c, SUB_dvsanVolumeUuid, SN_INCONSISTENT_VALUE);
    return SN_NO_ERROR;
}

// The reason cannot be in the answer, and a refused SET changes nothing: so the log has it.
static int refuse_resize(struct sn_change *c, const struct unit_volume *v, int status,
                         const char *why)
{
    log_warning("unit", "volume %s: it cannot be resized: %s", v->v.name, why);
    return table_blame(c, SUB_dvsanVolumeSize, status);
}

// Whether somebody may use it, after the request.
static bool is_in_use(const struct tables *t, const struct unit_volume *v, const struct request *r)
{
    return ((r->given & GIVEN(AdminState)) ? r->want.admin_online : v->v.admin_online) &&
           sets_volume_has_rules(t->sets, v->v.index);
}

static int check_resize(struct tables *t, struct sn_change *c, const struct unit_volume *v,
                        const struct request *r, struct intent *in)
{
    const struct unit_medium *m = state_medium(t->state, v->v.medium);
    const struct extent now = {v->v.start_lba, v->v.blocks};
    uint64_t blocks = (uint64_t)r->mib * BLOCKS_PER_MIB;
    struct extent target;
    struct dv_err err;
    if (blocks == wanted_blocks(v))
        return SN_NO_ERROR;
    if (!v->made || v->v.state == VOLUME_DELETING)
        return table_blame(c, SUB_dvsanVolumeSize, SN_INCONSISTENT_VALUE);
    if (v->v.target_blocks != 0)
        return refuse_resize(c, v, SN_INCONSISTENT_VALUE, "it is being resized now");
    if (blocks < v->v.blocks && !r->force)
        return refuse_resize(c, v, SN_INCONSISTENT_VALUE,
                             "shrinking cuts off what lies at its end, so it must be forced");
    if (!m || m->m.state == MEDIUM_FAILED)
        return refuse_resize(c, v, SN_RESOURCE_UNAVAILABLE, "its medium cannot be used");
    DV_FREE struct extent *used = NULL, *free_list = NULL;
    size_t n = sets_extents(t->sets, v->v.medium, &used);
    size_t count = extent_free_list(used, n, m->m.blocks, &free_list);
    if (extent_resize(free_list, count, &now, blocks, medium_kind_moves(m->m.kind), &target,
                      &err) != 0)
        return refuse_resize(c, v, SN_RESOURCE_UNAVAILABLE, err.text);
    if (medium_kind_moves(m->m.kind) == MOVES_BY_COPY && target.start != v->v.start_lba &&
        !r->force && is_in_use(t, v, r))
        return refuse_resize(c, v, SN_INCONSISTENT_VALUE,
                             "it must be copied to grow, because the extent behind it is taken, "
                             "and cannot be used meanwhile: force it, or take it offline first");
    in->resize = true;
    in->volume.target_start_lba = target.start;
    in->volume.target_blocks = target.blocks;
    return SN_NO_ERROR;
}

static int check_change(struct tables *t, struct sn_change *c, const struct unit_volume *v,
                        const struct request *r, struct intent *in)
{
    if ((r->given & GIVEN(Uuid)) && !uuid_equal(&r->want.uuid, &v->v.uuid))
        return table_blame(c, SUB_dvsanVolumeUuid, SN_INCONSISTENT_VALUE);
    if ((r->given & GIVEN(Medium)) && r->want.medium != v->v.medium)
        return table_blame(c, SUB_dvsanVolumeMedium, SN_INCONSISTENT_VALUE);
    if ((r->given & GIVEN(Thin)) && r->want.thin != v->v.thin)
        return table_blame(c, SUB_dvsanVolumeThin, SN_INCONSISTENT_VALUE);
    if (v->v.state == VOLUME_DELETING && changes(r)) {
        c->failed = 0;
        return SN_INCONSISTENT_VALUE;
    }
    if ((r->given & GIVEN(Name)) && sets_volume_name_taken(t->sets, r->want.name, v->v.index))
        return table_blame(c, SUB_dvsanVolumeName, SN_INCONSISTENT_VALUE);
    in->volume = v->v;
    if (r->given & GIVEN(Size)) {
        int status = check_resize(t, c, v, r, in);
        if (status != SN_NO_ERROR)
            return status;
    }
    if (!changes(r) && !in->resize)
        return SN_NO_ERROR;
    in->kind = INTENT_PUT_VOLUME;
    for (size_t i = 0; i < kind_shown.field_count; i++)
        if (changes(r) & (UINT32_C(1) << kind_shown.fields[i].mib))
            kind_copy_field(&kind_shown.fields[i], &in->volume, &r->want);
    return SN_NO_ERROR;
}

static int check_destroy(struct tables *t, struct sn_change *c, const struct unit_volume *v,
                         struct intent *in)
{
    if (v->v.state == VOLUME_DELETING)
        return SN_NO_ERROR;
    if (sets_volume_has_rules(t->sets, v->v.index))
        return table_blame(c, SUB_dvsanVolumeRowStatus, SN_INCONSISTENT_VALUE);
    in->kind = INTENT_DELETE_VOLUME;
    in->volume = v->v;
    in->volume.state = VOLUME_DELETING;
    return SN_NO_ERROR;
}

// While the medium is there, what is forgotten would be found on it again at once.
static int check_forget(struct tables *t, struct sn_change *c, const struct unit_volume *v,
                        struct intent *in)
{
    const struct unit_medium *m = state_medium(t->state, v->v.medium);
    if (m && m->m.state != MEDIUM_FAILED) {
        log_warning("unit", "volume %s: it cannot be forgotten, since its medium is there",
                    v->v.name);
        return table_blame(c, SUB_dvsanVolumeForce, SN_INCONSISTENT_VALUE);
    }
    in->kind = INTENT_FORGET_VOLUME;
    in->volume = v->v;
    return SN_NO_ERROR;
}

// Which volume is meant a manager tells by its UUID, since an index may be another one's by now.
// Who changes it in the same request does not know what he wants.
static int check_end(struct tables *t, struct sn_change *c, const struct unit_volume *v,
                     const struct request *r, struct intent *in)
{
    if (r->given & ~GIVEN(Uuid))
        return table_blame(c, SUB_dvsanVolumeRowStatus, SN_INCONSISTENT_VALUE);
    if (!v) // RFC 2579: destroying nothing succeeds
        return SN_NO_ERROR;
    if ((r->given & GIVEN(Uuid)) && !uuid_equal(&r->want.uuid, &v->v.uuid))
        return table_blame(c, SUB_dvsanVolumeUuid, SN_INCONSISTENT_VALUE);
    return r->force ? check_forget(t, c, v, in) : check_destroy(t, c, v, in);
}

// A station takes over what is made, and another size. Making what is there changes nothing.
static int may_change(struct tables *t, const struct sn_change *c, const struct request *r,
                      const char *what)
{
    bool undone = r->status == ROW_DESTROY || (r->status != ROW_CREATE_AND_GO &&
                                               (r->given & (GIVEN(Name) | GIVEN(AdminState))));
    return scalars_may_change(t->scalars, c, undone, what);
}

static int check_request(struct tables *t, struct sn_change *c, const struct request *r,
                         struct intent *in)
{
    const struct unit_volume *v = c->row;
    if (r->status == ROW_DESTROY)
        return check_end(t, c, v, r, in);
    if (r->status == ROW_CREATE_AND_GO)
        return v ? check_again(c, v, r) : check_create(t, c, r, in);
    return v ? check_change(t, c, v, r, in) : SN_INCONSISTENT_NAME;
}

static int check(void *ctx, struct sn_change *c)
{
    struct tables *t = ctx;
    struct request r;
    struct intent in = {.kind = INTENT_NOTHING, .request = c->request};
    if (c->index_len != 1 || c->index[0] < 1 || c->index[0] > INDEX_MAX)
        return SN_NO_CREATION;
    char what[32];
    snprintf(what, sizeof(what), "volume %u", c->index[0]);
    int status = parse(c, &r);
    if (status == SN_NO_ERROR)
        status = may_change(t, c, &r, what);
    if (status == SN_NO_ERROR)
        status = check_request(t, c, &r, &in);
    if (status == SN_NO_ERROR)
        c->memory = sets_stage(t->sets, &in);
    else
        table_tell_refusal(c, what, status);
    return status;
}

const struct sn_table table_volume = {
    .name = "volumes",
    .entry = OID_dvsanVolumeEntry,
    .columns = COLUMNS,
    .column_count = DV_COUNT(COLUMNS),
    .find = find,
    .next = next,
    .check = check,
    .apply = table_apply,
    .undo = table_undo,
    .commit = table_commit,
    .release = table_release,
};
