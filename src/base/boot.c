// Which boot of its machine a program runs in.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/boot.h"

#include "base/file.h"
#include "base/mem.h"
#include <string.h>

#define BOOT_ID     "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_MAX 64

int boot_id(struct dv_uuid *out, struct dv_err *err)
{
    DV_FREE char *text = NULL;
    size_t len;
    if (file_read(BOOT_ID, BOOT_ID_MAX, &text, &len, err) != 0)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    if (!uuid_parse(text, out))
        return dv_fail(err, DV_IO, "%s does not hold a UUID", BOOT_ID);
    return 0;
}
