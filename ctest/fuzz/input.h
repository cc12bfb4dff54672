// A fuzzer's input, taken from its front; what is taken behind its end is 0 or empty.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_FUZZ_INPUT_H
#define DVSAN_CTEST_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

// Of so many bytes, at most 8.
static inline uint64_t bytes(struct input *in, unsigned count)
{
    uint64_t value = 0;
    for (; count > 0; count--)
        value = value << 8 | byte(in);
    return value;
}

// As many bytes as the next one says, which stay in the input.
static inline const uint8_t *piece(struct input *in, size_t *len)
{
    *len = byte(in);
    if (*len > in->left)
        *len = in->left;
    in->at += *len;
    in->left -= *len;
    return in->at - *len;
}

#endif
