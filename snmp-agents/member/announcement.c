// The payload of a member's notifications: what it tells of itself, as varbinds.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/announcement.h"
#include "base/mem.h"
#include "dvsan_oids.h"
#include "snmp/std_oids.h"

enum { IF_UP = 1, IF_DOWN = 2 }; // ifAdminStatus, ifOperStatus (RFC 2863)

static const struct sn_oid COLD_START = OID_coldStart;
static const struct sn_oid LINK_UP = OID_linkUp;
static const struct sn_oid LINK_DOWN = OID_linkDown;
static const struct sn_oid AGAIN = OID_dvsanMemberAnnounce;
static const struct sn_oid MEMBER = OID_dvsanMemberObjects;

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

void announcement_begin(struct announcement *a, const struct sn_oid *trap)
{
    *a = (struct announcement){.trap = *trap};
}

void announcement_add(struct announcement *a, struct sn_oid oid, struct sn_value value)
{
    *DV_APPEND(a->vars, a->count) = (struct sn_var){oid, value};
}

void announcement_add_scalar(struct announcement *a, const struct sn_oid *oid,
                             struct sn_value value)
{
    *DV_APPEND(a->vars, a->count) = sn_scalar(oid, value);
}

static void add_member(struct announcement *a, uint32_t object, struct sn_value value)
{
    struct sn_oid oid = sn_oid_append(&MEMBER, object);
    announcement_add_scalar(a, &oid, value);
}

static void add_link(struct announcement *a, const struct netlink_interface *link)
{
    static const struct sn_oid index = OID_ifIndex, admin = OID_ifAdminStatus,
                               oper = OID_ifOperStatus;
    announcement_add(a, sn_oid_append(&index, link->index), sn_int((int32_t)link->index));
    announcement_add(a, sn_oid_append(&admin, link->index),
                     sn_int(link->admin_up ? IF_UP : IF_DOWN));
    announcement_add(a, sn_oid_append(&oper, link->index), sn_int(link->oper_up ? IF_UP : IF_DOWN));
}

// The objects that dvsanMemberAnnounce lists, in its order.
static void add_identity(struct announcement *a, const struct member *m)
{
    add_member(a, SUB_dvsanMemberUuid, sn_octets(m->uuid.b, sizeof(m->uuid.b)));
    add_member(a, SUB_dvsanMemberKind, sn_int((int32_t)m->kind));
    add_member(a, SUB_dvsanMemberName, sn_text(m->name));
    add_member(a, SUB_dvsanMemberAddress, sn_text(m->address));
    add_member(a, SUB_dvsanMemberEpoch, sn_uint(m->epoch));
    add_member(a, SUB_dvsanMemberGeneration, sn_uint(m->owner.generation(m->owner.arg)));
    add_member(a, SUB_dvsanMemberOperState, sn_int((int32_t)m->state));
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
static void add_sender(struct announcement *a, const struct member *m,
                       const struct sn_engine_id *engine)
{
    static const struct sn_oid enterprise = OID_snmpTrapEnterprise, engine_id = OID_snmpEngineID,
                               unit = OID_dvsanProductUnit, host = OID_dvsanProductHost;
    announcement_add_scalar(a, &enterprise, sn_objid(m->kind == MEMBER_HOST ? &host : &unit));
    if (engine->len > 0)
        announcement_add_scalar(a, &engine_id, sn_octets(engine->b, engine->len));
}

void announcement_sign(struct announcement *a, const struct member *member,
                       const struct sn_engine_id *engine)
{
    add_sender(a, member, engine);
    add_identity(a, member);
}

void announcement_make(struct announcement *a, enum announcement_kind kind,
                       const struct netlink_interface *link, const struct member *member,
                       const struct sn_engine_id *engine)
{
    announcement_begin(a, trap_of(kind));
    if (link)
        add_link(a, link);
    if (kind == ANNOUNCE_AGAIN)
        add_identity(a, member);
    add_sender(a, member, engine);
    if (kind != ANNOUNCE_AGAIN)
        add_identity(a, member);
    add_member(a, SUB_dvsanMemberSoftwareVersion, sn_text(DVSAN_VERSION));
    member->owner.announce(member->owner.arg, a);
}

bool announcement_fits(const struct announcement *a)
{
    return announcement_size(a) <= ANNOUNCEMENT_MESSAGE_MAX - ANNOUNCEMENT_HEADERS_MAX;
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
