// Tests of the payload of a unit's notifications, word for word.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/telling.h"

#include "base/mem.h"
#include "dvsan_oids.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct sn_engine_id ENGINE = {.len = 5, .b = {0x80, 0, 0x1f, 0x88, 4}};

static uint32_t generation(void *arg)
{
    return state_generation(arg);
}

static void announce(void *arg, struct announcement *a)
{
    telling_announce(arg, a);
}

static struct member member(struct state *s)
{
    return (struct member){.kind = MEMBER_UNIT,
                           .owner = {.generation = generation, .announce = announce, .arg = s},
                           .uuid = {{0xaa, [15] = 0xbb}},
                           .name = "unit1",
                           .address = "udp:192.0.2.7:161",
                           .epoch = 3,
                           .state = MEMBER_RUNNING};
}

static struct state *state_with(uint32_t volumes)
{
    struct state *s = state_new(41, 1);
    for (uint32_t i = 1; i <= volumes; i++) {
        struct volume v = {.index = i,
                           .uuid = {{(uint8_t)i, [15] = 0xcc}},
                           .medium = 1,
                           .start_lba = (i - 1) * UINT64_C(4194304),
                           .blocks = 4194304,
                           .state = VOLUME_ONLINE};
        state_add_volume(s, &v);
    }
    return s;
}

// One line a varbind: the OID behind our root or from the start, and the value.
static void print_var(struct strbuf *out, const struct sn_var *var)
{
    static const struct sn_oid root = OID_dvsan;
    char text[SN_OID_MAX * 11];
    const uint32_t *suffix;
    size_t len;
    if (sn_oid_under(&var->oid, &root, &suffix, &len)) {
        strbuf_add(out, "dvsan");
        for (size_t i = 0; i < len; i++)
            strbuf_add(out, ".%u", suffix[i]);
    } else {
        strbuf_add(out, "%s", sn_oid_format(&var->oid, text, sizeof(text)));
    }
    const struct sn_value *v = &var->value;
    if (v->type == SN_INT)
        strbuf_add(out, " int %d\n", v->i);
    else if (v->type == SN_UINT)
        strbuf_add(out, " uint %u\n", v->u);
    else if (v->type == SN_COUNTER64)
        strbuf_add(out, " u64 %" PRIu64 "\n", v->u64);
    else if (v->type == SN_OBJID)
        strbuf_add(out, " oid %s\n", sn_oid_format(v->oid, text, sizeof(text)));
    else {
        strbuf_add(out, " octets ");
        for (size_t i = 0; i < v->octets.len; i++)
            strbuf_add(out, "%02x", ((const uint8_t *)v->octets.data)[i]);
        strbuf_add(out, "\n");
    }
}

static void assert_payload(enum announcement_kind kind, const struct netlink_interface *link,
                           uint32_t volumes, const char *expected)
{
    struct state *s = state_with(volumes);
    struct member m = member(s);
    struct announcement a;
    struct strbuf out = {0};
    char trap[SN_OID_MAX * 11];
    announcement_make(&a, kind, link, &m, &ENGINE);
    strbuf_add(&out, "%s\n", sn_oid_format(&a.trap, trap, sizeof(trap)));
    for (size_t i = 0; i < a.count; i++)
        print_var(&out, &a.vars[i]);
    assert_string_equal(out.text, expected);
    strbuf_free(&out);
    announcement_clear(&a);
    state_free(s);
}

#define ENTERPRISE "1.3.6.1.6.3.1.1.4.3.0 oid 1.3.6.1.4.1.8072.9999.9999.21137.2.1.1\n"
#define ENGINE_ID  "1.3.6.1.6.3.10.2.1.1.0 octets 80001f8804\n"
#define IDENTITY(generation)                                                                       \
    "dvsan.1.1.1.1.0 octets aa0000000000000000000000000000bb\n"                                    \
    "dvsan.1.1.1.2.0 int 1\n"                                                                      \
    "dvsan.1.1.1.3.0 octets 756e697431\n"                                                          \
    "dvsan.1.1.1.4.0 octets 7564703a3139322e302e322e373a313631\n"                                  \
    "dvsan.1.1.1.5.0 uint 3\n"                                                                     \
    "dvsan.1.1.1.6.0 uint " generation "\n"                                                        \
    "dvsan.1.1.1.7.0 int 2\n"
#define VERSION "dvsan.1.1.1.9.0 octets 302e312e30\n"

