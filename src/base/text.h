// Text: bounded formatting, and the rules for what a person may type.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_TEXT_H
#define DVSAN_BASE_TEXT_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A buffer that grows. Zero-initialise; free with strbuf_free. text is NULL until written to.
struct strbuf {
    char *text;
    size_t len, room;
};
void strbuf_add(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_addn(struct strbuf *b, const char *text, size_t len);
void strbuf_free(struct strbuf *b);                     // b can be written to again
#define DV_STRBUF __attribute__((cleanup(strbuf_free))) // freed with its scope

// Copies src, cutting it to fit; returns false when it was cut. Always ends with NUL. room > 0.
bool dv_copy(char *dst, size_t room, const char *src);

// Replaces each byte of control characters, of characters that are not seen or turn the direction
// of writing (RFC 3454 tables C.2 and C.8, and others of their kind), and of what is not UTF-8 by
// "?", in place: what came from outside can then be logged, shown and put into JSON.
void text_make_printable(char *text);

// ---- Rules (text_rules.c). Each error is one sentence that quotes what was wrong. ----------

// Sizes. A number and its unit, such as "10G", "512M", "1.5T", "10 GiB" or "4096B"; units are
// powers of 1024 (K, M, G, T, P, E, in either case, with or without iB). Rejects a number alone,
// zero, negatives, what is not exactly a number and a unit, and anything over 2^63-1 bytes. A
// fraction of a byte is rounded down.
int size_parse(const char *text, uint64_t *bytes, struct dv_err *err);
// The one form in which sizes are shown: "10GiB", "1.5TiB", "512B", exactly, so in the largest unit
// that needs no more than three decimals. room should be SIZE_TEXT_ROOM.
#define SIZE_TEXT_ROOM 32
const char *size_format(uint64_t bytes, char *out, size_t room);

// A whole number from min to max in decimal digits, without sign or blanks. what ("port")
// begins the error's sentence.
int number_parse(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                 struct dv_err *err);

// Durations such as "500ms", "5s", "2m", "1h", "30d", in whole numbers, up to 2^32-1 ms (49 days).
int duration_parse(const char *text, uint32_t *ms, struct dv_err *err);

#define NAME_MAX_LEN 63
// Names of volumes, units, hosts, media: 1 to 63 of A-Z a-z 0-9 . _ - starting with a letter or
// a digit. what ("volume") begins the error's sentence.
int name_check(const char *what, const char *name, struct dv_err *err);
// The same for a name that a thing is given: it must not read as a UUID either, since things are
// also found by their UUIDs.
int new_name_check(const char *what, const char *name, struct dv_err *err);

#define DESCRIPTION_MAX_LEN 255 // octets, as of an SnmpAdminString
// What people say of a thing in their own words: a line of UTF-8, of characters that are seen; may
// be empty. what ("volume") is whose it is.
int description_check(const char *what, const char *text, struct dv_err *err);

#define IQN_MAX_LEN 223 // RFC 7143 section 4.2.7.2
// iSCSI names, RFC 7143 section 4.2.7: iqn., eui. or naa. format, ASCII, in any case. Two that
// differ in case alone are the same name: their canonical form, which RFC 3722 maps to, is the
// same. Targets compare bytes, though, so an initiator's name is kept and bound as its host spells
// it, and compared by iqn_equal; names of targets are canonical.
int iqn_check(const char *iqn, struct dv_err *err);
void iqn_canonical(const char *iqn, char out[IQN_MAX_LEN + 1]); // cuts what is too long
bool iqn_is_canonical(const char *iqn);
bool iqn_equal(const char *a, const char *b);
int iqn_compare(const char *a, const char *b); // as strcmp, of the canonical forms

#define CHAP_USER_MAX 63
// CHAP names: 1 to 63 printable ASCII characters without white space and without " ' \ ` $ , ;
// so that tgtd takes them and no shell or list needs care; and none that begins as those of a
// unit's own accounts do.
#define CHAP_USER_OWN "dvsan:"
bool chap_user_is_own(const char *user);
int chap_user_check(const char *user, struct dv_err *err);

// CHAP secrets: 12 to 16 printable ASCII characters without white space or quotes; what every
// known initiator takes (RFC 7143 section 12.1.4 asks for 96 bits at least). The sentence never
// quotes the secret.
#define CHAP_SECRET_MIN 12
#define CHAP_SECRET_MAX 16
int chap_secret_check(const char *secret, struct dv_err *err);

#endif
