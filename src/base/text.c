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

// The length of the UTF-8 character at p (RFC 3629: shortest form, no surrogates, up to
// U+10FFFF), 0 when there is none or it is a control character.
static size_t printable_at(const unsigned char *p)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t len = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
                 : p[0] >= 0xe0 && p[0] <= 0xef ? 3
                 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                : 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return p[0] == 0xc2 && p[1] < 0xa0 ? 0 : len; // U+0080..U+009F are control characters
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
