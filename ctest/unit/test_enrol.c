// Codes, the handshake of an enrolment, and members' keys.
// SPDX-License-Identifier: BSD-2-Clause
#include "enrol/client.h"
#include "enrol/code.h"
#include "enrol/keys.h"
#include "enrol/message.h"
#include "enrol/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

// ---- Codes ----------------------------------------------------------------------------------

static void test_a_code_is_read_as_it_is_written(void **arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        struct code code, back;
        struct dv_err err;
        char text[CODE_TEXT + 1];
        code_make(&code);
        code_format(&code, text);
        assert_int_equal(strlen(text), CODE_TEXT);
        assert_int_equal(code_parse(text, &back, &err), 0);
        assert_memory_equal(&code, &back, sizeof(code));
        assert_true(code_id_is_good(back.id));
    }
}

static void test_a_code_is_read_as_people_write(void **arg)
{
    (void)arg;
    struct code code = {.id = "01ABC", .secret = "0123456789ABCD"}, back;
    struct dv_err err;
    char text[CODE_TEXT + 1], odd[3 * CODE_TEXT];
    code_format(&code, text);
    assert_memory_equal(text, "01ABC-01234-56789-ABCD", 22);
    snprintf(odd, sizeof(odd), " oLabc oi234\t56789abcd%c\n", text[CODE_TEXT - 1]);
    assert_int_equal(code_parse(odd, &back, &err), 0);
    assert_memory_equal(&code, &back, sizeof(code));
}

static void test_mistakes_in_codes_are_told(void **arg)
{
    (void)arg;
    static const char *const none[] = {"",
                                       "-",
                                       "01ABC-01234-56789-ABCD",
                                       "U1ABC-01234-56789-ABCDX",
                                       "01ABC-01234-56789-ABCDX1",
                                       "01ABC_01234_56789_ABCDX",
                                       "01ABC-01234-56789-ABC\xc3\x9f"};
    struct code code = {.id = "01ABC", .secret = "0123456789ABCD"}, back;
    struct dv_err err;
    char text[CODE_TEXT + 1];
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        assert_int_equal(code_parse(none[i], &back, &err), -1);
        assert_non_null(strstr(err.text, "no code"));
    }
    code_format(&code, text);
    int told = 0, tries = 0;
    for (size_t i = 0; i < CODE_TEXT; i++) {
        for (const char *digit = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; *digit; digit++) {
            char wrong[CODE_TEXT + 1];
            memcpy(wrong, text, sizeof(wrong));
            if (text[i] == '-' || text[i] == *digit)
                continue;
            wrong[i] = *digit;
            tries++;
            if (code_parse(wrong, &back, &err) < 0) {
                told++;
                assert_non_null(strstr(err.text, "mistyped"));
            }
        }
    }
    assert_int_equal(tries, 20 * 31);
    assert_in_range(told, tries * 9 / 10, tries); // 31 of 32 on the average; codes are fixed here
}

static void test_the_key_depends_on_all_of_the_code(void **arg)
{
    (void)arg;
    struct code one = {.id = "01ABC", .secret = "0123456789ABCD"}, other = one, third = one;
    uint8_t a[CODE_KEY], b[CODE_KEY], c[CODE_KEY], d[CODE_KEY];
    struct dv_err err;
    other.id[4] = 'D';
    third.secret[13] = 'E';
    assert_int_equal(code_key(&one, a, &err), 0);
    assert_int_equal(code_key(&one, b, &err), 0);
    assert_int_equal(code_key(&other, c, &err), 0);
    assert_int_equal(code_key(&third, d, &err), 0);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, c, sizeof(a));
    assert_memory_not_equal(a, d, sizeof(a));
}

// ---- The handshake --------------------------------------------------------------------------

static const uint8_t PSK[NOISE_KEY] = {1, 2, 3}, OTHER_PSK[NOISE_KEY] = {1, 2, 4};

struct ends {
    struct noise member, station;
    uint8_t ask[NOISE_HANDSHAKE_MORE + 5], answer[NOISE_HANDSHAKE_MORE + 6];
};

