// Copies one part of a disk or image over another one.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/copy.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20) // bytes
#define ALIGN 4096

struct copy {
    const struct storage *s;
    int fd; // past the page cache, where that is possible
    char *buffer;
    bool thin;
};

// The page cache of a disk knows nothing of what was written through a partition's node, so it must
// not be asked. A file that cannot be read past its cache has only the one.
static int open_direct(const struct storage *s)
{
    DV_FREE char *self = dv_printf("/proc/self/fd/%d", s->fd);
    int fd = open(self, O_RDWR | O_CLOEXEC | O_DIRECT);
    return fd >= 0 || s->is_block ? fd : open(self, O_RDWR | O_CLOEXEC);
}

static int read_piece(const struct copy *c, uint64_t at, size_t len, struct dv_err *err)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = pread(c->fd, c->buffer + have, len - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return dv_fail_errno(err, n < 0 ? errno : EIO, "cannot read %s", c->s->path);
        have += (size_t)n;
    }
    return 0;
}

static int write_piece(const struct copy *c, uint64_t at, size_t len, struct dv_err *err)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = pwrite(c->fd, c->buffer + have, len - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return dv_fail_errno(err, n < 0 ? errno : ENOSPC, "cannot write to %s", c->s->path);
        have += (size_t)n;
    }
    return 0;
}

static bool is_zero(const char *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static int copy_piece(const struct copy *c, uint64_t from, uint64_t to, size_t len,
                      struct dv_err *err)
{
    if (read_piece(c, from, len, err) != 0)
        return -1;
    if (c->thin && is_zero(c->buffer, len) &&
        fallocate(c->s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)to, (off_t)len) == 0)
        return 0;
    return write_piece(c, to, len, err);
}

static int copy_all(const struct copy *c, uint64_t from, uint64_t to, uint64_t bytes,
                    uint64_t *done, const struct media_progress *progress, struct dv_err *err)
{
    while (*done < bytes) {
        uint64_t left = bytes - *done;
        size_t len = left < PIECE ? (size_t)left : PIECE;
        if (copy_piece(c, from + *done, to + *done, len, err) != 0)
            return -1;
        *done += len;
        DV_FAULT("storage.copy.piece");
        uint32_t percent = (uint32_t)((double)*done * 100.0 / (double)bytes);
        if (*done < bytes && progress && !progress->report(progress->arg, percent))
            return dv_fail(err, DV_CANCELLED, "the request was cancelled");
    }
    if (fdatasync(c->fd) != 0 || fdatasync(c->s->fd) != 0)
        return dv_fail_errno(err, errno, "cannot write to %s", c->s->path);
    DV_FAULT("storage.copy.synced");
    return 0;
}

int storage_copy(const struct storage *s, uint64_t from, uint64_t to, uint64_t bytes, bool thin,
                 uint64_t *done, const struct media_progress *progress, struct dv_err *err)
{
    void *buffer = NULL;
    DV_CLOSE int fd = open_direct(s);
    if (fd < 0)
        return dv_fail_errno(err, errno, "cannot open %s to copy", s->path);
    if (posix_memalign(&buffer, ALIGN, PIECE) != 0)
        return dv_fail(err, DV_INTERNAL, "no memory to copy on %s", s->path);
    const struct copy c = {.s = s, .fd = fd, .buffer = buffer, .thin = thin};
    int rc = copy_all(&c, from, to, bytes, done, progress, err);
    free(buffer);
    return rc;
}
