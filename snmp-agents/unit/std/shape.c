// How the rows of the standard tables are indexed: from an index to keys and back.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/std/shape.h"
#include <string.h>

static bool is_variable(char part)
{
    return part == 'x' || part == 'g';
}

// Counts the last key up, as the index behind all that begin like this one needs it.
static bool count_up(uint64_t *keys, size_t count)
{
    if (count == 0)
        return false;
    keys[count - 1]++;
    return true;
}

bool shape_behind(const struct shape *s, const uint32_t *index, size_t len,
                  uint64_t keys[SHAPE_KEYS])
{
    size_t count = 0;
    memset(keys, 0, SHAPE_KEYS * sizeof(*keys));
    for (size_t i = 0; s->form[i] != '\0'; i++) {
        if (i == len)
            return true; // all that begin so are behind it
        if (is_variable(s->form[i])) {
            keys[count++] = index[i];
            continue;
        }
        uint32_t constant = (uint32_t)(s->form[i] - '0');
        if (index[i] < constant)
            return true;
        if (index[i] > constant)
            return count_up(keys, count);
    }
    return count_up(keys, count);
}

bool shape_exact(const struct shape *s, const uint32_t *index, size_t len,
                 uint64_t keys[SHAPE_KEYS])
{
    size_t count = 0;
    memset(keys, 0, SHAPE_KEYS * sizeof(*keys));
    if (len != strlen(s->form))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (is_variable(s->form[i]))
            keys[count++] = index[i];
        else if (index[i] != (uint32_t)(s->form[i] - '0'))
            return false;
    }
    return true;
}

size_t shape_index(const struct shape *s, const uint64_t keys[SHAPE_KEYS], uint32_t *out)
{
    size_t i = 0, count = 0;
    for (; s->form[i] != '\0'; i++)
        out[i] = is_variable(s->form[i]) ? (uint32_t)keys[count++] : (uint32_t)(s->form[i] - '0');
    return i;
}
