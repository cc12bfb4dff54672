// Tests of reading tgtd's log: what is a message, whose login was refused, how much is passed on.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/tgtd_log.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ALICE "iqn.2026-11.host:alice"
#define WRONG "CHAP initiator auth.: authentication of "
#define USER  "chap_initiator_auth_check_response(409) No valid user/pass combination for initiator "

// "P" is the beginning of a message and "t" its text; what comes of each packet is N, M or R.
static void packets(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"PtPt", "NMNM"},         // in turn
        {"tPt", "RNM"},           // a pipe that was half-way through a message
        {"Ptt", "NMR"},           // a message of two packets
        {"PPttPt", "NNRRNM"},     // two threads at once
        {"PPtPtPt", "NNRNMNM"},   // a text did not fit
        {"PtttPt", "NMRRNM"},     // beginnings did not fit
        {"PPPPtPt", "NNNNRNM"},   //
        {"PtPPttPt", "NMNNRRNM"}, //
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct tgtd_log l = {0};
        char out[16] = "";
        for (size_t k = 0; cases[i].in[k]; k++) {
            bool begins = cases[i].in[k] == 'P';
            enum tgtd_packet p = tgtd_log_take(&l, begins ? "tgtd: " : "text", begins ? 6 : 4);
            out[k] = "NMR"[p];
        }
        assert_string_equal(out, cases[i].out);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } cases[] = {
        {WRONG ALICE " failed (wrong secret!?)", ALICE},
        {USER ALICE " found\n", ALICE},
        {WRONG "eui.0123456789abcdef failed (wrong secret!?)", "eui.0123456789abcdef"},
        // Cut short, too long, or of another form.
        {"", NULL},
        {WRONG, NULL},
        {WRONG ALICE, NULL},
        {WRONG " failed (wrong secret!?)", NULL},
        {"x" WRONG ALICE " failed (wrong secret!?)", NULL},
        {WRONG ALICE " failed (wrong secret!?)\n", NULL},
        {USER ALICE " found", NULL},
        {"chap_initiator_auth_check_response() No valid user/pass combination for initiator " ALICE
         " found\n",
         NULL},
        {"chap_initiator_auth_check_response(409x) No valid user/pass combination for "
         "initiator " ALICE " found\n",
         NULL},
        // Names that an initiator could choose to look like more.
        {WRONG "bob failed (wrong secret!?)", NULL},
        {WRONG "bob failed (wrong secret!?)\ntgtd: " WRONG ALICE " failed (wrong secret!?)", NULL},
        {WRONG ALICE " failed (wrong secret!?)" WRONG ALICE " failed (wrong secret!?)", NULL},
        {USER ALICE "\n found\n", NULL},
        {"Dropping key (" WRONG ALICE " failed (wrong secret!?)=NotUnderstood)", NULL},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        char name[IQN_MAX_LEN + 1] = "";
        bool found = tgtd_log_refusal(cases[i].text, strlen(cases[i].text), name);
        assert_int_equal(found, cases[i].name != NULL);
        if (found)
            assert_string_equal(name, cases[i].name);
    }
    static const char nul[] = WRONG ALICE "\0 failed (wrong secret!?)";
    char name[IQN_MAX_LEN + 1];
    assert_false(tgtd_log_refusal(nul, sizeof(nul) - 1, name));
}

static void longest_name(void **state)
{
    (void)state;
    char iqn[IQN_MAX_LEN + 2], name[IQN_MAX_LEN + 1];
    memset(iqn, 'a', sizeof(iqn));
    memcpy(iqn, "iqn.2026-11.host:", 17);
    for (size_t len = IQN_MAX_LEN; len <= IQN_MAX_LEN + 1; len++) {
        DV_FREE char *text = dv_printf(WRONG "%.*s failed (wrong secret!?)", (int)len, iqn);
        assert_int_equal(tgtd_log_refusal(text, strlen(text), name), len == IQN_MAX_LEN);
    }
    assert_int_equal(strlen(name), IQN_MAX_LEN);
}

static void text(void **state)
{
    (void)state;
    char out[9];
    static const char odd[] = "a\x1b[b\n\xc3\n \n";
    assert_int_equal(tgtd_log_text(odd, sizeof(odd) - 1, out, sizeof(out)), 6);
    assert_string_equal(out, "a?[b??");
    assert_int_equal(tgtd_log_text("0123456789", 10, out, sizeof(out)), 8);
    assert_string_equal(out, "01234567");
    assert_int_equal(tgtd_log_text("\n", 1, out, sizeof(out)), 0);
}

static void limit(void **state)
{
    (void)state;
    struct tgtd_log_limit l = {0};
    uint32_t left_out = 99;
    for (int i = 0; i < TGTD_LOG_BURST; i++) {
        assert_true(tgtd_log_admit(&l, 5000, &left_out));
        assert_int_equal(left_out, 0);
    }
    assert_false(tgtd_log_admit(&l, 5000, &left_out));
    assert_false(tgtd_log_admit(&l, 5000 + TGTD_LOG_INTERVAL_MS - 1, &left_out));
    assert_true(tgtd_log_admit(&l, 5000 + TGTD_LOG_INTERVAL_MS, &left_out));
    assert_int_equal(left_out, 2);
    assert_false(tgtd_log_admit(&l, 5000 + TGTD_LOG_INTERVAL_MS, &left_out));
    uint64_t later = 5000 + (uint64_t)TGTD_LOG_INTERVAL_MS * (TGTD_LOG_BURST + 5);
    for (int i = 0; i < TGTD_LOG_BURST; i++)
        assert_true(tgtd_log_admit(&l, later, &left_out));
    assert_false(tgtd_log_admit(&l, later, &left_out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets), cmocka_unit_test(refusals), cmocka_unit_test(longest_name),
        cmocka_unit_test(text),    cmocka_unit_test(limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
