// Tests of reading tgtd's listings, as captured from tgt 1.0.85.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "tgt/show.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define H1 "iqn.2026-11.org.example:h1"
#define H2 "iqn.2026-11.org.example:h2"
#define V5 "iqn.2026-11.org.dvsan:v5"

static char *load(const char *name)
{
    DV_FREE char *path = dv_printf(DVSAN_SOURCE_DIR "/ctest/golden/tgt/%s", name);
    char *text;
    size_t len;
    struct dv_err err;
    if (file_read(path, 1 << 20, &text, &len, &err) != 0)
        fail_msg("%s", err.text);
    return text;
}

static struct seen names_of(const char *file)
{
    DV_FREE char *text = load(file);
    struct seen names = {0};
    struct dv_err err;
    if (show_names(text, &names, &err) != 0)
        fail_msg("%s", err.text);
    return names;
}

static struct seen targets_of(const char *names_file, const char *file)
{
    DV_FREE char *text = load(file);
    struct seen names = names_of(names_file), seen = {0};
    struct dv_err err;
    size_t broken;
    if (show_targets(text, &names, &seen, &broken, &err) != 0)
        fail_msg("%s", err.text);
    seen_clear(&names);
    return seen;
}

// Reads text as the targets of the captured drivers' list; returns which target is broken, or -1.
static int broken_target(const char *text)
{
    struct seen names = names_of("drivers.txt"), seen = {0};
    struct dv_err err = {0};
    size_t broken = 0;
    int r = show_targets(text, &names, &seen, &broken, &err);
    assert_int_equal(r == 0 ? DV_OK : DV_INTERNAL, err.code);
    seen_clear(&names);
    seen_clear(&seen);
    return r == 0 ? -1 : (int)broken;
}

static void test_names(void **state)
{
    (void)state;
    struct seen names = names_of("drivers_by_hand.txt");
    assert_int_equal(names.target_count, 3);
    assert_int_equal(names.targets[0].tid, 2); // made last, listed first
    assert_string_equal(names.targets[0].name, "iqn.2001-04.com.other:disk");
    assert_int_equal(names.targets[1].tid, 5);
    assert_int_equal(names.targets[2].tid, 6);
    seen_clear(&names);
}

static void test_targets(void **state)
{
    (void)state;
    struct seen seen = targets_of("drivers.txt", "targets_sessions.txt");
    assert_int_equal(seen.target_count, 2);
    const struct seen_target *t = &seen.targets[0];
    assert_int_equal(t->tid, 5);
    assert_string_equal(t->name, V5);
    assert_true(t->ready);
    assert_false(t->sessions_unclear);
    assert_int_equal(t->session_count, 2);
    assert_string_equal(t->sessions[0].initiator, H1);
    assert_string_equal(t->sessions[1].initiator, H2);
    assert_string_equal(t->sessions[1].address, "IP Address: 127.0.0.1");
    assert_int_equal(t->lun_count, 2);
    assert_int_equal(t->luns[1].lun, 1);
    assert_string_equal(t->luns[1].path, "/srv/5.img");
    assert_string_equal(t->luns[1].store, "rdwr");
    assert_string_equal(t->luns[1].scsi_id, "11111111222243338444555555555555");
    assert_string_equal(t->luns[1].serial, "11111111-2222-4333-8444-555555555555");
    assert_true(t->luns[1].online && t->luns[1].unmaps);
    assert_false(t->luns[1].read_only || t->luns[1].removable);
    assert_int_equal(t->account_count, 3);
    assert_string_equal(t->accounts[2], "bob");
    assert_int_equal(t->acl_count, 2);
    assert_string_equal(t->acl[0], H1);
    assert_int_equal(seen.targets[1].tid, 6);
    assert_int_equal(seen.targets[1].session_count, 0);
    assert_false(seen.targets[1].luns[1].unmaps);
    seen_clear(&seen);
}

// What an administrator made by hand: an offline target, nop settings, a drive without a medium,
// an outgoing account, addresses.
static void test_targets_by_hand(void **state)
{
    (void)state;
    struct seen seen = targets_of("drivers_by_hand.txt", "targets_by_hand.txt");
    const struct seen_target *t = &seen.targets[0];
    assert_false(t->ready);
    assert_int_equal(t->account_count, 1);
    assert_string_equal(t->accounts[0], "alice");
    assert_string_equal(t->outgoing, "out");
    assert_int_equal(t->acl_count, 3);
    assert_string_equal(t->acl[0], "ALL");
    assert_string_equal(t->acl[1], "10.0.0.0/8");
    assert_string_equal(t->luns[1].path, "None");
    assert_true(t->luns[1].removable && !t->luns[1].online);
    seen_clear(&seen);
}

