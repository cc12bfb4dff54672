// Volumes in a folder: making, resizing and removing their files.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/dir.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "media/storage.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLAIM_BYTES  (UINT64_C(1) << 28) // claimed with one fallocate between two reports
#define WRITE_BYTES  (UINT64_C(1) << 20)
#define REPORT_BYTES (UINT64_C(1) << 22) // written as zeros between two reports
#define CUT_BYTES    (UINT64_C(1) << 32) // of a file that is deleted

// ---- Room ---------------------------------------------------------------------------------

static int report(const struct media_progress *p, uint64_t done, uint64_t all, struct dv_err *err)
{
    uint32_t percent = all > 0 ? (uint32_t)((double)done * 100.0 / (double)all) : 100;
    if (!p || p->report(p->arg, percent < 100 ? percent : 100))
        return 0;
    return dv_fail(err, DV_CANCELLED, "the request was cancelled");
}

static int fail_room(struct dv_err *err, const char *path, int errnum)
{
    if (errnum == EFBIG)
        return dv_fail(err, DV_INVALID, "%s would be larger than its file system takes", path);
    return dv_fail_errno(err, errnum, "cannot get room for %s", path);
}

// As far as the file is long it has been done before.
static int write_zeros(int fd, const char *path, uint64_t base, uint64_t from, uint64_t to,
                       const struct media_progress *progress, struct dv_err *err)
{
    DV_FREE char *zeros = dv_calloc(1, WRITE_BYTES);
    for (uint64_t at = from; at < to;) {
        uint64_t len = to - at < WRITE_BYTES ? to - at : WRITE_BYTES;
        ssize_t n = pwrite(fd, zeros, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_room(err, path, n < 0 ? errno : ENOSPC);
        at += (uint64_t)n;
        if (at < to && (at - from) % REPORT_BYTES == 0 &&
            report(progress, at - base, to - base, err) != 0)
            return -1;
    }
    return 0;
}

// Claims every block of from..to, where the file ends at `from` and grows as it goes. Where the
// file system cannot, zeros are written. The work began at base.
static int claim(int fd, const char *path, uint64_t base, uint64_t from, uint64_t to,
                 const struct media_progress *progress, struct dv_err *err)
{
    for (uint64_t at = from; at < to;) {
        uint64_t len = to - at < CLAIM_BYTES ? to - at : CLAIM_BYTES;
        DV_FAULT("dir.claim");
        if (fallocate(fd, 0, (off_t)at, (off_t)len) != 0) {
            if (errno == EINTR)
                continue;
            if (errno == EOPNOTSUPP)
                return write_zeros(fd, path, base, at, to, progress, err);
            return fail_room(err, path, errno);
        }
        at += len;
        if (at < to && report(progress, at - base, to - base, err) != 0)
            return -1;
    }
    return 0;
}

// Refuses early what cannot fit, instead of filling the disk first.
static int check_room(const struct media *m, uint64_t bytes, struct dv_err *err)
{
    struct media_space space;
    if (dir_space(m, &space, err) != 0)
        return -1;
    if (space.total_bytes == 0 || bytes <= space.free_bytes)
        return 0;
    char need[SIZE_TEXT_ROOM], have[SIZE_TEXT_ROOM];
    return dv_fail(err, DV_NO_SPACE,
                   "the file system of %s has %s left, %s are needed; make room or create a thin "
                   "volume",
                   m->path, size_format(space.free_bytes, have, sizeof(have)),
                   size_format(bytes, need, sizeof(need)));
}

static int bytes_of(uint64_t blocks, uint64_t *bytes, struct dv_err *err)
{
    if (blocks == 0 || blocks > BLOCKS_MAX)
        return dv_fail(err, DV_INVALID, "a volume cannot have %" PRIu64 " blocks", blocks);
    *bytes = blocks * BLOCK_SIZE;
    return 0;
}

// ---- Volumes ------------------------------------------------------------------------------

// Fills a new file, or goes on with it. The close is part of it: some file systems tell of errors
// only there.
static int make_file(const struct media *m, const char *path, uint64_t bytes, bool thin,
                     const struct media_progress *progress, struct dv_err *err)
{
    struct stat st;
    DV_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) != 0)
        return dv_fail_errno(err, errno, "cannot make %s", path);
    DV_FAULT("dir.create.made");
    if (st.st_size == 0)
        storage_write_in_place(fd);
    uint64_t done = (uint64_t)st.st_size;
    if (!thin && (check_room(m, bytes - done, err) != 0 ||
                  claim(fd, path, 0, done, bytes, progress, err) != 0))
        return -1;
    if (ftruncate(fd, (off_t)bytes) != 0)
        return fail_room(err, path, errno);
    DV_FAULT("dir.create.sized");
    DV_FAULT("dir.create.filled");
    if (fsync(fd) != 0)
        return dv_fail_errno(err, errno, "cannot write %s to disk", path);
    int closing = fd;
    fd = -1;
    if (close(closing) != 0)
        return dv_fail_errno(err, errno, "cannot write %s to disk", path);
    return 0;
}

