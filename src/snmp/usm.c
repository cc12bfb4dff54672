// Users' keys, and Net-SNMP's table of users by engine.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp/usm.h"

#include "base/mem.h"
#include "base/secret.h"
#include "snmp/convert.h"
#include "snmp/usm_table.h"
#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <uthash.h>

#define KEY_LEN      SN_AUTH_KEY
#define PASS_LEN_MIN 8 // RFC 3414 section 11.2

struct sn_keys {
    unsigned holders;
    char name[SN_USER_NAME_MAX + 1];
    // Tells the passphrases without keeping them: keyed with the book's random key.
    uint8_t print[crypto_generichash_BYTES];
    struct sn_engine_id engine;           // whose the keys are; len 0: master keys, of none
    uint8_t auth[KEY_LEN], priv[KEY_LEN]; // of a localised priv the first SN_PRIV_KEY bytes
    UT_hash_handle hh;                    // by print
};

// One user at one engine in Net-SNMP's table.
struct entry {
    struct sn_usm_key key;
    unsigned holders;
    struct sn_keys *keys; // held
    UT_hash_handle hh;    // by key
};

struct sn_usm {
    struct sn_keys *keys;
    struct entry *entries;
    uint8_t print_key[crypto_generichash_KEYBYTES];
};

static void keys_print(const struct sn_usm *usm, const struct sn_user *user,
                       uint8_t out[crypto_generichash_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, usm->print_key, sizeof(usm->print_key),
                            crypto_generichash_BYTES);
    const char *const parts[] = {user->name, user->local ? "" : user->auth_pass,
                                 user->local ? "" : user->priv_pass};
    for (size_t i = 0; i < DV_COUNT(parts); i++) // with their NULs, so that no two run together
        crypto_generichash_update(&state, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
    if (user->local) {
        crypto_generichash_update(&state, user->local->auth, SN_AUTH_KEY);
        crypto_generichash_update(&state, user->local->priv, SN_PRIV_KEY);
        crypto_generichash_update(&state, user->local->engine.b, user->local->engine.len);
    }
    crypto_generichash_final(&state, out, crypto_generichash_BYTES);
    secret_wipe(&state, sizeof(state));
}

struct sn_usm *sn_usm_new(void)
{
    struct sn_usm *usm = dv_calloc(1, sizeof(*usm));
    int rc = sodium_init();
    assert(rc >= 0);
    (void)rc;
    randombytes_buf(usm->print_key, sizeof(usm->print_key));
    return usm;
}

void sn_usm_free(struct sn_usm *usm)
{
    if (!usm)
        return;
    assert(!usm->entries && !usm->keys);
    secret_wipe(usm, sizeof(*usm));
    free(usm);
}

static int master_key(const char *pass, uint8_t out[KEY_LEN])
{
    u_char key[USM_LENGTH_KU_HASHBLOCK]; // Net-SNMP asks for this much whatever the hash
    size_t len = sizeof(key);
    int rc = generate_Ku(usmHMAC192SHA256AuthProtocol, OID_LENGTH(usmHMAC192SHA256AuthProtocol),
                         (const u_char *)pass, strlen(pass), key, &len);
    memcpy(out, key, KEY_LEN);
    secret_wipe(key, sizeof(key));
    return rc == SNMPERR_SUCCESS && len == KEY_LEN ? 0 : -1;
}

static int check_user(const struct sn_user *user, struct dv_err *err)
{
    size_t len = user->name ? strlen(user->name) : 0;
    if (len < 1 || len > SN_USER_NAME_MAX)
        return dv_fail(err, DV_INVALID, "an SNMP user's name must have 1 to %d characters",
                       SN_USER_NAME_MAX);
    if (user->local && user->local->engine.len == 0)
        return dv_fail(err, DV_INVALID, "the keys of SNMP user %s are of no engine", user->name);
    if (user->local)
        return 0;
    if (!user->auth_pass || strlen(user->auth_pass) < PASS_LEN_MIN || !user->priv_pass ||
        strlen(user->priv_pass) < PASS_LEN_MIN)
        return dv_fail(err, DV_INVALID,
                       "both passphrases of SNMP user %s must have %d characters or more",
                       user->name, PASS_LEN_MIN);
    return 0;
}

struct sn_keys *sn_keys_hold(struct sn_usm *usm, const struct sn_user *user, struct dv_err *err)
{
    if (check_user(user, err) != 0)
        return NULL;
    uint8_t print[crypto_generichash_BYTES];
    keys_print(usm, user, print);
    struct sn_keys *k = NULL;
    HASH_FIND(hh, usm->keys, print, sizeof(print), k);
    if (k) {
        k->holders++;
        return k;
    }
    k = dv_calloc(1, sizeof(*k));
    k->holders = 1;
    memcpy(k->print, print, sizeof(print));
    memcpy(k->name, user->name, strlen(user->name));
    if (user->local) {
        k->engine = user->local->engine;
        memcpy(k->auth, user->local->auth, SN_AUTH_KEY);
        memcpy(k->priv, user->local->priv, SN_PRIV_KEY);
    } else if (master_key(user->auth_pass, k->auth) != 0 ||
               master_key(user->priv_pass, k->priv) != 0) {
        secret_wipe(k, sizeof(*k));
        free(k);
        dv_fail(err, DV_INTERNAL, "deriving the keys of SNMP user %s failed", user->name);
        return NULL;
    }
    HASH_ADD(hh, usm->keys, print, sizeof(k->print), k);
    return k;
}

void sn_keys_release(struct sn_usm *usm, struct sn_keys *keys)
{
    if (!keys || --keys->holders > 0)
        return;
    HASH_DEL(usm->keys, keys);
    secret_wipe(keys, sizeof(*keys));
    free(keys);
}

const char *sn_keys_user(const struct sn_keys *keys)
{
    return keys->name;
}

static bool same_engine(const struct sn_engine_id *a, const struct sn_engine_id *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

static struct entry *find_entry(const struct sn_usm *usm, const struct sn_usm_key *key)
{
    struct entry *e = NULL;
    HASH_FIND(hh, usm->entries, key, sizeof(*key), e);
    return e;
}

static bool localise(const struct sn_keys *keys, const uint8_t master[KEY_LEN],
                     const struct sn_engine_id *engine, size_t want, u_char **out, size_t *len)
{
    *out = malloc(USM_LENGTH_KU_HASHBLOCK); // malloc, because Net-SNMP frees it
    *len = USM_LENGTH_KU_HASHBLOCK;
    if (*out && keys->engine.len > 0) {
        memcpy(*out, master, want);
        *len = want;
        return same_engine(&keys->engine, engine);
    }
    if (!*out ||
        generate_kul(usmHMAC192SHA256AuthProtocol, OID_LENGTH(usmHMAC192SHA256AuthProtocol),
                     engine->b, engine->len, master, KEY_LEN, *out, len) != SNMPERR_SUCCESS ||
        *len < want)
        return false;
    *len = want;
    return true;
}

static int table_add(const struct sn_keys *keys, const struct sn_usm_key *key, struct dv_err *err)
{
    const struct sn_engine_id *engine = &key->engine;
    struct usmUser *user = usm_create_user(); // with the protocols set to "none"
    if (!user)
        return dv_fail(err, DV_INTERNAL, "Net-SNMP has no memory for a user");
    free(user->authProtocol);
    free(user->privProtocol);
    user->authProtocolLen = OID_LENGTH(usmHMAC192SHA256AuthProtocol);
    user->authProtocol = snmp_duplicate_objid(usmHMAC192SHA256AuthProtocol, user->authProtocolLen);
    user->privProtocolLen = OID_LENGTH(usmAESPrivProtocol);
    user->privProtocol = snmp_duplicate_objid(usmAESPrivProtocol, user->privProtocolLen);
    user->name = strdup(keys->name);
    user->secName = strdup(keys->name);
    user->engineID = netsnmp_memdup(engine->b, engine->len);
    user->engineIDLen = engine->len;
    user->userStatus = SNMP_ROW_ACTIVE;
    user->userStorageType = SNMP_STORAGE_VOLATILE;
    if (!user->authProtocol || !user->privProtocol || !user->name || !user->secName ||
        !user->engineID ||
        !localise(keys, keys->auth, engine, KEY_LEN, &user->authKey, &user->authKeyLen) ||
        !localise(keys, keys->priv, engine, SN_PRIV_KEY, &user->privKey, &user->privKeyLen)) {
        usm_free_user(user);
        if (keys->engine.len > 0 && !same_engine(&keys->engine, engine))
            return dv_fail(err, DV_DENIED, "the keys of SNMP user %s are another engine's",
                           keys->name);
        return dv_fail(err, DV_INTERNAL, "localising the keys of SNMP user %s failed", keys->name);
    }
    sn_usm_table_put(user, key);
    // A message that must be authentic is refused while its engine is not known at all.
    set_enginetime(engine->b, engine->len, 0, 0, FALSE);
    return 0;
}

int sn_usm_add(struct sn_usm *usm, struct sn_keys *keys, const struct sn_engine_id *engine,
               struct dv_err *err)
{
    struct sn_usm_key key;
    if (!sn_usm_key(keys->name, engine->b, engine->len, &key))
        return dv_fail(err, DV_INVALID, "an engine ID is longer than %d bytes", SN_ENGINE_ID_MAX);
    struct entry *e = find_entry(usm, &key);
    if (e && e->keys == keys) {
        e->holders++;
        return 0;
    }
    if (e)
        sn_usm_table_remove(&key);
    if (table_add(keys, &key, err) != 0) {
        if (e)
            table_add(e->keys, &key, NULL);
        return -1;
    }
    keys->holders++;
    if (e) {
        sn_keys_release(usm, e->keys);
    } else {
        e = dv_calloc(1, sizeof(*e));
        e->key = key;
        HASH_ADD(hh, usm->entries, key, sizeof(e->key), e);
    }
    e->keys = keys;
    e->holders++;
    return 0;
}

// Not free_enginetime: that also forgets other engines, those in the same place of its table.
void sn_usm_forget_time(const struct sn_engine_id *engine)
{
    set_enginetime(engine->b, engine->len, 0, 0, TRUE);
}

void sn_usm_remove(struct sn_usm *usm, const char *user, const struct sn_engine_id *engine)
{
    struct sn_usm_key key;
    struct entry *e = sn_usm_key(user, engine->b, engine->len, &key) ? find_entry(usm, &key) : NULL;
    assert(e);
    if (--e->holders > 0)
        return;
    HASH_DEL(usm->entries, e);
    sn_usm_table_remove(&key);
    sn_keys_release(usm, e->keys);
    free(e);
}
