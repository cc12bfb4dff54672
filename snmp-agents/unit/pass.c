// One pass over all volumes: backings made and resized, tgtd reconciled, backings destroyed.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/pass.h"
#include "base/log.h"
#include "base/mem.h"
#include "media/media.h"
#include "snmp-agents/unit/serving.h"
#include "snmp-agents/unit/take.h"
#include <errno.h>
#include <string.h>
#include <time.h>

#define SLICE_MS 500 // of clearing a volume's blocks in one pass

struct pass {
    const struct unit_config *config;
    struct media **media; // as in the configuration; NULL while one cannot be opened
    bool *full, *copies;  // likewise: as judged last; copies: not struct media_space's reserves
    struct serving *serving;
};

struct pass *pass_new(const struct unit_config *config, const struct state *state)
{
    struct pass *p = dv_calloc(1, sizeof(*p));
    p->config = config;
    p->serving = serving_new(config, state);
    p->media = dv_calloc(config->media_count, sizeof(*p->media));
    p->full = dv_calloc(config->media_count, sizeof(*p->full));
    p->copies = dv_calloc(config->media_count, sizeof(*p->copies));
    return p;
}

void pass_free(struct pass *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->config->media_count; i++)
        media_close(p->media[i]);
    free(p->media);
    free(p->full);
    free(p->copies);
    serving_free(p->serving);
    free(p);
}

// ---- Media ------------------------------------------------------------------------------------

// A folder whose file system is not mounted is there, but it is not the medium; whoever wrote to
// it would lose what he wrote from sight later.
static int open_medium(const struct pass *p, const struct medium_config *c, struct order_medium *om,
                       const struct media_owner *owner, struct media **out, struct dv_err *err)
{
    DV_FREE char *take = take_mark(p->config, c->index);
    const struct media_spec spec = {.kind = c->kind,
                                    .path = c->path,
                                    .blocks = c->bytes / BLOCK_SIZE,
                                    .initialise = c->initialise,
                                    .uuid = om->uuid,
                                    .ceph_conf = c->ceph_conf,
                                    .ceph_user = c->ceph_user,
                                    .owner = *owner,
                                    .identity = om->identity,
                                    .take = take};
    struct media *m = media_open(&spec, err);
    if (!m)
        return -1;
    if (!uuid_is_zero(&om->uuid) && !uuid_equal(&om->uuid, media_uuid(m))) {
        media_close(m);
        return dv_fail(err, DV_CONFLICT,
                       c->kind == MEDIUM_DIR
                           ? "%s is not the medium that was there before; see whether its file "
                             "system is mounted"
                           : "%s is not the medium that was there before; give this one an index "
                             "of its own in the configuration",
                       c->path);
    }
    if (!uuid_is_zero(&owner->unit) && media_tell_owner(m, owner, err) != 0) {
        media_close(m);
        return -1;
    }
    om->taken = take != NULL;
    *out = m;
    return 0;
}

static void check_medium(const struct pass *p, const struct medium_config *c,
                         const struct media_owner *owner, struct media **m, struct order_medium *om)
{
    struct media_space space;
    struct dv_err err;
    if (om->misfit)
        dv_fail(&err, DV_CONFLICT, "%s", om->error);
    om->error[0] = '\0';
    if (!om->misfit && (*m || open_medium(p, c, om, owner, m, &err) == 0) &&
        media_probe(*m, &space, &err) == 0 && media_read_layout(*m, &om->layout, &err) == 0) {
        om->state = space.state;
        om->full = space.full;
        om->reserves = space.reserves;
        om->storage_blocks = space.total_bytes / BLOCK_SIZE;
        om->storage_free_blocks = space.total_bytes ? space.free_bytes / BLOCK_SIZE : 0;
        om->uuid = *media_uuid(*m);
        dv_copy(om->identity, sizeof(om->identity), media_identity(*m));
        om->has_layout = true;
        if (om->state == MEDIUM_LOW)
            dv_copy(om->error, sizeof(om->error),
                    om->reserves
                        ? "what lies below the medium is nearly full"
                        : "what lies below the medium is nearly full, and also volumes that "
                          "are not thin take room there when they are overwritten");
        return;
    }
    dv_copy(om->error, sizeof(om->error), err.text);
    om->unjudged = dv_is_shortage(&err);
    if (om->unjudged)
        return;
    // Opened anew next time, when another file system may be there.
    media_close(*m);
    *m = NULL;
    om->taken = false; // a person's word is needed again when it is opened next
    om->state = MEDIUM_FAILED;
}

// The place of a medium in the configuration, or media_count where that names it no more.
static size_t place_of(const struct pass *p, uint32_t index)
{
    size_t i = 0;
    while (i < p->config->media_count && p->config->media[i].index != index)
        i++;
    return i;
}

