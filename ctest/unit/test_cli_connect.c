// What connect-info prints: ctest/golden/connect has a text for each kind of host.
// SPDX-License-Identifier: BSD-2-Clause
//
// The names in it hold what a shell, PowerShell, XML and qemu's options take for their own. To
// write the texts anew after a change that is meant: DVSAN_GOLDEN=write test_cli_connect
#include "base/file.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "console/cli/command.h"
#include "console/cli/connect.h"
#include "console/cli/quote.h"
#include <stdio.h>
#include <string.h>

static const char info[] =
    "{\"host\":\"web\",\"iqn\":\"iqn.2026-11.org.example:web\",\"chap_user\":\"w,e'b<&\","
    "\"one_secret\":false,\"volumes\":[{\"name\":\"db1\",\"unit\":\"unit1\",\"unit_uuid\":"
    "\"00000000-0000-0000-0000-000000000001\",\"iqn\":\"iqn.2026-11.org.dvsan:x;touch${"
    "IFS}y;#\","
    "\"lun\":1,\"portals\":[\"192.0.2.1:3260\",\"[2001:db8::1]:3261\"],\"blocks\":20971520,"
    "\"rescan\":{\"open-iscsi\":\"iscsiadm -m node -T iqn.2026-11.org.dvsan:x -R\"}},"
    "{\"name\":\"db2\",\"unit\":\"unit2\",\"unit_uuid\":\"00000000-0000-0000-0000-000000000002\","
    "\"iqn\":\"iqn.2026-11.org.dvsan:z\",\"lun\":1,"
    "\"portals\":[\"192.0.2.2:3260\"],\"blocks\":2048}]}";
static const char *const kinds[] = {"open-iscsi", "multipath", "md",   "windows", "esxi",
                                    "proxmox",    "libvirt",   "qemu", "dvsan"};

static char *text_for(const char *kind)
{
    struct dv_err err;
    struct strbuf out = {0};
    json_t *host = json_loads(info, 0, NULL);
    const struct connection c = {host, "/etc/my folder/web.secret"};
    connect_print(&out, &c, connect_kind(kind, &err), false);
    json_decref(host);
    return out.text;
}

static char *slurp(const char *path)
{
    struct strbuf b = {0};
    char part[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    if (!f)
        return dv_strdup("");
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        strbuf_addn(&b, part, n);
    fclose(f);
    return b.text ? b.text : dv_strdup("");
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(kinds); i++) {
        DV_FREE char *path = dv_printf(DVSAN_SOURCE_DIR "/ctest/golden/connect/%s.txt", kinds[i]);
        DV_FREE char *text = text_for(kinds[i]);
        if (getenv("DVSAN_GOLDEN")) {
            FILE *f = fopen(path, "w");
            assert_non_null(f);
            fputs(text, f);
            fclose(f);
        }
        DV_FREE char *wanted = slurp(path);
        if (strcmp(text, wanted) != 0)
            fail_msg("%s is not what is printed:\n%s", path, text);
    }
}

// What a shell reads of a text, by a shell: each word of `words` behind the others, in brackets.
static char *read_by_shell(const char *words)
{
    DV_FREE char *command = dv_printf("printf '[%%s]' %s", words);
    char got[512];
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t n = fread(got, 1, sizeof(got) - 1, f);
    got[n] = '\0';
    assert_int_equal(pclose(f), 0);
    return dv_strdup(got);
}

static void test_quote_shell(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "plain", "",    "a b",     "it's",  "$(touch x)", "`id`",  "a;b",
        "~root", "*",   "${IFS}",  "a\\b",  "#x",         "\"q\"", "!1",
        "-n",    "a&b", "<in>out", "x=y z", "{a,b}",      "[a-z]", "\xc3\xa9",
    };
    for (size_t i = 0; i < DV_COUNT(texts); i++) {
        DV_FREE char *word = quote_shell(texts[i]);
        DV_FREE char *got = read_by_shell(word);
        DV_FREE char *wanted = dv_printf("[%s]", texts[i]);
        assert_string_equal(got, wanted);
    }
    DV_FREE char *control = quote_shell("a\nb\x1b[31m");
    assert_string_equal(control, "'a?b?[31m'");
}

