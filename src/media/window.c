// Parts of a disk as devices of their own, for tgtd to open.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/window.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "media/holder.h"
#include "media/sysfs.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/blkpg.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define LOOP_CONTROL "/dev/loop-control"
#define LOOP_TRIES   16 // others take free loop devices, too
#define CLOSE_TRIES  10 // others, such as udevd, look at devices for a moment

// Whatever it is, it is held with O_EXCL: tgtd, which opens it without, is not hindered, but the
// kernel keeps it from file systems, md arrays and volume groups of this machine, which would take
// what hosts wrote there for their own.
struct window {
    uint64_t offset, bytes;
    bool node; // a partition node, else a loop device
    int fd;    // -1: something else has it for itself, or there are too few descriptors
    char *path;
};

struct windows {
    const struct storage *storage;
    bool nodes; // whether the kernel takes partitions from us
    struct window *list;
    size_t count;
};

static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

// ---- Held -------------------------------------------------------------------------------------

static void keep(struct windows *w, bool node, uint64_t offset, uint64_t bytes, int fd,
                 const char *path)
{
    *DV_APPEND(w->list, w->count) = (struct window){
        .offset = offset, .bytes = bytes, .node = node, .fd = fd, .path = dv_strdup(path)};
}

static struct window *find(const struct windows *w, const struct gpt_part *part, bool node)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->list[i].node == node && w->list[i].offset == part->start * BLOCK_SIZE)
            return &w->list[i];
    return NULL;
}

static void drop(struct windows *w, struct window *l)
{
    dv_cleanup_close(&l->fd);
    free(l->path);
    *l = w->list[--w->count];
}

static void drop_named(struct windows *w, const char *path)
{
    for (size_t i = w->count; i-- > 0;)
        if (strcmp(w->list[i].path, path) == 0)
            drop(w, &w->list[i]);
}

static int fail_held(const char *path, int errnum, struct dv_err *err)
{
    struct stat st;
    if (errnum != EBUSY)
        return dv_fail_errno(err, errnum, "cannot open %s", path);
    DV_FREE char *who = stat(path, &st) == 0 ? holder_of(&st) : NULL;
    return dv_fail(err, DV_BUSY, "%s, where it lies, is in use on this machine: %s", path,
                   who ? who : "something has it for itself");
}

// ---- Partition nodes --------------------------------------------------------------------------

// "sda1", "nvme0n1p1", or NULL when it is no block device. The caller frees it.
static char *node_name(const struct storage *s, size_t number)
{
    struct stat st;
    char target[512];
    if (!s->is_block || fstat(s->fd, &st) != 0)
        return NULL;
    DV_FREE char *link = sysfs_folder(st.st_rdev);
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    if (n <= 0)
        return NULL;
    target[n] = '\0';
    const char *slash = strrchr(target, '/'), *disk = slash ? slash + 1 : target;
    bool digit = isdigit((unsigned char)disk[strlen(disk) - 1]);
    return dv_printf("%s%s%zu", disk, digit ? "p" : "", number + 1);
}

static uint64_t number_in(const char *name, const char *file)
{
    DV_FREE char *folder = dv_printf("/sys/class/block/%s", name);
    DV_FREE char *text = sysfs_word(folder, file);
    return text ? strtoull(text, NULL, 10) : UINT64_MAX;
}

// The kernel counts in blocks of 512 bytes, too, whatever the sectors are.
static bool kernel_has(const char *name, const struct gpt_part *part)
{
    return number_in(name, "start") == part->start && number_in(name, "size") == part->blocks;
}

static int tell_kernel(const struct storage *s, int op, const struct gpt_part *part)
{
    struct blkpg_partition p = {.start = (long long)(part->start * BLOCK_SIZE),
                                .length = (long long)(part->blocks * BLOCK_SIZE),
                                .pno = (int)part->number + 1};
    struct blkpg_ioctl_arg arg = {.op = op, .datalen = sizeof(p), .data = &p};
    return ioctl(s->fd, BLKPG, &arg) == 0 ? 0 : errno;
}

