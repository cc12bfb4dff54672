// Which changes of state are told, and when: a pure decision.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each thing (an interface, a medium) has a state that was told last. A thing in another state
// waits, once, until it can be told; the state that it has then is told. A thing that is back in
// the told state waits no longer. All things share one bucket of tokens, so that receivers get so
// many notifications and no more, whatever flaps.
#ifndef DVSAN_MEMBER_NEWS_H
#define DVSAN_MEMBER_NEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEWS_BURST       20   // notifications that may follow each other at once
#define NEWS_INTERVAL_MS 1000 // between further ones
#define NEWS_NEVER       UINT32_MAX

// Things of one kind. Kinds are numbered from 0, in the order in which they are told.
struct news_kind {
    unsigned
        most; // notifications of them in most_ms, NEWS_MOST_MAX at most; 0: as the bucket has it
    uint32_t most_ms;
    bool counts; // their states are numbers: the next one tells all, so none is suppressed
};
#define NEWS_MOST_MAX 8

struct news;

struct news *news_new(uint64_t now_ms, const struct news_kind *kinds, size_t count); // borrowed
void news_free(struct news *n);                                                      // NULL is fine

// The thing is in this state. untold: the state that counts as told when the thing was never told.
void news_see(struct news *n, unsigned kind, uint32_t index, int state, int untold);
// The thing is gone; another thing with its index starts anew.
void news_forget(struct news *n, unsigned kind, uint32_t index);

// The thing to be told now, which then counts as told. False when no thing waits, or too much was
// told of late.
bool news_next(struct news *n, uint64_t now_ms, unsigned *kind, uint32_t *index, int *state);
// After how many milliseconds the next can be told; NEWS_NEVER when none waits.
uint32_t news_wait(const struct news *n, uint64_t now_ms);

// How many changes of state were never told, because later ones took their place.
uint32_t news_suppressed(const struct news *n);

#endif
