// What the kernel tells of block devices in the files of sysfs(5).
// SPDX-License-Identifier: BSD-2-Clause
#include "media/sysfs.h"
#include "base/file.h"
#include "base/mem.h"
#include <string.h>
#include <sys/sysmacros.h>

#define WORD_MAX 4352 // bytes; the longest is the path of a loop device's file

char *sysfs_folder(dev_t device)
{
    return dv_printf("/sys/dev/block/%u:%u", major(device), minor(device));
}

char *sysfs_word(const char *folder, const char *file)
{
    DV_FREE char *path = dv_printf("%s/%s", folder, file);
    char *text = NULL;
    size_t len;
    if (file_read(path, WORD_MAX, &text, &len, NULL) != 0)
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    return text;
}
