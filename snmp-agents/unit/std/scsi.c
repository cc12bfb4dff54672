// SCSI-MIB: the instance; each volume's target device, its port, and who may use it.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "snmp-agents/unit/std/rows.h"

enum { DEVICE = 1 };
enum { DEVICE_UNKNOWN = 1, DEVICE_AVAILABLE, DEVICE_BROKEN, DEVICE_READYING, DEVICE_ABNORMAL };

static uint64_t commands(const struct volume_counters *c)
{
    return c->read_ops + c->write_ops;
}

TABLE_CONSTANT(one, sn_uint(1))
TABLE_CONSTANT(zero, sn_int(0))
TABLE_CONSTANT(no, sn_int(TRUTH_FALSE))
TABLE_CONSTANT(non_volatile, sn_int(STORAGE_NON_VOLATILE))
TABLE_CONSTANT(target_role, std_bits(true))

// ---- The instance -------------------------------------------------------------------------------

STD_GET(instance_alias, sn_text(std_config(row->std)->member.name))
TABLE_CONSTANT(instance_release, sn_text("dvsan " DVSAN_VERSION))

static const struct sn_column INSTANCE[] = {
    STD_COLUMN(scsiInstAlias, SN_OCTETS, instance_alias),
    STD_COLUMN(scsiInstSoftwareIndex, SN_INT, zero),
    STD_COLUMN(scsiInstVendorVersion, SN_OCTETS, instance_release),
    STD_COLUMN(scsiInstScsiNotificationsEnable, SN_INT, no),
    STD_COLUMN(scsiInstStorageType, SN_INT, non_volatile),
};

// ---- Devices, each with one port ----------------------------------------------------------------

STD_GET(device_alias, sn_text(row->volume->v.name))

static const struct sn_column DEVICES[] = {
    STD_COLUMN(scsiDeviceAlias, SN_OCTETS, device_alias),
    STD_COLUMN(scsiDeviceRole, SN_OCTETS, target_role),
    STD_COLUMN(scsiDevicePortNumber, SN_UINT, one),
};

static void port_transport(void *ctx, const void *of, struct sn_value *out)
{
    const struct std_row *row = of;
    const uint32_t index[] = {1, row->volume->v.index, 1};
    (void)ctx;
    *out = std_pointer(row->std, (struct sn_oid)OID_scsiTransportEntry, SUB_scsiTransportType,
                       index, DV_COUNT(index));
}

static const struct sn_column PORT[] = {
    STD_COLUMN(scsiPortRole, SN_OCTETS, target_role),
    STD_COLUMN(scsiPortTransportPtr, SN_OBJID, port_transport),
};

static const struct sn_oid ISCSI = OID_scsiTransportISCSI;

TABLE_CONSTANT(transport_type, sn_objid(&ISCSI))
STD_GET(transport_name, sn_text(row->volume->v.iqn))

static void transport_instance(void *ctx, const void *of, struct sn_value *out)
{
    const struct std_row *row = of;
    const uint32_t index[] = {row->volume->v.group};
    (void)ctx;
    *out = std_pointer(row->std, (struct sn_oid)OID_iscsiInstanceAttributesEntry,
                       SUB_iscsiInstDescr, index, DV_COUNT(index));
}

static const struct sn_column TRANSPORT[] = {
    STD_COLUMN(scsiTransportType, SN_OBJID, transport_type),
    STD_COLUMN(scsiTransportPointer, SN_OBJID, transport_instance),
    STD_COLUMN(scsiTransportDevName, SN_OCTETS, transport_name),
};

// ---- Target devices and ports -------------------------------------------------------------------

static int32_t device_status(enum volume_state state)
{
    switch (state) {
    case VOLUME_CREATING:
        return DEVICE_READYING;
    case VOLUME_ONLINE:
        return DEVICE_AVAILABLE;
    case VOLUME_FAILED:
        return DEVICE_BROKEN;
    case VOLUME_OFFLINE:
    case VOLUME_DELETING:
        return DEVICE_ABNORMAL;
    }
    return DEVICE_UNKNOWN;
}

STD_GET(target_units, sn_uint(row->volume->v.state == VOLUME_ONLINE))
STD_GET(target_status, sn_int(device_status(row->volume->v.state)))
STD_GET(target_inaccessible, sn_uint(row->volume->v.state != VOLUME_ONLINE))

static const struct sn_column TARGET[] = {
    STD_COLUMN(scsiTgtDevNumberOfLUs, SN_UINT, target_units),
    STD_COLUMN(scsiTgtDeviceStatus, SN_INT, target_status),
    STD_COLUMN(scsiTgtDevNonAccessibleLUs, SN_UINT, target_inaccessible),
};