static void begin(struct ends *e, const char *prologue)
{
    uint8_t text[5];
    noise_begin(&e->member, "test");
    noise_begin(&e->station, prologue);
    noise_ask(&e->member, "hello", 5, e->ask);
    if (noise_read_ask(&e->station, e->ask, sizeof(e->ask), text))
        assert_memory_equal(text, "hello", 5);
}

static bool finish(struct ends *e, const uint8_t psk[NOISE_KEY])
{
    uint8_t text[6];
    noise_answer(&e->station, psk, "answer", 6, e->answer);
    bool good = noise_read_answer(&e->member, PSK, e->answer, sizeof(e->answer), text);
    if (good)
        assert_memory_equal(text, "answer", 6);
    return good;
}

static void test_both_sides_understand_each_other(void **arg)
{
    (void)arg;
    struct ends e;
    uint8_t message[100 + NOISE_SEALED_MORE], back[100], data[100];
    begin(&e, "test");
    assert_true(finish(&e, PSK));
    for (size_t len = 0; len <= sizeof(data); len += 20) {
        random_fill(data, len);
        noise_seal(&e.member, data, len, message);
        assert_true(noise_open(&e.station, message, len + NOISE_SEALED_MORE, back));
        assert_memory_equal(data, back, len);
        noise_seal(&e.station, data, len, message);
        assert_true(noise_open(&e.member, message, len + NOISE_SEALED_MORE, back));
        assert_memory_equal(data, back, len);
    }
    // A message again, and the other direction's.
    noise_seal(&e.member, "x", 1, message);
    assert_true(noise_open(&e.station, message, 1 + NOISE_SEALED_MORE, back));
    assert_false(noise_open(&e.station, message, 1 + NOISE_SEALED_MORE, back));
    assert_false(noise_open(&e.member, message, 1 + NOISE_SEALED_MORE, back));
    assert_false(noise_open(&e.member, message, NOISE_SEALED_MORE - 1, back));
    noise_end(&e.member);
    noise_end(&e.station);
}

static void test_who_lacks_the_key_opens_nothing(void **arg)
{
    (void)arg;
    struct ends e;
    begin(&e, "test");
    assert_false(finish(&e, OTHER_PSK));
    begin(&e, "another");
    assert_false(finish(&e, PSK));
}