static void check_media(const struct pass *p, struct order *o)
{
    for (size_t i = 0; i < o->medium_count; i++) {
        size_t k = place_of(p, o->media[i].index);
        struct order_medium *om = &o->media[i];
        if (k == p->config->media_count)
            continue;
        check_medium(p, &p->config->media[k], &o->owner, &p->media[k], om);
        if (om->unjudged) {
            om->full = p->full[k];
            om->reserves = !p->copies[k];
        }
        p->full[k] = om->full;
        p->copies[k] = !om->reserves;
    }
}

static struct order_medium *looked_at(const struct order *o, uint32_t index)
{
    for (size_t i = 0; i < o->medium_count; i++)
        if (o->media[i].index == index)
            return &o->media[i];
    return NULL;
}

// NULL with the reason while it cannot be used.
static struct media *medium_of(const struct pass *p, const struct order *o,
                               const struct order_volume *ov, struct dv_err *err)
{
    size_t i = place_of(p, ov->v.medium);
    if (i < p->config->media_count && p->media[i])
        return p->media[i];
    const struct order_medium *om = looked_at(o, ov->v.medium);
    const char *why = om ? om->error : MEDIUM_GONE;
    if (ov->task == ORDER_DELETE)
        (void)dv_fail(err, DV_IO,
                      "it is deleted when its medium can be used again, unless it is forgotten "
                      "before: %s",
                      why);
    else
        (void)dv_fail(err, DV_IO, "its medium cannot be used: %s", why);
    return NULL;
}

// ---- Backings ---------------------------------------------------------------------------------

struct making {
    const struct pass_calls *calls;
    const struct order_volume *ov; // NULL: of no volume
    uint64_t until;                // or for as long as it takes: 0
    bool expired;
    uint32_t percent;
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool report(void *arg, uint32_t percent)
{
    struct making *m = arg;
    m->expired = m->until != 0 && now_ms() >= m->until;
    if (m->expired)
        m->percent = percent;
    if (m->expired || percent == m->percent || !m->ov)
        return !m->expired;
    m->percent = percent;
    return m->calls->progress(m->calls->arg, m->ov, percent);
}

// What can go on later gets a slice of time, so that other volumes need not wait for it.
static struct making making_of(const struct media *m, const struct order_volume *ov,
                               const struct pass_calls *calls)
{
    return (struct making){
        .calls = calls, .ov = ov, .until = m && media_resumes(m) ? now_ms() + SLICE_MS : 0};
}

static void note_slice(struct order_volume *ov, const struct making *m)
{
    ov->unfinished = m->expired && ov->err.code == DV_CANCELLED;
    ov->percent = m->percent;
}

static bool make_backing(const struct pass *p, const struct order *o, struct order_volume *ov,
                         const struct pass_calls *calls)
{
    struct media *m = medium_of(p, o, ov, &ov->err);
    struct making making = making_of(m, ov, calls);
    const struct media_progress progress = {.report = report, .arg = &making};
    ov->made = m && media_volume_create(m, &ov->v, &progress, &ov->err) == 0;
    if (!ov->made)
        note_slice(ov, &making);
    else
        ov->tgtd = ov->v.group;
    ov->moved = ov->made;
    return ov->made;
}

static bool is_copied(const struct media *m, const struct order_volume *ov)
{
    return m && order_moves(ov) && media_moves_by_copy(m);
}

// Whether nothing may have the backing open while it is resized. In any case nothing must lose the
// end of what it has open.
static bool is_resized_closed(const struct media *m, const struct order_volume *ov)
{
    return order_shrinks(ov) || is_copied(m, ov) || (order_grows(ov) && m && !media_grows_open(m));
}

static bool is_resized_open(const struct pass *p, const struct order *o, struct order_volume *ov)
{
    struct media *m = order_grows(ov) ? medium_of(p, o, ov, &ov->err) : NULL;
    return m && media_grows_open(m) && !is_copied(m, ov);
}

// What a move leaves behind is out of use until the next pass finds it and clears it.
static void leave_behind(struct order *o, struct order_volume *ov, uint64_t start, uint64_t blocks)
{
    struct order_medium *om = looked_at(o, ov->v.medium);
    ov->left = (struct extent){start, blocks};
    if (!om || !om->has_layout)
        return;
    *DV_APPEND(om->layout.reserved, om->layout.reserved_count) = (struct extent){start, blocks};
    extent_sort(om->layout.reserved, om->layout.reserved_count);
    om->unfinished = true;
}

// The next pass goes on resizing it.
static void goes_on(struct order_volume *ov, const struct making *m)
{
    ov->resize_err = (struct dv_err){0};
    ov->unfinished = true;
    ov->percent = m->percent;
}

// Nothing is lost when it fails: until it is copied whole the volume is where it was.
static bool move_backing(struct media *m, struct order *o, struct order_volume *ov,
                         const struct pass_calls *calls)
{
    struct making making = making_of(m, ov, calls);
    const struct media_progress progress = {.report = report, .arg = &making};
    ov->resized = media_volume_move(m, &ov->v, &progress, &ov->resize_err) == 0;
    if (ov->resized) {
        leave_behind(o, ov, ov->v.start_lba, ov->v.blocks);
        return true;
    }
    if (ov->resize_err.code != DV_CANCELLED) {
        leave_behind(o, ov, ov->v.target_start_lba, ov->v.target_blocks);
        return true;
    }
    ov->closed = true;
    goes_on(ov, &making);
    return false;
}

// Of a growth that failed: what of it cannot be undone is the volume's.
static void note_length(struct media *m, struct order_volume *ov)
{
    struct dv_err err;
    uint64_t blocks;
    if (media_volume_length(m, &ov->v, &blocks, &err) != 0)
        log_warning("unit", "volume %s: %s", ov->v.name, err.text);
    else if (blocks > ov->v.blocks && blocks < ov->v.target_blocks && blocks % ALLOC_BLOCKS == 0)
        ov->kept_blocks = blocks;
}

// Whether something is to be recorded. While its medium is away a volume goes on waiting.
static bool resize_backing(const struct pass *p, struct order *o, struct order_volume *ov,
                           const struct pass_calls *calls)
{
    struct media *m = medium_of(p, o, ov, &ov->err);
    struct making making = making_of(m, ov, calls);
    const struct media_progress progress = {.report = report, .arg = &making};
    if (!m)
        return false;
    if (is_copied(m, ov))
        return move_backing(m, o, ov, calls);
    int rc = order_grows(ov)
                 ? media_volume_grow(m, &ov->v, ov->v.target_blocks, &progress, &ov->resize_err)
                 : media_volume_shrink(m, &ov->v, ov->v.target_blocks, &ov->resize_err);
    ov->resized = rc == 0;
    if (rc != 0 && ov->resize_err.code == DV_CANCELLED) {
        goes_on(ov, &making);
        return false;
    }
    if (rc != 0 && order_grows(ov))
        note_length(m, ov);
    return true;
}

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
            any = make_backing(p, o, &o->volumes[i], calls) || any;
        else if (is_resized_open(p, o, &o->volumes[i]))
            any = resize_backing(p, o, &o->volumes[i], calls) || any;
    if (!any || calls->record(calls->arg, &err) == 0)
        return true;
    take_back(o, &err);
    return err.code != DV_CANCELLED;
}

