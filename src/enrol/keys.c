// Keys and users' names of a member.
// SPDX-License-Identifier: BSD-2-Clause
#include "enrol/keys.h"

#include "base/random.h"
#include "base/secret.h"
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define BASE32_LEN 26 // of 128 bits, RFC 4648 section 6, without padding

static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char PLACES[] = "ab"; // of even and odd numbers

static_assert(sizeof(struct dv_uuid) == crypto_generichash_blake2b_SALTBYTES, "the whole of it");

void keys_make(const uint8_t root[KEYS_ROOT], enum keys_role role, const struct dv_uuid *member,
               const struct dv_uuid *enrolment, uint32_t number, const uint8_t *engine,
               size_t engine_len, struct member_keys *out)
{
    static const char what[] = "dvsan keys of a member";
    const uint8_t fixed[] = {(uint8_t)role, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
                             (uint8_t)(number >> 8), (uint8_t)number};
    uint8_t both[KEYS_AUTH + KEYS_PRIV];
    crypto_generichash_blake2b_state state;
    // All parts but the last have fixed lengths, so no two inputs run together.
    crypto_generichash_blake2b_init_salt_personal(&state, root, KEYS_ROOT, sizeof(both),
                                                  enrolment->b, NULL);
    crypto_generichash_blake2b_update(&state, (const uint8_t *)what, sizeof(what));
    crypto_generichash_blake2b_update(&state, fixed, sizeof(fixed));
    crypto_generichash_blake2b_update(&state, member->b, sizeof(member->b));
    crypto_generichash_blake2b_update(&state, engine, engine_len);
    crypto_generichash_blake2b_final(&state, both, sizeof(both));
    memcpy(out->auth, both, KEYS_AUTH);
    memcpy(out->priv, both + KEYS_AUTH, KEYS_PRIV);
    secret_wipe(both, sizeof(both));
    secret_wipe(&state, sizeof(state));
}

// The hash is the user's authentication protocol's, and is not shorter than either key.
static void change(const uint8_t *old, const uint8_t *new, size_t len, uint8_t *out)
{
    uint8_t both[2 * KEYS_AUTH], hash[crypto_hash_sha256_BYTES];
    random_fill(out, len);
    memcpy(both, old, len);
    memcpy(both + len, out, len);
    crypto_hash_sha256(hash, both, 2 * len);
    for (size_t i = 0; i < len; i++)
        out[len + i] = hash[i] ^ new[i];
    secret_wipe(both, sizeof(both));
    secret_wipe(hash, sizeof(hash));
}

void keys_change(const struct member_keys *old, const struct member_keys *new,
                 struct keys_change *out)
{
    change(old->auth, new->auth, KEYS_AUTH, out->auth);
    change(old->priv, new->priv, KEYS_PRIV, out->priv);
}

static void base32(const struct dv_uuid *uuid, char out[BASE32_LEN + 1])
{
    for (size_t i = 0; i < BASE32_LEN; i++) {
        unsigned bits = 0;
        for (size_t bit = 5 * i; bit < 5 * i + 5; bit++)
            bits = bits << 1 | (bit < 128 ? uuid->b[bit / 8] >> (7 - bit % 8) & 1 : 0);
        out[i] = LETTERS[bits];
    }
    out[BASE32_LEN] = '\0';
}

void keys_user(enum keys_role role, const struct dv_uuid *member, uint32_t number,
               char name[KEYS_USER_ROOM])
{
    char id[BASE32_LEN + 1];
    base32(member, id);
    snprintf(name, KEYS_USER_ROOM, "%s-%c", role == KEYS_OF_STATION ? "dvsan-station" : id,
             PLACES[number % 2]);
}

bool keys_member_of(const char *name, struct dv_uuid *member, unsigned *place)
{
    struct dv_uuid uuid = {{0}};
    char again[BASE32_LEN + 1];
    if (strlen(name) != BASE32_LEN + 2 || name[BASE32_LEN] != '-')
        return false;
    const char *which = strchr(PLACES, name[BASE32_LEN + 1]);
    for (size_t i = 0; i < BASE32_LEN; i++) {
        const char *letter = strchr(LETTERS, name[i]);
        if (!letter)
            return false;
        unsigned bits = (unsigned)(letter - LETTERS);
        for (size_t k = 0; k < 5; k++) {
            size_t bit = 5 * i + k;
            if (bit < 128 && bits >> (4 - k) & 1)
                uuid.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
        }
    }
    base32(&uuid, again);
    if (!which || strncmp(again, name, BASE32_LEN) != 0) // the last one's two spare bits
        return false;
    *member = uuid;
    *place = (unsigned)(which - PLACES);
    return true;
}
