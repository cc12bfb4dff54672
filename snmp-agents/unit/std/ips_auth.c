// IPS-AUTH-MIB: whom the access rules name, and by which CHAP users they are known.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each volume is an authorization instance of its own, since tgtd keeps accounts and names for
// each target. A rule is an identity with one name and one credential. There are no secrets in
// this module.
#include "base/mem.h"
#include "snmp-agents/unit/std/rows.h"

TABLE_CONSTANT(non_volatile, sn_int(STORAGE_NON_VOLATILE))
STD_GET(rule_status, std_rule_status(row->rule))
STD_GET(initiator, sn_text(row->rule->r.initiator))

STD_GET(instance_descr, sn_text(row->volume->v.iqn))

static const struct sn_column INSTANCE[] = {
    STD_COLUMN(ipsAuthInstDescr, SN_OCTETS, instance_descr),
    STD_COLUMN(ipsAuthInstStorageType, SN_INT, non_volatile),
};

STD_GET(identity_descr,
        std_format(row->std, "%s as %s", row->rule->r.initiator, row->rule->r.chap_user))

static const struct sn_column IDENTITY[] = {
    STD_COLUMN(ipsAuthIdentDescription, SN_OCTETS, identity_descr),
    STD_COLUMN(ipsAuthIdentRowStatus, SN_INT, rule_status),
    STD_COLUMN(ipsAuthIdentStorageType, SN_INT, non_volatile),
};

static const struct sn_column NAME[] = {
    STD_COLUMN(ipsAuthIdentName, SN_OCTETS, initiator),
    STD_COLUMN(ipsAuthIdentNameRowStatus, SN_INT, rule_status),
    STD_COLUMN(ipsAuthIdentNameStorageType, SN_INT, non_volatile),
};

static const struct sn_oid CHAP = OID_ipsAuthMethodChap;

TABLE_CONSTANT(method, sn_objid(&CHAP))

static const struct sn_column CREDENTIAL[] = {
    STD_COLUMN(ipsAuthCredAuthMethod, SN_OBJID, method),
    STD_COLUMN(ipsAuthCredRowStatus, SN_INT, rule_status),
    STD_COLUMN(ipsAuthCredStorageType, SN_INT, non_volatile),
};

STD_GET(chap_user, sn_text(row->rule->r.chap_user))

static const struct sn_column CHAP_USER[] = {
    STD_COLUMN(ipsAuthCredChapUserName, SN_OCTETS, chap_user),
    STD_COLUMN(ipsAuthCredChapRowStatus, SN_INT, rule_status),
    STD_COLUMN(ipsAuthCredChapStorageType, SN_INT, non_volatile),
};

const struct std_table std_ips_auth_tables[] = {
    STD_TABLE("authorization instances", ipsAuthInstanceAttributesEntry, SHAPE_VOLUMES, "x", 0,
              INSTANCE),
    STD_TABLE("identities", ipsAuthIdentAttributesEntry, SHAPE_RULES, "xx", 0, IDENTITY),
    STD_TABLE("identity names", ipsAuthIdentNameAttributesEntry, SHAPE_RULES, "xx1", 0, NAME),
    STD_TABLE("credentials", ipsAuthCredentialAttributesEntry, SHAPE_RULES, "xx1", 0, CREDENTIAL),
    STD_TABLE("CHAP users", ipsAuthCredChapAttributesEntry, SHAPE_RULES, "xx1", 0, CHAP_USER),
    {0},
};
