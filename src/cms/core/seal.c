// Sealing by XChaCha20-Poly1305, bound to whose it is; and what else comes of the key.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/core/seal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/seal_key.h"
#include "base/secret.h"
#include "store/store.h"
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_LEN    crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE_LEN  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define KEY_TEXT   (2 * KEY_LEN) // hexadecimal digits in the file
#define CHECK_LEN  16
#define CHECK_NAME "key-check" // the setting that holds a hash of the key

static_assert(KEY_LEN == KEYS_ROOT, "it is also the root of the members' keys");
static_assert(SEAL_MORE == NONCE_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES, "seal.h");

struct seal {
    struct seal_key root;
};

static void check_of(const struct seal *s, uint8_t check[CHECK_LEN])
{
    static const char what[] = "dvsan key check";
    crypto_generichash(check, CHECK_LEN, (const uint8_t *)what, sizeof(what), s->root.b, KEY_LEN);
}

static int get_key(struct seal *s, const char *path, bool in_use, struct dv_err *err)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return seal_key_read(path, "the station's own", &s->root, err);
    if (errno != ENOENT)
        return dv_fail_errno(err, errno, "cannot look at the key file %s", path);
    if (in_use)
        return dv_fail(err, DV_NOT_FOUND,
                       "the key file %s is missing, and the store holds secrets sealed with it: "
                       "put it back from a backup",
                       path);
    return seal_key_make(path, &s->root, err);
}

struct seal *seal_new(const char *path, struct store *store, struct dv_err *err)
{
    struct seal *s = dv_calloc(1, sizeof(*s));
    uint8_t check[CHECK_LEN];
    DV_FREE void *kept = NULL;
    size_t len;
    if (sodium_init() < 0) {
        dv_fail(err, DV_INTERNAL, "libsodium cannot be used on this machine");
        goto fail;
    }
    if (store_get(store, CHECK_NAME, &kept, &len, err) < 0 ||
        get_key(s, path, kept != NULL, err) < 0)
        goto fail;
    check_of(s, check);
    if (!kept && store_set(store, CHECK_NAME, check, sizeof(check), err) < 0)
        goto fail;
    if (kept && (len != CHECK_LEN || sodium_memcmp(kept, check, CHECK_LEN) != 0)) {
        dv_fail(err, DV_CONFLICT,
                "the key in %s is not the one that the store was sealed with: put the right one "
                "back from a backup",
                path);
        goto fail;
    }
    return s;
fail:
    seal_free(s);
    return NULL;
}

void seal_free(struct seal *s)
{
    if (!s)
        return;
    secret_wipe(s, sizeof(*s));
    free(s);
}

void seal_bytes(const struct seal *s, const void *whose, size_t whose_len, const void *data,
                size_t len, uint8_t *out)
{
    random_fill(out, NONCE_LEN);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, data, len, whose, whose_len,
                                               NULL, out, s->root.b);
}

bool seal_open_bytes(const struct seal *s, const void *whose, size_t whose_len,
                     const uint8_t *sealed, size_t len, void *out)
{
    return len >= SEAL_MORE && crypto_aead_xchacha20poly1305_ietf_decrypt(
                                   out, NULL, NULL, sealed + NONCE_LEN, len - NONCE_LEN, whose,
                                   whose_len, sealed, s->root.b) == 0;
}

void seal_secret(const struct seal *s, struct host_record *host, const char *secret)
{
    size_t len = strlen(secret);
    static_assert(SEAL_MORE + CHAP_SECRET_MAX <= sizeof(host->sealed_secret),
                  "a sealed secret fits its field");
    assert(len <= CHAP_SECRET_MAX);
    memset(host->sealed_secret, 0, sizeof(host->sealed_secret));
    seal_bytes(s, host->uuid.b, sizeof(host->uuid.b), secret, len, host->sealed_secret);
    host->sealed_len = (uint8_t)(SEAL_MORE + len);
}

int seal_open_secret(const struct seal *s, const struct host_record *host,
                     char secret[CHAP_SECRET_MAX + 1], struct dv_err *err)
{
    if (host->sealed_len >= SEAL_MORE && host->sealed_len <= SEAL_MORE + CHAP_SECRET_MAX &&
        seal_open_bytes(s, host->uuid.b, sizeof(host->uuid.b), host->sealed_secret,
                        host->sealed_len, secret)) {
        secret[host->sealed_len - SEAL_MORE] = '\0';
        return 0;
    }
    secret[0] = '\0';
    return dv_fail(
        err, DV_INTERNAL,
        "the CHAP secret of host %s cannot be unsealed: delete the host and add it again",
        host->name);
}

void seal_member_keys(const struct seal *s, enum keys_role role, const struct unit_record *member,
                      uint32_t number, const struct engine_id *engine, struct member_keys *out)
{
    keys_make(s->root.b, role, &member->uuid, &member->enrolment, number, engine->b, engine->len,
              out);
}

// Format 5, "octets", under Net-SNMP's enterprise number 8072, as the MIB modules are.
void seal_engine_id(const struct seal *s, struct engine_id *out)
{
    static const uint8_t head[] = {0x80, 0x00, 0x1f, 0x88, 0x05};
    static const char what[] = "dvsan engine of the station";
    uint8_t hash[crypto_generichash_BYTES];
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)what, sizeof(what), s->root.b, KEY_LEN);
    *out = (struct engine_id){.len = sizeof(head) + 12};
    memcpy(out->b, head, sizeof(head));
    memcpy(out->b + sizeof(head), hash, 12);
}