static void test_quote_others(void **state)
{
    (void)state;
    DV_FREE char *power = quote_powershell("it's $x `y");
    assert_string_equal(power, "'it''s $x `y'");
    DV_FREE char *xml = quote_xml("<a b='c' d=\"e\">&</a>\x07");
    assert_string_equal(xml, "&lt;a b=&apos;c&apos; d=&quot;e&quot;&gt;&amp;&lt;/a&gt;?");
    DV_FREE char *qemu = quote_qemu("a,b=c");
    assert_string_equal(qemu, "a,,b=c");
}

static void test_kinds(void **state)
{
    (void)state;
    struct dv_err err;
    for (size_t i = 0; i < DV_COUNT(kinds); i++) {
        assert_int_equal(connect_kind_check(kinds[i], &err), 0);
        assert_non_null(strstr(cli_options[OPT_FOR].help, kinds[i]));
    }
    assert_int_equal(connect_kind_check("linux", &err), -1);
    assert_string_equal(err.text, "\"linux\" is not a kind of host; choose open-iscsi, multipath, "
                                  "md, windows, esxi, proxmox, libvirt, qemu or dvsan");
}

// Several portals are several disks, unless multipath makes one of them.
static void test_default(void **state)
{
    (void)state;
    json_t *host = json_loads(info, 0, NULL);
    assert_string_equal(connect_default(host)->name, "multipath");
    json_array_remove(json_object_get(host, "volumes"), 0);
    assert_string_equal(connect_default(host)->name, "open-iscsi");
    json_decref(host);
}

// One that cannot be reached keeps nothing back from the others.
static void test_not_ready(void **state)
{
    (void)state;
    struct strbuf out = {0};
    struct dv_err err;
    json_t *host = json_loads(info, 0, NULL);
    json_t *first = json_array_get(json_object_get(host, "volumes"), 0);
    json_object_set_new(first, "portals", json_null());
    json_object_set_new(first, "state", json_string("unreachable"));
    json_object_set_new(first, "note", json_string("unit u1 does not answer"));
    const struct connection c = {host, "/etc/dvsan/web.secret"};
    connect_print(&out, &c, connect_kind("open-iscsi", &err), false);
    assert_non_null(strstr(out.text, "### Volume db1, 10GiB, LUN 1\n"
                                     "# Note: unit u1 does not answer.\n"
                                     "# It cannot be reached now: it is unreachable. "
                                     "Ask again when it is online.\n"));
    assert_null(strstr(out.text, "-T 'iqn.2026-11.org.dvsan:x"));
    assert_non_null(strstr(out.text, "-T iqn.2026-11.org.dvsan:z -p 192.0.2.2:3260 -o new"));
    strbuf_free(&out);
    json_decref(host);
}

// What a unit alone says is told, and nothing that could be typed.
static void test_unasked(void **state)
{
    (void)state;
    json_t *host = json_loads(info, 0, NULL);
    json_t *first = json_array_get(json_object_get(host, "volumes"), 0);
    json_object_set_new(first, "unasked", json_true());
    const struct connection c = {host, "/etc/dvsan/web.secret"};
    for (size_t i = 0; i < DV_COUNT(kinds); i++) {
        struct strbuf out = {0};
        struct dv_err err;
        connect_print(&out, &c, connect_kind(kinds[i], &err), false);
        assert_non_null(strstr(out.text, "and nobody here assigned this volume to it.\n"
                                         "# If it is right, say so, and ask again: "
                                         "dvsan volume assign db1 --host web\n"));
        assert_null(strstr(out.text, "iqn.2026-11.org.dvsan:x"));
        strbuf_free(&out);
    }
    json_decref(host);
}

static char *text_of(json_t *host, const char *kind)
{
    struct strbuf out = {0};
    struct dv_err err;
    const struct connection c = {host, "/etc/dvsan/web.secret"};
    connect_print(&out, &c, connect_kind(kind, &err), false);
    return out.text;
}

static json_t *volume_on(const char *unit, const char *portal)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:[s], s:i, s:{s:s}}", "name", unit, "unit", unit, "iqn",
                     "iqn.2026-11.org.dvsan:q", "lun", 1, "portals", portal, "blocks", 2048,
                     "rescan", "libvirt", "virsh blockresize DOMAIN DISK SIZE");
}

