// Volumes that another unit shows, too, and a person's word about where a volume is.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/task/tasks.h"
#include "cms/unit/left_out.h"
#include <stdio.h>
#include <string.h>

size_t cms_also_shown_by(const struct cms *cms, const struct pool_volume *v,
                         const struct pool_unit **units, size_t room)
{
    size_t n = 0;
    const struct left_out *l = left_out_everywhere(cms, &v->rec.uuid);
    for (; l; l = l->same_next) {
        const struct pool_unit *unit = link_unit(l->link);
        if (!unit || unit == v->unit || !l->known)
            continue;
        if (n < room)
            units[n] = unit;
        n++;
    }
    return n;
}

void cms_left_note(const struct cms *cms, const struct pool_volume *v, char out[CMS_LEFT_NOTE_ROOM])
{
    const struct pool_unit *u = pool_unit_by_uuid(cms->pool, &v->rec.left);
    const struct left_out *l = u && u->link ? left_out_of(u->link, &v->rec.uuid) : NULL;
    out[0] = '\0';
    if (u && !pool_is_current(u))
        snprintf(
            out, CMS_LEFT_NOTE_ROOM,
            "%s, which had it, does not answer, and may serve it to its hosts still: that ends "
            "when %s is back",
            u->rec.name, u->rec.name);
    else if (l && l->rules > 0)
        snprintf(out, CMS_LEFT_NOTE_ROOM,
                 "%s, which had it, still has access rules: they are being ended", u->rec.name);
}

void cms_move_note(const struct cms *cms, const struct pool_volume *v, char out[CMS_MOVE_NOTE_ROOM])
{
    out[0] = '\0';
    const struct left_out *l = left_out_everywhere(cms, &v->rec.uuid);
    for (; l; l = l->same_next) {
        const struct pool_unit *u = link_unit(l->link);
        enum move_verdict verdict = u && u != v->unit ? left_out_waits(l->link, v) : MOVE_STAYS;
        if (verdict != MOVE_UNPROVEN && verdict != MOVE_ASKED)
            continue;
        snprintf(out, CMS_MOVE_NOTE_ROOM,
                 "%s shows it%s, and nothing proves that its medium is there: if it was moved, "
                 "say so (dvsan volume accept %s %s), and its hosts get access rules there",
                 u->rec.name, verdict == MOVE_UNPROVEN ? ", too" : "", v->rec.name, u->rec.name);
        return;
    }
}

// What is wrong with the volume at the unit where a person says that it is.
static int check_accepted(const struct pool_volume *v, const struct pool_unit *u,
                          const struct left_out *shown, struct dv_err *err)
{
    const struct medium *m = pool_medium(u, shown->medium);
    if (!pool_is_current(u))
        return dv_fail(
            err, DV_CONFLICT,
            "%s does not answer, so no host could use volume %s there: start it, and say "
            "so then",
            u->rec.name, v->rec.name);
    if (m && m->state == MEDIUM_FAILED)
        return dv_fail(err, DV_CONFLICT,
                       "medium %s of %s has failed, so no host could use volume %s there (%s): "
                       "bring it up first, and say so then",
                       m->name, u->rec.name, v->rec.name, m->last_error);
    if (shown->state == VOLUME_FAILED)
        return dv_fail(err, DV_CONFLICT,
                       "%s cannot serve volume %s: see what its log says of it, mend that, and say "
                       "so then",
                       u->rec.name, v->rec.name);
    return 0;
}

int cms_accept_volume(struct cms *cms, const char *volume, const char *unit, struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    struct pool_unit *u = v ? request_unit(cms, unit, err) : NULL;
    struct unit_link *link = u ? u->link : NULL;
    const struct left_out *shown = link ? left_out_of(link, &v->rec.uuid) : NULL;
    if (!u)
        return -1;
    if (v->unit == u)
        return dv_fail(err, DV_EXISTS, "volume %s is on %s already", v->rec.name, u->rec.name);
    if (!shown)
        return dv_fail(
            err, DV_CONFLICT,
            "%s does not show volume %s: put its medium there first, and see whether the "
            "unit serves it",
            u->rec.name, v->rec.name);
    if (check_accepted(v, u, shown, err) < 0)
        return -1;
    const struct pool_task *t = tasks_open(cms, 0, &v->rec.uuid, NULL);
    if (t || !v->rec.wanted)
        return dv_fail(
            err, DV_CONFLICT,
            "volume %s cannot move while a task is about it: wait for that, or cancel it",
            v->rec.name);
    struct volume_record rec = v->rec;
    rec.unit = u->rec.uuid;
    rec.index = shown->index;
    rec.medium = shown->medium;
    rec.seen = true;
    memset(rec.proof, 0, sizeof(rec.proof)); // that of the other medium
    rec.left = v->rule_count > 0 ? v->unit->rec.uuid : (struct dv_uuid){0};
    struct changes c = {0};
    changes_hidden(&c, &rec.uuid);
    changes_volume(&c, &rec);
    events_add(cms, &c, EVENT_INFO, "volume", rec.name,
               "is on %s now and not on %s, as a person said", u->rec.name, v->unit->rec.name);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}
