// Tests of decoding a unit's answers: a good row, and every value of it spoilt.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/member/reading.h"
#include "dvsan_oids.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define UUID    "0123456789abcdef"
#define ADDRESS "udp:192.0.2.1:161"

static struct sn_value octets(const char *text)
{
    return sn_octets(text, strlen(text));
}

// ---- Volumes -----------------------------------------------------------------------------------

#define VOLUME_COLUMNS 16

static void volume_values(struct sn_value v[VOLUME_COLUMNS])
{
    const struct sn_value good[] = {
        octets(UUID),
        octets("db1"),
        octets("its d\xc3\xa4ta"),
        sn_uint(2),
        sn_int(1),
        sn_counter64(2048),
        sn_counter64(4096),
        octets("iqn.2026-11.x:1"),
        sn_uint(1),
        sn_int(1),
        sn_int(2),
        sn_uint(100),
        octets("e"),
        sn_uint(7),
        sn_uint(3),
        sn_uint(2),
    };
    memcpy(v, good, sizeof(good));
}

static void test_volume(void **state)
{
    (void)state;
    struct sn_value v[VOLUME_COLUMNS];
    struct volume row;
    uint32_t index = 5;
    volume_values(v);
    assert_true(reading_volume(&index, 1, v, &row));
    assert_int_equal(row.index, 5);
    assert_memory_equal(row.uuid.b, UUID, 16);
    assert_string_equal(row.name, "db1");
    assert_string_equal(row.description, "its d\xc3\xa4ta");
    assert_int_equal(row.medium, 2);
    assert_int_equal(row.group, 3);
    assert_true(row.thin);
    assert_int_equal(row.start_lba, 2048);
    assert_int_equal(row.blocks, 4096);
    assert_int_equal(volume_end_lba(&row), 6143);
    assert_string_equal(row.iqn, "iqn.2026-11.x:1");
    assert_int_equal(row.lun, 1);
    assert_true(row.admin_online);
    assert_int_equal(row.state, VOLUME_ONLINE);
    assert_int_equal(row.progress, 100);
    assert_string_equal(row.last_error, "e");
    assert_int_equal(row.generation, 7);
    assert_int_equal(row.target_blocks, 0);
    v[15] = sn_uint(3); // it is being resized
    assert_true(reading_volume(&index, 1, v, &row));
    assert_int_equal(row.target_blocks, 6144);
}

static void test_free_extent(void **state)
{
    (void)state;
    struct sn_value v[] = {sn_counter64(4096), sn_counter64(2048)};
    struct free_extent row;
    const uint32_t index[] = {3, 2};
    assert_true(reading_free_extent(index, 2, v, &row));
    assert_int_equal(row.medium, 3);
    assert_int_equal(row.start_lba, 4096);
    assert_int_equal(row.blocks, 2048);
    assert_false(reading_free_extent(index, 1, v, &row));
    v[0] = sn_counter64(6144); // not what the index says
    assert_false(reading_free_extent(index, 2, v, &row));
    v[0] = sn_counter64(4096);
    v[1] = sn_counter64(UINT64_MAX);
    assert_false(reading_free_extent(index, 2, v, &row));
}

