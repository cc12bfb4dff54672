// Tests of base/text: buffers, and what a person may type.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/text.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void strbuf_grows(void **state)
{
    (void)state;
    struct strbuf b = {0};
    strbuf_add(&b, "%s", "");
    assert_string_equal(b.text, "");
    for (int i = 0; i < 1000; i++)
        strbuf_add(&b, "%d,", i % 10);
    strbuf_addn(&b, "a\0b", 3);
    assert_int_equal(b.len, 2003);
    assert_memory_equal(b.text + 1998, "9,a\0b", 6);
    strbuf_free(&b);
    assert_null(b.text);
    strbuf_addn(&b, "again", 5);
    assert_string_equal(b.text, "again");
    strbuf_free(&b);
}

static void copy_cuts(void **state)
{
    (void)state;
    char out[4];
    assert_true(dv_copy(out, sizeof(out), "abc"));
    assert_string_equal(out, "abc");
    assert_false(dv_copy(out, sizeof(out), "abcd"));
    assert_string_equal(out, "abc");
    assert_false(dv_copy(out, 1, "a"));
    assert_string_equal(out, "");
}

static void printable(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } table[] = {
        {"", ""},
        {"plain", "plain"},
        {"tab\tnl\ndel\x7f", "tab?nl?del?"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc3", "?"},
        {"\xe2\x82", "??"},
        {"\xc0\xaf", "??"},           // not the shortest form
        {"\xed\xa0\x80", "???"},      // a surrogate
        {"\xf4\x90\x80\x80", "????"}, // above U+10FFFF
        {"\xc2\x85", "??"},           // U+0085, a control character
        {"\x80z", "?z"},
        {"a\xe2\x80\xaez", "a???z"},                // U+202E turns the direction of writing
        {"a\xe2\x81\xa6z\xe2\x81\xa9", "a???z???"}, // isolates
        {"a\xe2\x80\x8bz", "a???z"},                // a space without width
        {"a\xe2\x80\xa8z", "a???z"},                // a line separator
        {"\xef\xbb\xbfz", "???z"},                  // a byte order mark
        {"\xf3\xa0\x81\x81", "????"},               // a tag
        {"\xc2\xadz", "??z"},                       // a soft hyphen
        {"\xd8\x9cz", "??z"},                       // the Arabic letter mark
        {"\x1b]0;title\a\x1b[2J", "?]0;title??[2J"},
        {"\xd7\xa9\xd7\x9c", "\xd7\xa9\xd7\x9c"}, // Hebrew letters by themselves
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        char text[64];
        dv_copy(text, sizeof(text), table[i].in);
        text_make_printable(text);
        assert_string_equal(text, table[i].out);
    }
}

#define KIB UINT64_C(1024)

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes; // 0: refused
        const char *reason;
    } table[] = {
        {"1B", 1, NULL},
        {"4096B", 4096, NULL},
        {"10B", 10, NULL},
        {"10G", 10 * KIB * KIB * KIB, NULL},
        {"10g", 10 * KIB * KIB * KIB, NULL},
        {"10 GiB", 10 * KIB * KIB * KIB, NULL},
        {"10GiB", 10 * KIB * KIB * KIB, NULL},
        {"512M", 512 * KIB * KIB, NULL},
        {"1.5T", 1536 * KIB * KIB * KIB, NULL},
        {"0.5K", 512, NULL},
        {"1.0009765625K", 0, "is not a size"}, // more than nine digits behind the point
        {"1.000976562K", 1024, NULL},
        {"0007B", 7, NULL},
        {"7P", 7 * KIB * KIB * KIB * KIB * KIB, NULL},
        {"7E", 7 * KIB * KIB * KIB * KIB * KIB * KIB, NULL},
        {"9223372036854775807B", INT64_MAX, NULL},
        {"9223372036854775808B", 0, "is too large"},
        {"18446744073709551616b", 0, "is too large"},
        {"99999999999999999999999999999999999999999999B", 0, "is too large"},
        {"5GB", 0, "\"5GB\" is not a size, since units are powers of 1024 here; write 5G or 5GiB"},
        {"1.5tb", 0, "write 1.5T or 1.5TiB"},
        {"5BB", 0, "K, M, G, T or P, or B for bytes"},
        {"5GBs", 0, "K, M, G, T or P, or B for bytes"},
        {"5B ", 0, "K, M, G, T or P, or B for bytes"},
        {"100", 0, "has no unit; write a number and its unit"},
        {"1048576", 0, "has no unit"},
        {"8E", 0, "is too large"},
        {"7.999999999E", UINT64_C(9223372035701854303), NULL},
        {"8388608T", 0, "is too large"},
        {"0", 0, "has no unit"},
        {"0B", 0, "is zero"},
        {"0G", 0, "is zero"},
        {"0.0001K", 0, "is zero"},
        {"-1", 0, "is negative"},
        {"-1G", 0, "is negative"},
        {"+1", 0, "is not a size"},
        {"1e3", 0, "is not a size"},
        {" 5", 0, "is not a size"},
        {"5 ", 0, "is not a size"},
        {"5  G", 0, "is not a size"},
        {"", 0, "is not a size"},
        {"G", 0, "is not a size"},
        {".5G", 0, "is not a size"},
        {"5.G", 0, "is not a size"},
        {"5.5", 0, "has no unit"},
        {"5.5B", 0, "is not a size"},
        {"1.2.3G", 0, "is not a size"},
        {"10Q", 0, "is not a size; write a number and its unit: K, M, G, T or P"},
        {"10GB", 0, "is not a size"}, // powers of 1000 to some, of 1024 to others
        {"10BiB", 0, "is not a size"},
        {"10Gi", 0, "is not a size"},
        {"0x10", 0, "is not a size"},
        {"1,5G", 0, "is not a size"},
        {"\xd9\xa1", 0, "is not a size"}, // an Arabic digit
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err = {0};
        uint64_t bytes = 0;
        int result = size_parse(table[i].text, &bytes, &err);
        if (table[i].bytes == 0) {
            assert_int_equal(result, -1);
            assert_int_equal(err.code, DV_INVALID);
            if (!strstr(err.text, table[i].reason))
                fail_msg("\"%s\": %s", table[i].text, err.text);
            continue;
        }
        if (result != 0)
            fail_msg("%s", err.text);
        assert_true(bytes == table[i].bytes);
    }
}

