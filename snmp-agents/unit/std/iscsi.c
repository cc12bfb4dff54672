// ISCSI-MIB: the instances, which are the tgtds; their portals and nodes, and who may log in.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "snmp-agents/unit/std/rows.h"

enum { PROTOCOL_TCP = 6, PORTAL_GROUP_TAG = 1 };

static size_t portals(const struct std_row *row)
{
    return std_config(row->std)->portal_count;
}

// ---- The instances ------------------------------------------------------------------------------

STD_GET(instance_descr, sn_text(std_config(row->std)->member.name))
TABLE_CONSTANT(instance_version, sn_uint(0)) // of RFC 7143 section 11.12.4
TABLE_CONSTANT(instance_vendor, sn_text("dvsan"))
TABLE_CONSTANT(instance_release, sn_text(DVSAN_VERSION))
STD_GET(instance_portals, sn_uint((uint32_t)portals(row)))
STD_GET(instance_nodes, sn_uint((uint32_t)std_volumes(row->std, row->group)))
STD_GET(instance_sessions, sn_uint((uint32_t)std_sessions(row->std, row->group)))

static const struct sn_column INSTANCE[] = {
    STD_COLUMN(iscsiInstDescr, SN_OCTETS, instance_descr),
    STD_COLUMN(iscsiInstVersionMin, SN_UINT, instance_version),
    STD_COLUMN(iscsiInstVersionMax, SN_UINT, instance_version),
    STD_COLUMN(iscsiInstVendorID, SN_OCTETS, instance_vendor),
    STD_COLUMN(iscsiInstVendorVersion, SN_OCTETS, instance_release),
    STD_COLUMN(iscsiInstPortalNumber, SN_UINT, instance_portals),
    STD_COLUMN(iscsiInstNodeNumber, SN_UINT, instance_nodes),
    STD_COLUMN(iscsiInstSessionNumber, SN_UINT, instance_sessions),
};

// ---- Portals ------------------------------------------------------------------------------------

STD_GET(portal_status, sn_int(row->portal->p.up ? ROW_ACTIVE : ROW_NOT_IN_SERVICE))
TABLE_CONSTANT(target_role, std_bits(true))
STD_GET(portal_address_type, sn_int(row->portal->raw_len == 16 ? INET_IPV6 : INET_IPV4))
STD_GET(portal_address, sn_octets(row->portal->raw, row->portal->raw_len))
TABLE_CONSTANT(protocol, sn_uint(PROTOCOL_TCP))
TABLE_CONSTANT(read_only, sn_int(STORAGE_READ_ONLY))

static const struct sn_column PORTAL[] = {
    STD_COLUMN(iscsiPortalRowStatus, SN_INT, portal_status),
    STD_COLUMN(iscsiPortalRoles, SN_OCTETS, target_role),
    STD_COLUMN(iscsiPortalAddrType, SN_INT, portal_address_type),
    STD_COLUMN(iscsiPortalAddr, SN_OCTETS, portal_address),
    STD_COLUMN(iscsiPortalProtocol, SN_UINT, protocol),
    STD_COLUMN(iscsiPortalStorageType, SN_INT, read_only),
};

STD_GET(portal_port, sn_uint(row->portal->p.port))
TABLE_CONSTANT(portal_tag, sn_uint(PORTAL_GROUP_TAG))

static const struct sn_column TARGET_PORTAL[] = {
    STD_COLUMN(iscsiTgtPortalPort, SN_UINT, portal_port),
    STD_COLUMN(iscsiTgtPortalTag, SN_UINT, portal_tag),
};

// ---- Nodes: a volume is a target node -----------------------------------------------------------

STD_GET(node_name, sn_text(row->volume->v.iqn))
STD_GET(node_alias, sn_text(row->volume->v.name))
STD_GET(node_since, std_stamp(row->std, row->volume->counting.since_ms))
TABLE_CONSTANT(non_volatile, sn_int(STORAGE_NON_VOLATILE))

