// What lies below a disk or device medium: a block device or an image file.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/storage.h"
#include "base/fault.h"
#include "base/mem.h"
#include "media/holder.h"
#include "media/sysfs.h"
#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTOR      512u // linux/fs.h has a BLOCK_SIZE of its own
#define PROBE_BYTES 4096u
#define LOW_PERCENT 5                   // of the file system: less free than this is MEDIUM_LOW
#define CLEAR_BYTES (UINT64_C(1) << 28) // with one call to the kernel, between two reports
#define WRITE_BYTES (UINT64_C(1) << 20)
#define WRITE_TURNS 64 // writes of WRITE_BYTES between two reports

int storage_size(int fd, const char *path, uint64_t *bytes, struct dv_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return dv_fail_errno(err, errno, "cannot look at %s", path);
    *bytes = (uint64_t)st.st_size;
    if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, bytes) != 0)
        return dv_fail_errno(err, errno, "cannot tell the size of %s", path);
    return 0;
}

static int look(struct storage *s, struct dv_err *err)
{
    struct stat st;
    int sector = SECTOR;
    if (fstat(s->fd, &st) != 0)
        return dv_fail_errno(err, errno, "cannot look at %s", s->path);
    s->is_block = S_ISBLK(st.st_mode);
    if (!s->is_block && !S_ISREG(st.st_mode))
        return dv_fail(err, DV_INVALID, "%s is neither a block device nor an image file", s->path);
    if (s->is_block && ioctl(s->fd, BLKSSZGET, &sector) != 0)
        return dv_fail_errno(err, errno, "cannot tell the sector size of %s", s->path);
    s->sector = (unsigned)sector;
    if (s->sector != 512 && s->sector != 4096)
        return dv_fail(err, DV_INVALID, "%s has sectors of %u bytes; 512 and 4096 are supported",
                       s->path, s->sector);
    if (storage_size(s->fd, s->path, &s->bytes, err) != 0)
        return -1;
    if (s->bytes < ALLOC_BLOCKS * SECTOR)
        return dv_fail(err, DV_INVALID, "%s has less than 1 MiB", s->path);
    return 0;
}

// ---- Nobody else's ----------------------------------------------------------------------------

static int fail_in_use(const char *path, char *who, struct dv_err *err)
{
    (void)dv_fail(err, DV_BUSY, "%s is in use on this machine: %s", path,
                  who ? who : "something has it for itself");
    free(who);
    return -1;
}

static int lock(int fd, const char *path, struct dv_err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return dv_fail_errno(err, errno, "cannot lock %s", path);
    return dv_fail(err, DV_BUSY,
                   "%s is in use by another process, which holds its lock, or is another medium of "
                   "this unit by another name",
                   path);
}

// A loop device and the file below it are one medium.
static int lock_below(struct storage *s, const struct stat *st, struct dv_err *err)
{
    DV_FREE char *folder = sysfs_folder(st->st_rdev);
    DV_FREE char *path = sysfs_word(folder, "loop/backing_file");
    if (!path)
        return 0;
    s->below = open(path, O_RDONLY | O_CLOEXEC);
    return s->below < 0 ? 0 : lock(s->below, path, err);
}

// A volume of a folder is not a medium, too.
static int check_folder(const char *path, struct dv_err *err)
{
    DV_FREE char *real = realpath(path, NULL);
    char *slash = real ? strrchr(real, '/') : NULL;
    if (!slash)
        return 0;
    *slash = '\0';
    DV_FREE char *marker = dv_printf("%s/" STORAGE_FOLDER_MARKER, real);
    if (access(marker, F_OK) != 0)
        return 0;
    return dv_fail(err, DV_CONFLICT, "%s lies in the folder %s, which is a medium itself", path,
                   real);
}

static int check_unused(struct storage *s, enum storage_hold hold, struct dv_err *err)
{
    struct stat st;
    if (fstat(s->fd, &st) != 0)
        return dv_fail_errno(err, errno, "cannot look at %s", s->path);
    char *who = holder_loop(&st);
    if (who)
        return fail_in_use(s->path, who, err);
    if (!S_ISBLK(st.st_mode))
        return check_folder(s->path, err);
    if (hold == HOLD_PARTS && (who = holder_of(&st)))
        return fail_in_use(s->path, who, err);
    return lock_below(s, &st, err);
}

