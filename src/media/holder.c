// Who else on this machine uses a block device or an image.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/holder.h"
#include "base/mem.h"
#include "media/sysfs.h"
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LINE_ROOM 4352 // bytes of a line of the kernel's: a path and some words

// Volume groups, md arrays, multipath: "dm-3 (mpatha) lies over it".
static char *lies_over(const char *folder)
{
    char *found = NULL;
    DV_FREE char *holders = dv_printf("%s/holders", folder);
    DIR *d = opendir(holders);
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        DV_FREE char *at = dv_printf("%s/%s", holders, e->d_name);
        DV_FREE char *name = sysfs_word(at, "dm/name");
        found = name ? dv_printf("%s (%s) lies over it", e->d_name, name)
                     : dv_printf("%s lies over it", e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}

// proc(5): the third word of a line of mountinfo is the device, the fifth the mount point.
static char *mounted_at(const char *number)
{
    char line[LINE_ROOM], device[32], point[LINE_ROOM];
    char *found = NULL;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    while (f && !found && fgets(line, sizeof(line), f))
        if (sscanf(line, "%*s %*s %31s %*s %4351s", device, point) == 2 &&
            strcmp(device, number) == 0)
            found = dv_printf("it is mounted at %.128s", point);
    if (f)
        fclose(f);
    return found;
}

static char *is_swap(const struct stat *device)
{
    char line[LINE_ROOM], path[LINE_ROOM];
    struct stat st;
    char *found = NULL;
    FILE *f = fopen("/proc/swaps", "re");
    while (f && !found && fgets(line, sizeof(line), f))
        if (sscanf(line, "%4351s", path) == 1 && stat(path, &st) == 0 && S_ISBLK(st.st_mode) &&
            st.st_rdev == device->st_rdev)
            found = dv_strdup("the machine swaps to it");
    if (f)
        fclose(f);
    return found;
}

char *holder_of(const struct stat *device)
{
    DV_FREE char *folder = sysfs_folder(device->st_rdev);
    DV_FREE char *number = dv_printf("%u:%u", major(device->st_rdev), minor(device->st_rdev));
    char *found = lies_over(folder);
    if (!found)
        found = mounted_at(number);
    return found ? found : is_swap(device);
}

char *holder_of_part(const struct stat *device)
{
    char *found = NULL;
    DV_FREE char *folder = sysfs_folder(device->st_rdev);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        unsigned high, low;
        DV_FREE char *at = dv_printf("%s/%s", folder, e->d_name);
        DV_FREE char *part = e->d_name[0] == '.' ? NULL : sysfs_word(at, "partition");
        DV_FREE char *number = part ? sysfs_word(at, "dev") : NULL;
        if (!number || sscanf(number, "%u:%u", &high, &low) != 2)
            continue;
        const struct stat st = {.st_rdev = makedev(high, low)};
        DV_FREE char *holder = holder_of(&st);
        if (holder)
            found = dv_printf("its partition %s is in use: %s", e->d_name, holder);
    }
    if (d)
        closedir(d);
    return found;
}

static bool is_zero(const char *number)
{
    return !number || strtoull(number, NULL, 10) == 0;
}

static char *loop_over(const char *name, const struct stat *below)
{
    struct stat st;
    DV_FREE char *folder = dv_printf("/sys/block/%s", name);
    DV_FREE char *path = sysfs_word(folder, "loop/backing_file");
    if (!path || stat(path, &st) != 0 ||
        (S_ISBLK(below->st_mode) ? !S_ISBLK(st.st_mode) || st.st_rdev != below->st_rdev
                                 : st.st_dev != below->st_dev || st.st_ino != below->st_ino))
        return NULL;
    DV_FREE char *read_only = sysfs_word(folder, "ro");
    DV_FREE char *ends = sysfs_word(folder, "loop/autoclear");
    DV_FREE char *limit = sysfs_word(folder, "loop/sizelimit");
    if (!is_zero(read_only) || (!is_zero(ends) && !is_zero(limit)))
        return NULL;
    return dv_printf("the loop device /dev/%s lies over it", name);
}

char *holder_loop(const struct stat *below)
{
    char *found = NULL;
    DIR *d = opendir("/sys/block");
    for (struct dirent *e; d && !found && (e = readdir(d));)
        if (strncmp(e->d_name, "loop", 4) == 0)
            found = loop_over(e->d_name, below);
    if (d)
        closedir(d);
    return found;
}
