// Parsing announcements: every binding is looked for by its name, and every value is checked.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/join/announce.h"

#include "base/address.h"
#include "base/mem.h"
#include "dvsan_oids.h"
#include "snmp/std_oids.h"
#include <string.h>

// The value bound to object.0; NULL when it is missing or there twice.
static const struct sn_value *scalar(const struct sn_notification *n, const struct sn_oid *object)
{
    const struct sn_value *found = NULL;
    for (size_t i = 0; i < n->count; i++) {
        const uint32_t *suffix;
        size_t len;
        if (!sn_oid_under(&n->vars[i].oid, object, &suffix, &len) || len != 1 || suffix[0] != 0)
            continue;
        if (found)
            return NULL;
        found = &n->vars[i].value;
    }
    return found;
}

static bool kind_of(const struct sn_oid *trap, enum heard_kind *kind)
{
    static const struct {
        struct sn_oid oid;
        enum heard_kind kind;
    } known[] = {
        {OID_coldStart, HEARD_COLD_START},        {OID_linkUp, HEARD_LINK_UP},
        {OID_linkDown, HEARD_LINK_DOWN},          {OID_dvsanMemberAnnounce, HEARD_REPEAT},
        {OID_dvsanVolumeStateChange, HEARD_NEWS}, {OID_dvsanMediumOnline, HEARD_NEWS},
        {OID_dvsanMediumLow, HEARD_NEWS},         {OID_dvsanMediumFailed, HEARD_NEWS},
    };
    for (size_t i = 0; i < DV_COUNT(known); i++) {
        if (sn_oid_compare(trap, &known[i].oid) == 0) {
            *kind = known[i].kind;
            return true;
        }
    }
    return false;
}

static bool enterprise_is_ours(const struct sn_notification *n)
{
    static const struct sn_oid enterprise = OID_snmpTrapEnterprise, products = OID_dvsanProducts;
    const struct sn_value *v = scalar(n, &enterprise);
    const uint32_t *suffix;
    size_t len;
    return v && v->type == SN_OBJID && sn_oid_under(v->oid, &products, &suffix, &len) && len == 1;
}

static bool read_number(const struct sn_notification *n, const struct sn_oid *object, int32_t max,
                        int32_t *out)
{
    const struct sn_value *v = scalar(n, object);
    return v && sn_get_int(v, 1, max, out);
}

static const char *read_identity(const struct sn_notification *n, struct heard *a)
{
    static const struct sn_oid uuid = OID_dvsanMemberUuid, engine = OID_snmpEngineID,
                               kind = OID_dvsanMemberKind;
    const struct sn_value *v = scalar(n, &uuid);
    if (!v || !sn_get_octets(v, a->uuid.b, sizeof(a->uuid.b)) || uuid_is_zero(&a->uuid))
        return "no valid dvsanMemberUuid";
    int32_t number = 0;
    if (!read_number(n, &kind, MEMBER_HOST, &number))
        return "no valid dvsanMemberKind";
    a->member = (enum member_kind)number;
    v = scalar(n, &engine);
    if (!v || v->type != SN_OCTETS || v->octets.len < 5 || v->octets.len > ENGINE_ID_MAX_LEN)
        return "no valid snmpEngineID";
    memcpy(a->engine_id, v->octets.data, v->octets.len);
    a->engine_id_len = (uint8_t)v->octets.len;
    return NULL;
}

static const char *read_state(const struct sn_notification *n, struct heard *a)
{
    static const struct sn_oid epoch = OID_dvsanMemberEpoch, generation = OID_dvsanMemberGeneration,
                               state = OID_dvsanMemberOperState;
    const struct sn_value *v = scalar(n, &epoch);
    if (!v || !sn_get_uint(v, &a->epoch))
        return "no valid dvsanMemberEpoch";
    v = scalar(n, &generation);
    if (!v || !sn_get_uint(v, &a->generation))
        return "no valid dvsanMemberGeneration";
    int32_t number = 0;
    if (!read_number(n, &state, MEMBER_SHUTTING_DOWN, &number))
        return "no valid dvsanMemberOperState";
    a->state = (enum member_state)number;
    return NULL;
}

static const char *read_names(const struct sn_notification *n, struct heard *a)
{
    static const struct sn_oid name = OID_dvsanMemberName, address = OID_dvsanMemberAddress;
    const struct sn_value *v = scalar(n, &name);
    if (!v || !sn_get_text(v, a->name, sizeof(a->name)) || !a->name[0])
        return "no valid dvsanMemberName";
    text_make_printable(a->name);
    v = scalar(n, &address);
    if (!v || !sn_get_text(v, a->address, sizeof(a->address)) ||
        transport_check(a->address, ADDRESS_OF_HOST, NULL) < 0)
        return "no valid dvsanMemberAddress";
    transport_usual(a->address, a->address);
    return NULL;
}

enum announce_result announce_parse(const struct sn_notification *n, struct heard *out,
                                    const char **why)
{
    *out = (struct heard){0};
    *why = "";
    if (!kind_of(n->trap, &out->kind) || !enterprise_is_ours(n))
        return ANNOUNCE_FOREIGN;
    static const char *(*const parts[])(const struct sn_notification *,
                                        struct heard *) = {read_identity, read_state, read_names};
    for (size_t i = 0; i < DV_COUNT(parts); i++) {
        const char *wrong = parts[i](n, out);
        if (wrong) {
            *why = wrong;
            return ANNOUNCE_BAD;
        }
    }
    return ANNOUNCE_OURS;
}
