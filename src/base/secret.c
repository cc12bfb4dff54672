// Handling secrets.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/secret.h"

#include "base/mem.h"
#include "base/random.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_ROOM 1024 // bytes of a secret in a file, with its newline

void secret_harden_process(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void secret_random_text(char *out, size_t chars)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    random_fill(out, chars);
    for (size_t i = 0; i < chars; i++)
        out[i] = alphabet[out[i] & 63];
    out[chars] = '\0';
}

static int check_file(const char *path, const struct stat *st, struct dv_err *err)
{
    if (S_ISFIFO(st->st_mode))
        return 0;
    if (!S_ISREG(st->st_mode))
        return dv_fail(err, DV_INVALID, "secret file %s is neither a regular file nor a pipe",
                       path);
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return dv_fail(err, DV_DENIED, "secret file %s belongs to somebody else; chown it to root",
                       path);
    if (st->st_mode & 077)
        return dv_fail(err, DV_DENIED,
                       "secret file %s can be used by others; if it was made for this secret, make "
                       "it private: chmod 600 %s; else name the right file",
                       path, path);
    return 0;
}

// Fills text up to the first newline or the end. Returns the length without the newline.
static int read_line(int fd, const char *path, char *text, size_t room, size_t *len,
                     struct dv_err *err)
{
    size_t got = 0;
    while (got < room && !memchr(text, '\n', got)) {
        ssize_t n = read(fd, text + got, room - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dv_fail_errno(err, errno, "cannot read secret file %s", path);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    const char *end = memchr(text, '\n', got);
    *len = end ? (size_t)(end - text) : got;
    if (*len == room)
        return dv_fail(err, DV_INVALID, "secret file %s has a first line of more than %zu bytes",
                       path, room - 1);
    if (end && *len > 0 && text[*len - 1] == '\r') // written by an editor of Windows
        (*len)--;
    if (*len == 0)
        return dv_fail(err, DV_INVALID, "secret file %s has an empty first line", path);
    DV_FREE char *what = dv_printf("secret file %s", path);
    return secret_check(what, text, *len, err);
}

// How many bytes the UTF-8 character at p has that is no control character; 0 for anything else.
static size_t character(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80       ? 1
                 : p[0] >> 5 == 6  ? 2
                 : p[0] >> 4 == 14 ? 3
                 : p[0] >> 3 == 30 ? 4
                                   : 0;
    if (len == 0 || len > left)
        return 0;
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfeff;
    bool bad = c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000);
    return control || bad ? 0 : len;
}

int secret_check(const char *what, const char *text, size_t len, struct dv_err *err)
{
    size_t at = 0, step = 1;
    while (at < len && (step = character((const unsigned char *)text + at, len - at)) > 0)
        at += step;
    if (at < len)
        return dv_fail(err, DV_INVALID,
                       "%s is not plain text: byte %zu is 0x%02x; write it anew, as one line in "
                       "UTF-8",
                       what, at + 1, (unsigned)(unsigned char)text[at]);
    if (len > 0 && (text[0] == ' ' || text[len - 1] == ' '))
        return dv_fail(err, DV_INVALID,
                       "%s %s with a blank, byte %zu: take it away, or choose another secret", what,
                       text[0] == ' ' ? "begins" : "ends", text[0] == ' ' ? (size_t)1 : len);
    return 0;
}

int secret_read_file(const char *path, char **secret, struct dv_err *err)
{
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return dv_fail_errno(err, errno, "cannot open secret file %s", path);
    if (check_file(path, &st, err) < 0)
        return -1;
    char text[SECRET_ROOM];
    size_t len = 0;
    int result = read_line(fd, path, text, sizeof(text), &len, err);
    if (result == 0) {
        *secret = dv_calloc(len + 1, 1);
        memcpy(*secret, text, len);
    }
    secret_wipe(text, sizeof(text));
    return result;
}

bool secret_equal(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    volatile unsigned char difference = a_len != b_len;
    for (size_t i = 0; i < a_len; i++)
        difference |= (unsigned char)(a[i] ^ b[b_len ? i % b_len : 0]);
    return difference == 0;
}

bool secret_equal_bytes(const void *a, const void *b, size_t len)
{
    const unsigned char *x = a, *y = b;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)(x[i] ^ y[i]);
    return difference == 0;
}

void secret_wipe(void *memory, size_t len)
{
    explicit_bzero(memory, len);
}

void secret_free(char *secret)
{
    if (secret)
        secret_wipe(secret, strlen(secret));
    free(secret);
}
