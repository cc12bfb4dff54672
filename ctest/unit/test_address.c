// Tests of base/address: what addresses mean, and the forms of transport addresses.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.h"

#include "base/mem.h"
#include "base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *of_host, *to_listen; // the usual form, or what the error says
    } table[] = {
        {"192.0.2.7", "192.0.2.7", "192.0.2.7"},
        {"127.0.0.1", "127.0.0.1", "127.0.0.1"},
        {"10.255.255.255", "10.255.255.255", "10.255.255.255"}, // only a netmask would tell
        {"169.254.1.2", "169.254.1.2", "169.254.1.2"},
        {"2001:DB8:0::7", "2001:db8::7", "2001:db8::7"},
        {"::1", "::1", "::1"},
        {"fd00::1", "fd00::1", "fd00::1"},
        {"0.0.0.0", "every address of the machine", "0.0.0.0"},
        {"::", "every address of the machine", "::"},
        {"0:0::0.0.0.0", "every address of the machine", "::"},
        {"0.0.0.1", "0.0.0.0/8", "0.0.0.0/8"},
        {"0.255.0.1", "0.0.0.0/8", "0.0.0.0/8"},
        {"224.0.0.1", "multicast", "multicast"},
        {"239.255.255.250", "multicast", "multicast"},
        {"240.0.0.1", "reserved", "reserved"},
        {"255.255.255.254", "reserved", "reserved"},
        {"255.255.255.255", "broadcast", "broadcast"},
        {"127.255.255.255", "broadcast", "broadcast"},
        {"ff02::1", "multicast", "multicast"},
        {"fe80::1", "link-local", "link-local"},
        {"febf::1", "link-local", "link-local"},
        {"::ffff:192.0.2.1", "write it as an IPv4 address", "write it as an IPv4 address"},
        {"::ffff:0.0.0.0", "write it as an IPv4 address", "write it as an IPv4 address"},
        {"::192.0.2.1", "::/96", "::/96"},
        {"100::1", "everything is dropped", "everything is dropped"},
        {"fe80::1%lo", "not an IP address", "not an IP address"},
        {"192.0.2.007", "not an IP address", "not an IP address"},
        {"192.0.2", "not an IP address", "not an IP address"},
        {"0x7f.0.0.1", "not an IP address", "not an IP address"},
        {" 192.0.2.7", "not an IP address", "not an IP address"},
        {"localhost", "not an IP address", "not an IP address"},
        {"", "not an IP address", "not an IP address"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++)
        for (int use = ADDRESS_OF_HOST; use <= ADDRESS_TO_LISTEN; use++) {
            char out[INET6_ADDRSTRLEN] = "";
            struct dv_err err = {.text = ""};
            const char *wanted = use == ADDRESS_OF_HOST ? table[i].of_host : table[i].to_listen;
            int rc = address_check(table[i].text, (enum address_use)use, out, &err);
            if (rc == 0 ? strcmp(out, wanted) != 0 : !strstr(err.text, wanted))
                fail_msg("\"%s\": %s%s, not %s", table[i].text, out, err.text, wanted);
        }
    assert_non_null(address_wrong("\1\2\3", 3, ADDRESS_OF_HOST));
    assert_non_null(address_wrong("", 0, ADDRESS_OF_HOST));
}

enum { NOWHERE, LISTEN = 1, BOTH = 2 };

