// One pass over all volumes: backings made and resized, tgtd reconciled, backings destroyed.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/pass.h"
#include "base/log.h"
#include "base/mem.h"
#include "unit/adopt.h"
#include "unit/backing.h"
#include "unit/serving.h"

struct pass {
    const struct unit_config *config;
    struct pass_media *media;
    struct serving *serving;
};

struct pass *pass_new(const struct unit_config *config, const struct state *state)
{
    struct pass *p = dv_calloc(1, sizeof(*p));
    p->config = config;
    p->serving = serving_new(config, state);
    p->media = pass_media_new(config);
    return p;
}

bool pass_free(struct pass *p)
{
    if (!p)
        return true;
    bool all = pass_media_free(p->media);
    serving_free(p->serving);
    free(p);
    return all;
}

void pass_hurry(struct pass *p)
{
    pass_media_hurry(p->media);
}

// ---- Backings ---------------------------------------------------------------------------------

// What was made and cannot be recorded is not served; the next pass finds it made. A growth that
// cannot be recorded is wanted still, and served as it was: what is recorded is served.
static void take_back(struct order *o, const struct dv_err *why)
{
    log_warning("unit", "what was made or resized cannot be recorded yet, and waits: %s",
                why->text);
    for (size_t i = 0; i < o->volume_count; i++) {
        struct order_volume *ov = &o->volumes[i];
        ov->resized = false;
        ov->resize_err = (struct dv_err){0};
        if (!ov->made)
            continue;
        ov->made = ov->moved = false;
        ov->tgtd = 0;
        ov->err = *why;
    }
}

// False when the pass must end here, and leave all else as it is: the program is being stopped.
static bool make_backings(const struct pass *p, struct order *o, const struct pass_calls *calls)
{
    struct dv_err err;
    bool any = false;
    for (size_t i = 0; i < o->volume_count; i++)
        if (o->volumes[i].task == ORDER_MAKE)
            any = backing_make(p->media, o, &o->volumes[i], calls) || any;
        else if (backing_is_resized_open(p->media, o, &o->volumes[i]))
            any = backing_resize(p->media, o, &o->volumes[i], calls) || any;
    if (!any || calls->record(calls->arg, &err) == 0)
        return true;
    take_back(o, &err);
    return err.code != DV_CANCELLED;
}

// ---- tgtd -------------------------------------------------------------------------------------

struct wanted_targets {
    struct serving_want *wants; // in the order of the volumes they are of
    size_t count;
};

// A host's write that finds no room damages what it wrote about; a volume that is away does not.
static int check_room(const struct order *o, const struct order_volume *ov, struct dv_err *err)
{
    const struct order_medium *om = order_medium(o, ov->v.medium);
    if (!om || !om->full || (!ov->v.thin && om->reserves) || !ov->v.admin_online)
        return 0;
    if (!ov->v.thin)
        return dv_fail(err, DV_NO_SPACE,
                       "what lies below its medium is full, and copies what is overwritten or is "
                       "thin itself, so nothing can be written; make room there");
    return dv_fail(err, DV_NO_SPACE,
                   "what lies below its medium is full, so nothing can be written to a thin "
                   "volume; make room there");
}

// The path of what is to be served, or NULL when it is not, or cannot be. What another tgtd may be
// serving still is not served, by neither.
static char *path_to_serve(const struct pass *p, struct order *o, struct order_volume *ov)
{
    if (ov->task == ORDER_DELETE || (ov->task == ORDER_MAKE && !ov->made) ||
        ov->tgtd != ov->v.group)
        return NULL;
    struct media *m = pass_media_of(p->media, o, ov, &ov->err);
    if (!m || backing_is_resized_closed(m, ov) || check_room(o, ov, &ov->err) != 0)
        return NULL;
    struct pass_ask ask = {.act = PASS_PATH, .v = &ov->v};
    (void)pass_media_ask(p->media, o, &ask, &ov->err);
    return ask.path;
}

// What is being grown may have any size on the way already. A device may be larger than what was
// made of it.
static uint64_t most_blocks(const struct pass *p, const struct order_volume *ov)
{
    bool device = pass_media_is_device(p->media, ov->v.medium);
    return device ? 0 : order_grows(ov) ? ov->v.target_blocks : ov->v.blocks;
}

