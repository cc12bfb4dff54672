// How the rows of the standard tables are indexed, and finding rows by that.
// SPDX-License-Identifier: BSD-2-Clause
//
// All these tables show the same few things again and again: the unit, portals, volumes, access
// rules, sessions. Their indexes are the things' own indexes between constants, such as
// {1, volume, 0, rule}. So an index is described by a form, and one pair of functions serves all.
#ifndef DVSAN_UNIT_STD_SHAPE_H
#define DVSAN_UNIT_STD_SHAPE_H

#include "snmp/agent.h"

#define SHAPE_KEYS 3 // variable parts of an index, at most, the group included

enum shape_kind { SHAPE_ONE, SHAPE_PORTALS, SHAPE_VOLUMES, SHAPE_RULES, SHAPE_SESSIONS };

struct shape {
    enum shape_kind kind;
    // One character for each sub-identifier: '0'..'9' is that number, 'x' the next variable part:
    // a portal's or a volume's index, then a rule's index or a session's TSIH, then what is
    // counted below these from 1. Where things are shown by portal groups the form begins with 'g',
    // the group's number, as another variable part before these.
    const char *form;
    uint32_t below; // how many rows there are below each thing, when the form has such a part
};

static inline bool shape_is_grouped(const struct shape *s)
{
    return s->form[0] == 'g';
}

// The keys of the first index that could be behind (index, len). False when there is none.
bool shape_behind(const struct shape *s, const uint32_t *index, size_t len,
                  uint64_t keys[SHAPE_KEYS]);
// The keys of exactly this index. False when none can have it.
bool shape_exact(const struct shape *s, const uint32_t *index, size_t len,
                 uint64_t keys[SHAPE_KEYS]);
// The index with these keys; returns its length, at most SN_INDEX_MAX.
size_t shape_index(const struct shape *s, const uint64_t keys[SHAPE_KEYS], uint32_t *out);

#endif