// The kernel keeps what was opened so from file systems, arrays and volume groups. Files know no
// such thing: there the flag means nothing without O_CREAT.
static int open_for_us(struct storage *s, enum storage_hold hold, struct dv_err *err)
{
    struct stat st;
    int exclusive =
        hold == HOLD_WHOLE && stat(s->path, &st) == 0 && S_ISBLK(st.st_mode) ? O_EXCL : 0;
    s->fd = open(s->path, O_RDWR | O_CLOEXEC | exclusive);
    if (s->fd >= 0)
        return 0;
    if (!exclusive || errno != EBUSY)
        return dv_fail_errno(err, errno, "cannot open %s", s->path);
    char *who = holder_of(&st);
    return fail_in_use(s->path, who ? who : holder_of_part(&st), err);
}

int storage_open(struct storage *s, const char *path, enum storage_hold hold, struct dv_err *err)
{
    s->path = path;
    s->fd = s->below = -1;
    if (open_for_us(s, hold, err) != 0 || lock(s->fd, path, err) != 0 ||
        check_unused(s, hold, err) != 0)
        return -1;
    return look(s, err);
}

void storage_close(struct storage *s)
{
    dv_cleanup_close(&s->fd);
    dv_cleanup_close(&s->below);
}

// ---- Is it well? ------------------------------------------------------------------------------

static int check_place(const struct storage *s, struct dv_err *err)
{
    struct stat here, there;
    if (stat(s->path, &there) != 0)
        return dv_fail_errno(err, errno, "%s is gone", s->path);
    if (fstat(s->fd, &here) != 0)
        return dv_fail_errno(err, errno, "cannot look at %s", s->path);
    bool same = s->is_block ? S_ISBLK(there.st_mode) && there.st_rdev == here.st_rdev
                            : there.st_dev == here.st_dev && there.st_ino == here.st_ino;
    if (!same)
        return dv_fail(err, DV_CONFLICT, "something else is at %s now", s->path);
    return 0;
}

// What took it after it was opened, as far as it was not kept from that.
static int check_still_unused(const struct storage *s, struct dv_err *err)
{
    struct stat st;
    char *who = s->is_block && fstat(s->fd, &st) == 0 ? holder_of(&st) : NULL;
    return who ? fail_in_use(s->path, who, err) : 0;
}

static int check_writable(const struct storage *s, struct dv_err *err)
{
    int read_only = 0;
    struct statvfs fs;
    if (s->is_block && ioctl(s->fd, BLKROGET, &read_only) == 0 && read_only)
        return dv_fail(err, DV_DENIED, "%s is read-only", s->path);
    if (!s->is_block && fstatvfs(s->fd, &fs) == 0 && (fs.f_flag & ST_RDONLY))
        return dv_fail(err, DV_DENIED, "%s is on a file system mounted read-only", s->path);
    // One that stopped itself after an error may still be mounted for writing, and says so here. A
    // sync would, too, but would also wait for all that hosts have written.
    DV_CLOSE int fd = s->is_block ? -1 : open(s->path, O_RDWR | O_CLOEXEC);
    if (!s->is_block && fd < 0)
        return dv_fail_errno(err, errno, "cannot write to %s", s->path);
    return 0;
}

int storage_open_direct(const char *path, struct dv_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (fd < 0)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : dv_fail_errno(err, errno, "cannot open %s", path);
}

int storage_check_readable(const char *path, uint64_t bytes, struct dv_err *err)
{
    void *buffer = NULL;
    DV_CLOSE int fd = storage_open_direct(path, err);
    if (fd < 0)
        return -1;
    if (posix_memalign(&buffer, PROBE_BYTES, PROBE_BYTES) != 0)
        return dv_fail_errno(err, ENOMEM, "cannot read %s", path);
    ssize_t front = pread(fd, buffer, PROBE_BYTES, 0), back = front;
    if (front > 0 && bytes > PROBE_BYTES)
        back = pread(fd, buffer, PROBE_BYTES, (off_t)((bytes - 1) / PROBE_BYTES * PROBE_BYTES));
    int errnum = errno;
    free(buffer);
    if (front <= 0 || back <= 0)
        return dv_fail_errno(err, front < 0 || back < 0 ? errnum : EIO, "cannot read %s", path);
    return 0;
}