static void test_bad_volumes(void **state)
{
    (void)state;
    static const char zeros[300] = {0};
    const struct {
        int column;
        struct sn_value value;
    } bad[] = {
        {0, octets("short")},
        {0, sn_octets(zeros, 16)},
        {1, sn_octets(zeros, 3)},
        {3, sn_uint(1u << 31)}, // the store would not take it back
        {4, sn_int(0)},
        {4, sn_int(3)},
        {5, sn_counter64(UINT64_MAX)},
        {6, sn_counter64(UINT64_MAX)},
        {6, sn_counter64(INT64_MAX)},
        {6, sn_uint(4096)},
        {6, sn_counter64(0)},
        {7, sn_octets(zeros, 300)},
        {7, octets("iqn.2026-11.evil:x;touch${IFS}pwned;#")},
        {7, octets("iqn.2026-11.evil:$(reboot)")},
        {7, octets("iqn.2026-11.Evil:x")}, // not canonical
        {7, octets("iqn.2026-11.evil:x\x1b[2J")},
        {7, octets("")},
        {7, octets("ALL")},
        {8, sn_uint(16384)},
        {9, sn_int(3)},
        {10, sn_int(0)},
        {10, sn_int(6)},
        {11, sn_uint(101)},
        {12, sn_octets(zeros, 256)},
        {2, sn_octets(zeros, 256)},
    };
    struct sn_value v[VOLUME_COLUMNS];
    struct volume row;
    uint32_t index[] = {5, 6};
    for (size_t i = 0; i < DV_COUNT(bad); i++) {
        volume_values(v);
        v[bad[i].column] = bad[i].value;
        if (reading_volume(index, 1, v, &row))
            fail_msg("bad value %zu is taken", i);
    }
    for (size_t i = 0; i < VOLUME_COLUMNS; i++) {
        volume_values(v);
        v[i] = (struct sn_value){.type = SN_NO_INSTANCE};
        // A unit of before there were descriptions has none.
        if (reading_volume(index, 1, v, &row) != (i == 2))
            fail_msg("column %zu may be missing", i);
    }
    volume_values(v);
    assert_false(reading_volume(index, 2, v, &row));
    assert_false(reading_volume(index, 0, v, &row));
    index[0] = 0;
    assert_false(reading_volume(index, 1, v, &row));
    index[0] = 1u << 31;
    assert_false(reading_volume(index, 1, v, &row));
}

// ---- The others --------------------------------------------------------------------------------

static void test_medium(void **state)
{
    (void)state;
    struct medium row;
    uint32_t index = 1;
    struct sn_value v[] = {
        octets("pool0"),   sn_int(1),        sn_counter64(1000),  sn_counter64(600),
        sn_counter64(500), sn_int(3),        octets("bad\ndisk"), sn_counter64(9000),
        sn_counter64(700), sn_counter64(80), sn_int(2),           {.type = SN_NO_INSTANCE},
    };
    assert_true(reading_medium(&index, 1, v, &row));
    assert_true(row.storage_blocks == 9000 && row.storage_free_blocks == 700);
    assert_true(row.overcommitted_blocks == 80 && !row.reserves);
    assert_string_equal(row.name, "pool0");
    assert_int_equal(row.state, MEDIUM_FAILED);
    assert_string_equal(row.last_error, "bad?disk");
    v[9] = sn_counter64(UINT64_MAX);
    assert_false(reading_medium(&index, 1, v, &row));
    v[9] = sn_counter64(80);
    v[10] = sn_int(3);
    assert_false(reading_medium(&index, 1, v, &row));
    v[10] = sn_int(1);
    v[4] = sn_counter64(601); // a longest run that is longer than all that is free
    assert_false(reading_medium(&index, 1, v, &row));
    v[4] = sn_counter64(500);
    v[3] = sn_counter64(1001); // more free than there is
    assert_false(reading_medium(&index, 1, v, &row));
    v[3] = sn_counter64(600);
    v[0] = octets("a/b");
    assert_false(reading_medium(&index, 1, v, &row));
}

