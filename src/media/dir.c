// Media: a folder in a file system; each volume is a file, <uuid>.img.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/dir.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
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

#define IDENTITY STORAGE_FOLDER_MARKER
#define LOCK     ".dvsan-lock"

char *dir_file(const struct media *m, const struct dv_uuid *volume)
{
    char text[UUID_TEXT_LEN];
    return dv_printf("%s/%s.img", m->path, uuid_format(volume, text));
}

char *dir_unfinished(const struct media *m, const struct dv_uuid *volume)
{
    char text[UUID_TEXT_LEN];
    return dv_printf("%s/%s.new", m->path, uuid_format(volume, text));
}

// ---- Opening ------------------------------------------------------------------------------

// known: the folder held a medium, which an empty one is not.
static int check_folder(const char *path, bool known, struct dv_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0 && errno == ENOENT && known)
        return dv_fail(err, DV_NOT_FOUND,
                       "the folder %s, which holds the medium, is gone: mount its file system, or "
                       "put the folder back with all that was in it; an empty one does not do",
                       path);
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
    return file_write_atomic(path, text, strlen(text), 0600, err);
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
    if (!file_is_missing(path)) {
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
    struct media_owner now = {0}, next;
    if (read_marker(path, &text, err) != 0)
        return -1;
    (void)owner_in(text, &now);
    bool news = owner_next(&now, owner, &next);
    DV_FREE char *note = owner_note(&next);
    if (news && write_marker(m, note, err) != 0)
        return -1;
    m->owner.proof = next.proof;
    return 0;
}

static int dir_open(struct media *m, struct dv_err *err)
{
    struct dir *d = m->own = dv_calloc(1, sizeof(*d));
    d->lock = -1;
    if (check_folder(m->path, !uuid_is_zero(&m->uuid), err) != 0)
        return -1;
    // A folder that is not the medium is left as it is.
    if (!uuid_is_zero(&m->uuid) && identify(m, err) != 0)
        return -1;
    DV_FREE char *lock = dv_printf("%s/%s", m->path, LOCK);
    d->lock = file_lock(lock, err);
    // Behind the end of a file there is nothing to give back, but who cannot says so.
    d->punches =
        d->lock >= 0 && fallocate(d->lock, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  ALLOC_BLOCKS * BLOCK_SIZE, ALLOC_BLOCKS * BLOCK_SIZE) == 0;
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

int dir_space(const struct media *m, struct media_space *space, struct dv_err *err)
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
    if (check_folder(m->path, !uuid_is_zero(&m->uuid), err) != 0)
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
    return check_owner(m, err) != 0 ? -1 : dir_space(m, space, err);
}

// ---- What lies there ------------------------------------------------------------------------

// In either case: see is_spelled.
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

// A volume's file is looked for by the name that its UUID gives, and names are compared exactly.
static bool is_spelled(const char *name, const struct dv_uuid *uuid)
{
    char text[UUID_TEXT_LEN];
    return strncmp(name, uuid_format(uuid, text), UUID_TEXT_LEN - 1) == 0;
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
    bool spelled = is_spelled(name, &uuid);
    if (!whole && spelled)
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
    dv_copy(f->name, UUID_TEXT_LEN, name);
    if (!spelled) {
        f->uuid = (struct dv_uuid){0};
        f->odd = "a volume's file is named in small letters; rename it, if it is to be one";
    } else if (st.st_nlink > 1) {
        f->odd = "the file has another name, too, and what is written by one volume would be "
                 "written into the other; remove one of the names, or make a copy of the file";
    }
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
static int wrong_size(const struct volume *v, const char *path, uint64_t size, struct dv_err *err)
{
    uint64_t wanted = v->blocks * BLOCK_SIZE;
    const uint64_t mib = ALLOC_BLOCKS * BLOCK_SIZE;
    if (size > wanted && size % mib == 0) // a journal of before a growth was put back
        return dv_fail(err, DV_IO,
                       "%s has %" PRIu64 " bytes and should have %" PRIu64
                       ": if the volume was made "
                       "larger since, dvsan volume resize %s --size %" PRIu64 "M",
                       path, size, wanted, v->name, size / mib);
    return dv_fail(err, DV_IO,
                   "%s has %" PRIu64 " bytes and should have %" PRIu64
                   ": put it back from a backup, or delete the volume",
                   path, size, wanted);
}

// One that is growing is longer than it is said to be, at most as long as it is to become.
// A volume's blocks are for those whom its rules name.
static void close_to_others(const char *path, const struct stat *st)
{
    static struct log_limit told;
    if (!S_ISREG(st->st_mode) || (st->st_mode & 077) == 0)
        return;
    bool closed = chmod(path, 0600) == 0;
    log_limited(&told, LOG_LEVEL_WARNING, "media",
                "%s could be opened by other users (mode %03o)%s", path, st->st_mode & 0777u,
                closed ? ", and is closed to them"
                       : ", and that cannot be changed: run chmod 0600");
}

static char *dir_path(struct media *m, const struct volume *v, struct dv_err *err)
{
    char *path = dir_file(m, &v->uuid);
    uint64_t most = v->target_blocks > v->blocks ? v->target_blocks : v->blocks;
    struct stat st;
    int rc = 0;
    if (stat(path, &st) != 0 && errno == ENOENT)
        rc = dv_fail(err, DV_IO, "%s is gone: put it back from a backup, or delete the volume",
                     path);
    else if (stat(path, &st) != 0)
        rc = dv_fail_errno(err, errno, "%s cannot be served", path);
    else if ((uint64_t)st.st_size < v->blocks * BLOCK_SIZE ||
             (uint64_t)st.st_size > most * BLOCK_SIZE)
        rc = wrong_size(v, path, (uint64_t)st.st_size, err);
    else
        close_to_others(path, &st);
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
