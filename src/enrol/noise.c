// Noise_NNpsk2_25519_ChaChaPoly_BLAKE2b, over libsodium. Sections are those of revision 34.
// SPDX-License-Identifier: BSD-2-Clause
#include "enrol/noise.h"

#include "base/random.h"
#include "base/secret.h"
#include <assert.h>
#include <sodium.h>
#include <string.h>

#define HASH_LEN  64  // BLAKE2b, section 12.8
#define BLOCK_LEN 128 // of BLAKE2b, for HMAC (RFC 2104)

static const char NAME[] = "Noise_NNpsk2_25519_ChaChaPoly_BLAKE2b";
static_assert(sizeof(NAME) - 1 <= HASH_LEN, "the name is padded, not hashed: section 5.2");

// ---- HMAC and HKDF (section 4.3) ------------------------------------------------------------

struct piece {
    const void *data;
    size_t len;
};

static void hash(uint8_t out[HASH_LEN], const struct piece *pieces, size_t count)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, HASH_LEN);
    for (size_t i = 0; i < count; i++)
        crypto_generichash_update(&state, pieces[i].data, pieces[i].len);
    crypto_generichash_final(&state, out, HASH_LEN);
    secret_wipe(&state, sizeof(state));
}

static void hmac(uint8_t out[HASH_LEN], const uint8_t key[HASH_LEN], struct piece a, struct piece b)
{
    uint8_t inner[BLOCK_LEN], outer[BLOCK_LEN], digest[HASH_LEN];
    memset(inner, 0x36, sizeof(inner));
    memset(outer, 0x5c, sizeof(outer));
    for (size_t i = 0; i < HASH_LEN; i++) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    hash(digest, (struct piece[]){{inner, BLOCK_LEN}, a, b}, 3);
    hash(out, (struct piece[]){{outer, BLOCK_LEN}, {digest, HASH_LEN}}, 2);
    secret_wipe(inner, sizeof(inner));
    secret_wipe(outer, sizeof(outer));
    secret_wipe(digest, sizeof(digest));
}

// The chain's next key, and one or two (last NULL) outputs.
static void hkdf(struct noise *n, const void *data, size_t len, uint8_t second[HASH_LEN],
                 uint8_t third[HASH_LEN])
{
    static const uint8_t one = 1, two = 2, three = 3;
    uint8_t key[HASH_LEN];
    hmac(key, n->chain, (struct piece){data, len}, (struct piece){NULL, 0});
    hmac(n->chain, key, (struct piece){NULL, 0}, (struct piece){&one, 1});
    hmac(second, key, (struct piece){n->chain, HASH_LEN}, (struct piece){&two, 1});
    if (third)
        hmac(third, key, (struct piece){second, HASH_LEN}, (struct piece){&three, 1});
    secret_wipe(key, sizeof(key));
}

// ---- The symmetric state (section 5.2) ------------------------------------------------------

static void mix_hash(struct noise *n, const void *data, size_t len)
{
    hash(n->hash, (struct piece[]){{n->hash, HASH_LEN}, {data, len}}, 2);
}

static void set_key(struct noise *n, const uint8_t key[HASH_LEN])
{
    memcpy(n->key, key, NOISE_KEY);
    n->nonce = 0;
}

static void mix_key(struct noise *n, const uint8_t data[NOISE_KEY])
{
    uint8_t key[HASH_LEN];
    hkdf(n, data, NOISE_KEY, key, NULL);
    set_key(n, key);
    secret_wipe(key, sizeof(key));
}

static void mix_psk(struct noise *n, const uint8_t psk[NOISE_KEY])
{
    uint8_t more[HASH_LEN], key[HASH_LEN];
    hkdf(n, psk, NOISE_KEY, more, key);
    mix_hash(n, more, HASH_LEN);
    set_key(n, key);
    secret_wipe(more, sizeof(more));
    secret_wipe(key, sizeof(key));
}

// Section 12.5: 32 bits of zeros, then the number, little-endian.
static void nonce_of(uint64_t number, uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES])
{
    memset(nonce, 0, crypto_aead_chacha20poly1305_IETF_NPUBBYTES);
    for (size_t i = 0; i < sizeof(number); i++)
        nonce[4 + i] = (uint8_t)(number >> 8 * i);
}

static void encrypt(const uint8_t key[NOISE_KEY], uint64_t number, struct piece with,
                    struct piece data, uint8_t *out)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];
    nonce_of(number, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, data.data, data.len, with.data, with.len,
                                              NULL, nonce, key);
}

static bool decrypt(const uint8_t key[NOISE_KEY], uint64_t number, struct piece with,
                    struct piece message, uint8_t *out)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];
    nonce_of(number, nonce);
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, message.data, message.len,
                                                     with.data, with.len, nonce, key) == 0;
}

