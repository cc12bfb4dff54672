// Changing a volume that is there, its size and its name: the requests, and how their tasks stand.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/core/station.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/request/waits.h"
#include "cms/task/tasks.h"
#include "model/kind.h"
#include <stdio.h>
#include <string.h>

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
    if (request_is_free(cms, v, err) < 0)
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

// ---- Names and descriptions ----------------------------------------------------------------

int cms_relabel_volume(struct cms *cms, const char *volume, const struct volume_record *to,
                       uint64_t *task, struct dv_err *err)
{
    struct pool_volume *v = request_volume(cms, volume, err);
    if (!v || request_new_volume_name(cms, to->name, v, err) < 0 ||
        kind_judge(&kind_volume, KIND_CHANGEABLE, to, err) < 0 || request_is_free(cms, v, err) < 0)
        return -1;
    struct volume_record rec = v->rec;
    kind_copy(&kind_volume, KIND_CHANGEABLE, &rec, to);
    struct task_record t;
    tasks_new(cms, &t, TASK_VOLUME_RENAME);
    t.volume = rec.uuid;
    bool renamed = strcmp(v->rec.name, rec.name) != 0;
    if (renamed)
        snprintf(t.summary, sizeof(t.summary), "rename volume %s to %s", v->rec.name, rec.name);
    else
        snprintf(t.summary, sizeof(t.summary), "describe volume %s", rec.name);
    tasks_step(&t, STEP_WAITING, "%s it on %s", renamed ? "rename" : "describe", v->unit->rec.name);
    return write_down(cms, v, &rec, &t, task, err);
}

// ---- Their tasks ---------------------------------------------------------------------------

static void end_done(struct judging *j, struct task_record *t)
{
    if (t->cancel == TASK_CANCEL_LATE)
        tasks_end(j->cms, &j->c, t, TASK_DONE, DV_CONFLICT,
                  "it was carried out before it could be taken back");
    else
        tasks_end_well(j, t);
}

// Whether there is still a volume to change. While it is not shown it is waited for.
static bool is_there(struct judging *j, struct task_record *t, const struct pool_volume *v)
{
    if (!v || !v->rec.wanted) {
        tasks_end(j->cms, &j->c, t, TASK_FAILED, DV_CONFLICT, "the volume is gone");
        return false;
    }
    return v->actual.index != 0;
}

// ---- The task of a new size ----------------------------------------------------------------

static void take_back_size(const struct pool_volume *v, struct changes *c)
{
    struct volume_record rec = v->rec;
    rec.blocks = v->actual.target_blocks ? v->actual.target_blocks : v->actual.blocks;
    rec.forced = false;
    changes_volume(c, &rec);
}

static void judge_resize(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    if (!is_there(j, t, v))
        return;
    const struct volume *shown = &v->actual;
    if (shown->blocks == v->rec.blocks && !shown->target_blocks) {
        if (shown->progress == 100 && shown->state != VOLUME_FAILED)
            end_done(j, t);
        else // hosts cannot use it at its new size yet
            tasks_reach(t, 1);
    } else if (shown->target_blocks == v->rec.blocks) {
        tasks_reach(t, 1);
        t->progress = 5 + shown->progress * 9 / 10;
    } else if (j->fresh && v->resize_answered && !shown->target_blocks) {
        const char *why = shown->last_error[0] ? shown->last_error : v->refusal;
        tasks_end(j->cms, &j->c, t, TASK_FAILED, v->refusal[0] ? v->refusal_code : DV_IO, "%s: %s",
                  v->unit->rec.name, why[0] ? why : "it does not say why");
        take_back_size(v, &j->c);
    } else {
        tasks_reach(t, 0);
    }
}

// Why a size was refused the volume's row tells, which is read next.
static void refused_size(struct judging *j, const struct tasks_refusal *r, struct pool_volume *v)
{
    (void)j;
    v->resize_answered = true;
    dv_copy(v->refusal, sizeof(v->refusal), r->why);
    v->refusal_code = r->code;
}

