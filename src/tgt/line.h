// The lines of tgtd's listings: their indentation, and what stands in them.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_TGT_LINE_H
#define DVSAN_TGT_LINE_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAB 4 // spaces of one level of indentation

struct line {
    size_t indent;    // leading spaces
    const char *text; // behind them; not ended by NUL
    size_t len;
};

struct reader {
    const char *at;
    size_t number; // of the line read last, from 1
    struct line line;
};

// False at the end of the text; else r->line is the next one.
bool line_next(struct reader *r);

// Fails with the line that was read last, in tgtd's list of what.
int line_fail(const struct reader *r, const char *what, struct dv_err *err);

bool line_is(const struct line *l, size_t indent, const char *text);

// The rest of a line that begins so, or NULL.
const char *line_value(const struct line *l, size_t indent, const char *key, size_t *len);

// A line that is the key and a number of at most max.
bool line_number(const struct line *l, size_t indent, const char *key, uint64_t max, uint64_t *out);

// A decimal number of at most max; *len says how many characters of text there are and then how
// many of them are the number.
bool line_digits(const char *text, size_t *len, uint64_t max, uint64_t *out);

// The caller frees it.
char *line_copy(const char *text, size_t len);

#endif
