// Requests to change a volume that is there: its size, its name.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/station.h"

#include "base/mem.h"
#include "cms/request.h"
#include "logic/extent.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_busy(struct cms *cms, const struct pool_volume *v, struct dv_err *err)
{
    static const enum task_kind kinds[] = {TASK_VOLUME_CREATE, TASK_VOLUME_DELETE,
                                           TASK_VOLUME_RESIZE, TASK_VOLUME_RENAME};
    static const char *const doing[] = {"created", "deleted", "resized", "renamed"};
    for (size_t i = 0; i < DV_COUNT(kinds); i++) {
        const struct pool_task *t = tasks_open(cms, kinds[i], &v->rec.uuid, NULL);
        if (t && t->rec.cancel == TASK_CANCEL_ASKED)
            return request_is_taken_back(t, err);
        if (t)
            return dv_fail(err, DV_CONFLICT,
                           "volume %s is being %s by task %" PRIu64 ": wait for it%s", v->rec.name,
                           doing[i], t->rec.id,
                           request_can_cancel(v, &t->rec) ? ", or cancel it" : "");
    }
    if (!v->rec.wanted)
        return dv_fail(err, DV_CONFLICT, "volume %s is being deleted", v->rec.name);
    if (v->actual.index == 0)
        return dv_fail(err, DV_CONFLICT, "volume %s has vanished from %s: bring its medium back",
                       v->rec.name, v->unit->rec.name);
    return 0;
}

static int write_down(struct cms *cms, struct pool_volume *v, const struct volume_record *rec,
                      const struct task_record *t, uint64_t *task, struct dv_err *err)
{
    struct changes c = {0};
    changes_volume(&c, rec);
    v->resize_answered = false;
    v->refusal[0] = '\0';
    return request_begin(cms, &c, t, v->unit, task, err);
}

// ---- Sizes ---------------------------------------------------------------------------------

int request_room_to_resize(const struct pool_volume *v, uint64_t blocks, bool *in_place,
                           struct dv_err *err)
{
    const struct pool_unit *u = v->unit;
    const struct medium *m = pool_medium(u, v->actual.medium);
    const struct extent now = {v->actual.start_lba, v->actual.blocks};
    DV_FREE struct extent *list = NULL;
    struct extent out = {0};
    size_t n = 0;
    for (size_t i = 0; i < u->free_count; i++)
        if (u->free_extents[i].medium == v->actual.medium)
            *DV_APPEND(list, n) =
                (struct extent){u->free_extents[i].start_lba, u->free_extents[i].blocks};
    int rc =
        extent_resize(list, n, &now, blocks, m ? medium_kind_moves(m->kind) : MOVES_NOT, &out, err);
    *in_place = out.start == now.start;
    return rc;
}

// Whether hosts would miss it while it is at another place of its medium.
static bool is_copied_in_use(const struct pool_volume *v)
{
    const struct medium *m = pool_medium(v->unit, v->actual.medium);
    return m && medium_kind_moves(m->kind) == MOVES_BY_COPY && v->actual.admin_online &&
           v->rule_count > 0;
}

static int check_resize(struct cms *cms, const struct pool_volume *v, uint64_t blocks, bool force,
                        struct dv_err *err)
{
    char had[SIZE_TEXT_ROOM], wanted[SIZE_TEXT_ROOM];
    bool in_place;
    struct dv_err why;
    if (check_busy(cms, v, err) < 0)
        return -1;
    size_format(v->actual.blocks * BLOCK_SIZE, had, sizeof(had));
    size_format(blocks * BLOCK_SIZE, wanted, sizeof(wanted));
    if (v->actual.target_blocks)
        return dv_fail(err, DV_CONFLICT, "volume %s is being resized on %s just now", v->rec.name,
                       v->unit->rec.name);
    if (blocks < v->actual.blocks && !force)
        return dv_fail(err, DV_CONFLICT,
                       "volume %s has %s: making it smaller cuts off what lies behind %s, so it "
                       "must be forced",
                       v->rec.name, had, wanted);
    if (pool_medium_is_away(v))
        return dv_fail(err, DV_CONFLICT,
                       "volume %s cannot be resized while its medium is away from %s: bring it "
                       "back, or forget the volume (dvsan volume delete %s --forget)",
                       v->rec.name, v->unit->rec.name, v->rec.name);
    if (request_room_to_resize(v, blocks, &in_place, &why) != 0)
        return dv_fail(err, why.code, "volume %s cannot have %s: %s", v->rec.name, wanted,
                       why.text);
    if (in_place || force || !is_copied_in_use(v))
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "volume %s must be copied on %s to have %s, because the extent behind it is "
                   "taken, and no host can use it meanwhile: unassign it first, or force it",
                   v->rec.name, v->unit->rec.name, wanted);
}

