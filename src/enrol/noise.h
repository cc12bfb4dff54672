// The handshake of an enrolment, and the messages behind it: Noise_NNpsk2_25519_ChaChaPoly_BLAKE2b.
// SPDX-License-Identifier: BSD-2-Clause
//
// The Noise Protocol Framework, revision 34, with libsodium's primitives. Pattern NNpsk2 (sections
// 7.5 and 9): neither side has a key that the other one knows, only the key that both make of a
// one-time code. Who listens learns nothing, also when he knows the code later. Who sits between,
// or plays one of the sides, needs the key: with a wrong one the first sealed message does not
// open.
#ifndef DVSAN_ENROL_NOISE_H
#define DVSAN_ENROL_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_KEY 32 // of a Diffie-Hellman function, a cipher and a pre-shared key
#define NOISE_TAG 16
#define NOISE_MAX 65535 // bytes of a message, section 3

// Bytes by which a message is longer than what it carries.
#define NOISE_HANDSHAKE_MORE (NOISE_KEY + NOISE_TAG)
#define NOISE_SEALED_MORE    NOISE_TAG

struct noise {
    uint8_t hash[64], chain[64], key[NOISE_KEY];
    uint64_t nonce;
    uint8_t own_secret[NOISE_KEY], own[NOISE_KEY], other[NOISE_KEY];
    uint8_t send_key[NOISE_KEY], receive_key[NOISE_KEY];
    uint64_t sent, received;
};

// Both sides begin with the same prologue, which the handshake proves to be the same.
void noise_begin(struct noise *n, const char *prologue);
void noise_end(struct noise *n); // wipes it

// The first message, of the side that has the code: what it carries is not secret and not proven.
// out has room for len + NOISE_HANDSHAKE_MORE, which is what is written.
void noise_ask(struct noise *n, const void *data, size_t len, uint8_t *out);
// False: it is none. out has room for len - NOISE_HANDSHAKE_MORE.
bool noise_read_ask(struct noise *n, const uint8_t *message, size_t len, uint8_t *out);

// The answer, of the side that made the code. What it carries is sealed.
void noise_answer(struct noise *n, const uint8_t psk[NOISE_KEY], const void *data, size_t len,
                  uint8_t *out);
// False: the other side has not this key, or somebody sits between.
bool noise_read_answer(struct noise *n, const uint8_t psk[NOISE_KEY], const uint8_t *message,
                       size_t len, uint8_t *out);

// Messages behind the handshake, in each direction in order. out has room for len plus, or minus,
// NOISE_SEALED_MORE.
void noise_seal(struct noise *n, const void *data, size_t len, uint8_t *out);
bool noise_open(struct noise *n, const uint8_t *message, size_t len, uint8_t *out);

#endif