static void test_each_changed_bit_is_noticed(void **arg)
{
    (void)arg;
    for (size_t bit = 0; bit < 8 * sizeof(((struct ends *)0)->ask); bit++) {
        struct ends e;
        uint8_t text[5];
        noise_begin(&e.member, "test");
        noise_begin(&e.station, "test");
        noise_ask(&e.member, "hello", 5, e.ask);
        e.ask[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(noise_read_ask(&e.station, e.ask, sizeof(e.ask), text));
    }
    for (size_t bit = 0; bit < 8 * (NOISE_HANDSHAKE_MORE + 6); bit++) {
        struct ends e;
        uint8_t text[6];
        begin(&e, "test");
        noise_answer(&e.station, PSK, "answer", 6, e.answer);
        e.answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(noise_read_answer(&e.member, PSK, e.answer, sizeof(e.answer), text));
    }
}

// Points of small order make a shared secret that everybody knows (RFC 7748 section 6.1).
static void test_a_key_of_small_order_gives_nothing_away(void **arg)
{
    (void)arg;
    struct ends e;
    uint8_t text[6];
    begin(&e, "test");
    memset(e.station.other, 0, NOISE_KEY);
    assert_false(finish(&e, PSK));
    begin(&e, "test");
    noise_answer(&e.station, PSK, "answer", 6, e.answer);
    memset(e.answer, 0, NOISE_KEY);
    assert_false(noise_read_answer(&e.member, PSK, e.answer, sizeof(e.answer), text));
}

static void test_short_messages_are_none(void **arg)
{
    (void)arg;
    for (size_t len = 0; len < NOISE_HANDSHAKE_MORE; len++) {
        struct ends e;
        uint8_t zeros[NOISE_HANDSHAKE_MORE] = {0}, text[1];
        noise_begin(&e.station, "test");
        assert_false(noise_read_ask(&e.station, zeros, len, text));
        begin(&e, "test");
        assert_false(noise_read_answer(&e.member, PSK, zeros, len, text));
    }
}

// ---- Keys -----------------------------------------------------------------------------------

static void test_keys_differ_in_each_respect(void **arg)
{
    (void)arg;
    const uint8_t root[KEYS_ROOT] = {1}, other_root[KEYS_ROOT] = {2};
    const struct dv_uuid one = {{1}}, two = {{2}};
    const uint8_t engine[] = {0x80, 1, 2, 3, 4}, other[] = {0x80, 1, 2, 3, 5};
    const struct dv_uuid none = {{0}}, first = {{7}}, second = {.b = {[15] = 7}};
    struct member_keys k[10];
    keys_make(root, KEYS_OF_STATION, &one, &none, 1, engine, sizeof(engine), &k[0]);
    keys_make(other_root, KEYS_OF_STATION, &one, &none, 1, engine, sizeof(engine), &k[1]);
    keys_make(root, KEYS_OF_MEMBER, &one, &none, 1, engine, sizeof(engine), &k[2]);
    keys_make(root, KEYS_OF_STATION, &two, &none, 1, engine, sizeof(engine), &k[3]);
    keys_make(root, KEYS_OF_STATION, &one, &none, 2, engine, sizeof(engine), &k[4]);
    keys_make(root, KEYS_OF_STATION, &one, &none, 1, other, sizeof(other), &k[5]);
    keys_make(root, KEYS_OF_STATION, &one, &none, 1, engine, sizeof(engine) - 1, &k[6]);
    keys_make(root, KEYS_OF_STATION, &one, &none, 1 << 24, engine, sizeof(engine), &k[7]);
    keys_make(root, KEYS_OF_STATION, &one, &first, 1, engine, sizeof(engine), &k[8]);
    keys_make(root, KEYS_OF_STATION, &one, &second, 1, engine, sizeof(engine), &k[9]);
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(k[i].auth, k[j].auth, KEYS_AUTH);
            assert_memory_not_equal(k[i].priv, k[j].priv, KEYS_PRIV);
        }
    keys_make(root, KEYS_OF_STATION, &one, &none, 1, engine, sizeof(engine), &k[1]);
    assert_memory_equal(&k[0], &k[1], sizeof(k[0]));
}

static void test_addresses_of_stations(void **arg)
{
    (void)arg;
    static const struct {
        const char *text;
        bool good;
    } table[] = {
        {"192.0.2.1", true},
        {"192.0.2.1:1162", true},
        {"cms.example.net:1162", true},
        {"2001:db8::1", true},
        {"[2001:db8::1]", true},
        {"[2001:db8::1]:1162", true},
        {"[fe80::1%eth0]:1162", true},
        {"", false},
        {":1162", false},
        {"192.0.2.1:", false},
        {"192.0.2.1:0", false},
        {"192.0.2.1:65536", false},
        {"192.0.2.1:snmp", false},
        {"192.0.2.1/24", false},
        {"https://192.0.2.1", false},
        {"THE-STATION'S-ADDRESS", false},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct dv_err err = {.text = ""};
        if ((enrol_check_station(table[i].text, &err) == 0) != table[i].good)
            fail_msg("\"%s\": %s", table[i].text, err.text);
    }
}

static void test_ids_of_engines(void **arg)
{
    (void)arg;
    static const struct {
        const char *hex;
        bool good;
    } table[] = {
        {"80001f8805", true},
        {"0x80001f8805", true},
        {"80001f88", false},
        {"0000000000", false}, // RFC 3411 section 5
        {"ffffffffff", false},
        {"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", false},
        {"0000000001", true},
        {"fffffffffe", true},
        {"8080808080", true},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct engine_id id;
        assert_int_equal(message_engine_id_parse(table[i].hex, &id), table[i].good);
    }
}