static void encrypt_and_hash(struct noise *n, const void *data, size_t len, uint8_t *out)
{
    encrypt(n->key, n->nonce++, (struct piece){n->hash, HASH_LEN}, (struct piece){data, len}, out);
    mix_hash(n, out, len + NOISE_TAG);
}

static bool decrypt_and_hash(struct noise *n, const uint8_t *message, size_t len, uint8_t *out)
{
    if (!decrypt(n->key, n->nonce++, (struct piece){n->hash, HASH_LEN},
                 (struct piece){message, len}, out))
        return false;
    mix_hash(n, message, len);
    return true;
}

static void split(struct noise *n, bool asked)
{
    uint8_t second[HASH_LEN];
    hkdf(n, NULL, 0, second, NULL);
    memcpy(asked ? n->send_key : n->receive_key, n->chain, NOISE_KEY);
    memcpy(asked ? n->receive_key : n->send_key, second, NOISE_KEY);
    secret_wipe(second, sizeof(second));
    secret_wipe(n->chain, sizeof(n->chain));
    secret_wipe(n->key, sizeof(n->key));
    secret_wipe(n->own_secret, sizeof(n->own_secret));
}

// ---- The handshake (section 5.3): -> e, <- e, ee, psk ---------------------------------------

// The token "e" of a handshake with a pre-shared key: section 9.2.
static void send_e(struct noise *n, uint8_t *out)
{
    random_fill(n->own_secret, NOISE_KEY);
    crypto_scalarmult_base(n->own, n->own_secret);
    memcpy(out, n->own, NOISE_KEY);
    mix_hash(n, n->own, NOISE_KEY);
    mix_key(n, n->own);
}

static void receive_e(struct noise *n, const uint8_t *message)
{
    memcpy(n->other, message, NOISE_KEY);
    mix_hash(n, n->other, NOISE_KEY);
    mix_key(n, n->other);
}

// False when the other side's key is of small order, which no honest side makes.
static bool mix_ee(struct noise *n)
{
    uint8_t shared[NOISE_KEY] = {0}; // left as it is for some such keys
    bool good = crypto_scalarmult(shared, n->own_secret, n->other) == 0;
    mix_key(n, shared);
    secret_wipe(shared, sizeof(shared));
    return good;
}

void noise_begin(struct noise *n, const char *prologue)
{
    int rc = sodium_init();
    assert(rc >= 0);
    (void)rc;
    memset(n, 0, sizeof(*n));
    memcpy(n->hash, NAME, sizeof(NAME) - 1);
    memcpy(n->chain, n->hash, HASH_LEN);
    mix_hash(n, prologue, strlen(prologue));
}

void noise_end(struct noise *n)
{
    secret_wipe(n, sizeof(*n));
}

void noise_ask(struct noise *n, const void *data, size_t len, uint8_t *out)
{
    send_e(n, out);
    encrypt_and_hash(n, data, len, out + NOISE_KEY);
}

bool noise_read_ask(struct noise *n, const uint8_t *message, size_t len, uint8_t *out)
{
    if (len < NOISE_HANDSHAKE_MORE)
        return false;
    receive_e(n, message);
    return decrypt_and_hash(n, message + NOISE_KEY, len - NOISE_KEY, out);
}

void noise_answer(struct noise *n, const uint8_t psk[NOISE_KEY], const void *data, size_t len,
                  uint8_t *out)
{
    send_e(n, out);
    if (!mix_ee(n)) // then nobody can open what follows, but neither can the sender of that key
        random_fill(n->chain, sizeof(n->chain));
    mix_psk(n, psk);
    encrypt_and_hash(n, data, len, out + NOISE_KEY);
    split(n, false);
}

bool noise_read_answer(struct noise *n, const uint8_t psk[NOISE_KEY], const uint8_t *message,
                       size_t len, uint8_t *out)
{
    if (len < NOISE_HANDSHAKE_MORE)
        return false;
    receive_e(n, message);
    if (!mix_ee(n))
        return false;
    mix_psk(n, psk);
    if (!decrypt_and_hash(n, message + NOISE_KEY, len - NOISE_KEY, out))
        return false;
    split(n, true);
    return true;
}

// ---- Behind the handshake (section 5.1) -----------------------------------------------------

void noise_seal(struct noise *n, const void *data, size_t len, uint8_t *out)
{
    encrypt(n->send_key, n->sent++, (struct piece){NULL, 0}, (struct piece){data, len}, out);
}

bool noise_open(struct noise *n, const uint8_t *message, size_t len, uint8_t *out)
{
    return len >= NOISE_TAG && decrypt(n->receive_key, n->received++, (struct piece){NULL, 0},
                                       (struct piece){message, len}, out);
}