static void add_target(const struct pass *p, struct wanted_targets *r,
                       const struct order_volume *ov, size_t place, const struct media *m,
                       char *path)
{
    const char *options = NULL, *store = m ? media_store(m, &options) : NULL;
    struct plan_rule *rules = dv_calloc(ov->rule_count + 1, sizeof(*rules));
    for (size_t k = 0; k < ov->rule_count; k++)
        rules[k] = (struct plan_rule){ov->rules[k].initiator, ov->rules[k].user};
    struct serving_want *w = &r->wants[r->count++];
    w->volume = place;
    w->target = (struct plan_target){.tid = ov->tid,
                                     .iqn = ov->v.iqn,
                                     .path = path,
                                     .store = store,
                                     .options = options,
                                     .unmaps = m && media_unmaps(m, &ov->v),
                                     .uuid = ov->v.uuid,
                                     .blocks = ov->v.blocks,
                                     .most_blocks = most_blocks(p, ov),
                                     .online = ov->v.admin_online,
                                     .rules = rules,
                                     .rule_count = ov->rule_count,
                                     .revokes = ov->revoked_count > 0};
}

// Whether a volume's path is not known for want of descriptors or memory, or since its medium does
// not answer: what tgtd has open stays.
static bool is_unknown(const struct pass *p, const struct order *o, const struct order_volume *ov)
{
    struct dv_err err;
    const struct order_medium *om = order_medium(o, ov->v.medium);
    return ov->task == ORDER_SERVE && ov->tgtd == ov->v.group &&
           (pass_media_of(p->media, o, ov, &err) ? dv_is_shortage(&ov->err)
                                                 : om && (om->unjudged || om->waits || om->hung));
}

// Why a volume is not served whose medium does not answer is the medium's to say. While that may
// still answer, nothing is known.
static void tell_hung(const struct pass *p, const struct order *o)
{
    for (size_t i = 0; i < o->volume_count; i++) {
        struct order_volume *ov = &o->volumes[i];
        const struct order_medium *om = order_medium(o, ov->v.medium);
        if (om && om->hung && !ov->done && ov->err.code == DV_BUSY)
            (void)pass_media_of(p->media, o, ov, &ov->err);
    }
}

static void wanted_make(const struct pass *p, struct wanted_targets *r, struct order *o)
{
    *r = (struct wanted_targets){.wants = dv_calloc(o->volume_count + 1, sizeof(*r->wants))};
    for (size_t i = 0; i < o->volume_count; i++) {
        struct order_volume *ov = &o->volumes[i];
        char *path = path_to_serve(p, o, ov);
        if (path || is_unknown(p, o, ov))
            add_target(p, r, ov, i, pass_media_of(p->media, o, ov, NULL), path);
    }
}

static void wanted_clear(struct wanted_targets *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free((void *)r->wants[i].target.path);
        free((void *)r->wants[i].target.rules);
    }
    free(r->wants);
}

// Rules end when nothing serves their volume any more, whatever there is of it. Of one that is to
// be served that is so while its tgtd is dead.
static void note_let_go(const struct pass *p, struct order *o, const struct wanted_targets *r)
{
    size_t next = 0;
    for (size_t i = 0; i < o->volume_count; i++) {
        struct order_volume *ov = &o->volumes[i];
        bool wanted = next < r->count && r->wants[next].volume == i;
        next += wanted;
        ov->held = (struct dv_err){0};
        ov->let_go = (!wanted || !o->tgtds[ov->tgtd - 1].there) &&
                     serving_has_let_go(p->serving, o, ov, &ov->held);
    }
}

static void reconcile(struct pass *p, struct order *o)
{
    struct wanted_targets r;
    for (size_t i = 0; i < o->volume_count; i++)
        o->volumes[i].done = false; // as an earlier time in this pass found it
    wanted_make(p, &r, o);
    serving_reconcile(p->serving, o, r.wants, r.count);
    tell_hung(p, o);
    note_let_go(p, o, &r);
    wanted_clear(&r);
}