static void cold_start_tells_the_volumes(void **state)
{
    (void)state;
    assert_string_equal(DVSAN_VERSION, "0.1.0"); // else VERSION above is another one
    assert_payload(ANNOUNCE_COLD_START, NULL, 2,
                   "1.3.6.1.6.3.1.1.5.1\n" ENTERPRISE ENGINE_ID IDENTITY("43") VERSION
                   "dvsan.1.2.1.1.2.0 uint 2\n"
                   "dvsan.1.2.1.3.1.7.1 u64 0\n"
                   "dvsan.1.2.1.3.1.8.1 u64 4194304\n"
                   "dvsan.1.2.1.3.1.9.1 u64 4194303\n"
                   "dvsan.1.2.1.3.1.14.1 int 2\n"
                   "dvsan.1.2.1.3.1.2.1 octets 010000000000000000000000000000cc\n"
                   "dvsan.1.2.1.3.1.7.2 u64 4194304\n"
                   "dvsan.1.2.1.3.1.8.2 u64 4194304\n"
                   "dvsan.1.2.1.3.1.9.2 u64 8388607\n"
                   "dvsan.1.2.1.3.1.14.2 int 2\n"
                   "dvsan.1.2.1.3.1.2.2 octets 020000000000000000000000000000cc\n");
}

static void a_repetition_begins_with_its_own_objects(void **state)
{
    (void)state;
    assert_payload(ANNOUNCE_AGAIN, NULL, 0,
                   "1.3.6.1.4.1.8072.9999.9999.21137.1.1.0.1\n" IDENTITY("41")
                       ENTERPRISE ENGINE_ID VERSION "dvsan.1.2.1.1.2.0 uint 0\n");
}

static void a_link_begins_with_its_interface(void **state)
{
    (void)state;
    struct netlink_interface link = {.index = 7, .admin_up = true, .oper_up = false};
    assert_payload(ANNOUNCE_LINK_DOWN, &link, 0,
                   "1.3.6.1.6.3.1.1.5.3\n"
                   "1.3.6.1.2.1.2.2.1.1.7 int 7\n"
                   "1.3.6.1.2.1.2.2.1.7.7 int 1\n"
                   "1.3.6.1.2.1.2.2.1.8.7 int 2\n" ENTERPRISE ENGINE_ID IDENTITY("41") VERSION
                   "dvsan.1.2.1.1.2.0 uint 0\n");
}

static void assert_message(struct announcement *a, const char *expected)
{
    struct strbuf out = {0};
    char trap[SN_OID_MAX * 11];
    strbuf_add(&out, "%s\n", sn_oid_format(&a->trap, trap, sizeof(trap)));
    for (size_t i = 0; i < a->count; i++)
        print_var(&out, &a->vars[i]);
    assert_string_equal(out.text, expected);
    strbuf_free(&out);
    announcement_clear(a);
}

static void a_volume_is_told_with_its_reason(void **state)
{
    (void)state;
    struct state *s = state_with(7);
    struct member m = member(s);
    struct announcement a;
    struct unit_volume *v = state_volume(s, 7);
    dv_copy(v->v.name, sizeof(v->v.name), "vol");
    state_set_volume(s, v, VOLUME_FAILED, 100, "why");
    telling_volume(&v->v, &a);
    announcement_sign(&a, &m, &ENGINE);
    assert_message(&a, "1.3.6.1.4.1.8072.9999.9999.21137.1.2.0.1\n"
                       "dvsan.1.2.1.3.1.2.7 octets 070000000000000000000000000000cc\n"
                       "dvsan.1.2.1.3.1.3.7 octets 766f6c\n"
                       "dvsan.1.2.1.3.1.14.7 int 4\n"
                       "dvsan.1.2.1.3.1.16.7 octets 776879\n" ENTERPRISE ENGINE_ID IDENTITY("49"));
    state_free(s);
}

