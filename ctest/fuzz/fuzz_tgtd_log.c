// Fuzzes the reader of tgtd's log, into which initiators can write.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/tgtd_log.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Packets end at each byte 0xff. Whatever is told of a message must stand in it.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tgtd_log log = {0};
    const char *at = (const char *)data, *end = at + size;
    char initiator[IQN_MAX_LEN + 1], text[64];
    while (at < end) {
        const char *stop = memchr(at, 0xff, (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        (void)tgtd_log_take(&log, at, len);
        if (tgtd_log_refusal(at, len, initiator) &&
            (strlen(initiator) > len || !memmem(at, len, initiator, strlen(initiator))))
            abort();
        size_t kept = tgtd_log_text(at, len, text, sizeof(text));
        if (kept >= sizeof(text) || strlen(text) != kept || strpbrk(text, "\n\r\x1b"))
            abort();
        at += len + 1;
    }
    return 0;
}
