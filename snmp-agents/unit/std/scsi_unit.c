// SCSI-MIB: each volume's logical unit, its identifiers, and its number.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "snmp-agents/unit/std/rows.h"

enum { UNIT_UNKNOWN = 1, UNIT_AVAILABLE, UNIT_NOT_AVAILABLE, UNIT_BROKEN, UNIT_READYING };

// ---- Logical units ------------------------------------------------------------------------------

static int32_t unit_status(enum volume_state state)
{
    switch (state) {
    case VOLUME_CREATING:
        return UNIT_READYING;
    case VOLUME_ONLINE:
        return UNIT_AVAILABLE;
    case VOLUME_OFFLINE:
    case VOLUME_DELETING:
        return UNIT_NOT_AVAILABLE;
    case VOLUME_FAILED:
        return UNIT_BROKEN;
    }
    return UNIT_UNKNOWN;
}

// LUN 1, as in SAM-2 annex A: peripheral device addressing. The index of the LUN map says it too.
static const uint8_t LUN_1[8] = {0, 1};
#define LUN_1_INDEX "801000000"

static uint64_t commands(const struct std_row *row)
{
    return row->volume->counters.read_ops + row->volume->counters.write_ops;
}

TABLE_CONSTANT(default_lun, sn_octets(LUN_1, sizeof(LUN_1)))
TABLE_CONSTANT(no_name, sn_text("")) // there are several: they are in the table of identifiers
TABLE_CONSTANT(vendor, sn_text(TGT_VENDOR))
TABLE_CONSTANT(product, sn_text(TGT_PRODUCT))
TABLE_CONSTANT(revision, sn_text(TGT_REVISION))
TABLE_CONSTANT(direct_access, sn_uint(0))
STD_GET(status, sn_int(unit_status(row->volume->v.state)))
TABLE_CONSTANT(no_state, std_bits(false))
STD_GET(in_commands, std_counter32(commands(row)))
STD_GET(read_megabytes, std_megabytes(row->volume->counters.read_bytes))
STD_GET(written_megabytes, std_megabytes(row->volume->counters.written_bytes))
STD_GET(in_commands64, sn_counter64(commands(row)))
STD_GET(since, std_stamp(row->std, row->volume->counting.since_ms))

static const struct sn_column UNIT[] = {
    STD_COLUMN(scsiLuDefaultLun, SN_OCTETS, default_lun),
    STD_COLUMN(scsiLuWwnName, SN_OCTETS, no_name),
    STD_COLUMN(scsiLuVendorId, SN_OCTETS, vendor),
    STD_COLUMN(scsiLuProductId, SN_OCTETS, product),
    STD_COLUMN(scsiLuRevisionId, SN_OCTETS, revision),
    STD_COLUMN(scsiLuPeripheralType, SN_UINT, direct_access),
    STD_COLUMN(scsiLuStatus, SN_INT, status),
    STD_COLUMN(scsiLuState, SN_OCTETS, no_state),
    STD_COLUMN(scsiLuInCommands, SN_COUNTER32, in_commands),
    STD_COLUMN(scsiLuReadMegaBytes, SN_COUNTER32, read_megabytes),
    STD_COLUMN(scsiLuWrittenMegaBytes, SN_COUNTER32, written_megabytes),
    STD_COLUMN(scsiLuHSInCommands, SN_COUNTER64, in_commands64),
    STD_COLUMN(scsiLuLastCreation, SN_TICKS, since),
};

// ---- Identifiers: the designators of the device identification page (SPC-3 section 7.6.3) -------

enum { DESIGNATORS = 3, CODE_BINARY = 1, CODE_ASCII = 2, TYPE_T10 = 1, TYPE_NAA = 3 };

STD_GET(code_set, sn_uint(row->below == 1 ? CODE_ASCII : CODE_BINARY))
TABLE_CONSTANT(of_the_unit, sn_uint(0))
STD_GET(id_type, sn_uint(row->below == 1 ? TYPE_T10 : TYPE_NAA))
STD_GET(id_value, std_scsi_id(row->std, row->volume, row->below))

static const struct sn_column IDENTIFIER[] = {
    STD_COLUMN(scsiLuIdCodeSet, SN_UINT, code_set),
    STD_COLUMN(scsiLuIdAssociation, SN_UINT, of_the_unit),
    STD_COLUMN(scsiLuIdType, SN_UINT, id_type),
    STD_COLUMN(scsiLuIdValue, SN_OCTETS, id_value),
};

// ---- The LUN map that all authorized initiators of a volume share -------------------------------

TABLE_CONSTANT(unit_index, sn_uint(1))
TABLE_CONSTANT(map_status, sn_int(ROW_ACTIVE))

static const struct sn_column MAP[] = {
    STD_COLUMN(scsiLunMapLuIndex, SN_UINT, unit_index),
    STD_COLUMN(scsiLunMapRowStatus, SN_INT, map_status),
};

const struct std_table std_scsi_unit_tables[] = {
    STD_TABLE("SCSI logical units", scsiLuEntry, SHAPE_VOLUMES, "1x1", 0, UNIT),
    STD_TABLE("SCSI identifiers", scsiLuIdEntry, SHAPE_VOLUMES, "1x1x", DESIGNATORS, IDENTIFIER),
    STD_TABLE("SCSI LUN maps", scsiLunMapEntry, SHAPE_VOLUMES, "1x1" LUN_1_INDEX, 0, MAP),
    {0},
};
