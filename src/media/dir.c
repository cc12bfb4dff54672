// Media: a folder in a file system; each volume is a file, <uuid>.img.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "media/kind.h"
#include "media/owner.h"
#include "media/storage.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define IDENTITY     STORAGE_FOLDER_MARKER
#define LOCK         ".dvsan-lock"
#define CLAIM_BYTES  (UINT64_C(1) << 28) // claimed with one fallocate between two reports
#define WRITE_BYTES  (UINT64_C(1) << 20)
#define REPORT_BYTES (UINT64_C(1) << 22) // written as zeros between two reports
#define CUT_BYTES    (UINT64_C(1) << 32) // of a file that is deleted

// What was cancelled and goes on in the next pass; all other ends of it, and a crash, make it
// forgotten.
struct making {
    struct dv_uuid uuid;
    uint64_t from; // bytes, of a file that grows: how long it was when that began here
};

struct dir {
    int lock; // descriptor
    // Volumes that grow, and those whose unfinished files have all their room as far as they are
    // long.
    struct making *making;
    size_t making_count;
    bool punches; // the file system can give back blocks within a file
};

static char *file_of(const struct media *m, const struct dv_uuid *volume)
{
    char text[UUID_TEXT_LEN];
    return dv_printf("%s/%s.img", m->path, uuid_format(volume, text));
}

// A volume is made under this name and renamed when it is whole.
static char *unfinished_of(const struct media *m, const struct dv_uuid *volume)
{
    char text[UUID_TEXT_LEN];
    return dv_printf("%s/%s.new", m->path, uuid_format(volume, text));
}

// ---- Opening ------------------------------------------------------------------------------

static int check_folder(const char *path, struct dv_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0 && errno == ENOENT)
        return dv_fail(err, DV_NOT_FOUND, "the folder %s does not exist; make it, or mount it",
                       path);
    if (stat(path, &st) != 0)
        return dv_fail_errno(err, errno, "cannot look at the folder %s", path);
    if (!S_ISDIR(st.st_mode))
        return dv_fail(err, DV_INVALID, "%s is not a folder", path);
    struct statvfs fs;
    if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY))
        return dv_fail(err, DV_DENIED, "the folder %s is on a file system mounted read-only", path);
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return dv_fail_errno(err, errno, "cannot write into the folder %s", path);
    return 0;
}

// The first line is the medium's UUID, the second one tells whose it is.
static int read_marker(const char *path, char **text, struct dv_err *err)
{
    size_t len;
    return file_read(path, 4096, text, &len, err);
}

static int write_marker(const struct media *m, const char *owner, struct dv_err *err)
{
    char uuid[UUID_TEXT_LEN];
    DV_FREE char *path = dv_printf("%s/%s", m->path, IDENTITY);
    DV_FREE char *text = dv_printf("%s\n%s", uuid_format(&m->uuid, uuid), owner);
    return file_write_atomic(path, text, strlen(text), 0644, err);
}

static bool owner_in(const char *marker, struct media_owner *out)
{
    const char *line = strchr(marker, '\n');
    return line && owner_parse(line + 1, out);
}

// Reads the medium's identity, or writes one when there never was one: else the file system is not
// mounted, or lost it.
static int identify(struct media *m, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/%s", m->path, IDENTITY);
    DV_FREE char *text = NULL;
    struct dv_uuid found;
    char uuid[UUID_TEXT_LEN];
    bool known = !uuid_is_zero(&m->uuid);
    if (access(path, F_OK) == 0) {
        if (read_marker(path, &text, err) != 0)
            return -1;
        text[strcspn(text, "\n")] = '\0';
        bool good = uuid_parse(text, &found) && !uuid_is_zero(&found);
        if (!good && known)
            return dv_fail(err, DV_CONFLICT,
                           "%s should hold the medium's UUID; restore it: it was %s", path,
                           uuid_format(&m->uuid, uuid));
        if (!good)
            return dv_fail(err, DV_CONFLICT,
                           "%s should hold the medium's UUID; restore it, or delete it to make "
                           "this a new medium",
                           path);
        m->uuid = found;
        return 0;
    }
    if (known)
        return dv_fail(err, DV_NOT_FOUND,
                       "%s is gone; is the file system still mounted? It held %s", path,
                       uuid_format(&m->uuid, uuid));
    m->uuid = uuid_random();
    return write_marker(m, "", err);
}

static int check_owner(const struct media *m, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/%s", m->path, IDENTITY);
    DV_FREE char *text = NULL;
    struct media_owner found;
    if (read_marker(path, &text, err) != 0)
        return -1;
    return owner_in(text, &found) ? owner_check(m, &found, err) : 0;
}

