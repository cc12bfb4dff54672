// What lies below a disk or device medium: a block device or an image file.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_STORAGE_H
#define DVSAN_MEDIA_STORAGE_H

#include "media/media.h"
#include <sys/statvfs.h>

// In the folder of a dir medium, which tells it by that.
#define STORAGE_FOLDER_MARKER ".dvsan-medium"

struct storage {
    const char *path; // borrowed
    int fd;           // reads and writes; holds the lock
    int below;        // holds that of the file that a loop device lies over; or -1
    bool is_block;
    uint64_t bytes;
    unsigned sector; // bytes; 512 for an image
};

// How a block device is kept from others on this machine, who would write to it as well: as a
// whole, or by what of it is served (see window.h), so that its other partitions may be used.
enum storage_hold { HOLD_WHOLE, HOLD_PARTS };

// Opens a device or an image and locks it against a second process, and a second medium of another
// name: DV_BUSY, as when something on this machine uses it already.
int storage_open(struct storage *s, const char *path, enum storage_hold hold, struct dv_err *err);
void storage_close(struct storage *s);

// Fails when what was opened is not at its path any more, became smaller or read-only, or cannot
// be read.
int storage_probe(const struct storage *s, struct media_space *space, struct dv_err *err);

// Reads the beginning and the end of something that long: past the page cache where that is
// possible, since what is remembered says nothing about the disk.
int storage_check_readable(const char *path, uint64_t bytes, struct dv_err *err);

// For reading: past the page cache where that is possible. A descriptor, or -1.
int storage_open_direct(const char *path, struct dv_err *err);

// Whether what is overwritten takes no room: what lies below neither copies on write nor is thin.
// By a file system's number (statfs(2)), and by the name of a mapped device below.
bool storage_reserves(int fd);
bool storage_kind_reserves(uint64_t magic);
bool storage_name_is_thin(const char *mapped);
// Of a device's folder in sysfs, down to so many devices below it, as when something encrypted or
// an array lies over a thin volume.
#define STORAGE_LEVELS 8
bool storage_device_reserves(const char *folder, unsigned levels);
// Asks a file system that copies what is overwritten not to do so with this file, which is empty
// yet: btrfs does as told, others refuse.
void storage_write_in_place(int fd);
// Blocks of an image that take room when they are written.
uint64_t storage_unwritten(const struct storage *s);

// What a file system has left for what takes room as it is written.
void storage_tell_space(const struct statvfs *fs, struct media_space *space);

int storage_size(int fd, const char *path, uint64_t *bytes, struct dv_err *err);

// Makes from .. to - 1 (bytes) read as zeros, without keeping room for it where `thin`. *done
// grows from `from` on as it goes, so that what was cut short goes on there. On stable storage
// when it returns 0; DV_CANCELLED when the progress's report said so.
int storage_zero(const struct storage *s, uint64_t from, uint64_t to, bool thin, uint64_t *done,
                 const struct media_progress *progress, struct dv_err *err);

// Fails with DV_CONFLICT when it holds a file system or anything else that is known by a signature.
int storage_check_blank(const struct storage *s, struct dv_err *err);

#endif