// Units that were enrolled before each enrolment had a random number have these. Computed by
// Python's hashlib.blake2b over the same parts.
static void test_keys_of_before_stay(void **arg)
{
    (void)arg;
    const uint8_t root[KEYS_ROOT] = {1}, engine[] = {0x80, 1, 2, 3, 4};
    const uint8_t auth[KEYS_AUTH] = {0x3d, 0xa6, 0x71, 0x1b, 0xd7, 0x28, 0xa1, 0x95,
                                     0xf3, 0x4d, 0xc7, 0x69, 0x0f, 0xab, 0x33, 0x2f,
                                     0x3c, 0x47, 0x68, 0xc2, 0xcc, 0x41, 0x6e, 0x26,
                                     0xf3, 0xe4, 0xed, 0xae, 0x43, 0xe3, 0x0c, 0xcf};
    const uint8_t priv[KEYS_PRIV] = {0x68, 0x40, 0xf0, 0xb1, 0x55, 0x8b, 0x9a, 0x10,
                                     0x16, 0xf5, 0x06, 0xe3, 0x93, 0x0c, 0x2b, 0x8a};
    const struct dv_uuid one = {{1}}, none = {{0}};
    struct member_keys k;
    keys_make(root, KEYS_OF_STATION, &one, &none, 1, engine, sizeof(engine), &k);
    assert_memory_equal(k.auth, auth, KEYS_AUTH);
    assert_memory_equal(k.priv, priv, KEYS_PRIV);
}

