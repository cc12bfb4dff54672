// Tests of config: the examples, and for each golden file the exact sentence that it earns.
// SPDX-License-Identifier: BSD-2-Clause
//
// ctest/golden/config has NAME.xml and beside it NAME.txt with the sentence, or "good". Files are
// loaded in a folder where auth.pass and priv.pass are good secrets, readable.pass is open to
// others and short.pass too short.
#include "config/cms_config.h"
#include "config/unit_config.h"
#include "config/xml.h"

#include "base/file.h"
#include "base/mem.h"
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/dvsan-test-config-XXXXXX";

static void put(const char *name, const void *data, size_t len, mode_t mode)
{
    struct dv_err err;
    if (file_write_atomic(name, data, len, mode, &err) < 0)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir) || chdir(dir) < 0)
        return -1;
    put("auth.pass", "authenticate\n", 13, 0600);
    put("priv.pass", "keep-private\n", 13, 0600);
    put("readable.pass", "seen-by-others\n", 15, 0644);
    put("short.pass", "1234567\n", 8, 0600);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return chdir("/") < 0 ? -1 : system(command);
}

static char *slurp(const char *path, size_t *len)
{
    struct dv_err err;
    char *text;
    if (file_read(path, 1 << 20, &text, len, &err) < 0)
        fail_msg("%s", err.text);
    return text;
}

static bool same_session(const struct session_parameters *a, const struct session_parameters *b)
{
    return a->initial_r2t == b->initial_r2t && a->immediate_data == b->immediate_data &&
           a->max_recv == b->max_recv && a->first_burst == b->first_burst &&
           a->max_burst == b->max_burst && a->max_outstanding_r2t == b->max_outstanding_r2t;
}

// "good", or the sentence.
static const char *load(const char *name, struct dv_err *err)
{
    bool good;
    dv_copy(err->text, sizeof(err->text), "good");
    if (strncmp(name, "unit", 4) == 0) {
        struct unit_config *config = unit_config_load(name, err);
        good = config != NULL;
        unit_config_free(config);
    } else {
        struct cms_config *config = cms_config_load(name, err);
        good = config != NULL;
        cms_config_free(config);
    }
    assert_int_equal(good, strcmp(err->text, "good") == 0);
    return err->text;
}

