// Filling an error with a class and a sentence.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/err.h"

#include "base/text.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Into a buffer of its own first: the arguments may point into err->text.
static void format(struct dv_err *err, enum dv_code code, const char *suffix, const char *fmt,
                   va_list args)
{
    static const char cut[] = "...";
    char text[sizeof(err->text)];
    int len = vsnprintf(text, sizeof(text), fmt, args);
    if (len < 0)
        text[len = 0] = '\0';
    size_t used = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    size_t wanted = (size_t)len + strlen(suffix);
    if (wanted >= sizeof(text)) {
        size_t room = sizeof(text) - sizeof(cut) - strlen(suffix);
        used = used < room ? used : room;
        memcpy(text + used, cut, sizeof(cut));
        used += sizeof(cut) - 1;
    }
    dv_copy(text + used, sizeof(text) - used, suffix);
    text_make_printable(text);
    err->code = code;
    err->errnum = 0;
    memcpy(err->text, text, sizeof(text));
}

int dv_fail(struct dv_err *err, enum dv_code code, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        format(err, code, "", fmt, args);
        va_end(args);
    }
    return -1;
}

int dv_fail_errno(struct dv_err *err, int errnum, const char *fmt, ...)
{
    if (err) {
        char reason[128], suffix[sizeof(reason) + 2];
        snprintf(suffix, sizeof(suffix), ": %s", strerror_r(errnum, reason, sizeof(reason)));
        va_list args;
        va_start(args, fmt);
        format(err, dv_code_from_errno(errnum), suffix, fmt, args);
        va_end(args);
        err->errnum = errnum;
    }
    return -1;
}

bool dv_is_shortage(const struct dv_err *err)
{
    return err->errnum == EMFILE || err->errnum == ENFILE || err->errnum == ENOMEM;
}
