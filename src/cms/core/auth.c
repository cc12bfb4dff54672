// Passwords by argon2id, tokens by BLAKE2b, all compared in constant time.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/core/auth.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "store/store.h"
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#define PASSWORD_LEN     20 // characters of 6 bits each
#define PASSWORD_MIN     12 // bytes of one that a person chose
#define PASSWORD_MAX     1024
#define PASSWORD_SETTING "admin-password"
#define TOKEN_PREFIX     "dvt_" // so that scanners for leaked secrets can find one
#define TOKEN_RANDOM     43     // characters of 6 bits: 258 bits
#define TOKENS_MAX       256
#define HASH_LEN         32

struct auth {
    uint64_t last_token;
    char password_hash[crypto_pwhash_STRBYTES]; // not changed after auth_new
    uint8_t memory_key[HASH_LEN];               // for remembered; made at each start
    pthread_mutex_t lock;                       // over what follows
    bool has_remembered;
    uint8_t remembered[HASH_LEN]; // keyed hash of the password that was right
    struct token_record *tokens;
    size_t token_count;
};

static int make_password(struct auth *a, struct store *store, const char *first, char **password,
                         struct dv_err *err)
{
    if (first && (strlen(first) < PASSWORD_MIN || strlen(first) > PASSWORD_MAX))
        return dv_fail(err, DV_INVALID, "the admin's password must have %d to %d bytes",
                       PASSWORD_MIN, PASSWORD_MAX);
    char *text = first ? dv_strdup(first) : dv_calloc(1, PASSWORD_LEN + 1);
    if (!first)
        secret_random_text(text, PASSWORD_LEN);
    if (crypto_pwhash_str(a->password_hash, text, strlen(text), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
        secret_free(text);
        return dv_fail(err, DV_BUSY,
                       "there is not enough memory to hash the admin's password: "
                       "64 MiB are needed");
    }
    if (store_set(store, PASSWORD_SETTING, a->password_hash, strlen(a->password_hash), err) < 0) {
        secret_free(text);
        return -1;
    }
    if (first)
        secret_free(text);
    else
        *password = text;
    return 0;
}

static int get_password(struct auth *a, struct store *store, const char *first, char **password,
                        struct dv_err *err)
{
    DV_FREE void *kept = NULL;
    size_t len;
    if (store_get(store, PASSWORD_SETTING, &kept, &len, err) < 0)
        return -1;
    if (!kept)
        return make_password(a, store, first, password, err);
    if (len >= sizeof(a->password_hash) || strncmp(kept, "$argon2", 7) != 0 || strlen(kept) != len)
        return dv_fail(err, DV_DAMAGED,
                       "the store is damaged: the hash of the admin's password in it is not one; "
                       "put a backup of pool.db in its place");
    memcpy(a->password_hash, kept, len);
    return 0;
}

struct auth *auth_new(struct store *store, uint64_t last_token, const char *first, char **password,
                      struct dv_err *err)
{
    *password = NULL;
    struct auth *a = dv_calloc(1, sizeof(*a));
    a->last_token = last_token;
    pthread_mutex_init(&a->lock, NULL);
    random_fill(a->memory_key, sizeof(a->memory_key));
    if (sodium_init() < 0)
        dv_fail(err, DV_INTERNAL, "libsodium cannot be used on this machine");
    else if (store_tokens(store, &a->tokens, &a->token_count, err) == 0 &&
             get_password(a, store, first, password, err) == 0)
        return a;
    auth_free(a);
    return NULL;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a->tokens);
    secret_wipe(a, sizeof(*a));
    free(a);
}

// ---- Checking ------------------------------------------------------------------------------

static bool token_is_known(struct auth *a, const char *token)
{
    uint8_t hash[HASH_LEN];
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)token, strlen(token), NULL, 0);
    bool known = false;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->token_count; i++) // all of them, so that time tells nothing
        known |= sodium_memcmp(a->tokens[i].hash, hash, sizeof(hash)) == 0;
    pthread_mutex_unlock(&a->lock);
    return known;
}

