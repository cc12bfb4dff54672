// Tests of parsing announcements: one that is good, and every way in which it can be bad.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/join/announce.h"
#include "dvsan_oids.h"
#include "snmp/std_oids.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define VARS 16

struct message {
    struct sn_oid trap, product;
    struct sn_var vars[VARS];
    size_t count;
};

enum { UUID = 3, KIND, NAME, ADDRESS, EPOCH, GENERATION, STATE, ENGINE, ENTERPRISE };

static void add(struct message *m, struct sn_oid object, uint32_t instance, struct sn_value value)
{
    m->vars[m->count++] = (struct sn_var){sn_oid_append(&object, instance), value};
}

// As a unit sends it: linkUp with its own objects first.
static void make(struct message *m)
{
    memset(m, 0, sizeof(*m));
    m->trap = (struct sn_oid)OID_linkUp;
    m->product = (struct sn_oid)OID_dvsanProductUnit;
    add(m, (struct sn_oid)OID_ifIndex, 2, sn_int(2));
    add(m, (struct sn_oid)OID_ifAdminStatus, 2, sn_int(1));
    add(m, (struct sn_oid)OID_ifOperStatus, 2, sn_int(1));
    add(m, (struct sn_oid)OID_dvsanMemberUuid, 0, sn_octets("0123456789abcdef", 16));
    add(m, (struct sn_oid)OID_dvsanMemberKind, 0, sn_int(MEMBER_UNIT));
    add(m, (struct sn_oid)OID_dvsanMemberName, 0, sn_text("unit1"));
    add(m, (struct sn_oid)OID_dvsanMemberAddress, 0, sn_text("udp:192.0.2.1:161"));
    add(m, (struct sn_oid)OID_dvsanMemberEpoch, 0, sn_uint(3));
    add(m, (struct sn_oid)OID_dvsanMemberGeneration, 0, sn_uint(4294967295u));
    add(m, (struct sn_oid)OID_dvsanMemberOperState, 0, sn_int(MEMBER_DEGRADED));
    add(m, (struct sn_oid)OID_snmpEngineID, 0, sn_octets("\x80\x00\x1f\x88\x80\x01", 6));
    add(m, (struct sn_oid)OID_snmpTrapEnterprise, 0, sn_objid(&m->product));
}

static enum announce_result parse(const struct message *m, struct heard *a)
{
    struct sn_notification n = {
        .from = "udp", .user = "u", .trap = &m->trap, .vars = m->vars, .count = m->count};
    const char *why = NULL;
    enum announce_result result = announce_parse(&n, a, &why);
    assert_non_null(why);
    assert_true((result == ANNOUNCE_BAD) == (why[0] != '\0'));
    return result;
}

static void test_good(void **state)
{
    (void)state;
    struct message m;
    struct heard a;
    make(&m);
    assert_int_equal(parse(&m, &a), ANNOUNCE_OURS);
    assert_int_equal(a.kind, HEARD_LINK_UP);
    assert_int_equal(a.member, MEMBER_UNIT);
    assert_memory_equal(a.uuid.b, "0123456789abcdef", 16);
    assert_string_equal(a.name, "unit1");
    assert_string_equal(a.address, "udp:192.0.2.1:161");
    assert_int_equal(a.epoch, 3);
    assert_int_equal(a.generation, 4294967295u);
    assert_int_equal(a.state, MEMBER_DEGRADED);
    assert_int_equal(a.engine_id_len, 6);
    assert_memory_equal(a.engine_id, "\x80\x00\x1f\x88\x80\x01", 6);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        struct sn_oid trap;
        enum heard_kind kind;
    } kinds[] = {
        {OID_coldStart, HEARD_COLD_START},        {OID_linkUp, HEARD_LINK_UP},
        {OID_linkDown, HEARD_LINK_DOWN},          {OID_dvsanMemberAnnounce, HEARD_REPEAT},
        {OID_dvsanVolumeStateChange, HEARD_NEWS}, {OID_dvsanMediumOnline, HEARD_NEWS},
        {OID_dvsanMediumLow, HEARD_NEWS},         {OID_dvsanMediumFailed, HEARD_NEWS},
    };
    struct message m;
    struct heard a;
    for (size_t i = 0; i < DV_COUNT(kinds); i++) {
        make(&m);
        m.trap = kinds[i].trap;
        assert_int_equal(parse(&m, &a), ANNOUNCE_OURS);
        assert_int_equal(a.kind, kinds[i].kind);
    }
}

