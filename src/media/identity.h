// What tells a block device or an image file from all others, under whatever name it is found.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEDIA_IDENTITY_H
#define DVSAN_MEDIA_IDENTITY_H

// The same after a restart of the machine: a disk's world wide name or serial number, a mapped
// device's UUID, a file's inode and time of birth. "" when it tells nothing of itself. One line of
// less than MEDIA_IDENTITY_ROOM bytes, which the caller frees.
char *identity_of(int fd);

#endif