// An alias that is too long cuts the session's text off, and the next heading hangs on its line.
static void test_cut_alias(void **state)
{
    (void)state;
    struct seen seen = targets_of("drivers.txt", "targets_cut_alias.txt");
    assert_true(seen.targets[0].sessions_unclear);
    assert_int_equal(seen.targets[0].lun_count, 2);
    assert_int_equal(seen.targets[0].account_count, 3);
    assert_false(seen.targets[1].sessions_unclear);
    DV_FREE char *text = load("connections.txt");
    struct dv_err err;
    assert_int_equal(show_connections(text, &seen.targets[0], &err), 0);
    assert_false(seen.targets[0].sessions_unclear);
    assert_int_equal(seen.targets[0].session_count, 2);
    assert_int_equal(seen.targets[0].sessions[0].sid, 4);
    assert_string_equal(seen.targets[0].sessions[0].initiator, H2);
    seen_clear(&seen);
}

// An alias with line ends forges the rest of its target and the next one. tgtd prints it as it is.
static void test_forged(void **state)
{
    (void)state;
    DV_FREE char *text = load("targets_forged.txt");
    assert_true(broken_target(text) >= 0);
}

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return dv_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void test_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        int broken;
    } cases[] = {
        {"Target 6: ", "Target 7: ", 0},
        {"Target 5: ", "Target 6: ", 0},
        {"Target 6: iqn", "Target 6: ign", 0},
        {"Target 5: ", "Target x: ", 0},
        {"    ACL information:\n", "", 0},
        {"    LUN information:\n", "    LUN information:\n    LUN information:\n", 0},
        {"    LUN information:\n", "    ACL information:\n", 0},
        {"        LUN: 0\n", "        LUN: x\n", 0},
        {"        LUN: 0\n", "        LUN: 18446744073709551616\n", 0},
        {"    System information:\n", "", 0},
        {"        alice\n", "alice\n", 0},
        {"Target 5: ", "\nTarget 5: ", 0},
    };
    DV_FREE char *good = load("targets_sessions.txt");
    assert_int_equal(broken_target(good), -1);
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        DV_FREE char *bad = replaced(good, cases[i].from, cases[i].to);
        if (broken_target(bad) != cases[i].broken)
            fail_msg("\"%s\" for \"%s\" was not noticed", cases[i].to, cases[i].from);
    }
    assert_int_equal(broken_target(""), 0);
    for (size_t len = strlen(good) - 1; len > 0; len--) { // the last line may lack its end
        good[len] = '\0';
        int broken = broken_target(good);
        if (broken < 0 && !strstr(good, "Target 6: "))
            fail_msg("a list cut to %zu bytes was taken for whole", len);
    }
}

static void test_accounts(void **state)
{
    (void)state;
    DV_FREE char *text = load("accounts.txt");
    struct seen seen = {0};
    struct dv_err err;
    assert_int_equal(show_accounts(text, &seen, &err), 0);
    assert_int_equal(seen.account_count, 5);
    bool alice = false;
    for (size_t i = 0; i < seen.account_count; i++)
        alice |= strcmp(seen.accounts[i], "alice") == 0;
    assert_true(alice);
    seen_clear(&seen);
    assert_int_equal(show_accounts("", &seen, &err), 0);
    assert_int_equal(seen.account_count, 0);
    assert_int_equal(show_accounts("Accounts:\n", &seen, &err), -1);
    assert_int_equal(show_accounts("Account list:\nalice\n", &seen, &err), -1);
    seen_clear(&seen);
}

static void test_connections(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Session: 1\n",
        "Session: x\n",
        "Session: 1\n    Connection: 4294967296\n        Initiator: a\n        IP Address: b\n",
        "Session: 1\n    Connection: 0\n        Initiator: a\n",
        "    Connection: 0\n",
    };
    struct seen_target t = {0};
    struct dv_err err;
    for (size_t i = 0; i < DV_COUNT(bad); i++)
        assert_int_equal(show_connections(bad[i], &t, &err), -1);
    assert_int_equal(show_connections("", &t, &err), 0);
    assert_int_equal(t.session_count, 0);
    seen_clear_sessions(&t);
}

