// Tests of the secrets in the unit's journal: how they are sealed, and what others did to them.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/journal_box.h"

#include "base/seal_key.h"

// The journal with one rule of the user "u".
static void put_secret(const char *secret)
{
    struct journal *j = open_journal();
    struct access_rule r = rule(1, 1, "u");
    assert_int_equal(journal_begin(j, NULL), 0);
    put_volume(j, volume(1), true);
    assert_int_equal(journal_put_rule(j, &r, secret, NULL), 0);
    assert_int_equal(journal_commit(j, NULL), 0);
    journal_close(j);
}

static bool file_has(const char *text)
{
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    DV_FREE char *data = NULL;
    size_t len;
    assert_int_equal(file_read(db, 1 << 24, &data, &len, NULL), 0);
    return memmem(data, len, text, strlen(text)) != NULL;
}

static void set_secret(const char *sql)
{
    DV_FREE char *path = dv_printf("%s/unit.db", dir);
    struct db *db = db_open(path, DB_BACK, NULL);
    assert_int_equal(db_exec(db, sql, NULL), 0);
    db_close(db);
}

static void expect_secret(const char *secret)
{
    struct journal *j = open_journal();
    struct state *s = load(j);
    assert_string_equal(state_rule(s, 1, 1)->secret, secret);
    state_free(s);
    journal_close(j);
}

// A load that is refused, and changes nothing.
static void expect_refused(const char *sentence)
{
    struct dv_err err;
    struct journal *j = open_journal();
    struct state *s = state_new(0, 1);
    assert_int_equal(journal_load(j, s, &err), -1);
    assert_int_equal(err.code, DV_CONFLICT);
    assert_non_null(strstr(err.text, sentence));
    assert_non_null(strstr(err.text, "--forget-secrets"));
    state_free(s);
    journal_close(j);
}

static void secrets_are_sealed(void **state)
{
    (void)state;
    struct stat st;
    DV_FREE char *key = dv_printf("%s/key", dir);
    put_secret("a-secret-of-u");
    assert_false(file_has("a-secret-of-u"));
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    expect_secret("a-secret-of-u");
}

// What somebody did to the journal with two users, of whom u has two rules, and whose secrets are
// left.
static const struct {
    const char *sql;
    bool u, v;
} CHANGES[] = {
    {"UPDATE rule SET revoking = 0", true, true},
    // Plain text over the sealed one: of a user, of one rule, of all, and with the check gone.
    {"UPDATE rule SET secret = 'another-secret' WHERE chap_user = 'u'", false, true},
    {"UPDATE rule SET secret = 'another-secret' WHERE volume = 2", false, true},
    {"UPDATE rule SET secret = 'another-secret'", false, false},
    {"UPDATE rule SET secret = 'another-secret'; UPDATE member SET sealed = ''", false, false},
    {"UPDATE rule SET secret = 'short' WHERE chap_user = 'u'", false, true},
    {"UPDATE rule SET secret = hex(zeroblob(400)) WHERE chap_user = 'v'", true, false},
    {"UPDATE rule SET secret = '' WHERE chap_user = 'v'", true, false},
    {"UPDATE rule SET secret = substr(secret, 1, length(secret) - 2) WHERE chap_user = 'v'", true,
     false},
    // Swapped, also together with the user's name or the mark.
    {"CREATE TEMP TABLE o AS SELECT * FROM rule;"
     "UPDATE rule SET secret = (SELECT secret FROM o WHERE o.chap_user != rule.chap_user)",
     false, false},
    {"UPDATE rule SET chap_user = 'w' WHERE chap_user = 'v'", true, false},
    {"UPDATE rule SET secret_mark = 77 WHERE chap_user = 'v'", true, false},
    {"UPDATE rule SET secret_mark = 77 WHERE volume = 1 AND idx = 1", false, true},
};

