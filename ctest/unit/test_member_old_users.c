// The users that units share, taken out of the texts that have them.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/old_users.h"

#include "base/mem.h"
#include "config/setup.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char CONF[] = "exactEngineID 0x80001f880511\n"
                           "agentXSocket unix:/run/x\n"
                           "createUser dvsan-provision SHA-256 \"secret one\" AES \"secret two\"\n"
                           "createUser -e 0x80001f880511 other SHA-256 \"three\" AES \"four\"\n"
                           "createUser dvsan-provision2 SHA-256 \"mine\" AES \"mine\"\n"
                           "createUser dvsan-monitor SHA-256 \"five\" AES \"six\"\n"
                           "  group provision usm dvsan-provision\n"
                           "group provision usm other\n"
                           "#group provision usm gone\n"
                           "group monitor usm dvsan-monitor\n"
                           "group monitor usm dvsan-provision2\n"
                           "access provision \"\" usm priv exact monitor provision none\n"
                           "access monitor \"\" usm priv exact monitor none none\n"
                           "trapsess -v 3 -u dvsan-provision udp:192.0.2.9";

static void test_find(void **state)
{
    (void)state;
    struct old_users old;
    char value[64];
    old_users_find(CONF, &old);
    assert_int_equal(old.count, 2);
    assert_string_equal(old.names[0], "dvsan-provision");
    assert_string_equal(old.names[1], "other");
    assert_true(old_users_value(CONF, "exactEngineID", value, sizeof(value)));
    assert_string_equal(value, "0x80001f880511");
    assert_false(old_users_value(CONF, "exactEngine", value, sizeof(value)));
    old_users_find("", &old);
    assert_int_equal(old.count, 0);
}

static void test_conf(void **state)
{
    (void)state;
    struct old_users old;
    const char *example = (const char *)setup_text_snmpd_conf.text;
    old_users_find(CONF, &old);
    char *text = old_users_conf(CONF, example, &old);
    assert_null(strstr(text, "secret"));
    assert_null(strstr(text, "three"));
    assert_null(strstr(text, "usm dvsan-provision\n"));
    assert_non_null(strstr(text, "createUser dvsan-provision2 SHA-256 \"mine\""));
    assert_non_null(strstr(text, "createUser dvsan-monitor"));
    assert_non_null(strstr(text, "#group provision usm gone\n"));
    assert_non_null(strstr(text, "\ngroup provision usm dvsan-station-a\n"));
    assert_non_null(strstr(text, "\ngroup provision usm dvsan-station-b\n"));
    assert_non_null(strstr(text, "\nview provision included "));
    assert_null(strchr(strstr(text, "\ngroup provision usm dvsan-station-a"), '@'));
    // Once is enough.
    old_users_find(text, &old);
    assert_int_equal(old.count, 0);
    char *again = old_users_conf(text, example, &old);
    assert_string_equal(again, text);
    free(again);
    free(text);
}

static void test_state(void **state)
{
    (void)state;
    // "other" is 6f74686572, and part of "others".
    static const char kept[] = "usmUser 1 3 0x80 0x6f746865727300 0x6f746865727300 NULL .1 0x aa\n"
                               "usmUser 1 3 0x80 0x6f7468657273 0x6f7468657273 NULL .1 0x aa\n"
                               "engineBoots 7\n";
    static const char dropped[] = "usmUser 1 3 0x80 0x6f74686572 0x6f74686572 NULL .1 0x aa\n"
                                  "usmUser 1 3 0x80 \"other\" \"other\" NULL .1 0x aa\n"
                                  "createUser other SHA-256 x AES y\n";
    struct old_users old;
    old_users_find(CONF, &old);
    char *both = dv_printf("%s%s", dropped, kept), *text = old_users_state(both, &old);
    assert_string_equal(text, kept);
    free(both);
    free(text);
}

static void test_xml(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"<a>\n  <notify user=\"x\"/>\n</a>\n", "<a>\n</a>\n"},
        {"<a><!-- <notify user='x'/> --><notify user='>'\n b=\"'\"/></a>",
         "<a><!-- <notify user='x'/> --></a>"},
        {"<a> <notify user=\"x\"> </notify ><b/></a>", "<a><b/></a>"},
        {"<a><notifying/></a>", "<a><notifying/></a>"},
        {"<a><notify user=\"x\"", "<a><notify user=\"x\""},
        {"<!-- <notify user=", "<!-- <notify user="},
        {"", ""},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        char *text = old_users_xml(cases[i].before);
        assert_string_equal(text, cases[i].after);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_conf),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_xml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