static void destroy_backing(const struct pass *p, const struct order *o, struct order_volume *ov,
                            const struct pass_calls *calls)
{
    struct media *m = medium_of(p, o, ov, &ov->err);
    struct making making = making_of(m, ov, calls);
    const struct media_progress progress = {.report = report, .arg = &making};
    ov->done = m && media_volume_delete(m, &ov->v, &progress, &ov->err) == 0;
    if (!ov->done)
        note_slice(ov, &making);
}

// What another unit, or a lost journal, began and nobody here knows of: it is of no use to
// anybody, and its blocks stay out of use until they are cleared.
static void clear_unknown(struct media *m, const struct order *o, struct order_medium *om,
                          const struct pass_calls *calls)
{
    struct media_layout *l = &om->layout;
    for (size_t i = 0; i < l->unfinished_count; i++) {
        const struct media_found *f = &l->unfinished[i];
        if (order_volume_uuid(o, &f->uuid) || order_volume_to(o, om->index, f))
            continue;
        struct volume v = {.uuid = f->uuid, .start_lba = f->start_lba, .blocks = f->blocks};
        struct making making = making_of(m, NULL, calls);
        const struct media_progress progress = {.report = report, .arg = &making};
        struct dv_err err;
        if (media_volume_delete(m, &v, &progress, &err) == 0) {
            log_info("unit", "what a volume left behind on medium %u was cleared away", om->index);
            continue;
        }
        om->unfinished = om->unfinished || making.expired;
        if (f->start_lba == MEDIA_ANYWHERE)
            continue;
        *DV_APPEND(l->reserved, l->reserved_count) = (struct extent){f->start_lba, f->blocks};
        extent_sort(l->reserved, l->reserved_count);
    }
}

static void tidy_media(const struct pass *p, struct order *o, const struct pass_calls *calls)
{
    for (size_t i = 0; i < o->medium_count; i++) {
        size_t k = place_of(p, o->media[i].index);
        if (k < p->config->media_count && p->media[k])
            clear_unknown(p->media[k], o, &o->media[i], calls);
    }
}