// The node's path where it is the partition's, else NULL.
static char *node_path(const char *name)
{
    struct stat st;
    char dev[32];
    DV_FREE char *folder = dv_printf("/sys/class/block/%s", name);
    DV_FREE char *text = sysfs_word(folder, "dev");
    char *path = dv_printf("/dev/%s", name);
    if (text && stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
        snprintf(dev, sizeof(dev), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
        if (strcmp(dev, text) == 0)
            return path;
    }
    free(path);
    return NULL;
}

// Has the kernel make the node be where the part is; false where it does not.
static bool place_node(struct windows *w, const char *name, const struct gpt_part *part)
{
    if (kernel_has(name, part))
        return true;
    bool grew = number_in(name, "start") == part->start;
    if (!grew) { // one that lay elsewhere
        DV_FREE char *path = dv_printf("/dev/%s", name);
        drop_named(w, path);
        (void)tell_kernel(w->storage, BLKPG_DEL_PARTITION, part);
    }
    return tell_kernel(w->storage, grew ? BLKPG_RESIZE_PARTITION : BLKPG_ADD_PARTITION, part) == 0;
}

// 1 with its path, 0 when the kernel has no node for the part, or -1.
static int open_node(struct windows *w, const struct gpt_part *part, char **out, struct dv_err *err)
{
    DV_FREE char *name = node_name(w->storage, part->number);
    DV_FREE char *path = name && place_node(w, name, part) ? node_path(name) : NULL;
    if (!path)
        return 0;
    struct window *held = find(w, part, true);
    if (held && strcmp(held->path, path) != 0) {
        drop(w, held);
        held = NULL;
    }
    if (held) {
        held->bytes = part->blocks * BLOCK_SIZE;
    } else {
        int fd = open(path, O_RDWR | O_CLOEXEC | O_EXCL);
        if (fd < 0)
            return fail_held(path, errno, err);
        keep(w, true, part->start * BLOCK_SIZE, part->blocks * BLOCK_SIZE, fd, path);
    }
    *out = dv_strdup(path);
    return 1;
}

static int close_node(struct windows *w, const struct gpt_part *part, struct dv_err *err)
{
    const struct storage *s = w->storage;
    DV_FREE char *name = node_name(s, part->number);
    struct window *held = find(w, part, true);
    if (held)
        drop(w, held);
    if (!name || number_in(name, "size") == UINT64_MAX)
        return 0;
    int errnum = EBUSY;
    for (int i = 0; i < CLOSE_TRIES && errnum == EBUSY; i++) {
        if (i > 0)
            wait_a_moment();
        errnum = tell_kernel(s, BLKPG_DEL_PARTITION, part);
    }
    if (errnum == EBUSY)
        return dv_fail(err, DV_BUSY, "/dev/%s is still open in some process", name);
    // One that the kernel made at boot and that is not ours to take away stays until the next one.
    if (errnum != 0 && errnum != ENXIO && errnum != EACCES)
        return dv_fail_errno(err, errnum, "cannot take /dev/%s away", name);
    return 0;
}

// ---- Loop devices -----------------------------------------------------------------------------

static bool lies_on(const struct loop_info64 *info, const struct storage *s)
{
    struct stat st;
    return fstat(s->fd, &st) == 0 && info->lo_inode == st.st_ino && info->lo_device == st.st_dev;
}

static bool is_window(const struct windows *w, const struct loop_info64 *info)
{
    return lies_on(info, w->storage) && (info->lo_flags & LO_FLAGS_AUTOCLEAR) &&
           info->lo_sizelimit > 0;
}

// Takes over one loop device if it is of this disk and ends by itself.
static void take_over(struct windows *w, const char *name)
{
    struct loop_info64 info;
    DV_FREE char *active = dv_printf("/sys/block/%s/loop", name);
    DV_FREE char *path = dv_printf("/dev/%s", name);
    if (access(active, F_OK) != 0)
        return;
    DV_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) != 0 || !is_window(w, &info))
        return;
    bool few = file_limit_is_near(WINDOWS_SPARE);
    keep(w, false, info.lo_offset, info.lo_sizelimit,
         few ? -1 : open(path, O_RDWR | O_CLOEXEC | O_EXCL), path);
}

