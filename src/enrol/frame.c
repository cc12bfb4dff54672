// Frames of an enrolment.
// SPDX-License-Identifier: BSD-2-Clause
#include "enrol/frame.h"

#include <assert.h>

enum frame_state frame_read(const uint8_t *in, size_t in_len, enum frame_type *type,
                            const uint8_t **data, size_t *len)
{
    if (in_len < FRAME_HEAD)
        return FRAME_PART;
    *len = (size_t)in[0] << 8 | in[1];
    if (*len > FRAME_MAX || in[2] < FRAME_ASK || in[2] > FRAME_REFUSED)
        return FRAME_BAD;
    *type = (enum frame_type)in[2];
    *data = in + FRAME_HEAD;
    return in_len - FRAME_HEAD < *len ? FRAME_PART : FRAME_WHOLE;
}

void frame_head(uint8_t head[FRAME_HEAD], enum frame_type type, size_t len)
{
    assert(len <= FRAME_MAX);
    head[0] = (uint8_t)(len >> 8);
    head[1] = (uint8_t)len;
    head[2] = (uint8_t)type;
}