// A mirror of two volumes of one unit would be none.
static void test_mirrors_are_of_two_units(void **state)
{
    (void)state;
    json_t *host = json_loads(info, 0, NULL), *volumes = json_object_get(host, "volumes");
    json_object_set_new(json_array_get(volumes, 1), "unit", json_string("unit1"));
    DV_FREE char *none = text_of(host, "md");
    assert_null(strstr(none, "mdadm --create"));
    assert_non_null(strstr(none, "assign this host one that is on another unit"));
    json_array_append_new(volumes, volume_on("unit3", "192.0.2.3:3260"));
    DV_FREE char *pair = text_of(host, "md");
    assert_non_null(strstr(pair, "here of db1 on unit1 and unit3 on unit3"));
    assert_non_null(strstr(pair, "#     /dev/disk/by-path/ip-192.0.2.3:3260-iscsi-"));
    json_object_set_new(json_array_get(volumes, 0), "portals", json_array());
    DV_FREE char *other = text_of(host, "md"); // the first cannot be reached
    assert_non_null(strstr(other, "here of db2 on unit1 and unit3 on unit3"));
    json_decref(host);
}

// udev writes IPv6 without brackets, and fstab knows no quotes.
static void test_names_of_disks(void **state)
{
    (void)state;
    json_t *host = json_loads(info, 0, NULL), *volumes = json_object_get(host, "volumes");
    json_array_clear(volumes);
    json_array_append_new(volumes, volume_on("six", "[fd00::1]:3260"));
    DV_FREE char *text = text_of(host, "open-iscsi");
    assert_non_null(strstr(text, "\n#   /dev/disk/by-path/ip-fd00::1:3260-iscsi-iqn.2026-11.org."
                                 "dvsan:q-lun-1 /srv/six ext4 _netdev,nofail 0 2\n"));
    assert_non_null(strstr(text, "-p '[fd00::1]:3260' -o new"));
    for (int i = 0; i < 26; i++)
        json_array_append_new(volumes, volume_on("more", "192.0.2.1:3260"));
    DV_FREE char *domain = text_of(host, "libvirt");
    static const char *const disks[] = {"vdb", "vdc", "vdz", "vdaa", "vdab"};
    for (size_t i = 0; i < DV_COUNT(disks); i++) {
        DV_FREE char *line = dv_printf("<target dev='%s' bus='virtio'/>", disks[i]);
        char *found = strstr(domain, line);
        assert_non_null(found);
        assert_null(strstr(found + 1, line));
        DV_FREE char *grown = dv_printf("larger: virsh blockresize DOMAIN %s SIZE\n", disks[i]);
        assert_non_null(found = strstr(domain, grown));
        assert_null(strstr(found + 1, grown));
    }
    DV_FREE char *fstab = quote_fstab("a b\\c'$");
    assert_string_equal(fstab, "a\\040b\\134c'$");
    json_decref(host);
}

static void test_endpoint(void **state)
{
    (void)state;
    struct endpoint e = connect_endpoint("[2001:db8::1]:3261");
    assert_string_equal(e.address, "2001:db8::1");
    assert_string_equal(e.port, "3261");
    e = connect_endpoint("192.0.2.1:3260");
    assert_string_equal(e.address, "192.0.2.1");
    assert_string_equal(e.port, "3260");
}

static void test_nbd(void **state)
{
    (void)state;
    json_t *host = json_loads(info, 0, NULL);
    json_t *params = connect_nbd(host, json_array_get(json_object_get(host, "volumes"), 1),
                                 "/etc/dvsan/web.secret");
    json_t *wanted = json_loads("{\"portal\":\"192.0.2.2:3260\",\"lun\":1,"
                                "\"target\":\"iqn.2026-11.org.dvsan:z\","
                                "\"initiator\":\"iqn.2026-11.org.example:web\","
                                "\"chap_user\":\"w,e'b<&\","
                                "\"chap_secret_file\":\"/etc/dvsan/web.secret\","
                                "\"chap_unit\":\"00000000-0000-0000-0000-000000000002\"}",
                                0, NULL);
    assert_true(json_equal(params, wanted));
    json_decref(wanted);
    json_decref(params);
    json_decref(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_quote_shell),
        cmocka_unit_test(test_quote_others),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_nbd),
        cmocka_unit_test(test_not_ready),
        cmocka_unit_test(test_unasked),
        cmocka_unit_test(test_names_of_disks),
        cmocka_unit_test(test_mirrors_are_of_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