static void expect_rule(const struct state *s, uint32_t v, uint32_t index, const char *secret,
                        uint32_t mark, const char *what)
{
    const struct unit_rule *r = state_rule(s, v, index);
    if (strcmp(r->secret, secret) != 0 || r->r.secret_mark != mark ||
        r->r.secret_is_set != (*secret != '\0'))
        fail_msg("%s: rule %u.%u has \"%s\", mark %u", what, v, index, r->secret, r->r.secret_mark);
}

static void what_was_not_sealed_for_its_user_and_mark_is_dropped(void **state)
{
    (void)state;
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    DV_FREE char *good = NULL;
    struct access_rule rules[] = {rule(1, 1, "u"), rule(2, 1, "u"), rule(1, 2, "v")};
    struct journal *j = open_journal();
    put_volume(j, volume(1), true);
    put_volume(j, volume(2), true);
    for (size_t i = 0; i < DV_COUNT(rules); i++) {
        bool v = strcmp(rules[i].chap_user, "v") == 0;
        rules[i].secret_mark = v ? 8 : 7;
        assert_int_equal(journal_put_rule(j, &rules[i], v ? "secret-of-v" : "secret-of-u", NULL),
                         0);
    }
    journal_close(j);
    size_t len = file_len(db, &good);
    for (size_t i = 0; i < DV_COUNT(CHANGES); i++) {
        const char *sql = CHANGES[i].sql;
        set_secret(sql);
        for (int start = 0; start < 2; start++) {
            j = open_journal();
            struct state *s = load(j);
            expect_rule(s, 1, 1, CHANGES[i].u ? "secret-of-u" : "", CHANGES[i].u ? 7 : 0, sql);
            expect_rule(s, 2, 1, CHANGES[i].u ? "secret-of-u" : "", CHANGES[i].u ? 7 : 0, sql);
            expect_rule(s, 1, 2, CHANGES[i].v ? "secret-of-v" : "", CHANGES[i].v ? 8 : 0, sql);
            state_free(s);
            journal_close(j);
        }
        assert_false(file_has("another-secret"));
        assert_int_equal(file_write_atomic(db, good, len, 0600, NULL), 0);
    }
}

// What somebody did to a previous account; none of it is left then, and all of the other one.
static const char *const PREVIOUS[] = {
    "UPDATE rule SET previous_secret = 'another-secret'",
    "UPDATE rule SET previous_secret = secret",
    "UPDATE rule SET previous_secret = ''",
    "UPDATE rule SET previous_user = 'w'",
    "UPDATE rule SET previous_user = ''",
    "UPDATE rule SET previous_mark = 9",
};

static void a_previous_account_is_sealed_and_dropped_likewise(void **state)
{
    (void)state;
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    DV_FREE char *good = NULL;
    struct access_rule r = rule(1, 1, "u.2");
    r.secret_mark = 8;
    dv_copy(r.previous_user, sizeof(r.previous_user), "u");
    struct journal *j = open_journal();
    put_volume(j, volume(1), true);
    assert_int_equal(journal_put_rule(j, &r, "secret-of-u2", NULL), 0);
    assert_int_equal(journal_put_secret(j, "u", "secret-of-u", 7, NULL), 0);
    journal_close(j);
    assert_false(file_has("secret-of-u"));
    size_t len = file_len(db, &good);
    for (size_t i = 0; i <= DV_COUNT(PREVIOUS); i++) {
        bool whole = i == DV_COUNT(PREVIOUS);
        const char *what = whole ? "nothing" : PREVIOUS[i];
        if (!whole)
            set_secret(PREVIOUS[i]);
        for (int start = 0; start < 2; start++) {
            j = open_journal();
            struct state *s = load(j);
            const struct unit_rule *row = state_rule(s, 1, 1);
            expect_rule(s, 1, 1, "secret-of-u2", 8, what);
            if (strcmp(row->r.previous_user, whole ? "u" : "") != 0 ||
                strcmp(row->previous_secret, whole ? "secret-of-u" : "") != 0 ||
                row->previous_mark != (whole ? 7 : 0))
                fail_msg("%s: the previous account is %s, %u", what, row->r.previous_user,
                         row->previous_mark);
            state_free(s);
            journal_close(j);
        }
        assert_false(file_has("another-secret"));
        if (!whole)
            assert_int_equal(file_write_atomic(db, good, len, 0600, NULL), 0);
    }
    size_t users;
    j = open_journal();
    assert_int_equal(journal_give_up_secrets(j, &users, NULL), 0);
    assert_int_equal(users, 2);
    struct state *s = load(j);
    assert_string_equal(state_rule(s, 1, 1)->r.previous_user, "");
    state_free(s);
    journal_close(j);
}