int cms_resize_volume(struct cms *cms, const char *volume, uint64_t bytes, bool force,
                      uint64_t *task, struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    uint64_t blocks = 0;
    if (!v || request_size(bytes, &blocks, err) < 0 || check_resize(cms, v, blocks, force, err) < 0)
        return -1;
    struct volume_record rec = v->rec;
    rec.blocks = blocks;
    rec.forced = force;
    char from[SIZE_TEXT_ROOM], to[SIZE_TEXT_ROOM];
    struct task_record t;
    tasks_new(cms, &t, TASK_VOLUME_RESIZE);
    t.volume = rec.uuid;
    snprintf(t.summary, sizeof(t.summary), "resize volume %s (%s to %s)", rec.name,
             size_format(v->actual.blocks * BLOCK_SIZE, from, sizeof(from)),
             size_format(blocks * BLOCK_SIZE, to, sizeof(to)));
    tasks_step(&t, STEP_WAITING, "reserve the place on %s", v->unit->rec.name);
    tasks_step(&t, STEP_WAITING, "resize and serve it");
    return write_down(cms, v, &rec, &t, task, err);
}

// ---- Names ---------------------------------------------------------------------------------

int cms_rename_volume(struct cms *cms, const char *volume, const char *name, uint64_t *task,
                      struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    if (!v || request_new_volume_name(cms, name, v, err) < 0 || check_busy(cms, v, err) < 0)
        return -1;
    struct volume_record rec = v->rec;
    dv_copy(rec.name, sizeof(rec.name), name);
    struct task_record t;
    tasks_new(cms, &t, TASK_VOLUME_RENAME);
    t.volume = rec.uuid;
    snprintf(t.summary, sizeof(t.summary), "rename volume %s to %s", v->rec.name, name);
    tasks_step(&t, STEP_WAITING, "rename it on %s", v->unit->rec.name);
    return write_down(cms, v, &rec, &t, task, err);
}

// ---- Units ---------------------------------------------------------------------------------

size_t cms_also_shown_by(const struct cms *cms, const struct pool_volume *v,
                         const struct pool_unit **units, size_t room)
{
    size_t n = 0;
    for (const struct unit_link *link = cms->links; link; link = link->hh.next) {
        const struct pool_unit *unit = link_unit(link);
        if (!unit || unit == v->unit || !left_out_of(link, &v->rec.uuid))
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
    for (const struct unit_link *link = cms->links; link; link = link->hh.next) {
        const struct pool_unit *u = link_unit(link);
        enum move_verdict verdict = u && u != v->unit ? left_out_waits(link, v) : MOVE_STAYS;
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

// ---- Taking back ---------------------------------------------------------------------------

void request_take_back_size(const struct pool_volume *v, struct changes *c)
{
    struct volume_record rec = v->rec;
    rec.blocks = v->actual.target_blocks ? v->actual.target_blocks : v->actual.blocks;
    rec.forced = false;
    changes_volume(c, &rec);
}

void request_take_back_name(struct cms *cms, const struct pool_volume *v, struct changes *c)
{
    struct volume_record rec = v->rec;
    if (v->actual.index != 0 && request_new_volume_name(cms, v->actual.name, v, NULL) == 0)
        dv_copy(rec.name, sizeof(rec.name), v->actual.name);
    changes_volume(c, &rec);
}