static bool can_cancel_resize(const struct pool_volume *v, const struct task_record *t)
{
    (void)t;
    return v && !v->actual.target_blocks &&
           (!v->resize_answered || v->actual.blocks == v->rec.blocks);
}

static void cancel_resize(struct cms *cms, const struct task_record *t, struct pool_volume *v,
                          struct changes *c)
{
    (void)cms;
    (void)t;
    take_back_size(v, c);
}

// A size that the unit has is not given back: that would have to cut.
static bool ends_with_its_size(struct cms *cms, struct task_record *t, const struct pool_volume *v,
                               struct changes *c)
{
    char size[SIZE_TEXT_ROOM];
    if (v->actual.index == 0 || v->actual.blocks != v->rec.blocks)
        return false;
    tasks_end(cms, c, t, TASK_CANCELLED, DV_CANCELLED,
              "the size is %s already and stays so; the volume is served with it as soon as %s can",
              size_format(v->rec.blocks * BLOCK_SIZE, size, sizeof(size)), v->unit->rec.name);
    return true;
}

static bool has_another_size(const struct pool_volume *v, const struct task_record *t)
{
    (void)t;
    return v->actual.index != 0 &&
           (v->actual.target_blocks != 0 || v->actual.blocks != v->rec.blocks);
}

// It goes on to its end: the unit is at it.
static void resized_all_the_same(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    take_back_size(v, &j->c);
    tasks_reach(t, 1);
}

const struct task_way task_way_resize = {
    .doing = "resized",
    .judge = judge_resize,
    .wait = waits_tell,
    .refused = refused_size,
    .can_cancel = can_cancel_resize,
    .take_back = cancel_resize,
    .ends_at_once = ends_with_its_size,
    .is_done = has_another_size,
    .carried_out = resized_all_the_same,
};

// ---- The task of a new name or description -------------------------------------------------

static void take_back_label(struct cms *cms, const struct pool_volume *v, struct changes *c)
{
    struct volume_record rec = v->rec;
    if (v->actual.index != 0)
        volume_take_label(&rec, &v->actual);
    if (request_new_volume_name(cms, rec.name, v, NULL) < 0)
        dv_copy(rec.name, sizeof(rec.name), v->rec.name);
    changes_volume(c, &rec);
}

static void judge_rename(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    if (!is_there(j, t, v))
        return;
    if (volume_is_labelled(&v->rec, &v->actual))
        tasks_end_well(j, t);
    else
        tasks_reach(t, 0);
}

static void refused_label(struct judging *j, const struct tasks_refusal *r, struct pool_volume *v)
{
    if (tasks_fail_refused(j, r, TASK_VOLUME_RENAME, NULL))
        take_back_label(j->cms, v, &j->c);
}

static bool can_cancel_rename(const struct pool_volume *v, const struct task_record *t)
{
    (void)t;
    return v && !volume_is_labelled(&v->rec, &v->actual);
}

static void cancel_rename(struct cms *cms, const struct task_record *t, struct pool_volume *v,
                          struct changes *c)
{
    (void)t;
    take_back_label(cms, v, c);
}

static bool has_another_label(const struct pool_volume *v, const struct task_record *t)
{
    (void)t;
    return v->actual.index != 0 && !volume_is_labelled(&v->rec, &v->actual);
}

static void renamed_all_the_same(struct judging *j, struct task_record *t, struct pool_volume *v)
{
    take_back_label(j->cms, v, &j->c);
    end_done(j, t);
}

const struct task_way task_way_rename = {
    .doing = "renamed or described",
    .judge = judge_rename,
    .wait = waits_tell,
    .refused = refused_label,
    .can_cancel = can_cancel_rename,
    .take_back = cancel_rename,
    .is_done = has_another_label,
    .carried_out = renamed_all_the_same,
};