static void hash_password(const struct auth *a, const char *password, uint8_t hash[HASH_LEN])
{
    crypto_generichash(hash, HASH_LEN, (const uint8_t *)password, strlen(password), a->memory_key,
                       sizeof(a->memory_key));
}

// The password does not change while the station runs. So once the right one is known, no other one
// needs argon2, and guesses can be as many as they like.
static enum auth_answer look_at_password(struct auth *a, const char *user, const char *password)
{
    uint8_t hash[HASH_LEN];
    if (strcmp(user, AUTH_ADMIN) != 0 || strlen(password) > PASSWORD_MAX) // neither is a secret
        return AUTH_WRONG;
    hash_password(a, password, hash);
    pthread_mutex_lock(&a->lock);
    bool same = sodium_memcmp(a->remembered, hash, HASH_LEN) == 0;
    enum auth_answer answer = !a->has_remembered ? AUTH_SLOW : same ? AUTH_RIGHT : AUTH_WRONG;
    pthread_mutex_unlock(&a->lock);
    return answer;
}

enum auth_answer auth_look(struct auth *a, const char *user, const char *secret)
{
    if (user)
        return look_at_password(a, user, secret);
    return token_is_known(a, secret) ? AUTH_RIGHT : AUTH_WRONG;
}

bool auth_check_password(struct auth *a, const char *password)
{
    uint8_t hash[HASH_LEN];
    if (crypto_pwhash_str_verify(a->password_hash, password, strlen(password)) != 0)
        return false;
    hash_password(a, password, hash);
    pthread_mutex_lock(&a->lock);
    memcpy(a->remembered, hash, HASH_LEN);
    a->has_remembered = true;
    pthread_mutex_unlock(&a->lock);
    return true;
}

// ---- Tokens --------------------------------------------------------------------------------

static int check_name(const struct auth *a, const char *name, struct dv_err *err)
{
    if (new_name_check("token", name, err) < 0)
        return -1;
    for (size_t i = 0; i < a->token_count; i++) {
        if (!strcmp(a->tokens[i].name, name))
            return dv_fail(err, DV_EXISTS, "there is a token %s already: choose another name",
                           name);
    }
    if (a->token_count >= TOKENS_MAX)
        return dv_fail(err, DV_BUSY, "there are %d tokens, which is the most: delete one first",
                       TOKENS_MAX);
    return 0;
}

int auth_create_token(struct auth *a, const char *name, struct changes *c, char token[65],
                      uint64_t *id, struct dv_err *err)
{
    if (check_name(a, name, err) < 0)
        return -1;
    struct token_record t = {.id = ++a->last_token, .created = time(NULL)};
    dv_copy(t.name, sizeof(t.name), name);
    memcpy(token, TOKEN_PREFIX, sizeof(TOKEN_PREFIX));
    secret_random_text(token + strlen(TOKEN_PREFIX), TOKEN_RANDOM);
    crypto_generichash(t.hash, sizeof(t.hash), (const uint8_t *)token, strlen(token), NULL, 0);
    changes_token(c, &t);
    *id = t.id;
    return 0;
}

static struct token_record *find_token(const struct auth *a, uint64_t id)
{
    for (size_t i = 0; i < a->token_count; i++)
        if (a->tokens[i].id == id)
            return &a->tokens[i];
    return NULL;
}

int auth_delete_token(struct auth *a, uint64_t id, struct changes *c, struct dv_err *err)
{
    if (!find_token(a, id))
        return dv_fail(err, DV_NOT_FOUND, "there is no token %llu", (unsigned long long)id);
    changes_token_gone(c, id);
    return 0;
}

const struct token_record *auth_tokens(const struct auth *a, size_t *count)
{
    *count = a->token_count;
    return a->tokens;
}

void auth_follow(struct auth *a, const struct change *c)
{
    const struct token_record *t = c->records;
    pthread_mutex_lock(&a->lock);
    struct token_record *known = find_token(a, t->id);
    if (c->op == CHANGE_PUT)
        *DV_APPEND(a->tokens, a->token_count) = *t;
    else if (known)
        memmove(known, known + 1, (size_t)(a->tokens + --a->token_count - known) * sizeof(*known));
    pthread_mutex_unlock(&a->lock);
}