// The volumes that are to be resized while they are closed; NULL after the last.
static struct order_volume *next_closed(const struct pass *p, struct order *o,
                                        struct order_volume *after)
{
    struct order_volume *ov = after ? after + 1 : o->volumes;
    for (; ov && ov < o->volumes + o->volume_count; ov++) {
        struct media *m = ov->v.target_blocks ? pass_media_of(p->media, o, ov, &ov->err) : NULL;
        if (m && backing_is_resized_closed(m, ov))
            return ov;
    }
    return NULL;
}

// They are served no more, resized, and served again. False as of make_backings.
static bool resize_closed(struct pass *p, struct order *o, const struct pass_calls *calls)
{
    struct dv_err err;
    struct order_volume *ov = next_closed(p, o, NULL);
    bool any = false;
    if (!ov)
        return true;
    reconcile(p, o);
    for (; ov; ov = next_closed(p, o, ov)) {
        if (serving_has_let_go(p->serving, o, ov, &err))
            any = backing_resize(p->media, o, ov, calls) || any;
        else if (ov->err.code == DV_OK)
            dv_fail(&ov->err, DV_BUSY, "it is to be resized, and tgtd has not let go of it yet: %s",
                    err.text);
    }
    if (!any || calls->record(calls->arg, &err) == 0)
        return true;
    for (ov = next_closed(p, o, NULL); ov; ov = next_closed(p, o, ov)) {
        ov->err = err;
        ov->resized = false;
    }
    return err.code != DV_CANCELLED;
}

static bool is_to_move(const struct order_volume *ov)
{
    return ov->task == ORDER_SERVE && ov->tgtd != ov->v.group;
}

// Volumes that are another tgtd's now, since the configuration changed, or that a medium brought
// along: the old one has let go of them, that is recorded, and the new one may serve them.
// False as of make_backings.
static bool move(struct pass *p, struct order *o, const struct pass_calls *calls)
{
    struct dv_err err;
    bool any = false;
    for (size_t i = 0; i < o->volume_count; i++) {
        struct order_volume *ov = &o->volumes[i];
        if (!is_to_move(ov))
            continue;
        ov->moved = serving_has_let_go(p->serving, o, ov, &err);
        if (!ov->moved)
            dv_fail(&ov->err, DV_BUSY, "the tgtd that served it before may still do so: %s",
                    err.text);
        else
            ov->tgtd = ov->v.group;
        any = any || ov->moved;
    }
    if (!any)
        return true;
    bool recorded = calls->record(calls->arg, &err) == 0;
    if (!recorded && err.code == DV_CANCELLED)
        return false;
    for (size_t i = 0; !recorded && i < o->volume_count; i++)
        if (o->volumes[i].moved && o->volumes[i].task == ORDER_SERVE) {
            o->volumes[i].tgtd = 0;
            o->volumes[i].err = err;
        }
    reconcile(p, o);
    return true;
}

static void delete (struct pass *p, struct order *o, const struct pass_calls *calls)
{
    for (size_t i = 0; i < o->volume_count; i++) {
        struct order_volume *ov = &o->volumes[i];
        if (ov->task != ORDER_DELETE)
            continue;
        if (ov->let_go)
            backing_destroy(p->media, o, ov, calls);
        else
            dv_fail(&ov->err, DV_BUSY, "it is deleted when tgtd has let go of it: %s",
                    ov->held.text);
    }
}

static void note_waiting(struct order *o)
{
    for (size_t i = 0; i < o->volume_count; i++) {
        struct order_volume *ov = &o->volumes[i];
        const struct order_medium *om = order_medium(o, ov->v.medium);
        ov->waits = om && om->waits && !ov->done;
    }
}

void pass_run(struct pass *p, struct order *o, const struct pass_calls *calls)
{
    o->iqn_prefix = p->config->iqn_prefix;
    pass_media_check(p->media, o);
    backing_tidy(p->media, o);
    // tgtd may serve what media bring along: it is not to be ended first.
    o->postponed = o->first && adopt_has_strangers(o);
    if (o->postponed)
        return;
    if (!make_backings(p, o, calls))
        return;
    serving_meet(p->serving, o, calls->look, calls->arg);
    if (!resize_closed(p, o, calls))
        return;
    reconcile(p, o);
    if (!move(p, o, calls))
        return;
    delete (p, o, calls);
    note_waiting(o);
    // Only now that the targets are there, so that hosts which come back find them.
    serving_listen(p->serving);
}