static void size_texts(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } table[] = {
        {0, "0B"},
        {512, "512B"},
        {1023, "1023B"},
        {1024, "1KiB"},
        {1536, "1.5KiB"},
        {1024 * 1024 - 512, "1023.5KiB"},
        {1024 * 1024 - 1, "1048575B"}, // what is shown is what is there
        {10 * KIB * KIB * KIB, "10GiB"},
        {10 * KIB * KIB * KIB + KIB * KIB, "10241MiB"},
        {10 * KIB * KIB * KIB + 128 * KIB * KIB, "10.125GiB"},
        {1536 * KIB * KIB * KIB, "1.5TiB"},
        {1000204886016, "976762584KiB"}, // a disk of a terabyte
        {INT64_MAX, "9223372036854775807B"},
        {UINT64_MAX - 511, "18014398509481983.5KiB"},
        {UINT64_MAX, "18446744073709551615B"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        char out[SIZE_TEXT_ROOM];
        uint64_t again;
        struct dv_err err;
        assert_string_equal(size_format(table[i].bytes, out, sizeof(out)), table[i].text);
        if (table[i].bytes > 0 && table[i].bytes <= INT64_MAX) { // and it can be typed
            assert_int_equal(size_parse(out, &again, &err), 0);
            assert_true(again == table[i].bytes);
        }
    }
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } table[] = {
        {"1", true},    {"65535", true}, {"65536", false}, {"0", false},
        {"-1", false},  {"+1", false},   {" 1", false},    {"1 ", false},
        {"", false},    {"1x", false},   {"0x1", false},   {"18446744073709551617", false},
        {"0080", true},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err = {0};
        uint64_t value = 0;
        assert_int_equal(number_parse("port", table[i].text, 1, 65535, &value, &err),
                         table[i].good ? 0 : -1);
    }
    struct dv_err err;
    uint64_t value;
    number_parse("port", "http", 1, 65535, &value, &err);
    assert_string_equal(err.text, "port \"http\" is not a number from 1 to 65535");
    assert_int_equal(number_parse("id", "18446744073709551615", 0, UINT64_MAX, &value, &err), 0);
    assert_true(value == UINT64_MAX);
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint32_t ms;
    } table[] = {
        {"500ms", true, 500},
        {"5s", true, 5000},
        {"0s", true, 0},
        {"2m", true, 120000},
        {"1h", true, 3600000},
        {"4294967295ms", true, UINT32_MAX},
        {"1193h", true, UINT32_C(1193) * 3600000},
        {"4294967296ms", false, 0},
        {"1194h", false, 0},
        {"99999999999999999999s", false, 0},
        {"5", false, 0},
        {"s", false, 0},
        {"", false, 0},
        {"5 s", false, 0},
        {" 5s", false, 0},
        {"5s ", false, 0},
        {"5S", false, 0},
        {"1.5s", false, 0},
        {"-5s", false, 0},
        {"30d", true, UINT32_C(30) * 24 * 3600000},
        {"50d", false, 0},
        {"5w", false, 0},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err = {0};
        uint32_t ms = 0;
        assert_int_equal(duration_parse(table[i].text, &ms, &err), table[i].good ? 0 : -1);
        assert_int_equal(ms, table[i].ms);
    }
}

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *reason; // NULL: good
    } table[] = {
        {"db", NULL},
        {"0", NULL},
        {"web-01.prod_a", NULL},
        {X63, NULL},
        {X63 "x", "has 64 bytes; 63 is the most"},
        {"", "volume name is empty"},
        {".", "must start with a letter or a digit"},
        {"..", "must start with a letter or a digit"},
        {".hidden", "must start with a letter or a digit"},
        {"-rf", "must start with a letter or a digit"},
        {"_x", "must start with a letter or a digit"},
        {"a/b", "may have only"},
        {"a\\b", "may have only"},
        {"a'b", "may have only"},
        {"a\"b", "may have only"},
        {"a b", "may have only"},
        {"a\nb", "may have only"},
        {"m\xc3\xbcll", "may have only"},
        {"\xc3\xbc", "must start with"},
        {"a:b", "may have only"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err = {0};
        int result = name_check("volume", table[i].name, &err);
        assert_int_equal(result, table[i].reason ? -1 : 0);
        if (table[i].reason && !strstr(err.text, table[i].reason))
            fail_msg("\"%s\": %s", table[i].name, err.text);
    }
}