static int dir_tell_owner(struct media *m, const struct media_owner *owner, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/%s", m->path, IDENTITY);
    DV_FREE char *text = NULL;
    DV_FREE char *line = owner_format(owner);
    struct media_owner now;
    if (read_marker(path, &text, err) != 0)
        return -1;
    return owner_in(text, &now) && owner_equal(&now, owner) ? 0 : write_marker(m, line, err);
}

static int dir_open(struct media *m, struct dv_err *err)
{
    struct dir *d = m->own = dv_calloc(1, sizeof(*d));
    d->lock = -1;
    if (check_folder(m->path, err) != 0)
        return -1;
    // A folder that is not the medium is left as it is.
    if (!uuid_is_zero(&m->uuid) && identify(m, err) != 0)
        return -1;
    DV_FREE char *lock = dv_printf("%s/%s", m->path, LOCK);
    d->lock = file_lock(lock, err);
    // Behind the end of a file there is nothing to give back, but who cannot says so.
    d->punches = d->lock >= 0 && fallocate(d->lock, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                           CLAIM_BYTES, ALLOC_BLOCKS * BLOCK_SIZE) == 0;
    return d->lock < 0 || identify(m, err) != 0 ? -1 : check_owner(m, err);
}

static bool dir_unmaps(const struct media *m, const struct volume *v)
{
    const struct dir *d = m->own;
    return v->thin && d->punches;
}

static void dir_close(struct media *m)
{
    struct dir *d = m->own;
    if (d)
        dv_cleanup_close(&d->lock);
    if (d)
        free(d->making);
    free(d);
}

static int space_of(const struct media *m, struct media_space *space, struct dv_err *err)
{
    struct statvfs fs;
    if (statvfs(m->path, &fs) != 0)
        return dv_fail_errno(err, errno, "cannot tell the free space of %s", m->path);
    const struct dir *d = m->own;
    *space = (struct media_space){.reserves = storage_reserves(d->lock)};
    storage_tell_space(&fs, space);
    return 0;
}

