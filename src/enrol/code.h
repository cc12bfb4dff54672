// One-time codes: made, written, read, and the key that both sides make of one.
// SPDX-License-Identifier: BSD-2-Clause
//
// A code is 20 characters of Crockford's base 32, shown as XXXXX-XXXXX-XXXXX-XXXXX: 5 that say
// which code it is, 14 that are secret (70 bits), and one that tells a typing mistake.
#ifndef DVSAN_ENROL_CODE_H
#define DVSAN_ENROL_CODE_H

#include "base/err.h"
#include "model/enrolment.h"
#include <stdbool.h>
#include <stdint.h>

#define CODE_ID     CODE_ID_LEN
#define CODE_SECRET 14
#define CODE_TEXT   (CODE_ID + CODE_SECRET + 1 + 3) // with its dashes
#define CODE_KEY    32

struct code {
    char id[CODE_ID + 1]; // not secret
    char secret[CODE_SECRET + 1];
};

void code_make(struct code *code);
void code_format(const struct code *code, char text[CODE_TEXT + 1]);
// Case, blanks and dashes do not matter, and O, I and L are 0 and 1. DV_INVALID with a sentence
// that does not repeat what was given.
int code_parse(const char *text, struct code *code, struct dv_err *err);
bool code_id_is_good(const char *id); // as it comes in a message
void code_wipe(struct code *code);

// The key of both sides: Argon2id of the secret, salted by the id. Takes 64 MiB and about a tenth
// of a second, on purpose. DV_INTERNAL when there is no memory for it.
int code_key(const struct code *code, uint8_t key[CODE_KEY], struct dv_err *err);

#endif