static void iscsi_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } table[] = {
        // The examples of RFC 7143 section 4.2.7.
        {"iqn.2001-04.com.example:storage:diskarrays-sn-a8675309", true},
        {"iqn.2001-04.com.example", true},
        {"iqn.2001-04.com.example:storage.tape1.sys1.xyz", true},
        {"eui.02004567A425678D", true},
        {"naa.52004567BA64678D", true},
        {"naa.62004567BA64678D0123456789ABCDEF", true},
        {"iqn.1993-08.org.debian:01:e2e0b5a1c1d", true},
        {"iqn.1991-05.com.microsoft:win-7.corp", true},
        {"iqn.2026-11.local.dvsan:", true},
        {"iqn.2001-04.com.example:a..b--c::", true}, // free behind the first colon
        {"iqn.2001-04.a", true},
        {"", false},
        {"iqn.", false},
        {"iqn.2001-04", false},
        {"iqn.2001-04.", false},
        {"iqn.2001-04.:x", false},
        {"iqn.2001-13.com.example", false},
        {"iqn.2001-00.com.example", false},
        {"iqn.201-04.com.example", false},
        {"iqn.2001-4.com.example", false},
        {"iqn.2001-04com.example", false},
        {"iqn.2001-04.com..example", false},
        {"iqn.2001-04.com.example.", false},
        {"iqn.2001-04.-com.example", false},
        {"iqn.2001-04.com-.example", false},
        {"iqn.2001-04.com.example-", false},
        {"IQN.2001-04.com.example", true}, // hosts spell them in any case
        {"iqn.2001-04.com.Example:x", true},
        {"iqn.2018-12.com.wz:TEST001", true},
        {"EUI.02004567a425678d", true},
        {"iqn.2026-11.evil:x;touch${IFS}pwned;#", false},
        {"iqn.2026-11.evil:$(reboot)", false},
        {"iqn.2026-11.evil:x\nInitiatorName=y", false},
        {"iqn.2026-11.evil:\x1b[2J", false},
        {"iqn.2026-11.evil:\xe2\x80\xae", false},
        {"iqn.2026-11.evil:\xef\xbc\xa1", false}, // a full-width A, which RFC 3722 maps to "a"
        {"iqn.2001-04.com.example:a_b", false},
        {"iqn.2001-04.com.example:a b", false},
        {"iqn.2001-04.com.example:a,b", false},
        {"iqn.2001-04.com.example:\xc3\xbc", false},
        {"eui.02004567A425678", false},
        {"eui.02004567A425678DE", false},
        {"eui.02004567A425678G", false},
        {"naa.52004567BA64678D0", false},
        {"ALL", false},
        {"192.0.2.1", false},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err = {0};
        if ((iqn_check(table[i].name, &err) == 0) != table[i].good)
            fail_msg("\"%s\" (%s)", table[i].name, err.text);
    }
    char name[IQN_MAX_LEN + 2] = "iqn.2001-04.com.example:";
    size_t len = strlen(name);
    memset(name + len, 'x', sizeof(name) - 1 - len);
    struct dv_err err;
    assert_int_equal(iqn_check(name, &err), -1);
    assert_non_null(strstr(err.text, "has 224 bytes; 223 is the most"));
    name[IQN_MAX_LEN] = '\0';
    assert_int_equal(iqn_check(name, &err), 0);
}

