// Fuzzes the parsing of announcements.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.h"
#include "base/mem.h"
#include "cms/join/announce.h"
#include "ctest/fuzz/input.h"
#include "dvsan_oids.h"
#include "snmp/std_oids.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t number(struct input *in)
{
    return bytes(in, byte(in) % 9);
}

static const struct sn_oid objects[] = {
    OID_dvsanMemberUuid,      OID_dvsanMemberKind,    OID_dvsanMemberName,
    OID_dvsanMemberAddress,   OID_dvsanMemberEpoch,   OID_dvsanMemberGeneration,
    OID_dvsanMemberOperState, OID_dvsanMemberLease,   OID_dvsanMemberSoftwareVersion,
    OID_snmpEngineID,         OID_snmpTrapEnterprise, OID_dvsanProductUnit,
    OID_dvsanVolumeUuid,
};

static struct sn_value value(struct input *in)
{
    const uint8_t *text;
    size_t len;
    switch (byte(in) % 8) {
    case 0:
        return sn_int((int32_t)number(in));
    case 1:
        return sn_uint((uint32_t)number(in));
    case 2:
        return sn_counter64(number(in));
    case 3:
        return sn_objid(&objects[byte(in) % DV_COUNT(objects)]);
    case 4:
        return (struct sn_value){.type = SN_NO_INSTANCE};
    default:
        text = piece(in, &len);
        return sn_octets(text, len);
    }
}

// Each value lies in memory of its own, so that reading behind its end is seen.
static struct sn_value detached(struct sn_value v, void **memory)
{
    *memory = NULL;
    if (v.type == SN_OCTETS && v.octets.len > 0) {
        *memory = dv_calloc(1, v.octets.len);
        memcpy(*memory, v.octets.data, v.octets.len);
        v.octets.data = *memory;
    }
    return v;
}

#define VARS 24

static void parse_announcement(struct input in)
{
    static const struct sn_oid traps[] = {OID_coldStart, OID_linkUp, OID_linkDown,
                                          OID_dvsanMemberAnnounce, OID_sysUpTime};
    struct sn_var vars[VARS];
    void *memory[VARS];
    struct sn_notification n = {
        .from = "",
        .user = "",
        .trap = &traps[byte(&in) % DV_COUNT(traps)],
        .vars = vars,
    };
    for (; n.count < VARS && in.left > 0; n.count++) {
        uint8_t object = byte(&in);
        vars[n.count].oid = sn_oid_append(&objects[object % DV_COUNT(objects)], object >> 6 & 1);
        vars[n.count].value = detached(value(&in), &memory[n.count]);
    }
    struct heard a;
    const char *why;
    if (announce_parse(&n, &a, &why) == ANNOUNCE_OURS &&
        (uuid_is_zero(&a.uuid) || !a.name[0] ||
         transport_check(a.address, ADDRESS_OF_HOST, NULL) < 0 || a.engine_id_len < 5))
        __builtin_trap();
    for (size_t i = 0; i < n.count; i++)
        free(memory[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse_announcement((struct input){data, size});
    return 0;
}
