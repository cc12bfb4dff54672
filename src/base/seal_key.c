// Keys in files, and texts sealed with them.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/seal_key.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <assert.h>
#include <sodium.h>
#include <string.h>

#define KEY_TEXT  (2 * SEAL_KEY_LEN) // hexadecimal digits in the file
#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD      "sealed:"
#define HEAD_LEN  (sizeof(HEAD) - 1)

static_assert(SEAL_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "seal_key.h");

int seal_key_read(const char *path, const char *whose, struct seal_key *out, struct dv_err *err)
{
    char *text;
    if (secret_read_file(path, &text, err) < 0)
        return -1;
    size_t len = 0;
    bool good = strlen(text) == KEY_TEXT &&
                sodium_hex2bin(out->b, SEAL_KEY_LEN, text, KEY_TEXT, NULL, &len, NULL) == 0 &&
                len == SEAL_KEY_LEN;
    secret_free(text);
    if (good)
        return 0;
    return dv_fail(err, DV_INVALID,
                   "%s does not hold a key of %d hexadecimal digits: put %s key file back", path,
                   KEY_TEXT, whose);
}

int seal_key_make(const char *path, struct seal_key *out, struct dv_err *err)
{
    char text[KEY_TEXT + 2];
    random_fill(out->b, SEAL_KEY_LEN);
    sodium_bin2hex(text, sizeof(text), out->b, SEAL_KEY_LEN);
    text[KEY_TEXT] = '\n';
    int rc = file_write_atomic(path, text, KEY_TEXT + 1, 0600, err);
    secret_wipe(text, sizeof(text));
    return rc;
}

static void nonce_of(const struct seal_key *key, const char *whose, const char *text,
                     uint8_t nonce[NONCE_LEN])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, key->b, SEAL_KEY_LEN, NONCE_LEN);
    crypto_generichash_update(&state, (const uint8_t *)whose, strlen(whose) + 1);
    crypto_generichash_update(&state, (const uint8_t *)text, strlen(text));
    crypto_generichash_final(&state, nonce, NONCE_LEN);
    secret_wipe(&state, sizeof(state));
}

char *seal_text(const struct seal_key *key, const char *whose, const char *text)
{
    uint8_t sealed[NONCE_LEN + TAG_LEN + SEAL_TEXT_MAX];
    char hex[2 * sizeof(sealed) + 1];
    size_t len = strlen(text);
    assert(len <= SEAL_TEXT_MAX);
    nonce_of(key, whose, text, sealed);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_LEN, NULL, (const uint8_t *)text, len,
                                               (const uint8_t *)whose, strlen(whose), NULL, sealed,
                                               key->b);
    sodium_bin2hex(hex, sizeof(hex), sealed, NONCE_LEN + TAG_LEN + len);
    return dv_printf(HEAD "%s", hex);
}

static bool is_sealed(const char *text)
{
    return strncmp(text, HEAD, HEAD_LEN) == 0 &&
           strlen(text) >= HEAD_LEN + 2 * (NONCE_LEN + TAG_LEN) &&
           strspn(text + HEAD_LEN, "0123456789abcdef") == strlen(text + HEAD_LEN);
}

bool seal_open_text(const struct seal_key *key, const char *whose, const char *sealed, char *out,
                    size_t room)
{
    uint8_t raw[NONCE_LEN + TAG_LEN + SEAL_TEXT_MAX];
    unsigned long long text = 0;
    size_t len = 0;
    out[0] = '\0';
    if (!is_sealed(sealed) ||
        sodium_hex2bin(raw, sizeof(raw), sealed + HEAD_LEN, strlen(sealed + HEAD_LEN), NULL, &len,
                       NULL) != 0 ||
        len < NONCE_LEN + TAG_LEN || len - NONCE_LEN - TAG_LEN >= room ||
        crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)out, &text, NULL, raw + NONCE_LEN,
                                                   len - NONCE_LEN, (const uint8_t *)whose,
                                                   strlen(whose), raw, key->b) != 0) {
        out[0] = '\0';
        return false;
    }
    out[text] = '\0';
    return true;
}
