// Secrets: made, read, compared, wiped, and kept out of cores.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_SECRET_H
#define DVSAN_BASE_SECRET_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

// Call first in every program that will hold a secret: no core file, no ptrace by other users.
void secret_harden_process(void);

// Fills out with `chars` random characters of A-Z a-z 0-9 - _ (6 bits each) and a NUL, so out
// has room for chars + 1.
void secret_random_text(char *out, size_t chars);

// Reads a secret from a file: the first line, without its LF or CR LF. The file must be a regular
// file or a pipe; a regular one must be owned by the caller or root and closed to group and
// others (mode 0600 or less). The caller wipes it with secret_free.
int secret_read_file(const char *path, char **secret, struct dv_err *err);

// What a secret may be made of, wherever it comes from: text in UTF-8 without control characters
// and byte order marks, and no blank at its ends. what ("DVSAN_TOKEN") begins the sentence, which
// names the byte and never the secret.
int secret_check(const char *what, const char *text, size_t len, struct dv_err *err);

bool secret_equal(const char *a, const char *b); // time depends on the lengths alone
bool secret_equal_bytes(const void *a, const void *b, size_t len); // likewise
void secret_wipe(void *memory, size_t len);
void secret_free(char *secret); // wipes and frees; NULL is fine

#endif
