// Words and values put into other languages.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/quote.h"

#include "base/mem.h"
#include "base/text.h"
#include <string.h>

// What a character stands as, where not as itself.
struct escape {
    char character;
    const char *text;
};

static char *escaped(const char *text, const char *around, const struct escape *escapes)
{
    struct strbuf b = {0};
    DV_FREE char *printable = dv_strdup(text);
    text_make_printable(printable);
    strbuf_add(&b, "%s", around);
    for (const char *p = printable; *p; p++) {
        const struct escape *e = escapes;
        while (e->character && e->character != *p)
            e++;
        if (e->character)
            strbuf_add(&b, "%s", e->text);
        else
            strbuf_addn(&b, p, 1);
    }
    strbuf_add(&b, "%s", around);
    return b.text;
}

char *quote_shell(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-_.:/,=@%+";
    static const struct escape escapes[] = {{'\'', "'\\''"}, {0}};
    if (*text && strspn(text, plain) == strlen(text))
        return dv_strdup(text);
    return escaped(text, "'", escapes);
}

char *quote_powershell(const char *text)
{
    static const struct escape escapes[] = {{'\'', "''"}, {0}};
    return escaped(text, "'", escapes);
}

char *quote_xml(const char *text)
{
    static const struct escape escapes[] = {{'&', "&amp;"},   {'<', "&lt;"},   {'>', "&gt;"},
                                            {'\'', "&apos;"}, {'"', "&quot;"}, {0}};
    return escaped(text, "", escapes);
}

char *quote_fstab(const char *text)
{
    static const struct escape escapes[] = {{' ', "\\040"}, {'\\', "\\134"}, {0}};
    return escaped(text, "", escapes);
}

char *quote_qemu(const char *text)
{
    static const struct escape escapes[] = {{',', ",,"}, {0}};
    return escaped(text, "", escapes);
}
