// Fuzzes the configuration reader: any bytes give a configuration or a sentence.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/cms_config.h"
#include "config/unit_config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz_config", MFD_CLOEXEC);
        must(fd >= 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    must(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);

    struct dv_err err = {0};
    struct unit_config *unit = unit_config_load(path, &err);
    must(unit || (err.code != DV_OK && err.code != DV_INTERNAL && err.text[0]));
    unit_config_free(unit);

    memset(&err, 0, sizeof(err));
    struct cms_config *cms = cms_config_load(path, &err);
    must(cms || (err.code != DV_OK && err.code != DV_INTERNAL && err.text[0]));
    cms_config_free(cms);
    return 0;
}
