// Reading and replacing whole files, locks, directories.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"

#include "base/mem.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// read(2) until len bytes or the end; the number read, or -1.
static ssize_t read_full(int fd, char *out, size_t len)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = read(fd, out + got, len - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int file_read(const char *path, size_t max, char **data, size_t *len, struct dv_err *err)
{
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return dv_fail_errno(err, errno, "cannot open %s", path);
    if (S_ISDIR(st.st_mode))
        return dv_fail_errno(err, EISDIR, "cannot read %s", path);
    // The size is a hint only: files in /proc and pipes say 0.
    size_t room = st.st_size > 0 && (size_t)st.st_size < max ? (size_t)st.st_size + 1 : 4096;
    DV_FREE char *text = NULL;
    size_t got = 0;
    for (;;) {
        room = room < max + 1 ? room : max + 1; // one byte more tells that it is too large
        text = dv_realloc(text, room + 1, 1);
        ssize_t n = read_full(fd, text + got, room - got);
        if (n < 0)
            return dv_fail_errno(err, errno, "cannot read %s", path);
        got += (size_t)n;
        if (got > max)
            return dv_fail(err, DV_INVALID, "%s is larger than %zu bytes", path, max);
        if (got < room)
            break;
        room *= 2;
    }
    text[got] = '\0';
    *data = text;
    *len = got;
    text = NULL;
    return 0;
}

static int write_full(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

// The close is part of the writing: on NFS it is where errors show.
static int write_new(const char *path, const void *data, size_t len, mode_t mode)
{
    unlink(path); // O_EXCL and not O_TRUNC: a leftover may be open elsewhere, or have another mode
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0700);
    if (fd < 0)
        return -1;
    int result = write_full(fd, data, len) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -1 : 0;
    int saved = errno;
    if (close(fd) < 0 && result == 0)
        return -1;
    errno = saved;
    return result;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                      struct dv_err *err)
{
    DV_FREE char *temporary = dv_printf("%s.tmp", path);
    if (write_new(temporary, data, len, mode) < 0 || rename(temporary, path) < 0) {
        int saved = errno;
        unlink(temporary);
        return dv_fail_errno(err, saved, "cannot write %s", path);
    }
    return file_sync_dir(path, err);
}

bool file_is_missing(const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

int file_sync_dir(const char *path, struct dv_err *err)
{
    struct stat st;
    DV_FREE char *dir = dv_strdup(path);
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
        char *slash = strrchr(dir, '/');
        if (slash) {
            slash[slash == dir] = '\0'; // "/file" is in "/"
        } else {
            free(dir);
            dir = dv_strdup(".");
        }
    }
    DV_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return dv_fail_errno(err, errno, "cannot write the folder %s to disk", dir);
    return 0;
}

// proc(5): the state of a process follows its name, which is in parentheses and may hold any.
static bool has_ended(const char *pid)
{
    DV_FREE char *path = dv_printf("/proc/%.20s/stat", pid);
    DV_FREE char *text = NULL;
    size_t len;
    const char *name_end =
        file_read(path, 4096, &text, &len, NULL) == 0 ? strrchr(text, ')') : NULL;
    return name_end && (name_end[1] == ' ') && (name_end[2] == 'Z' || name_end[2] == 'X');
}

int file_lock(const char *path, struct dv_err *err)
{
    DV_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return dv_fail_errno(err, errno, "cannot open the lock file %s", path);
    char pid[24] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return dv_fail_errno(err, errno, "cannot lock %s", path);
        if (pread(fd, pid, sizeof(pid) - 1, 0) <= 0)
            dv_copy(pid, sizeof(pid), "another");
        pid[strcspn(pid, "\n")] = '\0';
        if (has_ended(pid))
            return dv_fail(err, DV_BUSY,
                           "%s is locked by process %s, which has ended, and of which the kernel "
                           "lets go when the disk, mount or server below it answers what that "
                           "process asked: see to that one",
                           path, pid);
        return dv_fail(err, DV_BUSY, "%s is locked by process %s; stop that one first", path, pid);
    }
    int len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len)
        return dv_fail_errno(err, errno, "cannot write the lock file %s", path);
    int held = fd;
    fd = -1;
    return held;
}

void file_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t file_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
}

int file_move_up(int fd)
{
    int up = fcntl(fd, F_DUPFD_CLOEXEC, FILE_FEW);
    if (up < 0)
        return fd;
    close(fd);
    return up;
}

// A new descriptor has the lowest number that is free.
bool file_limit_is_near(unsigned spare)
{
    struct rlimit limit;
    DV_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    return fd < 0 || (rlim_t)fd + spare >= limit.rlim_cur;
}

static int make_dir(const char *path, mode_t mode, struct dv_err *err)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return 0;
    int saved = errno;
    // Also EROFS and EACCES come for a folder that is there already.
    if (stat(path, &st) < 0)
        return dv_fail_errno(err, saved, "cannot make the folder %s", path);
    if (!S_ISDIR(st.st_mode))
        return dv_fail(err, DV_CONFLICT, "%s is in the way: it is not a folder", path);
    return 0;
}

int file_make_dirs(const char *path, mode_t mode, struct dv_err *err)
{
    DV_FREE char *part = dv_strdup(path);
    for (char *p = part; *p; p++) {
        if (*p != '/' || p == part)
            continue;
        *p = '\0';
        int result = make_dir(part, mode, err);
        *p = '/';
        if (result < 0)
            return -1;
    }
    return make_dir(part, mode, err);
}
