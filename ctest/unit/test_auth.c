// Tests of who may use the API, and of sealing: what is at rest, what is refused.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cms/core/auth.h"
#include "cms/core/seal.h"
#include "store/store.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64], db[96], key[96];
    struct store *store;
};

static int set_up(void **state)
{
    struct fixture *f = dv_calloc(1, sizeof(*f));
    struct dv_err err;
    dv_copy(f->dir, sizeof(f->dir), "/tmp/test_auth.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->db, sizeof(f->db), "%s/db", f->dir);
    snprintf(f->key, sizeof(f->key), "%s/key", f->dir);
    f->store = store_open(f->db, &err);
    assert_non_null(f->store);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"db", "db-wal", "db-shm", "key"};
    store_free(f->store);
    for (size_t i = 0; i < DV_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

// Whether the text is anywhere in the store's files.
static bool store_has(struct fixture *f, const char *text)
{
    static const char *const tails[] = {"", "-wal"};
    bool found = false;
    for (size_t i = 0; i < DV_COUNT(tails); i++) {
        char path[128];
        char *data;
        size_t len;
        snprintf(path, sizeof(path), "%s%s", f->db, tails[i]);
        if (file_read(path, 64 << 20, &data, &len, NULL) < 0)
            continue;
        found |= memmem(data, len, text, strlen(text)) != NULL;
        free(data);
    }
    return found;
}

// As the ledger does it.
static void write_down(struct fixture *f, struct auth *a, struct changes *c)
{
    struct dv_err err;
    assert_int_equal(store_apply(f->store, c, true, &err), 0);
    for (size_t i = 0; i < c->count; i++)
        auth_follow(a, &c->items[i]);
    changes_free(c);
}

static int create(struct fixture *f, struct auth *a, const char *name, char token[65], uint64_t *id,
                  struct dv_err *err)
{
    struct changes c = {0};
    int rc = auth_create_token(a, name, &c, token, id, err);
    write_down(f, a, &c);
    return rc;
}

static int remove_token(struct fixture *f, struct auth *a, uint64_t id, struct dv_err *err)
{
    struct changes c = {0};
    int rc = auth_delete_token(a, id, &c, err);
    write_down(f, a, &c);
    return rc;
}

// As a server does it.
static bool check_login(struct auth *a, const char *user, const char *secret)
{
    enum auth_answer answer = auth_look(a, user, secret);
    return answer == AUTH_RIGHT || (answer == AUTH_SLOW && auth_check_password(a, secret));
}

// ---- Passwords and tokens ----------------------------------------------------------------------

static void test_password(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    char *password, *again;
    struct auth *a = auth_new(f->store, 0, NULL, &password, &err);
    assert_non_null(a);
    assert_non_null(password);
    assert_int_equal(strlen(password), 20);
    assert_false(check_login(a, "admin", ""));
    assert_false(check_login(a, "admin", "wrong"));
    assert_true(check_login(a, "admin", password));
    assert_true(check_login(a, "admin", password)); // remembered
    assert_false(check_login(a, "root", password));
    assert_false(check_login(a, "", password));
    assert_false(check_login(a, "Admin", password));
    assert_false(check_login(a, "admin", "wrong"));
    assert_false(check_login(a, NULL, password)); // it is no token
    assert_false(store_has(f, password));
    auth_free(a);

    a = auth_new(f->store, 0, NULL, &again, &err);
    assert_non_null(a);
    assert_null(again); // shown once
    assert_true(check_login(a, "admin", password));
    auth_free(a);
    secret_free(password);
}

static void test_guesses_cost_nothing_once_the_right_one_is_known(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    char *password;
    struct auth *a = auth_new(f->store, 0, NULL, &password, &err);
    assert_non_null(a);
    assert_int_equal(auth_look(a, "root", password), AUTH_WRONG); // no such user: nothing to check
    assert_int_equal(auth_look(a, "admin", "guess"), AUTH_SLOW);
    assert_false(auth_check_password(a, "guess"));
    assert_int_equal(auth_look(a, "admin", "guess"), AUTH_SLOW);
    assert_int_equal(auth_look(a, "admin", password), AUTH_SLOW);
    assert_true(auth_check_password(a, password));
    assert_int_equal(auth_look(a, "admin", password), AUTH_RIGHT);
    assert_int_equal(auth_look(a, "admin", "guess"), AUTH_WRONG);
    assert_int_equal(auth_look(a, "admin", ""), AUTH_WRONG);
    assert_int_equal(auth_look(a, "root", password), AUTH_WRONG);
    auth_free(a);
    secret_free(password);
}

static void test_long_passwords_are_refused(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    char *password;
    struct auth *a = auth_new(f->store, 0, NULL, &password, &err);
    char *huge = dv_calloc(1, 1 << 20);
    memset(huge, 'x', (1 << 20) - 1);
    assert_false(check_login(a, "admin", huge));
    assert_false(check_login(a, NULL, huge));
    free(huge);
    secret_free(password);
    auth_free(a);
}

static void test_tokens(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    char *password, token[65], second[65];
    uint64_t id, first;
    const struct token_record *list;
    size_t n;
    struct auth *a = auth_new(f->store, 0, NULL, &password, &err);
    assert_false(check_login(a, NULL, ""));
    assert_int_equal(create(f, a, "ci", token, &id, &err), 0);
    assert_int_equal(strlen(token), AUTH_TOKEN_LEN);
    assert_true(check_login(a, NULL, token));
    assert_false(check_login(a, "admin", token));
    assert_int_equal(create(f, a, "ci", second, &id, &err), -1);
    assert_int_equal(err.code, DV_EXISTS);
    assert_int_equal(create(f, a, "a b", second, &id, &err), -1);
    assert_int_equal(err.code, DV_INVALID);
    assert_int_equal(create(f, a, "other", second, &id, &err), 0);
    assert_string_not_equal(token, second);
    list = auth_tokens(a, &n);
    assert_int_equal(n, 2);
    assert_string_equal(list[1].name, "other");
    first = list[0].id;
    assert_false(store_has(f, token));
    auth_free(a);
    secret_free(password);

    a = auth_new(f->store, 0, NULL, &password, &err); // after a restart
    assert_true(check_login(a, NULL, token));
    assert_int_equal(remove_token(f, a, first, &err), 0);
    assert_false(check_login(a, NULL, token));
    assert_true(check_login(a, NULL, second));
    assert_int_equal(remove_token(f, a, first, &err), -1);
    assert_int_equal(err.code, DV_NOT_FOUND);
    auth_free(a);
}

struct checker {
    struct auth *auth;
    const char *password, *token;
};

static void *check_often(void *arg)
{
    const struct checker *c = arg;
    for (int i = 0; i < 50; i++) {
        if (!check_login(c->auth, "admin", c->password) || !check_login(c->auth, NULL, c->token))
            return (void *)c;
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    char *password, token[65], other[65];
    uint64_t id;
    pthread_t threads[4];
    struct auth *a = auth_new(f->store, 0, NULL, &password, &err);
    assert_int_equal(create(f, a, "ci", token, &id, &err), 0);
    struct checker c = {a, password, token};
    for (size_t i = 0; i < DV_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_often, &c), 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(create(f, a, "more", other, &id, &err), 0);
        assert_int_equal(remove_token(f, a, id, &err), 0);
    }
    for (size_t i = 0; i < DV_COUNT(threads); i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    secret_free(password);
    auth_free(a);
}

// ---- Sealing -----------------------------------------------------------------------------------

static void test_seal(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    struct stat st;
    char secret[CHAP_SECRET_MAX + 1];
    struct host_record host = {.uuid = {{1}}, .name = "web"}, other;
    struct seal *s = seal_new(f->key, f->store, &err);
    assert_non_null(s);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    seal_secret(s, &host, "sixteen-letters!");
    assert_null(memmem(host.sealed_secret, sizeof(host.sealed_secret), "sixteen", 7));
    assert_int_equal(seal_open_secret(s, &host, secret, &err), 0);
    assert_string_equal(secret, "sixteen-letters!");
    other = host;
    seal_secret(s, &other, "sixteen-letters!");
    assert_memory_not_equal(other.sealed_secret, host.sealed_secret, host.sealed_len);
    seal_free(s);

    s = seal_new(f->key, f->store, &err); // after a restart
    assert_non_null(s);
    assert_int_equal(seal_open_secret(s, &host, secret, &err), 0);
    assert_string_equal(secret, "sixteen-letters!");

    other = host;
    other.uuid.b[0] = 2; // another host's
    assert_int_equal(seal_open_secret(s, &other, secret, &err), -1);
    assert_string_equal(secret, "");
    for (size_t i = 0; i < host.sealed_len; i++) {
        other = host;
        other.sealed_secret[i] ^= 1;
        assert_int_equal(seal_open_secret(s, &other, secret, &err), -1);
    }
    other = host;
    for (other.sealed_len = 0; other.sealed_len < host.sealed_len; other.sealed_len++)
        assert_int_equal(seal_open_secret(s, &other, secret, &err), -1);
    other.sealed_len = sizeof(other.sealed_secret);
    assert_int_equal(seal_open_secret(s, &other, secret, &err), -1);
    seal_free(s);
}

static void expect_no_seal(struct fixture *f, enum dv_code code, const char *word)
{
    struct dv_err err = {0};
    assert_null(seal_new(f->key, f->store, &err));
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, word));
}

static void test_key_file(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    struct seal *s = seal_new(f->key, f->store, &err);
    seal_free(s);
    char *good;
    size_t len;
    assert_int_equal(file_read(f->key, 4096, &good, &len, &err), 0);
    good[0] = good[0] == '0' ? '1' : '0';
    assert_int_equal(file_write_atomic(f->key, good, len, 0600, &err), 0);
    expect_no_seal(f, DV_CONFLICT, "not the one");
    assert_int_equal(file_write_atomic(f->key, good, len - 8, 0600, &err), 0);
    expect_no_seal(f, DV_INVALID, "hexadecimal");
    good[0] = good[0] == '0' ? '1' : '0';
    assert_int_equal(file_write_atomic(f->key, good, len, 0644, &err), 0);
    assert_null(seal_new(f->key, f->store, &err)); // others could read it
    unlink(f->key);
    expect_no_seal(f, DV_NOT_FOUND, "put it back");
    free(good);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_password),
        TEST(test_guesses_cost_nothing_once_the_right_one_is_known),
        TEST(test_long_passwords_are_refused),
        TEST(test_tokens),
        TEST(test_threads),
        TEST(test_seal),
        TEST(test_key_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
