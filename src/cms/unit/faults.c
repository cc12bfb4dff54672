// Tells of media and volumes that fail on a unit, and of those that are well again.
// SPDX-License-Identifier: BSD-2-Clause
//
// What has one cause is told once: volumes whose medium is told of are not, and those that fail for
// the same reason are counted.
#include "cms/unit/faults.h"

#include "base/mem.h"
#include "cms/core/events.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include <string.h>

void faults_keep_media(const struct pool_unit *unit, struct medium *now, size_t count)
{
    for (size_t i = 0; unit && i < count; i++) {
        const struct medium *before = pool_medium(unit, now[i].index);
        if (!before)
            continue;
        now[i].state = before->state;
        dv_copy(now[i].last_error, sizeof(now[i].last_error), before->last_error);
    }
}

void faults_tell_media(struct cms *cms, struct changes *c, const char *name,
                       const struct pool_unit *unit, const struct medium *now, size_t count,
                       struct faults *f)
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
        f->told |= m->state == MEDIUM_FAILED;
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

static void count_in(struct faults *f, const struct pool_volume *v, const char *why)
{
    size_t i = 0;
    while (i < f->count && strcmp(f->groups[i].why, why) != 0)
        i++;
    if (i == FAULTS_MAX) {
        f->others++;
        return;
    }
    struct fault_group *g = &f->groups[i];
    if (i == f->count) {
        f->count++;
        dv_copy(g->why, sizeof(g->why), why);
        dv_copy(g->first, sizeof(g->first), v->rec.name);
    }
    g->volumes++;
}

void faults_note_volume(struct faults *f, const struct pool_volume *v, const struct volume *now,
                        const struct medium *media, size_t count, enum unit_state before,
                        bool starting)
{
    // While a unit starts, nothing is served yet, and that was to be expected.
    bool was_starting = before == UNIT_JOINING;
    enum volume_state was = v->actual.state;
    bool served = was == VOLUME_ONLINE || was == VOLUME_OFFLINE || was_starting;
    bool fails = now->state == VOLUME_FAILED && served;
    bool heals = now->state == VOLUME_ONLINE && was == VOLUME_FAILED && !was_starting;
    if (v->actual.index == 0 || starting || (!fails && !heals) ||
        has_failed(v->unit, media, count, now->medium))
        return;
    if (fails)
        count_in(f, v, now->last_error);
    else if (f->healed++ == 0)
        dv_copy(f->first_healed, sizeof(f->first_healed), v->rec.name);
}

void faults_tell_volumes(struct cms *cms, struct changes *c, const char *unit, struct faults *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct fault_group *g = &f->groups[i];
        if (g->volumes == 1)
            events_add(cms, c, EVENT_ERROR, "volume", g->first, "has failed on %s: %s", unit,
                       g->why);
        else
            events_add(cms, c, EVENT_ERROR, "unit", unit, "%zu of its volumes have failed: %s",
                       g->volumes, g->why);
    }
    if (f->others)
        events_add(cms, c, EVENT_ERROR, "unit", unit,
                   "%zu more of its volumes %s failed, for other reasons", f->others,
                   f->others == 1 ? "has" : "have");
    if (f->healed == 1)
        events_add(cms, c, EVENT_INFO, "volume", f->first_healed, "is served again by %s", unit);
    else if (f->healed > 1)
        events_add(cms, c, EVENT_INFO, "unit", unit, "%zu of its volumes are served again",
                   f->healed);
    f->told |= f->count > 0;
}
