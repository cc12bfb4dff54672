// Bounded and growing text.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/text.h"

#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void reserve(struct strbuf *b, size_t more)
{
    size_t wanted = b->len + more + 1;
    if (wanted <= b->room)
        return;
    size_t room = b->room ? b->room : 64;
    while (room < wanted)
        room *= 2;
    b->text = dv_realloc(b->text, room, 1);
    b->room = room;
}

void strbuf_add(struct strbuf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len >= 0) {
        reserve(b, (size_t)len);
        vsnprintf(b->text + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

void strbuf_addn(struct strbuf *b, const char *text, size_t len)
{
    reserve(b, len);
    memcpy(b->text + b->len, text, len);
    b->len += len;
    b->text[b->len] = '\0';
}

void strbuf_free(struct strbuf *b)
{
    free(b->text);
    *b = (struct strbuf){0};
}

bool dv_copy(char *dst, size_t room, const char *src)
{
    size_t len = strnlen(src, room);
    bool fits = len < room;
    if (!fits)
        len = room - 1;
    memcpy(dst, src, len);
    dst[len] = '\0';
    return fits;
}

// Characters that are not seen, or that change how others are: what follows could be shown in
// another order, or two names look the same. Sorted.
static const struct {
    uint32_t first, last;
} unseen[] = {
    {0x80, 0x9f},        // control characters
    {0xad, 0xad},        // soft hyphen
    {0x34f, 0x34f},      // combining grapheme joiner
    {0x61c, 0x61c},      // Arabic letter mark
    {0x115f, 0x1160},    // Hangul fillers
    {0x17b4, 0x17b5},    // Khmer inherent vowels
    {0x180b, 0x180f},    // Mongolian selectors and separator
    {0x200b, 0x200f},    // zero width, and marks of direction
    {0x2028, 0x202e},    // line and paragraph separators, embeddings and overrides
    {0x2060, 0x206f},    // joiners, isolates, deprecated formats
    {0x3164, 0x3164},    // Hangul filler
    {0xd800, 0xf8ff},    // surrogates, private use
    {0xfdd0, 0xfdef},    // not characters
    {0xfe00, 0xfe0f},    // variation selectors
    {0xfeff, 0xfeff},    // byte order mark
    {0xffa0, 0xffa0},    // half-width Hangul filler
    {0xfff0, 0xffff},    // annotations, replacement character, not characters
    {0x1d173, 0x1d17a},  // musical formats
    {0xe0000, 0x10ffff}, // tags, selectors, private use
};

// The length of the UTF-8 character at p (RFC 3629: shortest form, no surrogates, up to
// U+10FFFF), 0 when there is none or it cannot be shown as what it is.
static size_t printable_at(const unsigned char *p)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t len = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
                 : p[0] >= 0xe0 && p[0] <= 0xef ? 3
                 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                : 0;
    uint32_t character = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (p[i] & 0x3fu);
    }
    if ((len == 3 && character < 0x800) || (len == 4 && character < 0x10000) ||
        character > 0x10ffff)
        return 0;
    for (size_t i = 0; i < DV_COUNT(unseen) && character >= unseen[i].first; i++)
        if (character <= unseen[i].last)
            return 0;
    return len;
}

void text_make_printable(char *text)
{
    unsigned char *p = (unsigned char *)text;
    while (*p) {
        size_t len = printable_at(p);
        if (len == 0)
            *p = '?';
        p += len ? len : 1;
    }
}
