// Sources: kept while they have a connection or a guess that is not forgiven.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/source.h"

#include "base/mem.h"
#include "loop/loop.h"

#define IDLE_MAX 1024 // sources kept for their guesses alone

static struct source *find(const struct sources *s, struct in_addr address)
{
    struct source *source;
    HASH_FIND(hh, s->all, &address, sizeof(address), source);
    return source;
}

static void drop(struct sources *s, struct source *source)
{
    HASH_DEL(s->all, source);
    free(source);
}

static void drop_forgiven(struct sources *s)
{
    struct source *source, *next;
    HASH_ITER(hh, s->all, source, next)
    {
        if (source->places == 0 && guesses_forgiven(&source->guesses, loop_now_ms()))
            drop(s, source);
    }
}

struct source *sources_join(struct sources *s, struct in_addr address)
{
    struct source *source = find(s, address);
    if (!source) {
        source = dv_calloc(1, sizeof(*source));
        source->address = address;
        HASH_ADD(hh, s->all, address, sizeof(source->address), source);
    }
    source->places++;
    return source;
}

void sources_leave(struct sources *s, struct source *source)
{
    if (--source->places > 0)
        return;
    if (guesses_forgiven(&source->guesses, loop_now_ms()) || HASH_COUNT(s->all) > IDLE_MAX)
        drop(s, source);
    else if (HASH_COUNT(s->all) > IDLE_MAX / 2)
        drop_forgiven(s);
}

uint32_t sources_places(const struct sources *s, struct in_addr address)
{
    const struct source *source = find(s, address);
    return source ? source->places : 0;
}

void sources_free(struct sources *s)
{
    struct source *source, *next;
    HASH_ITER(hh, s->all, source, next)
    {
        drop(s, source);
    }
}
