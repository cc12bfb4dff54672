// The payload of the unit's notifications: what it tells of itself, as varbinds.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/announcement.h"
#include "base/mem.h"
#include "dvsan_oids.h"
#include "snmp-agents/unit/std/oids.h"
#include "snmp/std_oids.h"

enum { IF_UP = 1, IF_DOWN = 2 }; // ifAdminStatus, ifOperStatus (RFC 2863)

static const struct sn_oid COLD_START = OID_coldStart;
static const struct sn_oid LINK_UP = OID_linkUp;
static const struct sn_oid LINK_DOWN = OID_linkDown;
static const struct sn_oid AGAIN = OID_dvsanMemberAnnounce;
static const struct sn_oid PRODUCT = OID_dvsanProductUnit;
static const struct sn_oid MEMBER = OID_dvsanMemberObjects;
static const struct sn_oid MEDIUM = OID_dvsanMediumEntry;
static const struct sn_oid VOLUME = OID_dvsanVolumeEntry;

// ---- Sizes in BER (ITU-T X.690), as RFC 3417 section 8 limits them -----------------------------

static size_t length_octets(size_t len)
{
    return len < 128 ? 1 : len < 256 ? 2 : 3;
}

static size_t with_header(size_t len)
{
    return 1 + length_octets(len) + len;
}

static size_t oid_octets(const struct sn_oid *oid)
{
    size_t n = 1; // the first two sub-identifiers share an octet
    for (uint32_t i = 2; i < oid->len; i++) {
        uint32_t id = oid->id[i];
        do
            n++;
        while ((id >>= 7) != 0);
    }
    return n;
}

static size_t unsigned_octets(uint64_t u)
{
    size_t n = 1;
    while ((u >>= 7) != 0 && n < 9) { // a leading zero bit keeps it positive
        n++;
        u >>= 1;
    }
    return n;
}

static size_t value_octets(const struct sn_value *v)
{
    switch (v->type) {
    case SN_INT:
        return v->i < 0 ? sizeof(v->i) : unsigned_octets((uint64_t)v->i);
    case SN_UINT:
    case SN_COUNTER32:
    case SN_TICKS:
        return unsigned_octets(v->u);
    case SN_COUNTER64:
        return unsigned_octets(v->u64);
    case SN_OCTETS:
        return v->octets.len;
    case SN_OBJID:
        return oid_octets(v->oid);
    default:
        return 0;
    }
}

static size_t var_octets(const struct sn_var *var)
{
    return with_header(with_header(oid_octets(&var->oid)) + with_header(value_octets(&var->value)));
}

size_t announcement_size(const struct announcement *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->count; i++)
        n += var_octets(&a->vars[i]);
    return n;
}

// ---- Varbinds ---------------------------------------------------------------------------------

static void add(struct announcement *a, struct sn_oid oid, struct sn_value value)
{
    *DV_APPEND(a->vars, a->count) = (struct sn_var){oid, value};
}

static void add_scalar(struct announcement *a, const struct sn_oid *oid, struct sn_value value)
{
    *DV_APPEND(a->vars, a->count) = sn_scalar(oid, value);
}

static void add_member(struct announcement *a, uint32_t object, struct sn_value value)
{
    struct sn_oid oid = sn_oid_append(&MEMBER, object);
    add_scalar(a, &oid, value);
}

static void add_medium(struct announcement *a, uint32_t column, uint32_t index,
                       struct sn_value value)
{
    uint32_t suffix[] = {column, index};
    add(a, sn_oid_join(&MEDIUM, suffix, DV_COUNT(suffix)), value);
}

static void add_volume(struct announcement *a, uint32_t column, uint32_t index,
                       struct sn_value value)
{
    uint32_t suffix[] = {column, index};
    add(a, sn_oid_join(&VOLUME, suffix, DV_COUNT(suffix)), value);
}

static void add_link(struct announcement *a, const struct netlink_interface *link)
{
    static const struct sn_oid index = OID_ifIndex, admin = OID_ifAdminStatus,
                               oper = OID_ifOperStatus;
    add(a, sn_oid_append(&index, link->index), sn_int((int32_t)link->index));
    add(a, sn_oid_append(&admin, link->index), sn_int(link->admin_up ? IF_UP : IF_DOWN));
    add(a, sn_oid_append(&oper, link->index), sn_int(link->oper_up ? IF_UP : IF_DOWN));
}

// The objects that dvsanMemberAnnounce lists, in its order.
static void add_identity(struct announcement *a, const struct member *m, const struct state *state)
{
    add_member(a, SUB_dvsanMemberUuid, sn_octets(m->uuid.b, sizeof(m->uuid.b)));
    add_member(a, SUB_dvsanMemberKind, sn_int(MEMBER_UNIT));
    add_member(a, SUB_dvsanMemberName, sn_text(m->name));
    add_member(a, SUB_dvsanMemberAddress, sn_text(m->address));
    add_member(a, SUB_dvsanMemberEpoch, sn_uint(m->epoch));
    add_member(a, SUB_dvsanMemberGeneration, sn_uint(state_generation(state)));
    add_member(a, SUB_dvsanMemberOperState, sn_int((int32_t)m->state));
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
        if (announcement_size(a) <= ANNOUNCEMENT_MESSAGE_MAX - ANNOUNCEMENT_HEADERS_MAX)
            continue;
        a->count = before;
        return;
    }
}

