// ISCSI-MIB: live sessions, what they did, and their connections.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "snmp-agents/unit/std/rows.h"
#include <arpa/inet.h>

enum { SESSION_INBOUND = 1, SESSION_NORMAL = 1, CONNECTION_FULL = 2, PROTOCOL_TCP = 6 };

TABLE_CONSTANT(direction, sn_int(SESSION_INBOUND))
STD_GET(initiator, sn_text(row->session->of.initiator))
STD_GET(target, sn_text(row->volume->v.iqn))
STD_GET(tsih, sn_uint((uint32_t)row->session->of.sid))
TABLE_CONSTANT(type, sn_int(SESSION_NORMAL))
TABLE_CONSTANT(connections, sn_uint(1)) // tgtd's MaxConnections
STD_GET(since, std_stamp(row->std, row->session->since_ms))

static void identity(void *ctx, const void *of, struct sn_value *out)
{
    const struct std_row *row = of;
    const struct unit_rule *r = std_rule_of(row->std, row->session);
    const uint32_t index[] = {row->session->of.tid, r ? r->r.index : 0};
    (void)ctx;
    *out = r ? std_pointer(row->std, (struct sn_oid)OID_ipsAuthIdentAttributesEntry,
                           SUB_ipsAuthIdentDescription, index, DV_COUNT(index))
             : sn_objid(&STD_ZERO_DOT_ZERO);
}

static const struct sn_column SESSION[] = {
    STD_COLUMN(iscsiSsnDirection, SN_INT, direction),
    STD_COLUMN(iscsiSsnInitiatorName, SN_OCTETS, initiator),
    STD_COLUMN(iscsiSsnTargetName, SN_OCTETS, target),
    STD_COLUMN(iscsiSsnTSIH, SN_UINT, tsih),
    STD_COLUMN(iscsiSsnType, SN_INT, type),
    STD_COLUMN(iscsiSsnConnectionNumber, SN_UINT, connections),
    STD_COLUMN(iscsiSsnAuthIdentity, SN_OBJID, identity),
    STD_COLUMN(iscsiSsnDiscontinuityTime, SN_TICKS, since),
};

STD_GET(commands, std_counter32(row->session->commands))
STD_GET(sent, sn_counter64(row->session->read_bytes))
STD_GET(received, sn_counter64(row->session->write_bytes))
STD_GET(sent_low, std_counter32(row->session->read_bytes))
STD_GET(received_low, std_counter32(row->session->write_bytes))

static const struct sn_column STATS[] = {
    STD_COLUMN(iscsiSsnCmdPDUs, SN_COUNTER32, commands),
    STD_COLUMN(iscsiSsnTxDataOctets, SN_COUNTER64, sent),
    STD_COLUMN(iscsiSsnRxDataOctets, SN_COUNTER64, received),
    STD_COLUMN(iscsiSsnLCTxDataOctets, SN_COUNTER32, sent_low),
    STD_COLUMN(iscsiSsnLCRxDataOctets, SN_COUNTER32, received_low),
};

static uint32_t address_type(const char *text, uint8_t raw[16])
{
    if (inet_pton(AF_INET, text, raw) == 1)
        return INET_IPV4;
    return inet_pton(AF_INET6, text, raw) == 1 ? INET_IPV6 : INET_UNKNOWN;
}

STD_GET(cid, sn_uint(row->session->of.cid))
TABLE_CONSTANT(state, sn_int(CONNECTION_FULL))
TABLE_CONSTANT(protocol, sn_uint(PROTOCOL_TCP))
TABLE_CONSTANT(version, sn_uint(0))

static void remote_type(void *ctx, const void *of, struct sn_value *out)
{
    const struct std_row *row = of;
    uint8_t raw[16];
    (void)ctx;
    *out = sn_int((int32_t)address_type(row->session->of.address, raw));
}

static void remote(void *ctx, const void *of, struct sn_value *out)
{
    const struct std_row *row = of;
    uint8_t raw[16];
    uint32_t type = address_type(row->session->of.address, raw);
    (void)ctx;
    *out = std_copy(row->std, raw, type == INET_IPV4 ? 4 : type == INET_IPV6 ? 16 : 0);
}

static const struct sn_column CONNECTION[] = {
    STD_COLUMN(iscsiCxnCid, SN_UINT, cid),
    STD_COLUMN(iscsiCxnState, SN_INT, state),
    STD_COLUMN(iscsiCxnAddrType, SN_INT, remote_type),
    STD_COLUMN(iscsiCxnProtocol, SN_UINT, protocol),
    STD_COLUMN(iscsiCxnRemoteAddr, SN_OCTETS, remote),
    STD_COLUMN(iscsiCxnVersionActive, SN_UINT, version),
};

const struct std_table std_iscsi_session_tables[] = {
    STD_TABLE("iSCSI sessions", iscsiSessionAttributesEntry, SHAPE_SESSIONS, "gxx", 0, SESSION),
    STD_TABLE("iSCSI session statistics", iscsiSessionStatsEntry, SHAPE_SESSIONS, "gxx", 0, STATS),
    STD_TABLE("iSCSI connections", iscsiConnectionAttributesEntry, SHAPE_SESSIONS, "gxx1", 0,
              CONNECTION),
    {0},
};
