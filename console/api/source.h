// The addresses that requests come from, and what is kept of each.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_SOURCE_H
#define DVSAN_API_SOURCE_H

#include "console/api/places.h"
#include <netinet/in.h>
#include <uthash.h>

struct source {
    struct in_addr address;
    uint32_t places; // its connections
    struct guesses guesses;
    uint64_t turn; // when a password of it was checked last; a count, not a time
    UT_hash_handle hh;
};

// One thread's.
struct sources {
    struct source *all;
};

struct source *sources_join(struct sources *s, struct in_addr address); // one place more
void sources_leave(struct sources *s, struct source *source);           // one less
uint32_t sources_places(const struct sources *s, struct in_addr address);
void sources_free(struct sources *s);

#endif
