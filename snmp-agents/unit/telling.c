// What a unit's notifications tell of its media, volumes and links, and when.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/telling.h"
#include "base/mem.h"
#include "dvsan_oids.h"
#include "snmp-agents/unit/std/oids.h"

static const struct sn_oid MEDIUM = OID_dvsanMediumEntry;
static const struct sn_oid VOLUME = OID_dvsanVolumeEntry;

// Of refused logins the ISCSI-MIB wants no more than three in ten seconds.
const struct news_kind telling_kinds[TELLING_KINDS] = {
    [TELLING_LOGIN] = {.most = 3, .most_ms = 10000, .counts = true}};

// ---- When -------------------------------------------------------------------------------------

static void forget_volume(struct news *n, uint32_t index)
{
    news_forget(n, TELLING_VOLUME, index);
    news_forget(n, TELLING_LOGIN, index);
}

// Creating and deleting is work that somebody asked for and follows: only how the volume is
// served is told.
static void see_volume(const struct state *state, struct news *n, uint32_t index)
{
    const struct unit_volume *v = state_volume(state, index);
    if (v && v->v.state == VOLUME_DELETING)
        forget_volume(n, index);
    else if (v && v->v.state != VOLUME_CREATING)
        news_see(n, TELLING_VOLUME, index, (int)v->v.state, VOLUME_ONLINE);
}

static void see_medium(const struct state *state, struct news *n, uint32_t index)
{
    const struct unit_medium *m = state_medium(state, index);
    if (m)
        news_see(n, TELLING_MEDIUM, index, (int)m->m.state, MEDIUM_ONLINE);
    else
        news_forget(n, TELLING_MEDIUM, index);
}

void telling_look(const struct state *state, uint32_t *seen, struct news *n)
{
    const struct state_change *c = NULL;
    while ((c = state_change_next(state, *seen))) {
        *seen = c->generation;
        if (c->kind == STATE_CHANGE_VOLUME)
            see_volume(state, n, c->index);
        else if (c->kind == STATE_CHANGE_MEDIUM)
            see_medium(state, n, c->index);
        else if (c->kind == STATE_CHANGE_VOLUME_DELETED)
            forget_volume(n, c->index);
    }
}

// ---- What -------------------------------------------------------------------------------------

static void add_medium(struct announcement *a, uint32_t column, uint32_t index,
                       struct sn_value value)
{
    uint32_t suffix[] = {column, index};
    announcement_add(a, sn_oid_join(&MEDIUM, suffix, DV_COUNT(suffix)), value);
}

static void add_volume(struct announcement *a, uint32_t column, uint32_t index,
                       struct sn_value value)
{
    uint32_t suffix[] = {column, index};
    announcement_add(a, sn_oid_join(&VOLUME, suffix, DV_COUNT(suffix)), value);
}

static void add_row(struct announcement *a, const struct volume *v)
{
    add_volume(a, SUB_dvsanVolumeStartLba, v->index, sn_counter64(v->start_lba));
    add_volume(a, SUB_dvsanVolumeBlocks, v->index, sn_counter64(v->blocks));
    add_volume(a, SUB_dvsanVolumeEndLba, v->index, sn_counter64(volume_end_lba(v)));
    add_volume(a, SUB_dvsanVolumeOperState, v->index, sn_int((int32_t)v->state));
    add_volume(a, SUB_dvsanVolumeUuid, v->index, sn_octets(v->uuid.b, sizeof(v->uuid.b)));
}

static void add_rows(struct announcement *a, const struct state *state)
{
    const struct unit_volume *v = NULL;
    while ((v = state_volume_next(state, v ? v->v.index : 0))) {
        size_t before = a->count;
        add_row(a, &v->v);
        if (announcement_fits(a))
            continue;
        a->count = before;
        return;
    }
}

void telling_announce(const struct state *state, struct announcement *a)
{
    static const struct sn_oid volumes = OID_dvsanUnitVolumes;
    announcement_add_scalar(a, &volumes, sn_uint((uint32_t)state_volume_count(state)));
    add_rows(a, state);
}

static const struct sn_oid *trap_of_medium(enum medium_state state)
{
    static const struct sn_oid online = OID_dvsanMediumOnline, low = OID_dvsanMediumLow,
                               failed = OID_dvsanMediumFailed;
    return state == MEDIUM_FAILED ? &failed : state == MEDIUM_LOW ? &low : &online;
}

void telling_medium(const struct medium *medium, struct announcement *a)
{
    announcement_begin(a, trap_of_medium(medium->state));
    add_medium(a, SUB_dvsanMediumName, medium->index, sn_text(medium->name));
    add_medium(a, SUB_dvsanMediumOperState, medium->index, sn_int((int32_t)medium->state));
    add_medium(a, SUB_dvsanMediumLastError, medium->index, sn_text(medium->last_error));
}

void telling_volume(const struct volume *volume, struct announcement *a)
{
    static const struct sn_oid changed = OID_dvsanVolumeStateChange;
    uint32_t index = volume->index;
    announcement_begin(a, &changed);
    add_volume(a, SUB_dvsanVolumeUuid, index, sn_octets(volume->uuid.b, sizeof(volume->uuid.b)));
    add_volume(a, SUB_dvsanVolumeName, index, sn_text(volume->name));
    add_volume(a, SUB_dvsanVolumeOperState, index, sn_int((int32_t)volume->state));
    add_volume(a, SUB_dvsanVolumeLastError, index, sn_text(volume->last_error));
}

// tgtd does not tell whence the login came: 0 and an empty string are what RFC 4001 has for an
// address and a port that are not known.
void telling_login(const struct unit_volume *volume, struct announcement *a)
{
    static const struct sn_oid failure = OID_iscsiTgtLoginFailure,
                               entry = OID_iscsiTargetAttributesEntry,
                               type = OID_iscsiTgtLoginAuthenticateFails;
    const struct {
        uint32_t column;
        struct sn_value value;
    } objects[] = {
        {SUB_iscsiTgtLoginFailures, {.type = SN_COUNTER32, .u = (uint32_t)volume->refused.count}},
        {SUB_iscsiTgtLastFailureType, sn_objid(&type)},
        {SUB_iscsiTgtLastIntrFailureName, sn_text(volume->refused.initiator)},
        {SUB_iscsiTgtLastIntrFailureAddrType, sn_int(0)},
        {SUB_iscsiTgtLastIntrFailureAddr, sn_text("")},
        {SUB_iscsiTgtLastIntrFailurePort, sn_uint(0)},
    };
    announcement_begin(a, &failure);
    for (size_t i = 0; i < DV_COUNT(objects); i++) {
        uint32_t suffix[] = {objects[i].column, volume->v.group, volume->v.index};
        announcement_add(a, sn_oid_join(&entry, suffix, DV_COUNT(suffix)), objects[i].value);
    }
}
