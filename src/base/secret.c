// Handling secrets.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/secret.h"

#include "base/mem.h"
#include "base/random.h"
#include <errno.h>
#include <fcntl.h>
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
                       "secret file %s can be used by others; make it private: chmod 600 %s", path,
                       path);
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
    if (*len == 0)
        return dv_fail(err, DV_INVALID, "secret file %s has an empty first line", path);
    if (*len == room)
        return dv_fail(err, DV_INVALID, "secret file %s has a first line of more than %zu bytes",
                       path, room - 1);
    if (memchr(text, '\0', *len))
        return dv_fail(err, DV_INVALID, "secret file %s is not text", path);
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