// 1 when the volume is there and as long as wanted, 0 when it is not there.
static int there(const char *path, uint64_t bytes, struct dv_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0 && errno == ENOENT)
        return 0;
    if (stat(path, &st) != 0)
        return dv_fail_errno(err, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes)
        return dv_fail(err, DV_CONFLICT, "%s is in the way: it is not a file of %" PRIu64 " bytes",
                       path, bytes);
    return 1;
}

static void remember(struct dir *d, const struct dv_uuid *volume, uint64_t from)
{
    *DV_APPEND(d->making, d->making_count) = (struct making){*volume, from};
}

// Whether it was remembered; then *from, which may be NULL, is set.
static bool forget(struct dir *d, const struct dv_uuid *volume, uint64_t *from)
{
    for (size_t i = 0; i < d->making_count; i++) {
        if (uuid_equal(&d->making[i].uuid, volume)) {
            if (from)
                *from = d->making[i].from;
            d->making[i] = d->making[--d->making_count];
            return true;
        }
    }
    return false;
}

int dir_create(struct media *m, const struct volume *v, const struct media_progress *progress,
               struct dv_err *err)
{
    DV_FREE char *path = dir_file(m, &v->uuid);
    DV_FREE char *unfinished = dir_unfinished(m, &v->uuid);
    uint64_t bytes = 0;
    bool goes_on = forget(m->own, &v->uuid, NULL);
    if (bytes_of(v->blocks, &bytes, err) != 0)
        return -1;
    int found = there(path, bytes, err);
    if (found < 0)
        return -1;
    if (found == 0) {
        DV_FAULT("dir.create");
        if (!goes_on)
            unlink(unfinished); // from a time that was broken off
        if (make_file(m, unfinished, bytes, v->thin, progress, err) != 0) {
            if (err->code == DV_CANCELLED)
                remember(m->own, &v->uuid, 0);
            else
                unlink(unfinished);
            return -1;
        }
        DV_FAULT("dir.create.whole");
        if (rename(unfinished, path) != 0) {
            dv_fail_errno(err, errno, "cannot rename %s", unfinished);
            unlink(unfinished);
            return -1;
        }
        DV_FAULT("dir.create.renamed");
    }
    return file_sync_dir(m->path, err);
}

// Makes an open file longer. Room is claimed from its end on, so what was broken off goes on there.
static int lengthen(const struct media *m, const char *path, int fd, const struct volume *v,
                    uint64_t now, uint64_t bytes, const struct media_progress *progress,
                    struct dv_err *err)
{
    if (!v->thin && bytes > now &&
        (check_room(m, bytes - now, err) != 0 ||
         claim(fd, path, v->blocks * BLOCK_SIZE, now, bytes, progress, err) != 0))
        return -1;
    DV_FAULT("dir.grow.claimed");
    if (ftruncate(fd, (off_t)bytes) != 0)
        return fail_room(err, path, errno);
    DV_FAULT("dir.grow.sized");
    return fsync(fd) == 0 ? 0 : dv_fail_errno(err, errno, "cannot write %s to disk", path);
}

// What is there is never cut: it is as long as it was when this process began to make it longer, or
// up to the next whole MiB.
static int give_back(const char *path, int fd, uint64_t from, struct dv_err *err)
{
    const uint64_t whole = ALLOC_BLOCKS * BLOCK_SIZE;
    if (ftruncate(fd, (off_t)((from + whole - 1) / whole * whole)) != 0)
        return dv_fail_errno(err, errno, "cannot give back the room of %s", path);
    return -1;
}