static void test_foreign(void **state)
{
    (void)state;
    struct message m;
    struct heard a;
    make(&m);
    m.trap = (struct sn_oid)OID_sysUpTime;
    assert_int_equal(parse(&m, &a), ANNOUNCE_FOREIGN);
    make(&m);
    m.count = 0; // as snmpd's own coldStart
    m.trap = (struct sn_oid)OID_coldStart;
    assert_int_equal(parse(&m, &a), ANNOUNCE_FOREIGN);
    make(&m);
    m.product = (struct sn_oid)OID_dvsanMib;
    assert_int_equal(parse(&m, &a), ANNOUNCE_FOREIGN);
    make(&m);
    m.product = (struct sn_oid)OID_dvsanProducts; // no product itself
    assert_int_equal(parse(&m, &a), ANNOUNCE_FOREIGN);
    make(&m);
    m.vars[ENTERPRISE].value = sn_int(1);
    assert_int_equal(parse(&m, &a), ANNOUNCE_FOREIGN);
}

static void test_missing_and_doubled(void **state)
{
    (void)state;
    struct message m;
    struct heard a;
    for (int i = UUID; i <= ENGINE; i++) {
        make(&m);
        m.vars[i].oid.len--; // another object
        if (parse(&m, &a) != ANNOUNCE_BAD)
            fail_msg("binding %d may be missing", i);
        make(&m);
        m.vars[i].oid.id[m.vars[i].oid.len - 1] = 1; // another instance
        if (parse(&m, &a) != ANNOUNCE_BAD)
            fail_msg("binding %d may be of another instance", i);
        make(&m);
        m.vars[m.count++] = m.vars[i];
        if (parse(&m, &a) != ANNOUNCE_BAD)
            fail_msg("binding %d may be there twice", i);
        make(&m);
        m.vars[i].value.type = SN_NULL;
        if (parse(&m, &a) != ANNOUNCE_BAD)
            fail_msg("binding %d may be NULL", i);
    }
}

static void test_bad_values(void **state)
{
    (void)state;
    static const char zeros[64] = {0};
    char longer[300];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    memcpy(longer, "udp:", 4);
    const struct {
        int var;
        struct sn_value value;
    } bad[] = {
        {UUID, sn_octets("0123456789abcde", 15)},
        {UUID, sn_octets("0123456789abcdefg", 17)},
        {UUID, sn_octets(zeros, 16)},
        {UUID, sn_octets("", 0)},
        {KIND, sn_int(0)},
        {KIND, sn_int(3)},
        {KIND, sn_int(-1)},
        {KIND, sn_uint(1)},
        {NAME, sn_text("")},
        {NAME, sn_octets("a\0b", 3)},
        {NAME, sn_text(longer)},
        {ADDRESS, sn_text("")},
        {ADDRESS, sn_text(longer)},
        {ADDRESS, sn_text("192.0.2.1")},
        {ADDRESS, sn_text("ssh:192.0.2.1:161")},
        {ADDRESS, sn_text("udp:")},
        {EPOCH, sn_int(3)},
        {EPOCH, sn_counter64(3)},
        {GENERATION, sn_int(3)},
        {STATE, sn_int(0)},
        {STATE, sn_int(5)},
        {ENGINE, sn_octets("1234", 4)},
        {ENGINE, sn_octets(zeros, 33)},
        {ENGINE, sn_octets("", 0)},
    };
    struct message m;
    struct heard a;
    for (size_t i = 0; i < DV_COUNT(bad); i++) {
        make(&m);
        m.vars[bad[i].var].value = bad[i].value;
        if (parse(&m, &a) != ANNOUNCE_BAD)
            fail_msg("bad value %zu of binding %d is taken", i, bad[i].var);
    }
}

static void test_names_cannot_forge_log_lines(void **state)
{
    (void)state;
    struct message m;
    struct heard a;
    make(&m);
    m.vars[NAME].value = sn_text("x\n2026 all is well\x1b[0m");
    assert_int_equal(parse(&m, &a), ANNOUNCE_OURS);
    assert_string_equal(a.name, "x?2026 all is well?[0m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),       cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_foreign),    cmocka_unit_test(test_missing_and_doubled),
        cmocka_unit_test(test_bad_values), cmocka_unit_test(test_names_cannot_forge_log_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