static void test_portals(void **state)
{
    (void)state;
    static const char *const bad[] = {"Portal: \n",
                                      "Portal: 1.2.3.4\n",
                                      "Portal: :3260,1\n",
                                      "Portal: 1.2.3.4:0,1\n",
                                      "Portal: 1.2.3.4:65536,1\n",
                                      "x\n"};
    DV_FREE char *text = load("portals.txt");
    struct show_portal *portals;
    size_t count;
    struct dv_err err;
    assert_int_equal(show_portals(text, &portals, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_string_equal(portals[0].address, "::1");
    assert_int_equal(portals[0].port, 3299);
    assert_string_equal(portals[2].address, "127.12.0.1");
    assert_int_equal(portals[2].port, 3260);
    free(portals);
    for (size_t i = 0; i < DV_COUNT(bad); i++)
        assert_int_equal(show_portals(bad[i], &portals, &count, &err), -1);
}

static void test_statistics(void **state)
{
    (void)state;
    DV_FREE char *text = load("statistics.txt");
    struct tgt_statistics *rows;
    size_t count;
    struct dv_err err;
    assert_int_equal(show_statistics(text, &rows, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(rows[1].tid, 5);
    assert_int_equal(rows[1].lun, 1);
    assert_int_equal(rows[1].sid, 7);
    assert_int_equal(rows[1].read_bytes, 123097120);
    assert_int_equal(rows[1].read_commands, 30054);
    assert_int_equal(rows[1].write_bytes, 0);
    assert_int_equal(rows[1].errors, 1);
    free(rows);
    assert_int_equal(show_statistics("h\n1 2 3\n", &rows, &count, &err), -1);
    assert_int_equal(show_statistics("h\n1 2 3 4 5 6 7 8 9 10 11 12 13\n", &rows, &count, &err),
                     -1);
}

static void test_system(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool offline, named;
    } cases[] = {
        {"System:\n    State: ready\niSNS:\n    iSNS=On\n    iSNSAccessControl=Off\n", false,
         false},
        {"System:\n    State: ready\niSNS:\n    iSNS=Off\n    iSNSAccessControl=On\n", false,
         false},
        {"System:\n    State: ready\niSNS:\n    iSNS=On\n    iSNSAccessControl=On\n", false, true},
        {"System:\n    State: unknown\n", true, false},
    };
    DV_FREE char *text = load("system.txt");
    struct tgt_barred barred;
    struct dv_err err;
    assert_int_equal(show_system(text, &barred, &err), 0);
    assert_true(barred.offline && !barred.named);
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        assert_int_equal(show_system(cases[i].text, &barred, &err), 0);
        assert_int_equal(barred.offline, cases[i].offline);
        assert_int_equal(barred.named, cases[i].named);
    }
    assert_int_equal(show_system("System:\n", &barred, &err), -1);
}

static void test_parameters(void **state)
{
    (void)state;
    DV_FREE char *text = load("parameters.txt");
    struct tgt_parameters p;
    struct dv_err err;
    assert_int_equal(show_parameters(text, &p, &err), 0);
    assert_true(p.session.initial_r2t && p.session.immediate_data);
    assert_true(p.data_pdu_in_order && p.data_sequence_in_order);
    assert_int_equal(p.session.max_outstanding_r2t, 1);
    assert_int_equal(p.session.max_recv, 8192);
    assert_int_equal(p.session.first_burst, 65536);
    assert_int_equal(p.session.max_burst, 262144);
    assert_int_equal(p.max_connections, 1);
    assert_int_equal(p.time2wait, 2);
    assert_int_equal(p.time2retain, 20);
    assert_int_equal(p.error_recovery_level, 0);
    assert_int_equal(show_parameters("InitialR2T=Perhaps\n", &p, &err), -1);
    assert_non_null(strstr(err.text, "InitialR2T"));
    assert_int_equal(show_parameters("InitialR2T=Yes\nMaxBurstLength=1x\n", &p, &err), -1);
    assert_non_null(strstr(err.text, "MaxBurstLength"));
    assert_int_equal(show_parameters("", &p, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_targets),
        cmocka_unit_test(test_targets_by_hand), cmocka_unit_test(test_cut_alias),
        cmocka_unit_test(test_forged),          cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_accounts),        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_portals),         cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_parameters),      cmocka_unit_test(test_system),
    };
    return cmocka_run_group_tests_name("tgt_show", tests, NULL, NULL);
}
