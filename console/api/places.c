// Fair places and slow guesses.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/places.h"

static bool goes_before(const struct place *a, const struct place *b)
{
    if (a->source_places != b->source_places)
        return a->source_places > b->source_places;
    if (a->use != b->use)
        return a->use < b->use;
    return a->use == PLACE_CLIENT ? a->since_ms < b->since_ms : a->since_ms > b->since_ms;
}

size_t places_victim(const struct place *places, size_t count, uint32_t newcomer_places)
{
    size_t victim = count;
    for (size_t i = 0; i < count; i++) {
        const struct place *p = &places[i];
        if (p->use == PLACE_BUSY || p->source_places < newcomer_places)
            continue;
        // Among those of one source a password that waits has its turn before a newer one.
        if (p->use == PLACE_PASSWORD && p->source_places <= newcomer_places + 1)
            continue;
        if (victim == count || goes_before(p, &places[victim]))
            victim = i;
    }
    return victim;
}

static void forgive(struct guesses *g, uint64_t now_ms)
{
    uint64_t forgiven = (now_ms - g->since_ms) * GUESSES_FORGIVEN / 1000;
    if (g->open == 0 || forgiven >= g->open) {
        *g = (struct guesses){.since_ms = now_ms};
    } else {
        g->open -= (uint32_t)forgiven;
        g->since_ms += forgiven * 1000 / GUESSES_FORGIVEN;
    }
}

uint32_t guesses_add(struct guesses *g, uint64_t now_ms)
{
    forgive(g, now_ms);
    if (g->open < GUESSES_FREE) {
        g->open++;
        return 0;
    }
    return GUESS_HELD_MS;
}

bool guesses_forgiven(struct guesses *g, uint64_t now_ms)
{
    forgive(g, now_ms);
    return g->open == 0;
}
