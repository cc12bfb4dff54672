// The lines of tgtd's listings: their indentation, and what stands in them.
// SPDX-License-Identifier: BSD-2-Clause
#include "tgt/line.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool line_next(struct reader *r)
{
    if (*r->at == '\0')
        return false;
    size_t len = strcspn(r->at, "\n");
    size_t indent = 0;
    while (indent < len && r->at[indent] == ' ')
        indent++;
    r->line = (struct line){.indent = indent, .text = r->at + indent, .len = len - indent};
    r->at += len + (r->at[len] == '\n');
    r->number++;
    return true;
}

int line_fail(const struct reader *r, const char *what, struct dv_err *err)
{
    return dv_fail(err, DV_INTERNAL, "line %zu of tgtd's list of %s is not understood: \"%.*s\"",
                   r->number, what, r->line.len < 80 ? (int)r->line.len : 80, r->line.text);
}

bool line_is(const struct line *l, size_t indent, const char *text)
{
    return l->indent == indent && l->len == strlen(text) && memcmp(l->text, text, l->len) == 0;
}

const char *line_value(const struct line *l, size_t indent, const char *key, size_t *len)
{
    size_t key_len = strlen(key);
    if (l->indent != indent || l->len < key_len || memcmp(l->text, key, key_len) != 0)
        return NULL;
    *len = l->len - key_len;
    return l->text + key_len;
}

char *line_copy(const char *text, size_t len)
{
    char *out = dv_calloc(len + 1, 1);
    memcpy(out, text, len);
    return out;
}

bool line_digits(const char *text, size_t *len, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < *len && text[i] >= '0' && text[i] <= '9'; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    bool some = i > 0;
    *len = i;
    return some;
}

bool line_number(const struct line *l, size_t indent, const char *key, uint64_t max, uint64_t *out)
{
    size_t len;
    const char *text = line_value(l, indent, key, &len);
    size_t digits = len;
    return text && line_digits(text, &digits, max, out) && digits == len;
}