static void take_over_all(struct windows *w)
{
    DIR *d = opendir("/sys/block");
    for (struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, "loop", 4) == 0)
            take_over(w, e->d_name);
    if (d)
        closedir(d);
}

static int configure(const struct windows *w, const struct gpt_part *part, struct loop_config *c,
                     char **path, int *fd)
{
    int control = open(LOOP_CONTROL, O_RDWR | O_CLOEXEC);
    int number = control >= 0 ? ioctl(control, LOOP_CTL_GET_FREE) : -1;
    int errnum = errno;
    dv_cleanup_close(&control);
    if (number < 0)
        return errnum;
    // The loop device keeps what it is given, and with it the lock, were it our own descriptor.
    DV_FREE char *self = dv_printf("/proc/self/fd/%d", w->storage->fd);
    DV_CLOSE int below = open(self, O_RDWR | O_CLOEXEC);
    if (below < 0)
        return errno;
    *path = dv_printf("/dev/loop%d", number);
    *fd = open(*path, O_RDWR | O_CLOEXEC | O_EXCL); // before anybody can see what it will hold
    *c = (struct loop_config){.fd = (uint32_t)below,
                              .info = {.lo_offset = part->start * BLOCK_SIZE,
                                       .lo_sizelimit = part->blocks * BLOCK_SIZE,
                                       .lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO}};
    snprintf((char *)c->info.lo_file_name, sizeof(c->info.lo_file_name), "%.60s", w->storage->path);
    DV_FAULT("window.loop.make");
    errnum = *fd >= 0 && ioctl(*fd, LOOP_CONFIGURE, c) == 0 ? 0 : errno;
    DV_FAULT("window.loop.made");
    return errnum;
}

// A part that grew: what has the loop device open goes on and can see the new size.
static int resize_loop(struct window *l, const struct gpt_part *part, struct dv_err *err)
{
    struct loop_info64 info;
    uint64_t bytes = part->blocks * BLOCK_SIZE;
    if (l->bytes == bytes)
        return 0;
    if (l->fd < 0)
        return dv_fail_errno(err, EMFILE, "%s cannot be made larger", l->path);
    if (ioctl(l->fd, LOOP_GET_STATUS64, &info) != 0)
        return dv_fail_errno(err, errno, "cannot look at %s", l->path);
    info.lo_sizelimit = bytes;
    DV_FAULT("window.loop.grow");
    if (ioctl(l->fd, LOOP_SET_STATUS64, &info) != 0)
        return dv_fail_errno(err, errno, "cannot make %s larger", l->path);
    l->bytes = bytes;
    DV_FAULT("window.loop.grown");
    return 0;
}

// One that was taken over while something else had it for itself, or that there was no descriptor
// for: then it is used without being held. 1 when it has ended since.
static int hold_again(struct windows *w, struct window *l, struct dv_err *err)
{
    struct loop_info64 info;
    if (l->fd >= 0)
        return 0;
    DV_CLOSE int fd = open(l->path, O_RDWR | O_CLOEXEC | O_EXCL);
    if (fd < 0)
        return fail_held(l->path, errno, err);
    if (ioctl(fd, LOOP_GET_STATUS64, &info) != 0 || !is_window(w, &info) ||
        info.lo_offset != l->offset) {
        drop(w, l);
        return 1;
    }
    if (file_limit_is_near(WINDOWS_SPARE))
        return 0;
    l->fd = fd;
    fd = -1;
    return 0;
}

static char *open_loop(struct windows *w, const struct gpt_part *part, struct dv_err *err)
{
    struct window *l = find(w, part, false);
    int gone = l ? hold_again(w, l, err) : 1;
    if (gone < 0)
        return NULL;
    if (gone == 0)
        return resize_loop(l, part, err) == 0 ? dv_strdup(l->path) : NULL;
    int errnum = file_limit_is_near(WINDOWS_SPARE) ? EMFILE : EBUSY;
    for (int i = 0; i < LOOP_TRIES && errnum == EBUSY; i++) {
        struct loop_config c;
        DV_FREE char *path = NULL;
        int fd = -1;
        errnum = configure(w, part, &c, &path, &fd);
        if (errnum == 0) {
            // A write error of the device's former user, of which nobody was told, is told here:
            // else to the first that flushes.
            (void)fdatasync(fd);
            keep(w, false, c.info.lo_offset, c.info.lo_sizelimit, fd, path);
            return dv_strdup(path);
        }
        dv_cleanup_close(&fd);
    }
    (void)dv_fail_errno(err, errnum, "cannot make a loop device over %s", w->storage->path);
    return NULL;
}