// statfs(2); those that are not in Debian's headers are in their own sources.
#define MAGIC_BTRFS    0x9123683eu
#define MAGIC_ZFS      0x2fc12fc1u
#define MAGIC_BCACHEFS 0xca451a4eu
#define MAGIC_NILFS    0x3434u
#define MAGIC_F2FS     0xf2f52010u

bool storage_kind_reserves(uint64_t magic)
{
    static const uint64_t copying[] = {MAGIC_BTRFS, MAGIC_ZFS, MAGIC_BCACHEFS, MAGIC_NILFS,
                                       MAGIC_F2FS};
    for (size_t i = 0; i < DV_COUNT(copying); i++)
        if (copying[i] == magic)
            return false;
    return true;
}

void storage_write_in_place(int fd)
{
    int flags;
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0 || storage_kind_reserves((uint64_t)(uint32_t)fs.f_type) ||
        ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
        return;
    flags |= FS_NOCOW_FL;
    (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

// LVM names the pool of a thin volume so, and what keeps a snapshot's old blocks, and VDO's.
bool storage_name_is_thin(const char *mapped)
{
    static const char *const ends[] = {"-tpool", "-cow", "-vpool"};
    size_t len = strlen(mapped);
    for (size_t i = 0; i < DV_COUNT(ends); i++)
        if (len > strlen(ends[i]) && strcmp(mapped + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

static bool is_thin(const char *folder)
{
    DV_FREE char *name = sysfs_word(folder, "dm/name");
    return name && storage_name_is_thin(name);
}

bool storage_device_reserves(const char *folder, unsigned levels)
{
    bool thin = false;
    DV_FREE char *below = dv_printf("%s/slaves", folder);
    DIR *d = levels > 0 ? opendir(below) : NULL;
    for (struct dirent *e; d && !thin && (e = readdir(d));) {
        DV_FREE char *next = dv_printf("%s/%s", below, e->d_name);
        thin = e->d_name[0] != '.' && (is_thin(next) || !storage_device_reserves(next, levels - 1));
    }
    if (d)
        closedir(d);
    return !thin;
}

static bool device_reserves(dev_t device)
{
    DV_FREE char *folder = sysfs_folder(device);
    return storage_device_reserves(folder, STORAGE_LEVELS);
}

bool storage_reserves(int fd)
{
    struct stat st;
    struct statfs fs;
    if (fstat(fd, &st) != 0)
        return true;
    if (S_ISBLK(st.st_mode))
        return device_reserves(st.st_rdev);
    return (fstatfs(fd, &fs) != 0 || storage_kind_reserves((uint64_t)(uint32_t)fs.f_type)) &&
           device_reserves(st.st_dev);
}

void storage_tell_space(const struct statvfs *fs, struct media_space *space)
{
    // What a file system keeps back is for root alone.
    uint64_t left = geteuid() == 0 ? fs->f_bfree : fs->f_bavail;
    space->free_bytes = (uint64_t)fs->f_bavail * fs->f_frsize;
    space->total_bytes = (uint64_t)fs->f_blocks * fs->f_frsize;
    space->full = fs->f_blocks > 0 && left * fs->f_frsize < MEDIA_FULL_BYTES;
    space->state =
        space->free_bytes < space->total_bytes / 100 * LOW_PERCENT ? MEDIUM_LOW : MEDIUM_ONLINE;
}

// A sparse image takes room from its file system as it is written.
static void tell_space(const struct storage *s, struct media_space *space)
{
    struct stat st;
    struct statvfs fs;
    *space = (struct media_space){.state = MEDIUM_ONLINE, .reserves = storage_reserves(s->fd)};
    if (s->is_block || fstat(s->fd, &st) != 0 ||
        ((uint64_t)st.st_blocks * 512 >= s->bytes && space->reserves) ||
        fstatvfs(s->fd, &fs) != 0 || fs.f_blocks == 0)
        return;
    storage_tell_space(&fs, space);
}

uint64_t storage_unwritten(const struct storage *s)
{
    struct stat st;
    if (s->is_block || fstat(s->fd, &st) != 0 || (uint64_t)st.st_blocks * 512 >= s->bytes)
        return 0;
    return s->bytes / SECTOR - (uint64_t)st.st_blocks;
}

int storage_probe(const struct storage *s, struct media_space *space, struct dv_err *err)
{
    uint64_t bytes;
    if (check_place(s, err) != 0 || check_still_unused(s, err) != 0 ||
        storage_size(s->fd, s->path, &bytes, err) != 0)
        return -1;
    if (bytes < s->bytes)
        return dv_fail(err, DV_IO, "%s has shrunk from %llu to %llu bytes", s->path,
                       (unsigned long long)s->bytes, (unsigned long long)bytes);
    if (check_writable(s, err) != 0 || storage_check_readable(s->path, s->bytes, err) != 0)
        return -1;
    tell_space(s, space);
    return 0;
}

// ---- Zeros ------------------------------------------------------------------------------------

// Block devices know the same modes as files. Both promise zeros, unlike BLKDISCARD; only the
// first gives the room back.
static const int GIVE_BACK = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
static const int KEEP = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

static int write_zeros(const struct storage *s, uint64_t from, uint64_t to, struct dv_err *err)
{
    DV_FREE char *zeros = dv_calloc(1, WRITE_BYTES);
    for (uint64_t at = from; at < to;) {
        uint64_t len = to - at < WRITE_BYTES ? to - at : WRITE_BYTES;
        ssize_t n = pwrite(s->fd, zeros, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return dv_fail_errno(err, n < 0 ? errno : ENOSPC, "cannot write zeros to %s", s->path);
        at += (uint64_t)n;
    }
    return 0;
}

// Clears one piece and returns its end, or 0 after a failure.
static uint64_t clear_piece(const struct storage *s, uint64_t at, uint64_t to, bool thin,
                            struct dv_err *err)
{
    uint64_t len = to - at < CLEAR_BYTES ? to - at : CLEAR_BYTES;
    if (thin && fallocate(s->fd, GIVE_BACK, (off_t)at, (off_t)len) == 0)
        return at + len;
    if (fallocate(s->fd, KEEP, (off_t)at, (off_t)len) == 0)
        return at + len;
    if (len > WRITE_TURNS * WRITE_BYTES)
        len = WRITE_TURNS * WRITE_BYTES;
    return write_zeros(s, at, at + len, err) == 0 ? at + len : 0;
}

static bool is_wanted(const struct media_progress *p, uint64_t done, uint64_t all)
{
    return !p || p->report(p->arg, all > 0 ? (uint32_t)((double)done * 100.0 / (double)all) : 100);
}

int storage_zero(const struct storage *s, uint64_t from, uint64_t to, bool thin, uint64_t *done,
                 const struct media_progress *progress, struct dv_err *err)
{
    if (*done < from)
        *done = from;
    while (*done < to) {
        DV_FAULT("storage.zero.slice");
        uint64_t end = clear_piece(s, *done, to, thin, err);
        if (end == 0)
            return -1;
        *done = end;
        if (*done < to && !is_wanted(progress, *done - from, to - from))
            return dv_fail(err, DV_CANCELLED, "the request was cancelled");
    }
    if (fdatasync(s->fd) != 0)
        return dv_fail_errno(err, errno, "cannot write zeros to %s", s->path);
    DV_FAULT("storage.zero.synced");
    return 0;
}

// ---- Is it blank? -----------------------------------------------------------------------------

int storage_check_blank(const struct storage *s, struct dv_err *err)
{
    const char *what = NULL;
    blkid_probe probe = blkid_new_probe();
    if (!probe || blkid_probe_set_device(probe, s->fd, 0, 0) != 0) {
        blkid_free_probe(probe);
        return dv_fail(err, DV_IO, "cannot tell what is on %s", s->path);
    }
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_BADCSUM);
    blkid_probe_enable_partitions(probe, 1);
    int found = blkid_do_probe(probe);
    if (found == 0 && blkid_probe_lookup_value(probe, "TYPE", &what, NULL) != 0)
        (void)blkid_probe_lookup_value(probe, "PTTYPE", &what, NULL);
    int rc = 0;
    if (found < 0)
        rc = dv_fail(err, DV_IO, "cannot tell what is on %s", s->path);
    else if (found == 0)
        rc = dv_fail(err, DV_CONFLICT,
                     "%s is not initialised, because it holds something (%s); if it may be lost, "
                     "run wipefs -a on it",
                     s->path, what ? what : "unknown");
    blkid_free_probe(probe);
    return rc;
}