// RFC 7143 section 4.4.2: the node's name and the portal group's tag.
STD_GET(port_name, std_format(row->std, "%s,t,0x0001", row->volume->v.iqn))
STD_GET(port_commands, std_counter32(commands(&row->volume->counters)))
STD_GET(port_written, std_megabytes(row->volume->counters.written_bytes))
STD_GET(port_read, std_megabytes(row->volume->counters.read_bytes))
STD_GET(port_commands64, sn_counter64(commands(&row->volume->counters)))

static const struct sn_column TARGET_PORT[] = {
    STD_COLUMN(scsiTgtPortName, SN_OCTETS, port_name),
    STD_COLUMN(scsiTgtPortIdentifier, SN_OCTETS, port_name),
    STD_COLUMN(scsiTgtPortInCommands, SN_COUNTER32, port_commands),
    STD_COLUMN(scsiTgtPortWrittenMegaBytes, SN_COUNTER32, port_written),
    STD_COLUMN(scsiTgtPortReadMegaBytes, SN_COUNTER32, port_read),
    STD_COLUMN(scsiTgtPortHSInCommands, SN_COUNTER64, port_commands64),
};

// ---- Who may attach, and who is attached --------------------------------------------------------

TABLE_CONSTANT(is_device, sn_int(DEVICE))
STD_GET(rule_initiator, sn_text(row->rule->r.initiator))
STD_GET(rule_logins, std_counter32(row->rule->counting.logins))
STD_GET(rule_commands, std_counter32(commands(&row->rule->counters)))
STD_GET(rule_read, std_megabytes(row->rule->counters.read_bytes))
STD_GET(rule_written, std_megabytes(row->rule->counters.written_bytes))
STD_GET(rule_commands64, sn_counter64(commands(&row->rule->counters)))
STD_GET(rule_since, std_stamp(row->std, row->rule->counting.since_ms))
STD_GET(rule_status, std_rule_status(row->rule))

static const struct sn_column AUTHORIZED[] = {
    STD_COLUMN(scsiAuthIntrDevOrPort, SN_INT, is_device),
    STD_COLUMN(scsiAuthIntrName, SN_OCTETS, rule_initiator),
    STD_COLUMN(scsiAuthIntrLunMapIndex, SN_UINT, one),
    STD_COLUMN(scsiAuthIntrAttachedTimes, SN_COUNTER32, rule_logins),
    STD_COLUMN(scsiAuthIntrOutCommands, SN_COUNTER32, rule_commands),
    STD_COLUMN(scsiAuthIntrReadMegaBytes, SN_COUNTER32, rule_read),
    STD_COLUMN(scsiAuthIntrWrittenMegaBytes, SN_COUNTER32, rule_written),
    STD_COLUMN(scsiAuthIntrHSOutCommands, SN_COUNTER64, rule_commands64),
    STD_COLUMN(scsiAuthIntrLastCreation, SN_TICKS, rule_since),
    STD_COLUMN(scsiAuthIntrRowStatus, SN_INT, rule_status),
};

STD_GET(attached_initiator, sn_text(row->session->of.initiator))

static void attached_rule(void *ctx, const void *of, struct sn_value *out)
{
    const struct std_row *row = of;
    const struct unit_rule *r = std_rule_of(row->std, row->session);
    (void)ctx;
    *out = sn_uint(r ? r->r.index : 0);
}

static const struct sn_column ATTACHED[] = {
    STD_COLUMN(scsiAttIntrPortAuthIntrIdx, SN_UINT, attached_rule),
    STD_COLUMN(scsiAttIntrPortName, SN_OCTETS, attached_initiator),
};

const struct std_table std_scsi_tables[] = {
    STD_TABLE("SCSI instance", scsiInstanceEntry, SHAPE_ONE, "1", 0, INSTANCE),
    STD_TABLE("SCSI devices", scsiDeviceEntry, SHAPE_VOLUMES, "1x", 0, DEVICES),
    STD_TABLE("SCSI ports", scsiPortEntry, SHAPE_VOLUMES, "1x1", 0, PORT),
    STD_TABLE("SCSI transports", scsiTransportEntry, SHAPE_VOLUMES, "1x1", 0, TRANSPORT),
    STD_TABLE("SCSI target devices", scsiTgtDevEntry, SHAPE_VOLUMES, "1x", 0, TARGET),
    STD_TABLE("SCSI target ports", scsiTgtPortEntry, SHAPE_VOLUMES, "1x1", 0, TARGET_PORT),
    // Port 0: by any port of the device.
    STD_TABLE("SCSI authorized initiators", scsiAuthorizedIntrEntry, SHAPE_RULES, "1x0x", 0,
              AUTHORIZED),
    STD_TABLE("SCSI attached initiators", scsiAttIntrPortEntry, SHAPE_SESSIONS, "1x1x", 0,
              ATTACHED),
    {0},
};