int dir_grow(struct media *m, const struct volume *v, uint64_t blocks,
             const struct media_progress *progress, struct dv_err *err)
{
    DV_FREE char *path = dir_file(m, &v->uuid);
    uint64_t bytes = 0, from = 0;
    struct stat st;
    bool goes_on = forget(m->own, &v->uuid, &from);
    if (bytes_of(blocks, &bytes, err) != 0)
        return -1;
    DV_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return dv_fail_errno(err, errno, "cannot open %s", path);
    uint64_t now = (uint64_t)st.st_size;
    if (!goes_on)
        from = now;
    DV_FAULT("dir.grow");
    if (now > bytes || now < v->blocks * BLOCK_SIZE)
        return dv_fail(err, DV_INVALID,
                       "%s has %" PRIu64 " bytes, and a volume only grows, from %" PRIu64
                       " to %" PRIu64,
                       path, now, v->blocks * BLOCK_SIZE, bytes);
    int rc = lengthen(m, path, fd, v, now, bytes, progress, err);
    if (rc != 0 && err->code == DV_CANCELLED)
        remember(m->own, &v->uuid, from);
    else if (rc != 0)
        rc = give_back(path, fd, from, err);
    return rc;
}

int dir_length(struct media *m, const struct volume *v, uint64_t *blocks, struct dv_err *err)
{
    DV_FREE char *path = dir_file(m, &v->uuid);
    struct stat st;
    if (stat(path, &st) != 0)
        return dv_fail_errno(err, errno, "cannot look at %s", path);
    *blocks = (uint64_t)st.st_size / BLOCK_SIZE;
    return 0;
}

int dir_shrink(struct media *m, const struct volume *v, uint64_t blocks, struct dv_err *err)
{
    DV_FREE char *path = dir_file(m, &v->uuid);
    uint64_t bytes = 0;
    struct stat st;
    if (bytes_of(blocks, &bytes, err) != 0)
        return -1;
    DV_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return dv_fail_errno(err, errno, "cannot open %s", path);
    if ((uint64_t)st.st_size != bytes && (uint64_t)st.st_size != v->blocks * BLOCK_SIZE)
        return dv_fail(err, DV_CONFLICT,
                       "%s has %" PRIu64 " bytes and is not cut to %" PRIu64
                       ", since it should have %" PRIu64,
                       path, (uint64_t)st.st_size, bytes, v->blocks * BLOCK_SIZE);
    DV_FAULT("dir.shrink");
    if (ftruncate(fd, (off_t)bytes) != 0 || fsync(fd) != 0)
        return dv_fail_errno(err, errno, "cannot cut %s", path);
    DV_FAULT("dir.shrink.cut");
    return 0;
}

// Cuts a large file down first, since a file system can be long about deleting one.
static int cut_down(const char *path, const struct media_progress *progress, struct dv_err *err)
{
    struct stat st;
    DV_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return 0;
    uint64_t all = (uint64_t)st.st_size;
    for (uint64_t left = all; left > CUT_BYTES;) {
        left -= CUT_BYTES;
        if (ftruncate(fd, (off_t)left) != 0)
            return dv_fail_errno(err, errno, "cannot cut %s", path);
        if (report(progress, all - left, all, err) != 0)
            return -1;
    }
    return 0;
}

static int remove_file(const char *path, const struct media_progress *progress, struct dv_err *err)
{
    if (cut_down(path, progress, err) != 0)
        return -1;
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    return dv_fail_errno(err, errno, "cannot delete %s", path);
}

// Blocks of a file system are cleared by it before it gives them to another file.
int dir_remove(struct media *m, const struct volume *v, const struct media_progress *progress,
               struct dv_err *err)
{
    DV_FREE char *path = dir_file(m, &v->uuid);
    DV_FREE char *unfinished = dir_unfinished(m, &v->uuid);
    (void)forget(m->own, &v->uuid, NULL);
    DV_FAULT("dir.remove");
    // What is cut is no volume any more, even to one who does not know that it is deleted.
    if (rename(path, unfinished) != 0 && errno != ENOENT)
        return dv_fail_errno(err, errno, "cannot delete %s", path);
    if (remove_file(unfinished, progress, err) != 0)
        return -1;
    DV_FAULT("dir.remove.gone");
    return file_sync_dir(m->path, err);
}