static void iscsi_names_in_canonical_form(void **state)
{
    (void)state;
    char out[IQN_MAX_LEN + 1];
    iqn_canonical("IQN.2018-12.com.wz:TEST001", out);
    assert_string_equal(out, "iqn.2018-12.com.wz:test001");
    assert_true(iqn_is_canonical(out));
    assert_false(iqn_is_canonical("iqn.2018-12.com.wz:tesT001"));
    assert_true(iqn_equal("iqn.2018-12.com.wz:TEST001", "iqn.2018-12.com.WZ:test001"));
    assert_true(iqn_equal("eui.02004567A425678D", "eui.02004567a425678d"));
    assert_false(iqn_equal("iqn.2018-12.com.wz:test001", "iqn.2018-12.com.wz:test002"));
    assert_false(iqn_equal("iqn.2018-12.com.wz:test001", "iqn.2018-12.com.wz:test00"));
    assert_true(iqn_compare("iqn.2018-12.a", "iqn.2018-12.B") < 0);
    assert_true(iqn_compare("iqn.2018-12.a", "iqn.2018-12.A:x") < 0);
    assert_true(iqn_compare("iqn.2018-12.C", "iqn.2018-12.b") > 0);
}

static void chap_users(void **state)
{
    (void)state;
    static const struct {
        const char *user;
        bool good;
    } table[] = {
        {"web1", true},       {"iqn.2026-11.x:web.1_2-3@a", true},
        {"a+b/c=d%e", true},  {"", false},
        {"a b", false},       {"a,b", false},
        {"a\"b", false},      {"a'b", false},
        {"a\\b", false},      {"a`b`", false},
        {"$(reboot)", false}, {"a;b", false},
        {"a\tb", false},      {"a\x1b[0m", false},
        {"\xc3\xa4", false},  {"dvsan:guard:x", false},
        {"dvsan", true},
    };
    char user[CHAP_USER_MAX + 2] = "";
    for (size_t i = 0; i < DV_COUNT(table); i++)
        if ((chap_user_check(table[i].user, NULL) == 0) != table[i].good)
            fail_msg("\"%s\"", table[i].user);
    memset(user, 'u', CHAP_USER_MAX + 1);
    assert_int_equal(chap_user_check(user, NULL), -1);
    user[CHAP_USER_MAX] = '\0';
    assert_int_equal(chap_user_check(user, NULL), 0);
}

static void new_names(void **state)
{
    (void)state;
    struct dv_err err;
    assert_int_equal(new_name_check("volume", "db1", &err), 0);
    assert_int_equal(new_name_check("volume", "a/b", &err), -1);
    assert_int_equal(new_name_check("volume", "0A1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", &err), -1);
    assert_string_equal(err.text, "volume name \"0A1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\" reads as a "
                                  "UUID; choose another name");
    assert_int_equal(new_name_check("volume", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8fg", &err), 0);
}

static void chap_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *secret;
        bool good;
    } table[] = {
        {"abcdefghijkl", true},
        {"abcdefghijklmnop", true},
        {"abcdefghijk", false},
        {"abcdefghijklmnopq", false},
        {"", false},
        {"abcdef ghijkl", false},
        {"abcdef\tghijkl", false},
        {"abcdef\"ghijkl", false},
        {"abcdef'ghijkl", false},
        {"abcdef`ghijkl", false},
        {"abcdefghijk\xc3\xa9", false},
        {"abc!#$%&()*+~", true},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err = {0};
        assert_int_equal(chap_secret_check(table[i].secret, &err), table[i].good ? 0 : -1);
        if (!table[i].good && *table[i].secret)
            assert_null(strstr(err.text, table[i].secret));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strbuf_grows),
        cmocka_unit_test(copy_cuts),
        cmocka_unit_test(printable),
        cmocka_unit_test(sizes),
        cmocka_unit_test(size_texts),
        cmocka_unit_test(numbers),
        cmocka_unit_test(durations),
        cmocka_unit_test(names),
        cmocka_unit_test(iscsi_names),
        cmocka_unit_test(chap_secrets),
        cmocka_unit_test(chap_users),
        cmocka_unit_test(new_names),
        cmocka_unit_test(iscsi_names_in_canonical_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