static void golden(void **state)
{
    (void)state;
    glob_t found;
    unsigned wrong = 0;
    assert_int_equal(glob(DVSAN_SOURCE_DIR "/ctest/golden/config/*.xml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];
        const char *name = strrchr(path, '/') + 1;
        DV_FREE char *answer_path = dv_printf("%.*s.txt", (int)strlen(path) - 4, path);
        size_t len;
        DV_FREE char *text = slurp(path, &len);
        put(name, text, len, 0600);
        DV_FREE char *answer = slurp(answer_path, &len);
        answer[strcspn(answer, "\n")] = '\0';
        struct dv_err err;
        if (strcmp(load(name, &err), answer) != 0) {
            wrong++;
            print_error("%s\n  wanted: %s\n  got:    %s\n", name, answer, err.text);
        }
    }
    globfree(&found);
    assert_int_equal(wrong, 0);
}

static void no_file(void **state)
{
    (void)state;
    struct dv_err err;
    assert_string_equal(load("unit-none", &err),
                        "cannot open unit-none: No such file or directory");
    assert_int_equal(err.code, DV_NOT_FOUND);
}

static void too_large(void **state)
{
    (void)state;
    struct dv_err err;
    DV_FREE char *text = dv_calloc(XML_MAX_BYTES + 1, 1);
    memset(text, ' ', XML_MAX_BYTES + 1);
    put("unit-large", text, XML_MAX_BYTES + 1, 0600);
    assert_string_equal(load("unit-large", &err), "unit-large is larger than 1048576 bytes");
}

// A secret's own class of error comes through, so that exit codes tell it from a typing error.
static void secret_class(void **state)
{
    (void)state;
    struct dv_err err;
    size_t len;
    DV_FREE char *text =
        slurp(DVSAN_SOURCE_DIR "/ctest/golden/config/unit-secret-readable.xml", &len);
    put("unit-x", text, len, 0600);
    load("unit-x", &err);
    assert_int_equal(err.code, DV_DENIED);
}

static char *copy_example(const char *name)
{
    size_t len;
    DV_FREE char *from = dv_printf("%s/tgt-configs/%s", DVSAN_SOURCE_DIR, name);
    DV_FREE char *text = slurp(from, &len);
    char *to = dv_printf("%s/etc/%s", dir, name);
    mkdir("etc", 0700);
    put(to, text, len, 0644);
    static const char *const secrets[] = {"notify.auth", "notify.priv", "provision.auth",
                                          "provision.priv"};
    for (size_t i = 0; i < DV_COUNT(secrets); i++) {
        DV_FREE char *path = dv_printf("%s/etc/%s", dir, secrets[i]);
        DV_FREE char *pass = dv_printf("pass of %s\n", secrets[i]);
        put(path, pass, strlen(pass), 0600);
    }
    return to;
}

static void unit_example(void **state)
{
    (void)state;
    struct dv_err err = {0};
    DV_FREE char *path = copy_example("dvsan-unit.xml");
    struct unit_config *c = unit_config_load(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_string_equal(c->member.name, "unit1");
    assert_string_equal(c->member.state_dir, "/var/lib/dvsan/unit");
    assert_string_equal(c->iqn_prefix, "iqn.2026-11.local.dvsan");
    assert_int_equal(c->log_level, LOG_LEVEL_INFO);
    assert_int_equal(c->media_count, 2);
    assert_int_equal(c->media[0].index, 1);
    assert_string_equal(c->media[0].name, "fast");
    assert_int_equal(c->media[0].kind, MEDIUM_DIR);
    assert_string_equal(c->media[0].path, "/srv/dvsan/fast");
    assert_true(c->media[0].bytes == UINT64_C(100) << 30);
    assert_true(c->media[0].thin);
    assert_true(c->media[1].bytes == UINT64_C(3) << 39);
    assert_false(c->media[1].thin);
    assert_int_equal(c->portal_count, 3);
    assert_string_equal(c->portals[0].address, "192.0.2.7");
    assert_string_equal(c->portals[0].interface, "");
    assert_int_equal(c->portals[0].port, 3260);
    assert_string_equal(c->portals[1].address, "2001:db8::7");
    assert_string_equal(c->portals[2].address, "");
    assert_string_equal(c->portals[2].interface, "eth1");
    assert_int_equal(c->portals[2].family, AF_INET);
    assert_string_equal(c->tgtd.socket, "/run/dvsan/tgtd");
    assert_int_equal(c->tgtd.control_port, 0);
    assert_int_equal(c->tgtd.instances, 1);
    assert_int_equal(c->tgtd.threads, 4);
    assert_false(c->tgtd.supervise);
    assert_true(same_session(&c->tgtd.session, &SESSION_DEFAULTS)); // as the example says
    assert_string_equal(c->member.agentx, "/run/agentx/master");
    assert_string_equal(c->member.management_address, "udp:192.0.2.7:161");
    assert_int_equal(c->member.engine_id_len, 0);
    assert_string_equal(c->member.notify.name, "dvsan-notify");
    assert_string_equal(c->member.notify.auth_pass, "pass of notify.auth");
    assert_string_equal(c->member.notify.priv_pass, "pass of notify.priv");
    assert_int_equal(c->member.cms_count, 1);
    assert_string_equal(c->member.cms[0], "udp:192.0.2.1:1162");
    unit_config_free(c);
}

static void cms_example(void **state)
{
    (void)state;
    struct dv_err err = {0};
    DV_FREE char *path = copy_example("dvsan-cms.xml");
    struct cms_config *c = cms_config_load(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_string_equal(c->name, "station");
    assert_string_equal(c->state_dir, "/var/lib/dvsan/cms");
    assert_int_equal(c->log_level, LOG_LEVEL_INFO);
    assert_string_equal(c->http.address, "127.0.0.1");
    assert_int_equal(c->http.port, 8480);
    assert_string_equal(c->snmp.listen, "udp:192.0.2.1:1162");
    assert_string_equal(c->snmp.notify.name, "dvsan-notify");
    assert_string_equal(c->snmp.provision.name, "dvsan-provision");
    assert_string_equal(c->snmp.provision.priv_pass, "pass of provision.priv");
    assert_int_equal(c->poll_interval_ms, 5000);
    assert_int_equal(c->poll_timeout_ms, 1000);
    assert_int_equal(c->lease_s, 60);
    cms_config_free(c);
}

// What the examples do not show: defaults, engine IDs, IPv6, sizes rounded down, relative paths.
static void unit_details(void **state)
{
    (void)state;
    static const char text[] =
        "<unit name='u' state-dir='state'>"
        "<media><medium index='7' name='m' kind='dir' path='vol' size='1048577B'/></media>"
        "<portals><portal index='3' address='2001:DB8:0::7'/></portals>"
        "<tgtd socket='tgtd.sock'/>"
        "<snmp agentx='tcp:127.0.0.1:705' management-address='udp6:[::1]:161'"
        " engine-id='0x80001F8880aabbccdd'>"
        "<notify user='n' auth-pass-file='auth.pass' priv-pass-file='priv.pass'/></snmp>"
        "<cms address='udp:a'/><cms address='udp:b'/>"
        "</unit>";
    static const uint8_t engine[] = {0x80, 0x00, 0x1f, 0x88, 0x80, 0xaa, 0xbb, 0xcc, 0xdd};
    struct dv_err err = {0};
    put("unit-details.xml", text, sizeof(text) - 1, 0644);
    DV_FREE char *path = dv_printf("%s/unit-details.xml", dir);
    DV_FREE char *state_dir = dv_printf("%s/state", dir);
    DV_FREE char *vol = dv_printf("%s/vol", dir);
    struct unit_config *c = unit_config_load(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_string_equal(c->member.state_dir, state_dir);
    assert_string_equal(c->media[0].path, vol);
    assert_true(c->media[0].bytes == 1 << 20);
    assert_string_equal(c->iqn_prefix, "iqn.2026-11.local.dvsan");
    assert_string_equal(c->portals[0].address, "2001:db8::7");
    assert_int_equal(c->portals[0].port, 3260);
    assert_int_equal(c->tgtd.instances, 1);
    assert_int_equal(c->tgtd.threads, 4);
    assert_true(same_session(&c->tgtd.session, &SESSION_DEFAULTS));
    assert_int_equal(c->member.engine_id_len, sizeof(engine));
    assert_memory_equal(c->member.engine_id, engine, sizeof(engine));
    assert_int_equal(c->member.cms_count, 2);
    assert_string_equal(c->member.cms[1], "udp:b");
    unit_config_free(c);
    unit_config_free(NULL);
    cms_config_free(NULL);
}

// A configuration that is named relative to the working directory has absolute paths, too.
static void unit_relative(void **state)
{
    (void)state;
    struct dv_err err = {0};
    char before[4096];
    DV_FREE char *folder = dv_printf("%s/vol", dir);
    DV_FREE char *above = dv_printf("../%s/unit-details.xml", strrchr(dir, '/') + 1);
    DV_FREE char *above_folder = dv_printf("%s/../%s/vol", dir, strrchr(dir, '/') + 1);
    const char *const cases[][2] = {{"unit-details.xml", folder}, {above, above_folder}};
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(dir), 0);
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct unit_config *c = unit_config_load(cases[i][0], &err);
        if (!c)
            fail_msg("%s", err.text);
        assert_string_equal(c->media[0].path, cases[i][1]);
        unit_config_free(c);
    }
    assert_int_equal(chdir(before), 0);
}

static void unit_session(void **state)
{
    (void)state;
    static const struct session_parameters wanted = {.initial_r2t = true,
                                                     .immediate_data = false,
                                                     .max_recv = 512,
                                                     .first_burst = 16777215,
                                                     .max_burst = 16777215,
                                                     .max_outstanding_r2t = 65535};
    struct dv_err err = {0};
    size_t len;
    DV_FREE char *text = slurp(DVSAN_SOURCE_DIR "/ctest/golden/config/unit-good-session.xml", &len);
    put("unit-session.xml", text, len, 0644);
    DV_FREE char *path = dv_printf("%s/unit-session.xml", dir);
    struct unit_config *c = unit_config_load(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_true(same_session(&c->tgtd.session, &wanted));
    assert_true(c->tgtd.supervise);
    unit_config_free(c);
}

static void unit_instances(void **state)
{
    (void)state;
    static const char text[] =
        "<unit name='u' state-dir='state'>"
        "<media><medium index='1' name='m' kind='dir' path='vol' size='1M'/></media>"
        "<portals><portal index='1' address='127.0.0.1' port='65533'/></portals>"
        "<tgtd socket='/run/tgtd' control-port='5' instances='3'/>"
        "<snmp agentx='tcp:127.0.0.1:705' management-address='udp:127.0.0.1:161'>"
        "<notify user='n' auth-pass-file='auth.pass' priv-pass-file='priv.pass'/></snmp>"
        "<cms address='udp:a'/>"
        "</unit>";
    struct dv_err err = {0};
    put("unit-instances.xml", text, sizeof(text) - 1, 0644);
    DV_FREE char *path = dv_printf("%s/unit-instances.xml", dir);
    struct unit_config *c = unit_config_load(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_int_equal(c->tgtd.instances, 3);
    assert_int_equal(unit_config_control_port(c, 3), 7);
    DV_FREE char *first = unit_config_tgtd_socket(c, 1), *last = unit_config_tgtd_socket(c, 3);
    assert_string_equal(first, "/run/tgtd.5");
    assert_string_equal(last, "/run/tgtd.7");
    assert_int_equal(unit_config_port(&c->portals[0], 3), 65535);
    unit_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),         cmocka_unit_test(no_file),
        cmocka_unit_test(unit_instances), cmocka_unit_test(unit_session),
        cmocka_unit_test(too_large),      cmocka_unit_test(secret_class),
        cmocka_unit_test(unit_example),   cmocka_unit_test(cms_example),
        cmocka_unit_test(unit_details),   cmocka_unit_test(unit_relative),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