static void a_medium_is_told_by_what_it_has_become(void **state)
{
    (void)state;
    static const struct {
        enum medium_state state;
        const char *expected;
    } cases[] = {
        {MEDIUM_ONLINE, "1.3.6.1.4.1.8072.9999.9999.21137.1.2.0.4\n"
                        "dvsan.1.2.1.2.1.2.3 octets 6d\n"
                        "dvsan.1.2.1.2.1.7.3 int 1\n"
                        "dvsan.1.2.1.2.1.8.3 octets 776879\n" ENTERPRISE ENGINE_ID IDENTITY("41")},
        {MEDIUM_LOW, "1.3.6.1.4.1.8072.9999.9999.21137.1.2.0.2\n"
                     "dvsan.1.2.1.2.1.2.3 octets 6d\n"
                     "dvsan.1.2.1.2.1.7.3 int 2\n"
                     "dvsan.1.2.1.2.1.8.3 octets 776879\n" ENTERPRISE ENGINE_ID IDENTITY("41")},
        {MEDIUM_FAILED, "1.3.6.1.4.1.8072.9999.9999.21137.1.2.0.3\n"
                        "dvsan.1.2.1.2.1.2.3 octets 6d\n"
                        "dvsan.1.2.1.2.1.7.3 int 3\n"
                        "dvsan.1.2.1.2.1.8.3 octets 776879\n" ENTERPRISE ENGINE_ID IDENTITY("41")},
    };
    struct state *s = state_with(0);
    struct member m = member(s);
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct medium medium = {
            .index = 3, .name = "m", .state = cases[i].state, .last_error = "why"};
        struct announcement a;
        telling_medium(&medium, &a);
        announcement_sign(&a, &m, &ENGINE);
        assert_message(&a, cases[i].expected);
    }
    state_free(s);
}

static void what_does_not_fit_stays_away(void **state)
{
    (void)state;
    struct state *s = state_with(200);
    struct member m = member(s);
    struct announcement a;
    memset(m.name, 'n', sizeof(m.name) - 1);
    memset(m.address, 'a', sizeof(m.address) - 1);
    announcement_make(&a, ANNOUNCE_COLD_START, NULL, &m, &ENGINE);
    size_t most = ANNOUNCEMENT_MESSAGE_MAX - ANNOUNCEMENT_HEADERS_MAX;
    assert_in_range(announcement_size(&a), most - 200, most);
    assert_int_equal((a.count - 11) % 5, 0); // rows are whole
    announcement_clear(&a);
    state_free(s);
}

// Sizes as ITU-T X.690 gives them: one header for the varbind, one for each of its halves.
static void sizes_are_those_of_ber(void **state)
{
    (void)state;
    static const struct {
        struct sn_value value;
        size_t octets; // of the value, without its header
    } cases[] = {
        {{.type = SN_INT, .i = 127}, 1},
        {{.type = SN_INT, .i = 128}, 2},
        {{.type = SN_UINT, .u = 255}, 2},
        {{.type = SN_UINT, .u = UINT32_MAX}, 5},
        {{.type = SN_COUNTER64, .u64 = 0}, 1},
        {{.type = SN_COUNTER64, .u64 = INT64_MAX}, 8},
        {{.type = SN_COUNTER64, .u64 = UINT64_MAX}, 9},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        // 1.3 | 6 | 8072 as 7-bit digits: 1 + 1 + 2 octets
        struct sn_var var = {{.len = 4, .id = {1, 3, 6, 8072}}, cases[i].value};
        struct announcement a = {.vars = &var, .count = 1};
        assert_int_equal(announcement_size(&a), 2 + (2 + 4) + (2 + cases[i].octets));
    }
}

// snmpd makes an SNMPv1 trap of it, which has no 64-bit counters (RFC 3584 section 3.2).
static void nothing_has_64_bits_for_the_master(void **state)
{
    (void)state;
    struct state *s = state_with(2);
    struct member m = member(s);
    struct announcement a;
    announcement_make(&a, ANNOUNCE_COLD_START, NULL, &m, &ENGINE);
    size_t all = a.count;
    struct sn_oid first = a.vars[0].oid;
    announcement_narrow(&a);
    assert_int_equal(a.count, all - 2 * 3); // where each of the two lies
    assert_memory_equal(&a.vars[0].oid, &first, sizeof(first));
    for (size_t i = 0; i < a.count; i++)
        assert_int_not_equal(a.vars[i].value.type, SN_COUNTER64);
    announcement_clear(&a);
    state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cold_start_tells_the_volumes),
        cmocka_unit_test(a_repetition_begins_with_its_own_objects),
        cmocka_unit_test(a_link_begins_with_its_interface),
        cmocka_unit_test(a_volume_is_told_with_its_reason),
        cmocka_unit_test(a_medium_is_told_by_what_it_has_become),
        cmocka_unit_test(what_does_not_fit_stays_away),
        cmocka_unit_test(sizes_are_those_of_ber),
        cmocka_unit_test(nothing_has_64_bits_for_the_master),
    };
    return cmocka_run_group_tests_name("unit announcement", tests, NULL, NULL);
}
