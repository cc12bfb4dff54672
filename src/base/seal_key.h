// Sealing what a database holds, by a key that is kept elsewhere than the database.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_SEAL_KEY_H
#define DVSAN_BASE_SEAL_KEY_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_LEN 32
struct seal_key {
    uint8_t b[SEAL_KEY_LEN];
};

// A file of one line of hexadecimal digits, closed to others; who holds it is in the sentence ("the
// station's own").
int seal_key_read(const char *path, const char *whose, struct seal_key *out, struct dv_err *err);
int seal_key_make(const char *path, struct seal_key *out, struct dv_err *err); // mode 0600

// A short text sealed as text by XChaCha20-Poly1305, to be opened for the same whose alone. The
// nonce is a keyed hash of both, so that equal ones are equal when sealed, and nothing else is told
// of them. The caller frees it.
#define SEAL_TEXT_MAX 128 // bytes of the text
char *seal_text(const struct seal_key *key, const char *whose, const char *text);
// Into room bytes, which the caller wipes. False when it was sealed with another key or for
// another, or is damaged.
bool seal_open_text(const struct seal_key *key, const char *whose, const char *sealed, char *out,
                    size_t room);

#endif
