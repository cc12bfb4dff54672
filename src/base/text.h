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
void strbuf_free(struct strbuf *b);

// Copies src, cutting it to fit; returns false when it was cut. Always ends with NUL.
bool dv_copy(char *dst, size_t room, const char *src);

// Sizes. Text such as "10G", "512M", "1.5T", "4096" (bytes) or "10 GiB"; units are powers of
// 1024. Rejects zero, negatives, what has no number, and anything over 2^63-1 bytes.
int size_parse(const char *text, uint64_t *bytes, struct dv_err *err);
// Writes "10G", "1.5T", "512B" as lsblk does; room should be 16 or more.
const char *size_format(uint64_t bytes, char *out, size_t room);

#define NAME_MAX_LEN 63
// Names of volumes, units, hosts, media: 1 to 63 of A-Z a-z 0-9 . _ - starting with a letter or
// a digit. what ("volume") begins the error's sentence.
int name_check(const char *what, const char *name, struct dv_err *err);

#define IQN_MAX_LEN 223 // RFC 7143 section 4.2.7.2
// iSCSI names, RFC 7143 section 4.2.7: iqn., eui. or naa. format, normalised lower case.
int iqn_check(const char *iqn, struct dv_err *err);

// CHAP secrets: 12 to 16 printable ASCII characters without white space or quotes; what every
// known initiator takes (RFC 7143 section 12.1.4 asks for 96 bits at least).
#define CHAP_SECRET_MIN 12
#define CHAP_SECRET_MAX 16
int chap_secret_check(const char *secret, struct dv_err *err);

#endif
