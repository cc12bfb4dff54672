// Tests of media on disks: an image, or a loop device over it, in a folder of the test's own.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_SUPPORT_DISK_IMAGE_H
#define DVSAN_CTEST_SUPPORT_DISK_IMAGE_H

#include "base/mem.h"
#include "media/media.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCKS ((uint64_t)ALLOC_BLOCKS)
#define MIB    (UINT64_C(1) << 20)

static char folder[64], image[96], device[96];

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...)
{
    char command[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("%s", command);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/dvsan-disk-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(image, sizeof(image), "%s/disk.img", folder);
    device[0] = '\0';
    run("truncate -s 64M %s", image);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (device[0])
        run("losetup -d %s", device);
    run("rm -rf %s", folder);
    return 0;
}

// A loop device over the image, with partitions or without; skips the test where there is none.
static void use_loop(const char *options)
{
    char command[256];
    if (geteuid() != 0)
        skip();
    snprintf(command, sizeof(command), "losetup -f --show %s %s 2>/dev/null", options, image);
    FILE *f = popen(command, "r");
    bool got = f && fgets(device, sizeof(device), f);
    if (f)
        pclose(f);
    if (!got)
        skip();
    device[strcspn(device, "\n")] = '\0';
}

static struct media *open_kind(enum medium_kind kind, const char *path, bool initialise,
                               struct dv_err *err)
{
    const struct media_spec spec = {.kind = kind, .path = path, .initialise = initialise};
    return media_open(&spec, err);
}

static struct media *open_disk(const char *path)
{
    struct dv_err err;
    struct media *m = open_kind(MEDIUM_DISK, path, true, &err);
    if (!m)
        fail_msg("%s", err.text);
    return m;
}

static void is(int rc, const struct dv_err *err)
{
    if (rc != 0)
        fail_msg("%s", err->text);
}

static void fails(bool failed, const struct dv_err *err, enum dv_code code, const char *part)
{
    if (!failed)
        fail_msg("went well instead of failing with \"%s\"", part);
    if (err->code != code || !strstr(err->text, part))
        fail_msg("%s: %s; expected %s: ...%s...", dv_code_name(err->code), err->text,
                 dv_code_name(code), part);
}

#endif