// ---- tgtd -------------------------------------------------------------------------------------

struct request {
    struct serving_want *wants; // in the order of the volumes they are of
    size_t count;
};

// A host's write that finds no room damages what it wrote about; a volume that is away does not.
static int check_room(const struct order *o, const struct order_volume *ov, struct dv_err *err)
{
    const struct order_medium *om = looked_at(o, ov->v.medium);
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
static char *path_to_serve(const struct pass *p, const struct order *o, struct order_volume *ov)
{
    if (ov->task == ORDER_DELETE || (ov->task == ORDER_MAKE && !ov->made) ||
        ov->tgtd != ov->v.group)
        return NULL;
    struct media *m = medium_of(p, o, ov, &ov->err);
    struct dv_err err; // its partition's name is for people only
    if (!m || is_resized_closed(m, ov) || check_room(o, ov, &ov->err) != 0)
        return NULL;
    if (media_volume_rename(m, &ov->v, &err) != 0)
        log_debug("unit", "volume %s has another name on its medium: %s", ov->v.name, err.text);
    return media_volume_path(m, &ov->v, &ov->err);
}

// What is being grown may have any size on the way already. A device may be larger than what was
// made of it.
static uint64_t most_blocks(const struct pass *p, const struct order_volume *ov)
{
    size_t i = place_of(p, ov->v.medium);
    bool device = i < p->config->media_count && p->config->media[i].kind == MEDIUM_DEVICE;
    return device ? 0 : order_grows(ov) ? ov->v.target_blocks : ov->v.blocks;
}

static void add_target(const struct pass *p, struct request *r, const struct order_volume *ov,
                       size_t place, const struct media *m, char *path)
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
                                     .rule_count = ov->rule_count};
}

// Whether a volume's path is not known for want of descriptors or memory: what tgtd has open stays.
static bool is_unknown(const struct pass *p, const struct order *o, const struct order_volume *ov)
{
    struct dv_err err;
    const struct order_medium *om = looked_at(o, ov->v.medium);
    return ov->task == ORDER_SERVE && ov->tgtd == ov->v.group &&
           (medium_of(p, o, ov, &err) ? dv_is_shortage(&ov->err) : om && om->unjudged);
}

static void request_make(const struct pass *p, struct request *r, struct order *o)
{
    *r = (struct request){.wants = dv_calloc(o->volume_count + 1, sizeof(*r->wants))};
    for (size_t i = 0; i < o->volume_count; i++) {
        struct order_volume *ov = &o->volumes[i];
        char *path = path_to_serve(p, o, ov);
        if (path || is_unknown(p, o, ov))
            add_target(p, r, ov, i, medium_of(p, o, ov, NULL), path);
    }
}

static void request_clear(struct request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free((void *)r->wants[i].target.path);
        free((void *)r->wants[i].target.rules);
    }
    free(r->wants);
}

// Rules end when nothing serves their volume any more, whatever there is of it. Of one that is to
// be served that is so while its tgtd is dead.
static void note_let_go(const struct pass *p, struct order *o, const struct request *r)
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
    struct request r;
    for (size_t i = 0; i < o->volume_count; i++)
        o->volumes[i].done = false; // as an earlier time in this pass found it
    request_make(p, &r, o);
    serving_reconcile(p->serving, o, r.wants, r.count);
    note_let_go(p, o, &r);
    request_clear(&r);
}

// The volumes that are to be resized while they are closed; NULL after the last.
static struct order_volume *next_closed(const struct pass *p, struct order *o,
                                        struct order_volume *after)
{
    struct order_volume *ov = after ? after + 1 : o->volumes;
    for (; ov && ov < o->volumes + o->volume_count; ov++) {
        struct media *m = ov->v.target_blocks ? medium_of(p, o, ov, &ov->err) : NULL;
        if (m && is_resized_closed(m, ov))
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
            any = resize_backing(p, o, ov, calls) || any;
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
            destroy_backing(p, o, ov, calls);
        else
            dv_fail(&ov->err, DV_BUSY, "it is deleted when tgtd has let go of it: %s",
                    ov->held.text);
    }
}

void pass_run(struct pass *p, struct order *o, const struct pass_calls *calls)
{
    o->iqn_prefix = p->config->iqn_prefix;
    check_media(p, o);
    tidy_media(p, o, calls);
    // tgtd may serve what media bring along: it is not to be ended first.
    o->postponed = o->first && order_has_strangers(o);
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
    // Only now that the targets are there, so that hosts which come back find them.
    serving_listen(p->serving);
}
