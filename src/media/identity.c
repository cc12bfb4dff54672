// What tells a block device or an image file from all others, under whatever name it is found.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/identity.h"
#include "base/mem.h"
#include "base/text.h"
#include "media/media.h"
#include "media/sysfs.h"
#include <fcntl.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LEVELS 4 // a partition of a partition is none

// What the kernel tells in sysfs, the surest first: mapped devices, NVMe, SCSI, virtio, MMC.
static const struct {
    const char *file, *word;
} told[] = {
    {"dm/uuid", "dm"},        {"md/uuid", "md"},    {"wwid", "wwid"},
    {"device/wwid", "wwid"},  {"serial", "serial"}, {"device/serial", "serial"},
    {"device/cid", "serial"},
};

// Padded as some are.
static char *word_in(const char *folder, const char *file)
{
    DV_FREE char *text = sysfs_word(folder, file);
    if (!text)
        return NULL;
    for (size_t len = strlen(text); len > 0 && (unsigned char)text[len - 1] <= ' ';)
        text[--len] = '\0';
    const char *start = text + strspn(text, " ");
    return *start ? dv_printf("%.120s", start) : NULL;
}

static char *of_disk(const char *folder, int level)
{
    DV_FREE char *part = word_in(folder, "partition");
    if (part && level < LEVELS) {
        DV_FREE char *start = word_in(folder, "start");
        DV_FREE char *above = dv_printf("%s/..", folder);
        DV_FREE char *disk = of_disk(above, level + 1);
        return disk[0] ? dv_printf("%s partition %s at %s", disk, part, start ? start : "?")
                       : dv_strdup("");
    }
    for (size_t i = 0; i < DV_COUNT(told); i++) {
        DV_FREE char *word = word_in(folder, told[i].file);
        if (word)
            return dv_printf("%s %s", told[i].word, word);
    }
    return dv_strdup("");
}

// Birth tells a file from one that has its inode on another file system, or later.
static char *of_file(int fd)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0)
        return dv_strdup("");
    if (!(st.stx_mask & STATX_BTIME))
        return dv_printf("file %" PRIu64, (uint64_t)st.stx_ino);
    return dv_printf("file %" PRIu64 " of %" PRId64 ".%09u", (uint64_t)st.stx_ino,
                     (int64_t)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
}

char *identity_of(int fd)
{
    struct stat st;
    struct loop_info64 info;
    if (fstat(fd, &st) != 0)
        return dv_strdup("");
    if (!S_ISBLK(st.st_mode))
        return of_file(fd);
    if (ioctl(fd, LOOP_GET_STATUS64, &info) == 0)
        return dv_printf("loop over file %" PRIu64 " at %" PRIu64, (uint64_t)info.lo_inode,
                         (uint64_t)info.lo_offset);
    DV_FREE char *folder = sysfs_folder(st.st_rdev);
    return of_disk(folder, 0);
}