static void transports(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int good;
    } table[] = {
        {"udp:192.0.2.1:161", BOTH},
        {"udp:192.0.2.1", BOTH},
        {"udp6:[2001:db8::1]:161", BOTH},
        {"udpv6:[::1]", BOTH},
        {"udp:unit1.example.net", BOTH},
        {"udp:unit1.example.net.:161", BOTH},
        {"udp6:unit_1:161", BOTH},
        {"udp:a", BOTH},
        {"tcp:192.0.2.1:161", LISTEN},
        {"tcp6:[::1]:161", LISTEN},
        {"udp:0.0.0.0:162", LISTEN},
        {"udp6:[::]:162", LISTEN},
        {"udp:1162", LISTEN},
        {"1162", LISTEN},
        {"192.0.2.1:162", LISTEN},
        {"udp:0.0.0.0:0", NOWHERE},
        {"udp:192.0.2.1:65536", NOWHERE},
        {"udp:192.0.2.1:+1", NOWHERE},
        {"udp:192.0.2.1:", NOWHERE},
        {"udp:192.0.2.1:161:1", NOWHERE},
        {"udp:224.0.0.1:161", NOWHERE},
        {"udp:255.255.255.255:161", NOWHERE},
        {"udp6:[fe80::1]:161", NOWHERE},
        {"udp6:[fe80::1%eth0]:161", NOWHERE},
        {"udp6:[::ffff:192.0.2.1]:161", NOWHERE},
        {"udp6:[ff02::1]:161", NOWHERE},
        {"udp6:2001:db8::1", NOWHERE}, // which of the numbers would be the port?
        {"udp6:[2001:db8::1:161", NOWHERE},
        {"udp6:[2001:db8::1]161", NOWHERE},
        {"udp6:192.0.2.1:161", NOWHERE},
        {"udp:[2001:db8::1]:161", NOWHERE},
        {"udp:127.1:161", NOWHERE}, // inet_aton(3) knows these as addresses
        {"udp:0x7f000001:161", NOWHERE},
        {"udp:2130706433:161", NOWHERE},
        {"udp:0x7f.0.0.1:161", NOWHERE},
        {"udp:-a:161", NOWHERE},
        {"udp:a-:161", NOWHERE},
        {"udp:a..b:161", NOWHERE},
        {"udp:.:161", NOWHERE},
        {"udp:a/b:161", NOWHERE},
        {"udp:a;reboot:161", NOWHERE},
        {"", NOWHERE},
        {":", NOWHERE},
        {"udp", LISTEN}, // a name
        {"udp:", NOWHERE},
        {"ssh:host:161", NOWHERE},
        {"tlstcp:192.0.2.1:1", NOWHERE},
        {"unix:/run/snmp", NOWHERE},
        {"std:", NOWHERE},
        {"alias:x", NOWHERE},
        {"callback:1x", NOWHERE},
        {"UDP:192.0.2.1:161", NOWHERE},
        {"udp:192.0.2.1:161 ", NOWHERE},
        {"udp:a b", NOWHERE},
        {"udp:\x01", NOWHERE},
        {"udp:\xc3\xa4", NOWHERE},
        {"udpx:a", NOWHERE},
        {"http://a", NOWHERE},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err = {.text = ""};
        bool of_host = transport_check(table[i].text, ADDRESS_OF_HOST, &err) == 0;
        bool to_listen = transport_check(table[i].text, ADDRESS_TO_LISTEN, NULL) == 0;
        if (of_host != (table[i].good == BOTH) || to_listen != (table[i].good != NOWHERE))
            fail_msg("\"%s\": %d %d %s", table[i].text, of_host, to_listen, err.text);
    }
    char text[TRANSPORT_MAX_LEN + 2] = "udp:";
    for (size_t i = 4; i <= TRANSPORT_MAX_LEN; i++)
        text[i] = i % 32 == 31 ? '.' : 'a';
    assert_int_equal(transport_check(text, ADDRESS_OF_HOST, NULL), -1); // 256 characters
    text[TRANSPORT_MAX_LEN] = '\0';
    assert_int_equal(transport_check(text, ADDRESS_OF_HOST, NULL), 0);
}

static void parts(void **arg)
{
    (void)arg;
    static const struct {
        const char *text;
        int family;
        bool stream;
        const char *host, *port;
    } table[] = {
        {"udp:192.0.2.7:161", AF_INET, false, "192.0.2.7", "161"},
        {"udp:192.0.2.7", AF_INET, false, "192.0.2.7", ""},
        {"udp6:[2001:db8::7]:161", AF_INET6, false, "2001:db8::7", "161"},
        {"udpv6:[::]:1162", AF_INET6, false, "", "1162"},
        {"udp:0.0.0.0:1162", AF_INET, false, "", "1162"},
        {"udp:cms.example.net:1162", AF_INET, false, "cms.example.net", "1162"},
        {"tcp:192.0.2.7:161", AF_INET, true, "192.0.2.7", "161"},
        {"tcp6:161", AF_INET6, true, "", "161"},
        {"1162", AF_INET, false, "", "1162"},
        {"192.0.2.7:1162", AF_INET, false, "192.0.2.7", "1162"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct transport t;
        assert_int_equal(transport_check(table[i].text, ADDRESS_TO_LISTEN, NULL), 0);
        transport_split(table[i].text, &t);
        assert_int_equal(t.family, table[i].family);
        assert_int_equal(t.stream, table[i].stream);
        assert_string_equal(t.host, table[i].host);
        assert_string_equal(t.port, table[i].port);
    }
}

static void usual(void **arg)
{
    (void)arg;
    static const struct {
        const char *text, *usual;
    } table[] = {
        {"udp:192.0.2.7:161", "udp:192.0.2.7:161"},
        {"udp:192.0.2.7:0161", "udp:192.0.2.7:161"},
        {"udp:192.0.2.7", "udp:192.0.2.7"},
        {"udp6:[2001:DB8::1]:161", "udp6:[2001:db8::1]:161"},
        {"udpv6:[2001:db8:0::1]:0161", "udp6:[2001:db8::1]:161"},
        {"udpipv6:[2001:db8:0:0:0:0:0:1]", "udp6:[2001:db8::1]"},
        {"udp6:Unit1.example.net:161", "udp6:unit1.example.net:161"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        char text[TRANSPORT_MAX_LEN + 1];
        assert_int_equal(transport_check(table[i].text, ADDRESS_OF_HOST, NULL), 0);
        dv_copy(text, sizeof(text), table[i].text);
        transport_usual(text, text);
        assert_string_equal(text, table[i].usual);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(transports),
        cmocka_unit_test(usual),
        cmocka_unit_test(parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