static void test_portal(void **state)
{
    (void)state;
    struct portal row;
    uint32_t index[] = {1, 2};
    struct sn_value v[] = {sn_uint(3260), sn_int(1), sn_int(1), sn_octets("\xc0\0\x02\x01", 4),
                           sn_int(2)};
    assert_true(reading_portal(index, 2, v, &row));
    assert_int_equal(row.index, 1);
    assert_int_equal(row.group, 2);
    assert_string_equal(row.address, "192.0.2.1");
    assert_true(row.up);
    v[2] = sn_int(2); // IPv6 with four bytes
    assert_false(reading_portal(index, 2, v, &row));
    v[3] = sn_octets("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    v[1] = sn_int(2);
    assert_true(reading_portal(index, 2, v, &row));
    assert_string_equal(row.address, "2001:db8::1");
    assert_false(row.up);
    static const char *const meaningless[] = {
        "0.0.0.0", "0.0.0.9", "224.0.0.1", "255.255.255.255", "240.0.0.1",
        "::",      "fe80::1", "ff02::1",   "::ffff:192.0.2.1"};
    for (size_t i = 0; i < DV_COUNT(meaningless); i++) {
        uint8_t raw[16];
        bool six = inet_pton(AF_INET6, meaningless[i], raw) == 1;
        assert_true(six || inet_pton(AF_INET, meaningless[i], raw) == 1);
        struct sn_value w[] = {sn_uint(3260), sn_int(1), sn_int(six ? 2 : 1),
                               sn_octets(raw, six ? 16 : 4), sn_int(2)};
        if (reading_portal(index, 2, w, &row))
            fail_msg("%s", meaningless[i]);
    }
    v[0] = sn_uint(65536);
    assert_false(reading_portal(index, 2, v, &row));
    v[0] = sn_uint(0);
    assert_false(reading_portal(index, 2, v, &row));
    v[0] = sn_uint(3260);
    assert_true(reading_portal(index, 2, v, &row));
    assert_false(reading_portal(index, 1, v, &row));
    index[1] = UNIT_GROUPS_MAX + 1;
    assert_false(reading_portal(index, 2, v, &row));
    index[1] = 0;
    assert_false(reading_portal(index, 2, v, &row));
}

static void test_rule(void **state)
{
    (void)state;
    struct access_rule row;
    uint32_t index[] = {5, 9};
    struct sn_value v[] = {
        octets("iqn.2026-11.x:web"), octets("web"),  sn_int(2), sn_int(4), octets(""),
        sn_uint(4294967295u),        octets("web.1")};
    assert_true(reading_rule(index, 2, v, &row));
    assert_string_equal(row.previous_user, "web.1");
    v[6] = octets("a b");
    assert_false(reading_rule(index, 2, v, &row));
    v[6] = (struct sn_value){.type = SN_NO_INSTANCE}; // of a unit of before
    assert_true(reading_rule(index, 2, v, &row));
    assert_string_equal(row.previous_user, "");
    v[6] = octets("");
    assert_true(reading_rule(index, 2, v, &row));
    assert_int_equal(row.volume, 5);
    assert_int_equal(row.index, 9);
    assert_string_equal(row.initiator, "iqn.2026-11.x:web");
    assert_false(row.secret_is_set);
    assert_int_equal(row.secret_mark, 4294967295u);
    assert_int_equal(row.state, ACCESS_REVOKING);
    assert_false(reading_rule(index, 1, v, &row));
    v[0] = octets("iqn.2018-12.com.wz:TEST001"); // kept as its host spells it
    assert_true(reading_rule(index, 2, v, &row));
    assert_string_equal(row.initiator, "iqn.2018-12.com.wz:TEST001");
    static const char *const bad[] = {"", "ALL", "iqn.2026-11.evil:x;reboot", "192.0.2.1",
                                      "iqn.2026-11.evil:\xe2\x80\xae"};
    for (size_t i = 0; i < DV_COUNT(bad); i++) {
        v[0] = octets(bad[i]);
        assert_false(reading_rule(index, 2, v, &row));
    }
    static const char *const bad_users[] = {"", "a b", "$(reboot)", "a\x1b[2J", "dvsan:guard:1"};
    v[0] = octets("iqn.2026-11.x:web");
    for (size_t i = 0; i < DV_COUNT(bad_users); i++) {
        v[1] = octets(bad_users[i]);
        assert_false(reading_rule(index, 2, v, &row));
    }
}

// ---- What a unit says of itself ----------------------------------------------------------------

static size_t head_vars(struct sn_var *vars, const struct reading *asked)
{
    struct sn_oid oids[READING_HEAD_MAX];
    const struct sn_value values[] = {
        octets(UUID),    sn_int(1),       octets("unit1"),
        sn_uint(3),      sn_uint(70000),  sn_int(2),
        sn_uint(25),     octets("0.1.0"), sn_uint(5),
        octets(ADDRESS), octets("full"),  octets(UUID),
        octets("lab"),   sn_uint(6),      sn_uint(7),
        sn_uint(9),      octets("why"),   {.type = SN_COUNTER32, .u = 8},
        sn_int(12),      octets("deaf"),  sn_uint(4),
        sn_uint(40),     sn_uint(101),
    };
    size_t n = reading_head_oids(asked, oids);
    for (size_t i = 0; i < n; i++)
        vars[i] = (struct sn_var){oids[i], values[i]};
    return n;
}

static bool read_head(const struct sn_var *vars, size_t n, const struct reading *asked,
                      struct reading *out)
{
    const char *why = NULL;
    struct sn_result answer = {.code = DV_OK, .vars = vars, .count = n, .text = ""};
    *out = *asked;
    bool good = reading_head(&answer, out, &why);
    assert_true(good || why);
    return good;
}

static void test_head(void **state)
{
    (void)state;
    const struct reading two = {.watched = {7, 8}, .watched_count = 2}, none = {0};
    struct sn_var vars[READING_HEAD_MAX];
    struct reading r;
    size_t n = head_vars(vars, &two);
    assert_true(read_head(vars, n, &two, &r));
    assert_memory_equal(r.uuid.b, UUID, 16);
    assert_string_equal(r.name, "unit1");
    assert_string_equal(r.address, ADDRESS);
    assert_int_equal(r.epoch, 3);
    assert_int_equal(r.generation, 70000);
    assert_int_equal(r.oper, MEMBER_RUNNING);
    assert_int_equal(r.lease, 25);
    assert_int_equal(r.changes_since, 5);
    assert_string_equal(r.last_error, "full");
    assert_string_equal(r.news_error, "deaf");
    assert_true(r.tells_key);
    assert_int_equal(r.key_number, 4);
    assert_memory_equal(r.lead.word.station.b, UUID, 16);
    assert_string_equal(r.lead.name, "lab");
    assert_int_equal(r.lead.word.number, 6);
    assert_int_equal(r.lead.word.mark, 7);
    assert_int_equal(r.held_for, 9);
    assert_string_equal(r.refused, "why");
    assert_int_equal(r.refusals, 8);
    assert_int_equal(r.spin_lock, 12);
    assert_int_equal(r.progress_count, 1); // 101 percent is none
    assert_int_equal(r.progress[0].volume, 7);
    assert_int_equal(r.progress[0].percent, 40);

    size_t members = n - 2;
    for (size_t i = 0; i < members; i++) {
        n = head_vars(vars, &none);
        vars[i].value = (struct sn_value){.type = SN_NO_OBJECT};
        bool optional = i >= members - 2; // what is newer than the rest
        if (read_head(vars, n, &none, &r) != optional)
            fail_msg("object %zu %s be missing", i, optional ? "must not" : "may");
    }
    n = head_vars(vars, &none);
    assert_false(read_head(vars, n - 1, &none, &r));
    assert_false(read_head(vars, 0, &none, &r));
    static const char *const addresses[] = {"udp:0.0.0.0:161", "tcp:192.0.2.1:161", "",
                                            "udp6:[fe80::1]:161", "udp:a;b:161"};
    for (size_t i = 0; i < DV_COUNT(addresses); i++) {
        vars[9].value = octets(addresses[i]);
        assert_false(read_head(vars, n, &none, &r));
    }
    n = head_vars(vars, &none);
    vars[11].value = octets(""); // nobody ever led it
    assert_true(read_head(vars, n, &none, &r));
    assert_true(uuid_is_zero(&r.lead.word.station));
    vars[11].value = octets("half of one");
    assert_false(read_head(vars, n, &none, &r));
    n = head_vars(vars, &none);
    vars[1].value = sn_int(2); // a host
    assert_false(read_head(vars, n, &none, &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volume),      cmocka_unit_test(test_bad_volumes),
        cmocka_unit_test(test_free_extent), cmocka_unit_test(test_medium),
        cmocka_unit_test(test_portal),      cmocka_unit_test(test_rule),
        cmocka_unit_test(test_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
