// One-time codes in Crockford's base 32.
// SPDX-License-Identifier: BSD-2-Clause
#include "enrol/code.h"

#include "base/random.h"
#include "base/secret.h"
#include <assert.h>
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define CHARS (CODE_ID + CODE_SECRET + 1)
#define GROUP 5 // characters between dashes

static const char DIGITS[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void random_digits(char *out, size_t count)
{
    uint8_t bytes[CHARS];
    assert(count <= sizeof(bytes));
    random_fill(bytes, count);
    for (size_t i = 0; i < count; i++)
        out[i] = DIGITS[bytes[i] % 32]; // 256 is a multiple of 32: all are as likely
    out[count] = '\0';
    secret_wipe(bytes, sizeof(bytes));
}

// A wrong or exchanged character is seen with a probability of 31 to 32.
static char check_digit(const struct code *code)
{
    char text[CODE_ID + CODE_SECRET];
    uint8_t hash[crypto_generichash_BYTES_MIN];
    memcpy(text, code->id, CODE_ID);
    memcpy(text + CODE_ID, code->secret, CODE_SECRET);
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)text, sizeof(text), NULL, 0);
    char digit = DIGITS[hash[0] % 32];
    secret_wipe(text, sizeof(text));
    secret_wipe(hash, sizeof(hash));
    return digit;
}

void code_make(struct code *code)
{
    random_digits(code->id, CODE_ID);
    random_digits(code->secret, CODE_SECRET);
}

void code_format(const struct code *code, char text[CODE_TEXT + 1])
{
    char plain[CHARS + 1];
    snprintf(plain, sizeof(plain), "%s%s%c", code->id, code->secret, check_digit(code));
    for (size_t i = 0; i < CHARS; i++) {
        if (i > 0 && i % GROUP == 0)
            *text++ = '-';
        *text++ = plain[i];
    }
    *text = '\0';
    secret_wipe(plain, sizeof(plain));
}

// What a person takes one character for; 0 when it is none.
static char digit_of(char c)
{
    c = (char)toupper((unsigned char)c);
    if (c == 'O')
        return '0';
    if (c == 'I' || c == 'L')
        return '1';
    return c && strchr(DIGITS, c) ? c : '\0';
}

int code_parse(const char *text, struct code *code, struct dv_err *err)
{
    char plain[CHARS + 1];
    size_t len = 0;
    bool good = true;
    for (; *text && good; text++) {
        if (*text == '-' || isspace((unsigned char)*text))
            continue;
        char digit = digit_of(*text);
        good = digit && len < CHARS;
        if (good)
            plain[len++] = digit;
    }
    if (!good || len != CHARS) {
        secret_wipe(plain, sizeof(plain));
        return dv_fail(err, DV_INVALID,
                       "that is no code: a code has %d letters and digits, as in "
                       "XXXXX-XXXXX-XXXXX-XXXXX",
                       CHARS);
    }
    memset(code, 0, sizeof(*code));
    memcpy(code->id, plain, CODE_ID);
    memcpy(code->secret, plain + CODE_ID, CODE_SECRET);
    good = plain[CHARS - 1] == check_digit(code);
    secret_wipe(plain, sizeof(plain));
    if (good)
        return 0;
    code_wipe(code);
    return dv_fail(err, DV_INVALID,
                   "the code is mistyped: compare it with the one that was shown, character by "
                   "character");
}

bool code_id_is_good(const char *id)
{
    return strlen(id) == CODE_ID && strspn(id, DIGITS) == CODE_ID;
}

void code_wipe(struct code *code)
{
    secret_wipe(code, sizeof(*code));
}

int code_key(const struct code *code, uint8_t key[CODE_KEY], struct dv_err *err)
{
    uint8_t salt[crypto_pwhash_SALTBYTES];
    static const char what[] = "dvsan enrolment code";
    crypto_generichash(salt, sizeof(salt), (const uint8_t *)code->id, CODE_ID,
                       (const uint8_t *)what, sizeof(what));
    if (crypto_pwhash(key, CODE_KEY, code->secret, CODE_SECRET, salt,
                      crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return dv_fail(err, DV_INTERNAL,
                       "there is no memory for making a key of the code: it takes %d MiB",
                       (int)(crypto_pwhash_MEMLIMIT_INTERACTIVE >> 20));
    return 0;
}