static void plain_secrets_of_before_are_sealed_at_the_first_start(void **state)
{
    (void)state;
    put_secret("");
    set_secret("UPDATE rule SET secret = 'plain-secret-1'");
    assert_true(file_has("plain-secret-1"));
    expect_secret("plain-secret-1");
    assert_false(file_has("plain-secret-1"));
    expect_secret("plain-secret-1");
}

// The key is there before anything is sealed with it, and counts as one only when all is.
static void a_start_that_was_killed_while_it_sealed_is_done_again(void **state)
{
    (void)state;
    DV_FREE char *key = dv_printf("%s/key", dir);
    DV_FREE char *fresh = dv_printf("%s/key.new", dir);
    put_secret("");
    set_secret("UPDATE rule SET secret = 'plain-secret-1'");
    struct seal_key made;
    assert_int_equal(seal_key_make(fresh, &made, NULL), 0);
    expect_secret("plain-secret-1");
    assert_int_equal(access(fresh, F_OK), -1);
    assert_int_equal(rename(key, fresh), 0); // killed behind the sealing
    expect_secret("plain-secret-1");
    assert_int_equal(access(key, F_OK), 0);
}

static void a_lost_key_is_told_and_secrets_can_be_given_up(void **state)
{
    (void)state;
    DV_FREE char *key = dv_printf("%s/key", dir);
    DV_FREE char *kept = dv_printf("%s/kept", dir);
    put_secret("a-secret-of-u");
    assert_int_equal(rename(key, kept), 0);
    expect_refused("is missing");
    assert_int_equal(rename(kept, key), 0);
    expect_secret("a-secret-of-u");
    assert_int_equal(file_write_atomic(key, "nonsense\n", 9, 0600, NULL), 0);
    expect_refused("64 hexadecimal digits");
    struct seal_key other;
    assert_int_equal(seal_key_make(key, &other, NULL), 0);
    expect_refused("sealed with another key");
    struct journal *j = open_journal();
    size_t users;
    assert_int_equal(journal_give_up_secrets(j, &users, NULL), 0);
    assert_int_equal(users, 1);
    journal_close(j);
    assert_false(file_has("sealed:"));
    expect_secret("");
}

// As systemd gives one.
static void a_credential_is_the_key(void **state)
{
    (void)state;
    struct seal_key made;
    DV_FREE char *key = dv_printf("%s/key", dir);
    DV_FREE char *credentials = dv_printf("%s/credentials", dir);
    DV_FREE char *credential = dv_printf("%s/unit-key", credentials);
    assert_int_equal(mkdir(credentials, 0700), 0);
    assert_int_equal(seal_key_make(credential, &made, NULL), 0);
    setenv("CREDENTIALS_DIRECTORY", credentials, 1);
    put_secret("a-secret-of-u");
    assert_int_equal(access(key, F_OK), -1);
    expect_secret("a-secret-of-u");
    unsetenv("CREDENTIALS_DIRECTORY");
    expect_refused("is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(secrets_are_sealed, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_was_not_sealed_for_its_user_and_mark_is_dropped,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_start_that_was_killed_while_it_sealed_is_done_again,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_previous_account_is_sealed_and_dropped_likewise, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(plain_secrets_of_before_are_sealed_at_the_first_start,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_lost_key_is_told_and_secrets_can_be_given_up, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_credential_is_the_key, make_dir, remove_dir),
    };
    return cmocka_run_group_tests_name("unit journal secrets", tests, NULL, NULL);
}