static void node_transport(void *ctx, const void *of, struct sn_value *out)
{
    const struct std_row *row = of;
    const uint32_t index[] = {1, row->volume->v.index, 1};
    (void)ctx;
    *out = std_pointer(row->std, (struct sn_oid)OID_scsiTransportEntry, SUB_scsiTransportType,
                       index, DV_COUNT(index));
}

static struct sn_value truth(bool yes)
{
    return sn_int(yes ? TRUTH_TRUE : TRUTH_FALSE);
}

// What the target offers, which is not there while it is not known.
#define PARAMETER(name, value)                                                                     \
    static void name(void *ctx, const void *of, struct sn_value *out)                              \
    {                                                                                              \
        const struct std_row *row = of;                                                            \
        const struct tgt_parameters *p = std_parameters(row->std, row->volume);                    \
        (void)ctx;                                                                                 \
        if (p)                                                                                     \
            *out = value;                                                                          \
        else                                                                                       \
            out->type = SN_NO_INSTANCE;                                                            \
    }

PARAMETER(initial_r2t, truth(p->session.initial_r2t))
PARAMETER(immediate_data, truth(p->session.immediate_data))
PARAMETER(max_outstanding_r2t, sn_uint(p->session.max_outstanding_r2t))
PARAMETER(first_burst, sn_uint(p->session.first_burst))
PARAMETER(max_burst, sn_uint(p->session.max_burst))
PARAMETER(max_connections, sn_uint(p->max_connections))
PARAMETER(data_sequence_in_order, truth(p->data_sequence_in_order))
PARAMETER(data_pdu_in_order, truth(p->data_pdu_in_order))
PARAMETER(time2wait, sn_uint(p->time2wait))
PARAMETER(time2retain, sn_uint(p->time2retain))
PARAMETER(error_recovery_level, sn_uint(p->error_recovery_level))

static const struct sn_column NODE[] = {
    STD_COLUMN(iscsiNodeName, SN_OCTETS, node_name),
    STD_COLUMN(iscsiNodeAlias, SN_OCTETS, node_alias),
    STD_COLUMN(iscsiNodeRoles, SN_OCTETS, target_role),
    STD_COLUMN(iscsiNodeTransportType, SN_OBJID, node_transport),
    STD_COLUMN(iscsiNodeInitialR2T, SN_INT, initial_r2t),
    STD_COLUMN(iscsiNodeImmediateData, SN_INT, immediate_data),
    STD_COLUMN(iscsiNodeMaxOutstandingR2T, SN_UINT, max_outstanding_r2t),
    STD_COLUMN(iscsiNodeFirstBurstLength, SN_UINT, first_burst),
    STD_COLUMN(iscsiNodeMaxBurstLength, SN_UINT, max_burst),
    STD_COLUMN(iscsiNodeMaxConnections, SN_UINT, max_connections),
    STD_COLUMN(iscsiNodeDataSequenceInOrder, SN_INT, data_sequence_in_order),
    STD_COLUMN(iscsiNodeDataPDUInOrder, SN_INT, data_pdu_in_order),
    STD_COLUMN(iscsiNodeDefaultTime2Wait, SN_UINT, time2wait),
    STD_COLUMN(iscsiNodeDefaultTime2Retain, SN_UINT, time2retain),
    STD_COLUMN(iscsiNodeErrorRecoveryLevel, SN_UINT, error_recovery_level),
    STD_COLUMN(iscsiNodeDiscontinuityTime, SN_TICKS, node_since),
    STD_COLUMN(iscsiNodeStorageType, SN_INT, non_volatile),
};

STD_GET(login_accepts, std_counter32(row->volume->counting.logins))

// What tgtd's log tells of refused logins, which is read only of a tgtd that is started from here.
#define REFUSED(name, value)                                                                       \
    static void name(void *ctx, const void *of, struct sn_value *out)                              \
    {                                                                                              \
        const struct std_row *row = of;                                                            \
        const struct refused *r = &row->volume->refused;                                           \
        (void)ctx;                                                                                 \
        (void)r;                                                                                   \
        if (std_config(row->std)->tgtd.supervise)                                                  \
            *out = value;                                                                          \
        else                                                                                       \
            out->type = SN_NO_INSTANCE;                                                            \
    }