// The identity must still be there: a file system that was unmounted leaves an empty folder.
static int dir_probe(struct media *m, struct media_space *space, struct dv_err *err)
{
    if (check_folder(m->path, err) != 0)
        return -1;
    // A file system that stopped itself after an error may still be mounted for writing.
    const struct dir *d = m->own;
    struct stat held, there_now;
    DV_FREE char *lock = dv_printf("%s/%s", m->path, LOCK);
    DV_CLOSE int fd = open(lock, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return dv_fail_errno(err, errno, "cannot write into the folder %s", m->path);
    if (fd < 0 || fstat(fd, &there_now) != 0 || fstat(d->lock, &held) != 0 ||
        held.st_dev != there_now.st_dev || held.st_ino != there_now.st_ino)
        return dv_fail(err, DV_CONFLICT, "another folder, or copy of it, is at %s now", m->path);
    struct media now = {.path = m->path, .uuid = m->uuid};
    DV_FREE char *path = dv_printf("%s/%s", m->path, IDENTITY);
    if (identify(&now, err) != 0 || storage_check_readable(path, 1, err) != 0)
        return -1;
    if (!uuid_equal(&now.uuid, &m->uuid))
        return dv_fail(err, DV_CONFLICT, "another medium is at %s now", m->path);
    return check_owner(m, err) != 0 ? -1 : space_of(m, space, err);
}

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
    if (space_of(m, &space, err) != 0)
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
    if (blocks == 0 || blocks > INT64_MAX / BLOCK_SIZE)
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

static int dir_create(struct media *m, const struct volume *v,
                      const struct media_progress *progress, struct dv_err *err)
{
    DV_FREE char *path = file_of(m, &v->uuid);
    DV_FREE char *unfinished = unfinished_of(m, &v->uuid);
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

static int dir_grow(struct media *m, const struct volume *v, uint64_t blocks,
                    const struct media_progress *progress, struct dv_err *err)
{
    DV_FREE char *path = file_of(m, &v->uuid);
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

static int dir_length(struct media *m, const struct volume *v, uint64_t *blocks, struct dv_err *err)
{
    DV_FREE char *path = file_of(m, &v->uuid);
    struct stat st;
    if (stat(path, &st) != 0)
        return dv_fail_errno(err, errno, "cannot look at %s", path);
    *blocks = (uint64_t)st.st_size / BLOCK_SIZE;
    return 0;
}

static int dir_shrink(struct media *m, const struct volume *v, uint64_t blocks, struct dv_err *err)
{
    DV_FREE char *path = file_of(m, &v->uuid);
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
static int dir_remove(struct media *m, const struct volume *v,
                      const struct media_progress *progress, struct dv_err *err)
{
    DV_FREE char *path = file_of(m, &v->uuid);
    DV_FREE char *unfinished = unfinished_of(m, &v->uuid);
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

static bool uuid_of_file(const char *name, const char *end, struct dv_uuid *out)
{
    char uuid[UUID_TEXT_LEN];
    if (strlen(name) != UUID_TEXT_LEN - 1 + strlen(end) ||
        strcmp(name + UUID_TEXT_LEN - 1, end) != 0)
        return false;
    memcpy(uuid, name, UUID_TEXT_LEN - 1);
    uuid[UUID_TEXT_LEN - 1] = '\0';
    return uuid_parse(uuid, out) && !uuid_is_zero(out);
}

// Unless there is the volume itself, too, which deleting the rest would take.
static void add_unfinished(int folder, const char *name, const struct dv_uuid *uuid,
                           const struct stat *st, struct media_layout *out)
{
    DV_FREE char *image = dv_printf("%.*s.img", UUID_TEXT_LEN - 1, name);
    if (faccessat(folder, image, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
        return;
    *DV_APPEND(out->unfinished, out->unfinished_count) = (struct media_found){
        .uuid = *uuid, .start_lba = MEDIA_ANYWHERE, .blocks = (uint64_t)st->st_size / BLOCK_SIZE};
}

// Where in the range a file lies is a matter of the unit's accounts.
static void add_file(int folder, const char *name, struct media_layout *out)
{
    struct stat st;
    struct dv_uuid uuid;
    bool whole = uuid_of_file(name, ".img", &uuid);
    if ((!whole && !uuid_of_file(name, ".new", &uuid)) ||
        fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return;
    if (!whole)
        add_unfinished(folder, name, &uuid, &st, out);
    if (!whole || st.st_size <= 0 || st.st_size % (off_t)(ALLOC_BLOCKS * BLOCK_SIZE) != 0)
        return;
    if (st.st_blocks * 512 < st.st_size)
        out->unwritten_blocks += (uint64_t)(st.st_size / 512 - st.st_blocks);
    struct media_found *f = DV_APPEND(out->found, out->found_count);
    *f = (struct media_found){.uuid = uuid,
                              .start_lba = MEDIA_ANYWHERE,
                              .blocks = (uint64_t)st.st_size / BLOCK_SIZE,
                              .thin = st.st_blocks * 512 < st.st_size};
    uuid_format(&uuid, f->name);
}

static int list_files(const char *path, struct media_layout *out, struct dv_err *err)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    if (!folder)
        return dv_fail_errno(err, errno, "cannot list the folder %s", path);
    while (errno = 0, (entry = readdir(folder)))
        add_file(dirfd(folder), entry->d_name, out);
    int rc = errno == 0 ? 0 : dv_fail_errno(err, errno, "cannot list the folder %s", path);
    closedir(folder);
    return rc;
}

static int dir_layout(struct media *m, struct media_layout *out, struct dv_err *err)
{
    out->blocks = m->blocks;
    out->lists_volumes = true;
    if (list_files(m->path, out, err) == 0)
        return 0;
    media_layout_clear(out);
    return -1;
}

static int dir_ask_owner(const char *path, struct media_owner *out, bool *holds_volumes,
                         struct dv_err *err)
{
    DV_FREE char *marker = dv_printf("%s/%s", path, IDENTITY);
    DV_FREE char *text = NULL;
    struct media_layout l = {0};
    if (read_marker(marker, &text, err) != 0)
        return -1;
    (void)owner_in(text, out);
    int rc = list_files(path, &l, err);
    *holds_volumes = l.found_count > 0;
    media_layout_clear(&l);
    return rc;
}

// tgtd would serve a file of any size, and make no difference between a lost one and a bad name.
// One that is growing is longer than it is said to be, at most as long as it is to become.
static char *dir_path(struct media *m, const struct volume *v, struct dv_err *err)
{
    char *path = file_of(m, &v->uuid);
    uint64_t most = v->target_blocks > v->blocks ? v->target_blocks : v->blocks;
    struct stat st;
    int rc = 0;
    if (stat(path, &st) != 0)
        rc = dv_fail_errno(err, errno, "%s cannot be served", path);
    else if ((uint64_t)st.st_size < v->blocks * BLOCK_SIZE ||
             (uint64_t)st.st_size > most * BLOCK_SIZE)
        rc = dv_fail(err, DV_IO, "%s has %" PRIu64 " bytes and should have %" PRIu64, path,
                     (uint64_t)st.st_size, v->blocks * BLOCK_SIZE);
    if (rc == 0)
        return path;
    free(path);
    return NULL;
}

const struct media_kind media_dir = {
    .open = dir_open,
    .close = dir_close,
    .probe = dir_probe,
    .read_layout = dir_layout,
    .path = dir_path,
    .unmaps = dir_unmaps,
    .create = dir_create,
    .grow = dir_grow,
    .length = dir_length,
    .shrink = dir_shrink,
    .grows_open = true,
    .remove = dir_remove,
    .tell_owner = dir_tell_owner,
    .ask_owner = dir_ask_owner,
    .resumes = true,
};
