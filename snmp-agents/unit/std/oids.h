// Object identifiers of the standard storage modules that the unit serves.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each OID_name initialises a struct sn_oid; each SUB_name is a column's number. A test compares
// them with the modules' texts.
#ifndef DVSAN_UNIT_STD_OIDS_H
#define DVSAN_UNIT_STD_OIDS_H

// clang-format off

// ISCSI-MIB (RFC 7147)
#define OID_iscsiInstanceAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 1, 1, 1 } }
#define OID_iscsiPortalAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 2, 1, 1 } }
#define OID_iscsiTgtPortalAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 3, 1, 1 } }
#define OID_iscsiNodeAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 5, 1, 1 } }
#define OID_iscsiTgtLoginFailure { .len = 9, .id = { 1, 3, 6, 1, 2, 1, 142, 0, 1 } }
#define OID_iscsiTargetAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 6, 1, 1 } }
#define OID_iscsiTgtLoginAuthenticateFails { .len = 12, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 6, 2, 1, 5 } }
#define OID_iscsiTargetLoginStatsEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 6, 2, 1 } }
#define OID_iscsiTgtAuthAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 7, 1, 1 } }
#define OID_iscsiSessionAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 10, 1, 1 } }
#define OID_iscsiSessionStatsEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 10, 2, 1 } }
#define OID_iscsiConnectionAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 142, 1, 11, 1, 1 } }
enum {
    SUB_iscsiInstDescr = 2,
    SUB_iscsiInstVersionMin = 3,
    SUB_iscsiInstVersionMax = 4,
    SUB_iscsiInstVendorID = 5,
    SUB_iscsiInstVendorVersion = 6,
    SUB_iscsiInstPortalNumber = 7,
    SUB_iscsiInstNodeNumber = 8,
    SUB_iscsiInstSessionNumber = 9,
    SUB_iscsiPortalRowStatus = 2,
    SUB_iscsiPortalRoles = 3,
    SUB_iscsiPortalAddrType = 4,
    SUB_iscsiPortalAddr = 5,
    SUB_iscsiPortalProtocol = 6,
    SUB_iscsiPortalStorageType = 13,
    SUB_iscsiTgtPortalPort = 2,
    SUB_iscsiTgtPortalTag = 3,
    SUB_iscsiNodeName = 2,
    SUB_iscsiNodeAlias = 3,
    SUB_iscsiNodeRoles = 4,
    SUB_iscsiNodeTransportType = 5,
    SUB_iscsiNodeInitialR2T = 6,
    SUB_iscsiNodeImmediateData = 7,
    SUB_iscsiNodeMaxOutstandingR2T = 8,
    SUB_iscsiNodeFirstBurstLength = 9,
    SUB_iscsiNodeMaxBurstLength = 10,
    SUB_iscsiNodeMaxConnections = 11,
    SUB_iscsiNodeDataSequenceInOrder = 12,
    SUB_iscsiNodeDataPDUInOrder = 13,
    SUB_iscsiNodeDefaultTime2Wait = 14,
    SUB_iscsiNodeDefaultTime2Retain = 15,
    SUB_iscsiNodeErrorRecoveryLevel = 16,
    SUB_iscsiNodeDiscontinuityTime = 17,
    SUB_iscsiNodeStorageType = 18,
    SUB_iscsiTgtLoginFailures = 1,
    SUB_iscsiTgtLastFailureTime = 2,
    SUB_iscsiTgtLastFailureType = 3,
    SUB_iscsiTgtLastIntrFailureName = 4,
    SUB_iscsiTgtLastIntrFailureAddrType = 5,
    SUB_iscsiTgtLastIntrFailureAddr = 6,
    SUB_iscsiTgtLastIntrFailurePort = 7,
    SUB_iscsiTgtLoginAccepts = 1,
    SUB_iscsiTgtLoginAuthenticateFails = 5,
    SUB_iscsiTgtAuthRowStatus = 2,
    SUB_iscsiTgtAuthIdentity = 3,
    SUB_iscsiTgtAuthStorageType = 4,
    SUB_iscsiSsnDirection = 3,
    SUB_iscsiSsnInitiatorName = 4,
    SUB_iscsiSsnTargetName = 5,
    SUB_iscsiSsnTSIH = 6,
    SUB_iscsiSsnType = 12,
    SUB_iscsiSsnConnectionNumber = 16,
    SUB_iscsiSsnAuthIdentity = 17,
    SUB_iscsiSsnDiscontinuityTime = 21,
    SUB_iscsiSsnCmdPDUs = 1,
    SUB_iscsiSsnTxDataOctets = 3,
    SUB_iscsiSsnRxDataOctets = 4,
    SUB_iscsiSsnLCTxDataOctets = 5,
    SUB_iscsiSsnLCRxDataOctets = 6,
    SUB_iscsiCxnCid = 2,
    SUB_iscsiCxnState = 3,
    SUB_iscsiCxnAddrType = 4,
    SUB_iscsiCxnProtocol = 6,
    SUB_iscsiCxnRemoteAddr = 8,
    SUB_iscsiCxnVersionActive = 16,
};