static const struct sn_oid AUTHENTICATE_FAILS = OID_iscsiTgtLoginAuthenticateFails;

REFUSED(refused_count, std_counter32(r->count))
REFUSED(refused_time, std_stamp(row->std, r->at_ms))
REFUSED(refused_type, sn_objid(r->at_ms ? &AUTHENTICATE_FAILS : &STD_ZERO_DOT_ZERO))
REFUSED(refused_initiator, sn_text(r->at_ms ? r->initiator : ""))
REFUSED(refused_address_type, sn_int(INET_UNKNOWN))
REFUSED(refused_address, sn_text(""))
REFUSED(refused_port, sn_uint(0))

static const struct sn_column TARGET[] = {
    STD_COLUMN(iscsiTgtLoginFailures, SN_COUNTER32, refused_count),
    STD_COLUMN(iscsiTgtLastFailureTime, SN_TICKS, refused_time),
    STD_COLUMN(iscsiTgtLastFailureType, SN_OBJID, refused_type),
    STD_COLUMN(iscsiTgtLastIntrFailureName, SN_OCTETS, refused_initiator),
    STD_COLUMN(iscsiTgtLastIntrFailureAddrType, SN_INT, refused_address_type),
    STD_COLUMN(iscsiTgtLastIntrFailureAddr, SN_OCTETS, refused_address),
    STD_COLUMN(iscsiTgtLastIntrFailurePort, SN_UINT, refused_port),
};

static const struct sn_column LOGIN_STATS[] = {
    STD_COLUMN(iscsiTgtLoginAccepts, SN_COUNTER32, login_accepts),
    STD_COLUMN(iscsiTgtLoginAuthenticateFails, SN_COUNTER32, refused_count),
};

// ---- Who may log in: an access rule -------------------------------------------------------------

STD_GET(auth_status, std_rule_status(row->rule))

static void auth_identity(void *ctx, const void *of, struct sn_value *out)
{
    const struct std_row *row = of;
    const uint32_t index[] = {row->rule->r.volume, row->rule->r.index};
    (void)ctx;
    *out = std_pointer(row->std, (struct sn_oid)OID_ipsAuthIdentAttributesEntry,
                       SUB_ipsAuthIdentDescription, index, DV_COUNT(index));
}

static const struct sn_column AUTHORIZATION[] = {
    STD_COLUMN(iscsiTgtAuthRowStatus, SN_INT, auth_status),
    STD_COLUMN(iscsiTgtAuthIdentity, SN_OBJID, auth_identity),
    STD_COLUMN(iscsiTgtAuthStorageType, SN_INT, non_volatile),
};

const struct std_table std_iscsi_tables[] = {
    STD_TABLE("iSCSI instance", iscsiInstanceAttributesEntry, SHAPE_ONE, "g", 0, INSTANCE),
    STD_TABLE("iSCSI portals", iscsiPortalAttributesEntry, SHAPE_PORTALS, "gx", 0, PORTAL),
    // Node 0: a portal has the same tag whichever node is reached by it.
    STD_TABLE("iSCSI target portals", iscsiTgtPortalAttributesEntry, SHAPE_PORTALS, "gx0", 0,
              TARGET_PORTAL),
    STD_TABLE("iSCSI nodes", iscsiNodeAttributesEntry, SHAPE_VOLUMES, "gx", 0, NODE),
    STD_TABLE("iSCSI targets", iscsiTargetAttributesEntry, SHAPE_VOLUMES, "gx", 0, TARGET),
    STD_TABLE("iSCSI logins", iscsiTargetLoginStatsEntry, SHAPE_VOLUMES, "gx", 0, LOGIN_STATS),
    STD_TABLE("iSCSI authorizations", iscsiTgtAuthAttributesEntry, SHAPE_RULES, "gxx", 0,
              AUTHORIZATION),
    {0},
};