// Closing was enough unless somebody else has it open.
static bool is_gone(const struct windows *w, const char *path, const struct window *was)
{
    struct loop_info64 info;
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) != 0 || !lies_on(&info, w->storage) ||
           info.lo_offset != was->offset || info.lo_sizelimit != was->bytes;
}

static int close_loop(struct windows *w, const struct gpt_part *part, struct dv_err *err)
{
    struct window *l = find(w, part, false);
    if (!l)
        return 0;
    struct window was = *l;
    DV_FREE char *path = dv_strdup(l->path);
    DV_FAULT("window.loop.close");
    drop(w, l);
    DV_FAULT("window.loop.closed");
    for (int i = 0; i < CLOSE_TRIES; i++) {
        if (is_gone(w, path, &was))
            return 0;
        wait_a_moment();
    }
    take_over(w, path + strlen("/dev/"));
    return dv_fail(err, DV_BUSY, "%s is still open in some process", path);
}

// ---- Both -------------------------------------------------------------------------------------

// What BLKPG takes.
static bool is_admin(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    return syscall(SYS_capget, &header, data) == 0 &&
           (data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN));
}

struct windows *windows_new(const struct storage *storage, struct dv_err *err)
{
    bool nodes = storage->is_block && is_admin();
    if (!nodes && access(LOOP_CONTROL, R_OK | W_OK) != 0) {
        (void)dv_fail_errno(err, errno,
                            "the volumes on %s take loop devices, which this user may not make; "
                            "let it be in the group of " LOOP_CONTROL,
                            storage->path);
        return NULL;
    }
    struct windows *w = dv_calloc(1, sizeof(*w));
    w->storage = storage;
    w->nodes = nodes;
    take_over_all(w);
    return w;
}

bool windows_make_nodes(const struct windows *w)
{
    return w->nodes;
}

void windows_free(struct windows *w)
{
    if (!w)
        return;
    while (w->count > 0)
        drop(w, &w->list[w->count - 1]);
    free(w->list);
    free(w);
}

char *windows_open(struct windows *w, const struct gpt_part *part, struct dv_err *err)
{
    char *node = NULL;
    int found = open_node(w, part, &node, err);
    return found == 0 ? open_loop(w, part, err) : node;
}

int windows_flush(const struct windows *w, const struct gpt_part *part, struct dv_err *err)
{
    for (int node = 0; node <= 1; node++) {
        const struct window *l = find(w, part, node);
        if (!l)
            continue;
        DV_CLOSE int own = l->fd < 0 ? open(l->path, O_RDONLY | O_CLOEXEC) : -1;
        if (fdatasync(l->fd < 0 ? own : l->fd) != 0)
            return dv_fail_errno(err, errno, "what hosts wrote to it last cannot be written to %s",
                                 w->storage->path);
    }
    return 0;
}

int windows_close(struct windows *w, const struct gpt_part *part, struct dv_err *err)
{
    if (close_loop(w, part, err) != 0)
        return -1;
    return close_node(w, part, err);
}

static bool is_of(const struct gpt_table *t, const struct window *l)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].ours && t->parts[i].start * BLOCK_SIZE == l->offset)
            return true;
    return false;
}

void windows_prune(struct windows *w, const struct gpt_table *t)
{
    for (size_t i = w->count; i-- > 0;) {
        if (is_of(t, &w->list[i]))
            continue;
        struct window was = w->list[i];
        DV_FREE char *path = dv_strdup(was.path);
        drop(w, &w->list[i]);
        if (is_gone(w, path, &was))
            log_info("media", "%s, where no volume lies any more, has ended", path);
        else
            log_warning("media",
                        "%s over %s, where no volume lies any more, is still open in some process",
                        path, w->storage->path);
    }
}
