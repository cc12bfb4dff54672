// The placement policies, and the sentence that explains why nothing fits.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/placement.h"

#include "base/mem.h"
#include <string.h>

uint64_t placement_free(const struct placement_medium *m)
{
    uint64_t all = m->medium->free_blocks;
    return all > m->promised_blocks ? all - m->promised_blocks : 0;
}

// Where the unit will put what was promised is not known, so the longest run is taken to be the
// one that shrinks.
uint64_t placement_largest(const struct placement_medium *m)
{
    uint64_t run = m->medium->largest_free_blocks;
    return run > m->promised_blocks ? run - m->promised_blocks : 0;
}

static int most_free_space(const struct placement_medium *a, const struct placement_medium *b)
{
    uint64_t x = placement_free(a), y = placement_free(b);
    return x > y ? -1 : x < y;
}

static const struct placement_policy policies[] = {
    {"most-free-space", most_free_space},
};

const struct placement_policy *placement_policy_find(const char *name)
{
    if (!name)
        return &policies[0];
    for (size_t i = 0; i < DV_COUNT(policies); i++) {
        if (!strcmp(policies[i].name, name))
            return &policies[i];
    }
    return NULL;
}

static bool asked_for(const struct placement_request *request, const struct placement_medium *m)
{
    return (!request->unit || !strcmp(request->unit, m->unit)) &&
           (!request->medium || !strcmp(request->medium, m->medium->name));
}

static bool usable(const struct placement_medium *m)
{
    return m->unit_up && m->medium->state == MEDIUM_ONLINE;
}

static int rank(const struct placement_policy *policy, const struct placement_medium *a,
                const struct placement_medium *b)
{
    if (a->degraded != b->degraded)
        return a->degraded ? 1 : -1;
    int order = policy->compare(a, b);
    if (order == 0)
        order = strcmp(a->unit, b->unit);
    if (order == 0)
        order = strcmp(a->medium->name, b->medium->name);
    return order;
}

// No medium is what was asked for and in use: say which of the two it is.
static int explain_unusable(const struct placement_request *request, size_t matching,
                            const struct placement_medium *match, struct dv_err *err)
{
    const char *where = request->unit ? request->unit : "the pool";
    if (matching == 0 && request->medium)
        return dv_fail(err, DV_NOT_FOUND, "there is no medium %s in %s", request->medium, where);
    if (matching == 0)
        return dv_fail(err, DV_NO_SPACE, "%s has no medium: %s", where,
                       request->unit ? "see its configuration" : "no unit has joined yet");
    if (matching == 1 && match->unit_up && match->medium->state == MEDIUM_LOW)
        return dv_fail(err, DV_NO_SPACE,
                       "medium %s/%s is running out of room below: free some there first",
                       match->unit, match->medium->name);
    if (matching == 1 && match->unit_up)
        return dv_fail(
            err, DV_NO_SPACE, "medium %s/%s has failed: %s", match->unit, match->medium->name,
            match->medium->last_error[0] ? match->medium->last_error : "see the unit's log");
    if (request->unit && !match->unit_up)
        return dv_fail(err, DV_UNREACHABLE, "unit %s is not up: start it, or choose another unit",
                       request->unit);
    return dv_fail(err, DV_NO_SPACE, "no medium that could be used is online");
}

uint32_t placement_index(uint32_t top, const uint32_t *counts, uint32_t groups)
{
    uint32_t best = top + 1;
    for (uint32_t index = top + 1; index - top <= groups; index++)
        if (counts[volume_group(index, groups) - 1] < counts[volume_group(best, groups) - 1])
            best = index;
    return best;
}

int placement_choose(const struct placement_policy *policy, const struct placement_request *request,
                     const struct placement_medium *media, size_t count, size_t *chosen,
                     struct dv_err *err)
{
    const struct placement_medium *best = NULL, *largest = NULL, *match = NULL;
    size_t matching = 0;
    for (size_t i = 0; i < count; i++) {
        const struct placement_medium *m = &media[i];
        if (!asked_for(request, m))
            continue;
        matching++;
        match = m;
        if (!usable(m))
            continue;
        if (!largest || placement_largest(m) > placement_largest(largest))
            largest = m;
        if (placement_largest(m) >= request->blocks && (!best || rank(policy, m, best) < 0))
            best = m;
    }
    if (best) {
        *chosen = (size_t)(best - media);
        return 0;
    }
    if (!largest)
        return explain_unusable(request, matching, match, err);
    char want[SIZE_TEXT_ROOM], have[SIZE_TEXT_ROOM];
    size_format(request->blocks * BLOCK_SIZE, want, sizeof(want));
    if (placement_largest(largest) == 0)
        return dv_fail(err, DV_NO_SPACE, "no medium has %s free: %s is full", want,
                       matching == 1 ? largest->medium->name : "every one");
    size_format(placement_largest(largest) * BLOCK_SIZE, have, sizeof(have));
    return dv_fail(err, DV_NO_SPACE,
                   "no medium has %s free in one piece: the largest is %s on %s/%s", want, have,
                   largest->unit, largest->medium->name);
}