// SCSI-MIB (RFC 4455)
#define OID_scsiTransportISCSI { .len = 10, .id = { 1, 3, 6, 1, 2, 1, 139, 1, 1, 5 } }
#define OID_scsiInstanceEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 1, 1, 1 } }
#define OID_scsiDeviceEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 1, 2, 1 } }
#define OID_scsiPortEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 1, 3, 1 } }
#define OID_scsiTransportEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 1, 5, 1 } }
#define OID_scsiTgtDevEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 3, 1, 1 } }
#define OID_scsiTgtPortEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 3, 2, 1 } }
#define OID_scsiAuthorizedIntrEntry { .len = 12, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 3, 3, 1, 1 } }
#define OID_scsiAttIntrPortEntry { .len = 12, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 3, 3, 2, 1 } }
#define OID_scsiLuEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 4, 1, 1 } }
#define OID_scsiLuIdEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 4, 2, 1 } }
#define OID_scsiLunMapEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 139, 2, 4, 3, 1 } }
enum {
    SUB_scsiInstAlias = 2,
    SUB_scsiInstSoftwareIndex = 3,
    SUB_scsiInstVendorVersion = 4,
    SUB_scsiInstScsiNotificationsEnable = 5,
    SUB_scsiInstStorageType = 6,
    SUB_scsiDeviceAlias = 2,
    SUB_scsiDeviceRole = 3,
    SUB_scsiDevicePortNumber = 4,
    SUB_scsiPortRole = 2,
    SUB_scsiPortTransportPtr = 3,
    SUB_scsiTransportType = 2,
    SUB_scsiTransportPointer = 3,
    SUB_scsiTransportDevName = 4,
    SUB_scsiTgtDevNumberOfLUs = 1,
    SUB_scsiTgtDeviceStatus = 2,
    SUB_scsiTgtDevNonAccessibleLUs = 3,
    SUB_scsiTgtPortName = 1,
    SUB_scsiTgtPortIdentifier = 2,
    SUB_scsiTgtPortInCommands = 3,
    SUB_scsiTgtPortWrittenMegaBytes = 4,
    SUB_scsiTgtPortReadMegaBytes = 5,
    SUB_scsiTgtPortHSInCommands = 6,
    SUB_scsiAuthIntrDevOrPort = 3,
    SUB_scsiAuthIntrName = 4,
    SUB_scsiAuthIntrLunMapIndex = 5,
    SUB_scsiAuthIntrAttachedTimes = 6,
    SUB_scsiAuthIntrOutCommands = 7,
    SUB_scsiAuthIntrReadMegaBytes = 8,
    SUB_scsiAuthIntrWrittenMegaBytes = 9,
    SUB_scsiAuthIntrHSOutCommands = 10,
    SUB_scsiAuthIntrLastCreation = 11,
    SUB_scsiAuthIntrRowStatus = 12,
    SUB_scsiAttIntrPortAuthIntrIdx = 2,
    SUB_scsiAttIntrPortName = 3,
    SUB_scsiLuDefaultLun = 2,
    SUB_scsiLuWwnName = 3,
    SUB_scsiLuVendorId = 4,
    SUB_scsiLuProductId = 5,
    SUB_scsiLuRevisionId = 6,
    SUB_scsiLuPeripheralType = 7,
    SUB_scsiLuStatus = 8,
    SUB_scsiLuState = 9,
    SUB_scsiLuInCommands = 10,
    SUB_scsiLuReadMegaBytes = 11,
    SUB_scsiLuWrittenMegaBytes = 12,
    SUB_scsiLuHSInCommands = 15,
    SUB_scsiLuLastCreation = 16,
    SUB_scsiLuIdCodeSet = 2,
    SUB_scsiLuIdAssociation = 3,
    SUB_scsiLuIdType = 4,
    SUB_scsiLuIdValue = 5,
    SUB_scsiLunMapLuIndex = 3,
    SUB_scsiLunMapRowStatus = 4,
};

// IPS-AUTH-MIB (RFC 4545)
#define OID_ipsAuthMethodChap { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 141, 1, 1, 1, 3 } }
#define OID_ipsAuthInstanceAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 141, 1, 2, 2, 1 } }
#define OID_ipsAuthIdentAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 141, 1, 3, 1, 1 } }
#define OID_ipsAuthIdentNameAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 141, 1, 4, 1, 1 } }
#define OID_ipsAuthCredentialAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 141, 1, 6, 1, 1 } }
#define OID_ipsAuthCredChapAttributesEntry { .len = 11, .id = { 1, 3, 6, 1, 2, 1, 141, 1, 7, 1, 1 } }
enum {
    SUB_ipsAuthInstDescr = 2,
    SUB_ipsAuthInstStorageType = 3,
    SUB_ipsAuthIdentDescription = 2,
    SUB_ipsAuthIdentRowStatus = 3,
    SUB_ipsAuthIdentStorageType = 4,
    SUB_ipsAuthIdentName = 2,
    SUB_ipsAuthIdentNameRowStatus = 3,
    SUB_ipsAuthIdentNameStorageType = 4,
    SUB_ipsAuthCredAuthMethod = 2,
    SUB_ipsAuthCredRowStatus = 3,
    SUB_ipsAuthCredStorageType = 4,
    SUB_ipsAuthCredChapUserName = 1,
    SUB_ipsAuthCredChapRowStatus = 2,
    SUB_ipsAuthCredChapStorageType = 3,
};

// clang-format on

#endif
