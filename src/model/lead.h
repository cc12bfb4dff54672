// Who leads a unit: the station's word, which the unit keeps, DVSAN-MEMBER-MIB "Leading".
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MODEL_LEAD_H
#define DVSAN_MODEL_LEAD_H

#include "base/uuid.h"
#include <stdbool.h>
#include <stdint.h>

// What a unit tells beyond this is not believed. No station gets that far, and one that did would
// still have room for its changes.
#define LEAD_NUMBER_MAX 4000000000u
#define LEAD_NAME_MAX   127 // bytes, dvsanMemberHolderName

// A state of a station's intent. Numbers go up with every change of it; the mark is drawn at each
// start of the station, so that two copies of one store soon have words that differ.
struct lead_word {
    struct dv_uuid station; // zero: there is no word
    uint32_t number, mark;
};

struct lead {
    struct lead_word word;
    char name[LEAD_NAME_MAX + 1]; // what that station calls itself, and where it is found
    uint32_t seconds;             // of the lease that it wrote last
};

// A start of the station, as its store remembers it.
struct lead_run {
    uint32_t mark, number; // number: the last one that was given in it
};

static inline bool lead_word_equal(const struct lead_word *a, const struct lead_word *b)
{
    return uuid_equal(&a->station, &b->station) && a->number == b->number && a->mark == b->mark;
}

#endif
