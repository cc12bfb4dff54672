// Who may have a place at the server, and how fast a source may guess: decisions, all pure.
// SPDX-License-Identifier: BSD-2-Clause
//
// A source is an address that requests come from.
#ifndef DVSAN_API_PLACES_H
#define DVSAN_API_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACES_MAX 256 // connections at once

enum place_use {
    PLACE_CLIENT,   // waits for its client: for a request, for its rest, or to take an answer
    PLACE_PASSWORD, // waits until its password is checked
    PLACE_BUSY      // its request is being carried out
};

struct place {
    enum place_use use;
    uint32_t source_places; // of all of its source
    uint64_t since_ms;      // it waits like this
};

// The place that a newcomer takes when all are taken, or count when it gets none. It goes to the
// cost of the source that has most: first of what waits for its client, the longest waiting; else
// of the passwords, the newest. newcomer_places is how many the newcomer's source has already;
// nobody loses a place to a source that has more.
size_t places_victim(const struct place *places, size_t count, uint32_t newcomer_places);

// Refused logins of one source. So many are answered at once; then each answer is held back for a
// second, and that many a second are forgiven.
#define GUESSES_FREE     10
#define GUESSES_FORGIVEN 5 // a second
#define GUESS_HELD_MS    1000
struct guesses {
    uint32_t open; // not forgiven yet
    uint64_t since_ms;
};
// Notes one more; how long its answer is to be held back, in milliseconds.
uint32_t guesses_add(struct guesses *g, uint64_t now_ms);
bool guesses_forgiven(struct guesses *g, uint64_t now_ms); // nothing has to be kept

#endif