static void test_names_of_users_say_whose_they_are(void **arg)
{
    (void)arg;
    char name[KEYS_USER_ROOM];
    struct dv_uuid uuid, back;
    unsigned place;
    for (uint32_t i = 0; i < 1000; i++) {
        random_fill(uuid.b, sizeof(uuid.b));
        keys_user(KEYS_OF_MEMBER, &uuid, i, name);
        assert_true(keys_member_of(name, &back, &place));
        assert_memory_equal(&uuid, &back, sizeof(uuid));
        assert_int_equal(place, i % 2);
    }
    keys_user(KEYS_OF_STATION, &uuid, 3, name);
    assert_string_equal(name, "dvsan-station-b");
    static const char *const others[] = {"",
                                         "dvsan-notify",
                                         "dvsan-station-a",
                                         "aaaaaaaaaaaaaaaaaaaaaaaaaa",
                                         "aaaaaaaaaaaaaaaaaaaaaaaaaa-c",
                                         "aaaaaaaaaaaaaaaaaaaaaaaaab-a",
                                         "Aaaaaaaaaaaaaaaaaaaaaaaaaa-a",
                                         "aaaaaaaaaaaaaaaaaaaaaaaaa1-a",
                                         "aaaaaaaaaaaaaaaaaaaaaaaaaa-aa"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_false(keys_member_of(others[i], &back, &place));
}

// ---- Messages -------------------------------------------------------------------------------

static const struct enrol_request REQUEST = {
    .kind = MEMBER_UNIT,
    .uuid = {{1, 2, 3}},
    .name = "unit1",
    .engine = {.len = 5, .b = {0x80, 0, 0x1f, 0x88, 5}},
    .address = "udp:192.0.2.7:161",
    .software = "1.0",
};

static void test_a_request_is_read_as_it_is_written(void **arg)
{
    (void)arg;
    struct enrol_request back;
    struct dv_err err;
    char *text = enrol_request_write(&REQUEST);
    assert_int_equal(enrol_request_read(text, strlen(text), &back, &err), 0);
    assert_memory_equal(&REQUEST, &back, sizeof(back));
    free(text);
}

static void test_bad_requests_are_told(void **arg)
{
    (void)arg;
    static const struct {
        const char *from, *to, *why;
    } table[] = {
        {"{", "[", "no JSON object"},
        {"\"unit\"", "\"toaster\"", "\"kind\""},
        {"01020300", "0102030", "\"uuid\""},
        {"01020300-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000", "uuid"},
        {"\"unit1\"", "\"unit 1\"", "unit 1"},
        {"\"unit1\"", "\"01020300-0000-0000-0000-000000000000\"", "UUID"},
        {"\"unit1\"", "7", "\"name\""},
        {"80001f8805", "80001f88", "\"engine_id\""},
        {"80001f8805", "80001f880", "\"engine_id\""},
        {"192.0.2.7", "0.0.0.0", "0.0.0.0"},
        {"udp:", "tcp:", "tcp"},
        {"\"software\"", "\"uuid\"", "no JSON object"},
        {"\"software\"", "\"wetware\"", "\"software\""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct enrol_request back;
        struct dv_err err;
        char *text = enrol_request_write(&REQUEST), changed[1024];
        const char *at = strstr(text, table[i].from);
        assert_non_null(at);
        int len = snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text,
                           table[i].to, at + strlen(table[i].from));
        assert_int_equal(enrol_request_read(changed, (size_t)len, &back, &err), -1);
        if (!strstr(err.text, table[i].why))
            fail_msg("row %zu: %s", i, err.text);
        free(text);
    }
}

static void test_a_grant_is_read_as_it_is_written(void **arg)
{
    (void)arg;
    struct grant grant = {.uuid = {{1}}, .name = "unit1", .number = 7}, back;
    struct dv_err err;
    grant.station.uuid = (struct dv_uuid){{2}};
    strcpy(grant.station.name, "pool at 192.0.2.1:8480 on station");
    strcpy(grant.station.address, "udp6:[2001:db8::1]:1162");
    grant.station.engine = REQUEST.engine;
    random_fill(&grant.notify, sizeof(grant.notify));
    char *text = grant_write(&grant);
    assert_int_equal(grant_read(text, strlen(text), &back, &err), 0);
    assert_memory_equal(&grant, &back, sizeof(back));
    free(text);
    random_fill(grant.station_keys, sizeof(grant.station_keys));
    grant.has_station_keys = true;
    text = grant_write(&grant);
    assert_int_equal(grant_read(text, strlen(text), &back, &err), 0);
    assert_memory_equal(&grant, &back, sizeof(back));
    for (size_t cut = 0; cut < strlen(text); cut++) {
        assert_int_equal(grant_read(text, cut, &back, &err), -1);
        assert_false(enrol_refusal_read(text, cut, &err));
    }
    free(text);
}

static void test_refusals_keep_their_class(void **arg)
{
    (void)arg;
    for (enum dv_code code = DV_INVALID; code < DV_CODES; code++) {
        struct dv_err why, back;
        (void)dv_fail(&why, code, "the code \"%s\" has expired", "01ABC");
        char *text = enrol_refusal_write(&why);
        assert_true(enrol_refusal_read(text, strlen(text), &back));
        assert_int_equal(back.code, code);
        assert_string_equal(back.text, why.text);
        free(text);
    }
}

// Who sits between can say anything to who asks: the words go to a person's terminal.
static void test_refusals_hold_no_tricks(void **arg)
{
    (void)arg;
    static const char text[] =
        "{\"error\": {\"code\": \"denied\", \"detail\": \"a\\u001b[2Jb\\nc\\u202ed\"}}";
    struct dv_err why;
    assert_true(enrol_refusal_read(text, strlen(text), &why));
    assert_string_equal(why.text, "a?[2Jb?c???d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_code_is_read_as_it_is_written),
        cmocka_unit_test(test_a_code_is_read_as_people_write),
        cmocka_unit_test(test_mistakes_in_codes_are_told),
        cmocka_unit_test(test_the_key_depends_on_all_of_the_code),
        cmocka_unit_test(test_both_sides_understand_each_other),
        cmocka_unit_test(test_who_lacks_the_key_opens_nothing),
        cmocka_unit_test(test_each_changed_bit_is_noticed),
        cmocka_unit_test(test_a_key_of_small_order_gives_nothing_away),
        cmocka_unit_test(test_short_messages_are_none),
        cmocka_unit_test(test_keys_differ_in_each_respect),
        cmocka_unit_test(test_keys_of_before_stay),
        cmocka_unit_test(test_ids_of_engines),
        cmocka_unit_test(test_addresses_of_stations),
        cmocka_unit_test(test_names_of_users_say_whose_they_are),
        cmocka_unit_test(test_a_request_is_read_as_it_is_written),
        cmocka_unit_test(test_bad_requests_are_told),
        cmocka_unit_test(test_a_grant_is_read_as_it_is_written),
        cmocka_unit_test(test_refusals_keep_their_class),
        cmocka_unit_test(test_refusals_hold_no_tricks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
