// Fuzzes the readers of what a LUN answers: its pages, and the sense of its failures.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "iscsi/answers.h"
#include "iscsi/verdict.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_of_all)
{
    if (!true_of_all)
        abort();
}

// In a block of its own size, so that a byte read behind it is found. The first byte chooses
// nothing: every reader has to bear every answer.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DV_FREE uint8_t *copy = malloc(size ? size : 1);
    struct leg_info info = {0}, untouched = {0};
    struct split_pages pages = {.block_size = 512};
    struct dv_uuid boot;
    bool read_only, fua;
    int error;
    must(copy);
    memcpy(copy, data, size);
    if (answer_capacity(copy, size, &info)) {
        must(info.block_size >= 512 && (info.block_size & (info.block_size - 1)) == 0);
        must(info.bytes >= info.block_size && info.bytes % info.block_size == 0);
        must(info.bytes <= INT64_MAX && info.physical_block >= info.block_size);
    } else {
        must(memcmp(&info, &untouched, sizeof(info)) == 0);
    }
    (void)answer_limits(copy, size, &pages);
    (void)answer_provisioning(copy, size, &pages);
    struct split_limits limits = split_limits_from(&pages);
    must(limits.transfer >= 512 && limits.transfer <= SPLIT_TRANSFER_CAP);
    (void)answer_mode(copy, size, &read_only, &fua);
    (void)answer_boot(copy, size, &boot);
    struct sense sense = verdict_sense(copy, size);
    enum verdict v = verdict_of(2, &sense, &error);
    must(v != VERDICT_DONE || (sense.known && sense.key == 1));
    must((v == VERDICT_FAILED) == (error != 0));
    return 0;
}
