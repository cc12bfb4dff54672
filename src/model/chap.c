// The CHAP secret that a unit knows of a host.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/chap.h"

#include "base/secret.h"
#include <sodium.h>
#include <string.h>

void chap_unit_secret(const char *secret, const struct dv_uuid *unit, char out[CHAP_SECRET_MAX + 1])
{
    char uuid[UUID_TEXT_LEN],
        base64[sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    uuid_format(unit, uuid);
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const uint8_t *)secret, strlen(secret));
    crypto_hash_sha256_update(&state, (const uint8_t *)":", 1);
    crypto_hash_sha256_update(&state, (const uint8_t *)uuid, strlen(uuid));
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2base64(base64, sizeof(base64), hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL);
    for (size_t i = 0; i < CHAP_SECRET_MAX; i++)
        out[i] = base64[i] == '+' ? 'a' : base64[i] == '/' ? 'b' : base64[i];
    out[CHAP_SECRET_MAX] = '\0';
    secret_wipe(&state, sizeof(state));
    secret_wipe(hash, sizeof(hash));
    secret_wipe(base64, sizeof(base64));
}
