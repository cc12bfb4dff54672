// Where bytes lie that are read by some path: below loop devices and partitions.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/ground.h"
#include "base/mem.h"
#include "media/sysfs.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#define DEPTH_MAX 16 // a loop device over a loop device, and so on
#define SECTOR    512

static uint64_t number_in(const char *folder, const char *file)
{
    DV_FREE char *word = sysfs_word(folder, file);
    return word ? strtoull(word, NULL, 10) : 0;
}

// One step down: what begins at `at` there, and has so many bytes; 0: all that are behind.
static void move_down(struct ground *g, uint64_t at, uint64_t bytes)
{
    if (bytes > 0 && g->end > bytes)
        g->end = bytes;
    g->from += at;
    g->end = g->end > UINT64_MAX - at ? UINT64_MAX : g->end + at;
}

// False when the device is none of the two.
static bool look_below(struct stat *st, struct ground *g)
{
    unsigned major_number, minor_number;
    DV_FREE char *folder = sysfs_folder(st->st_rdev);
    DV_FREE char *partition = sysfs_word(folder, "partition");
    DV_FREE char *disk = partition ? sysfs_word(folder, "../dev") : NULL;
    if (disk && sscanf(disk, "%u:%u", &major_number, &minor_number) == 2) {
        move_down(g, number_in(folder, "start") * SECTOR, number_in(folder, "size") * SECTOR);
        st->st_rdev = makedev(major_number, minor_number);
        return true;
    }
    DV_FREE char *file = sysfs_word(folder, "loop/backing_file");
    if (!file || stat(file, st) != 0)
        return false;
    move_down(g, number_in(folder, "loop/offset"), number_in(folder, "loop/sizelimit"));
    return true;
}

void ground_of(const struct stat *st, struct ground *out)
{
    struct stat at = *st;
    *out = (struct ground){.end = UINT64_MAX};
    for (int i = 0; i < DEPTH_MAX && S_ISBLK(at.st_mode) && look_below(&at, out); i++)
        ;
    out->dev = S_ISBLK(at.st_mode) ? at.st_rdev : at.st_dev;
    out->ino = S_ISBLK(at.st_mode) ? 0 : at.st_ino;
}

bool ground_is_shared(const struct ground *a, const struct ground *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->from < b->end && b->from < a->end;
}