static const struct sn_oid *trap_of(enum announcement_kind kind)
{
    switch (kind) {
    case ANNOUNCE_COLD_START:
        return &COLD_START;
    case ANNOUNCE_LINK_UP:
        return &LINK_UP;
    case ANNOUNCE_LINK_DOWN:
        return &LINK_DOWN;
    case ANNOUNCE_AGAIN:
        break;
    }
    return &AGAIN;
}

// Whose notification it is.
static void add_sender(struct announcement *a, const struct sn_engine_id *engine)
{
    static const struct sn_oid enterprise = OID_snmpTrapEnterprise, engine_id = OID_snmpEngineID;
    add_scalar(a, &enterprise, sn_objid(&PRODUCT));
    if (engine->len > 0)
        add_scalar(a, &engine_id, sn_octets(engine->b, engine->len));
}

void announcement_make(struct announcement *a, enum announcement_kind kind,
                       const struct netlink_interface *link, const struct member *member,
                       const struct state *state, const struct sn_engine_id *engine)
{
    static const struct sn_oid volumes = OID_dvsanUnitVolumes;
    *a = (struct announcement){.trap = *trap_of(kind)};
    if (link)
        add_link(a, link);
    if (kind == ANNOUNCE_AGAIN)
        add_identity(a, member, state);
    add_sender(a, engine);
    if (kind != ANNOUNCE_AGAIN)
        add_identity(a, member, state);
    add_member(a, SUB_dvsanMemberSoftwareVersion, sn_text(DVSAN_VERSION));
    add_scalar(a, &volumes, sn_uint((uint32_t)state_volume_count(state)));
    add_rows(a, state);
}

static const struct sn_oid *trap_of_medium(enum medium_state state)
{
    static const struct sn_oid online = OID_dvsanMediumOnline, low = OID_dvsanMediumLow,
                               failed = OID_dvsanMediumFailed;
    return state == MEDIUM_FAILED ? &failed : state == MEDIUM_LOW ? &low : &online;
}

void announcement_make_medium(struct announcement *a, const struct medium *medium,
                              const struct member *member, const struct state *state,
                              const struct sn_engine_id *engine)
{
    *a = (struct announcement){.trap = *trap_of_medium(medium->state)};
    add_medium(a, SUB_dvsanMediumName, medium->index, sn_text(medium->name));
    add_medium(a, SUB_dvsanMediumOperState, medium->index, sn_int((int32_t)medium->state));
    add_medium(a, SUB_dvsanMediumLastError, medium->index, sn_text(medium->last_error));
    add_sender(a, engine);
    add_identity(a, member, state);
}

void announcement_make_volume(struct announcement *a, const struct volume *volume,
                              const struct member *member, const struct state *state,
                              const struct sn_engine_id *engine)
{
    static const struct sn_oid changed = OID_dvsanVolumeStateChange;
    uint32_t index = volume->index;
    *a = (struct announcement){.trap = changed};
    add_volume(a, SUB_dvsanVolumeUuid, index, sn_octets(volume->uuid.b, sizeof(volume->uuid.b)));
    add_volume(a, SUB_dvsanVolumeName, index, sn_text(volume->name));
    add_volume(a, SUB_dvsanVolumeOperState, index, sn_int((int32_t)volume->state));
    add_volume(a, SUB_dvsanVolumeLastError, index, sn_text(volume->last_error));
    add_sender(a, engine);
    add_identity(a, member, state);
}

// tgtd does not tell whence the login came: 0 and an empty string are what RFC 4001 has for an
// address and a port that are not known.
void announcement_make_login(struct announcement *a, const struct unit_volume *volume,
                             const struct member *member, const struct state *state,
                             const struct sn_engine_id *engine)
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
    *a = (struct announcement){.trap = failure};
    for (size_t i = 0; i < DV_COUNT(objects); i++) {
        uint32_t suffix[] = {objects[i].column, volume->v.group, volume->v.index};
        add(a, sn_oid_join(&entry, suffix, DV_COUNT(suffix)), objects[i].value);
    }
    add_sender(a, engine);
    add_identity(a, member, state);
}

void announcement_narrow(struct announcement *a)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->count; i++)
        if (a->vars[i].value.type != SN_COUNTER64)
            a->vars[kept++] = a->vars[i];
    a->count = kept;
}

void announcement_clear(struct announcement *a)
{
    free(a->vars);
    *a = (struct announcement){0};
}
