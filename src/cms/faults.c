// Tells of media and volumes that fail on a unit, and of those that are well again.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/station.h"

#include <string.h>

#define TOLD_MAX 8 // volumes that one reading tells of by name

void faults_tell_media(struct cms *cms, struct changes *c, const char *name,
                       const struct pool_unit *unit, const struct medium *now, size_t count)
{
    struct log_limit first = {0}; // of one that is new
    struct log_limit *limit = unit && unit->link ? &((struct unit_link *)unit->link)->told : &first;
    for (size_t i = 0; i < count; i++) {
        const struct medium *m = &now[i];
        const struct medium *before = unit ? pool_medium(unit, m->index) : NULL;
        if (m->state == (before ? before->state : MEDIUM_ONLINE))
            continue;
        if (m->state == MEDIUM_FAILED)
            events_add_limited(limit, cms, c, EVENT_ERROR, "unit", name,
                               "its medium %s has failed: %s", m->name, m->last_error);
        else if (m->state == MEDIUM_LOW)
            events_add_limited(limit, cms, c, EVENT_WARNING, "unit", name,
                               "its medium %s is running low: %s", m->name, m->last_error);
        else
            events_add_limited(limit, cms, c, EVENT_INFO, "unit", name,
                               "its medium %s is well again", m->name);
    }
}

// Where a whole medium is concerned, that was told.
static bool has_failed(const struct pool_unit *unit, const struct medium *now, size_t count,
                       uint32_t medium)
{
    const struct medium *m = pool_medium(unit, medium);
    if (m && m->state == MEDIUM_FAILED)
        return true;
    for (size_t i = 0; i < count; i++)
        if (now[i].index == medium && now[i].state == MEDIUM_FAILED)
            return true;
    return false;
}

void faults_tell_volume(struct cms *cms, struct changes *c, const struct pool_volume *v,
                        const struct volume *now, const struct medium *media, size_t count,
                        struct fault_counts *n)
{
    enum volume_state was = v->actual.state;
    bool fails = now->state == VOLUME_FAILED && (was == VOLUME_ONLINE || was == VOLUME_OFFLINE);
    bool heals = now->state == VOLUME_ONLINE && was == VOLUME_FAILED;
    if (v->actual.index == 0 || (!fails && !heals) ||
        has_failed(v->unit, media, count, now->medium))
        return;
    if (n->failed + n->healed >= TOLD_MAX)
        ; // counted alone
    else if (fails)
        events_add(cms, c, EVENT_ERROR, "volume", v->rec.name, "has failed on %s: %s",
                   v->unit->rec.name, now->last_error);
    else
        events_add(cms, c, EVENT_INFO, "volume", v->rec.name, "is served again by %s",
                   v->unit->rec.name);
    n->failed += fails;
    n->healed += heals;
}

void faults_tell_rest(struct cms *cms, struct changes *c, const struct pool_unit *unit,
                      const struct fault_counts *n)
{
    if (n->failed + n->healed > TOLD_MAX)
        events_add(cms, c, n->failed ? EVENT_ERROR : EVENT_INFO, "unit", unit->rec.name,
                   "in all, %zu of its volumes have failed, and %zu are served again", n->failed,
                   n->healed);
}
