// What SET requests ask of volumes and rules: staged, journaled as one group, then made true.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/sets.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "model/kind.h"
#include <string.h>

struct sets {
    struct state *state;
    struct journal *journal;
    sets_work_fn *work;
    void *arg;
    struct intent **staged;
    size_t count;
    bool open;             // a group of the journal
    uint32_t open_request; // the request that it is for
};

struct sets *sets_new(struct state *state, struct journal *journal, sets_work_fn *work, void *arg)
{
    struct sets *s = dv_calloc(1, sizeof(*s));
    *s = (struct sets){.state = state, .journal = journal, .work = work, .arg = arg};
    return s;
}

void sets_free(struct sets *s)
{
    if (!s)
        return;
    while (s->count > 0)
        sets_release(s, s->staged[s->count - 1]);
    free(s->staged);
    free(s);
}

struct intent *sets_stage(struct sets *s, const struct intent *intent)
{
    struct intent *copy = dv_calloc(1, sizeof(*copy));
    *copy = *intent;
    *DV_APPEND(s->staged, s->count) = copy;
    return copy;
}

// ---- The journal ------------------------------------------------------------------------------

// Writes the user's secret again as the state has it: all rules of a user have the same one.
static int put_back_secret(struct sets *s, const char *chap_user, struct dv_err *err)
{
    const struct unit_rule *r = state_rule_next(s->state, 0, 0);
    for (; *chap_user && r; r = state_rule_next(s->state, r->r.volume, r->r.index)) {
        if (strcmp(r->r.chap_user, chap_user) == 0)
            return journal_put_secret(s->journal, chap_user, r->secret, r->r.secret_mark, err);
        if (strcmp(r->r.previous_user, chap_user) == 0)
            return journal_put_secret(s->journal, chap_user, r->previous_secret, r->previous_mark,
                                      err);
    }
    return 0;
}

static int put_back_rule(struct sets *s, const struct unit_rule *r, struct dv_err *err)
{
    return journal_put_rule(s->journal, &r->r, "", err) != 0 ||
                   put_back_secret(s, r->r.chap_user, err) != 0 ||
                   put_back_secret(s, r->r.previous_user, err) != 0
               ? -1
               : 0;
}

static int write_rule(struct sets *s, const struct intent *in, struct dv_err *err)
{
    const struct access_rule *r = &in->rule;
    if (journal_put_rule(s->journal, r, "", err) != 0 ||
        journal_put_secret(s->journal, r->chap_user, in->secret, r->secret_mark, err) != 0)
        return -1;
    return r->previous_user[0] ? journal_put_secret(s->journal, r->previous_user,
                                                    in->previous_secret, in->previous_mark, err)
                               : 0;
}

// What a request may change of a volume that is there. The rest stays as it is now: the worker may
// have resized it since the intent was staged.
static void merge_volume(const struct intent *in, struct volume *v)
{
    kind_copy(&kind_shown, KIND_CHANGEABLE, v, &in->volume);
    if (in->volume.state == VOLUME_DELETING)
        v->state = VOLUME_DELETING;
    if (!in->resize)
        return;
    v->target_start_lba = in->volume.target_start_lba;
    v->target_blocks = in->volume.target_blocks;
}

// The row that was there when the intent was staged; NULL when it is gone, which is no failure: so
// is what was asked for.
static struct unit_volume *meant(const struct sets *s, const struct intent *in)
{
    struct unit_volume *row = state_volume(s->state, in->volume.index);
    return row && !in->create && uuid_equal(&row->v.uuid, &in->volume.uuid) ? row : NULL;
}

static int write_volume(struct sets *s, const struct intent *in, struct dv_err *err)
{
    if (in->create)
        return state_volume(s->state, in->volume.index)
                   ? dv_fail(err, DV_CONFLICT, "another volume has the number %u now",
                             in->volume.index)
                   : journal_put_volume(s->journal, &in->volume, false, err);
    const struct unit_volume *row = meant(s, in);
    if (!row)
        return in->kind == INTENT_DELETE_VOLUME
                   ? 0
                   : dv_fail(err, DV_CONFLICT, "volume %s is gone", in->volume.name);
    struct volume v = row->v;
    merge_volume(in, &v);
    return journal_put_volume(s->journal, &v, row->made, err);
}

static int drop_volume(struct sets *s, const struct intent *in, struct dv_err *err)
{
    const uint32_t volume = in->volume.index;
    if (!meant(s, in))
        return 0;
    const struct unit_rule *r = state_rule_next(s->state, volume, 0);
    for (; r && r->r.volume == volume; r = state_rule_next(s->state, volume, r->r.index))
        if (journal_drop_rule(s->journal, volume, r->r.index, err) != 0)
            return -1;
    return journal_drop_volume(s->journal, volume, err);
}

static int put_back_volume(struct sets *s, uint32_t volume, struct dv_err *err)
{
    const struct unit_volume *v = state_volume(s->state, volume);
    const struct unit_rule *r = state_rule_next(s->state, volume, 0);
    if (v && (journal_put_volume(s->journal, &v->v, v->made, err) != 0 ||
              journal_put_counters(s->journal, v, err) != 0))
        return -1;
    if (v && v->tgtd != 0 &&
        journal_put_tgtd(s->journal, volume, state_tgtd(s->state, v->tgtd), err) != 0)
        return -1;
    for (; r && r->r.volume == volume; r = state_rule_next(s->state, volume, r->r.index))
        if (put_back_rule(s, r, err) != 0 || journal_put_rule_counters(s->journal, r, err) != 0)
            return -1;
    return 0;
}

static int write_intent(struct sets *s, const struct intent *in, struct dv_err *err)
{
    switch (in->kind) {
    case INTENT_NOTHING:
        return 0;
    case INTENT_PUT_VOLUME:
    case INTENT_DELETE_VOLUME:
        return write_volume(s, in, err);
    case INTENT_FORGET_VOLUME:
        return drop_volume(s, in, err);
    case INTENT_PUT_RULE:
        return write_rule(s, in, err);
    case INTENT_DELETE_RULE:
        return state_rule(s->state, in->rule.volume, in->rule.index)
                   ? journal_put_rule(s->journal, &in->rule, "", err)
                   : 0;
    case INTENT_LEAD:
        return journal_put_lead(s->journal, &in->lead, err);
    }
    return dv_fail(err, DV_INTERNAL, "an intent of an unknown kind was staged");
}

// Writes again what the state says, which no intent has changed yet.
static int write_back(struct sets *s, const struct intent *in, struct dv_err *err)
{
    const struct unit_volume *v;
    const struct unit_rule *r;
    switch (in->kind) {
    case INTENT_NOTHING:
        return 0;
    case INTENT_PUT_VOLUME:
    case INTENT_DELETE_VOLUME:
        v = state_volume(s->state, in->volume.index);
        return v ? journal_put_volume(s->journal, &v->v, v->made, err)
                 : journal_drop_volume(s->journal, in->volume.index, err);
    case INTENT_FORGET_VOLUME:
        return put_back_volume(s, in->volume.index, err);
    case INTENT_PUT_RULE:
    case INTENT_DELETE_RULE:
        r = state_rule(s->state, in->rule.volume, in->rule.index);
        if ((r ? put_back_rule(s, r, err)
               : journal_drop_rule(s->journal, in->rule.volume, in->rule.index, err)) != 0 ||
            put_back_secret(s, in->rule.chap_user, err) != 0)
            return -1;
        return put_back_secret(s, in->rule.previous_user, err);
    case INTENT_LEAD:
        return journal_put_lead(s->journal, &in->lead_before, err);
    }
    return dv_fail(err, DV_INTERNAL, "an intent of an unknown kind was staged");
}

// The highest index of a volume, but for what this request asked for.
static int write_back_last(struct sets *s, uint32_t request, struct dv_err *err)
{
    uint32_t last = state_volume_last(s->state);
    for (size_t i = 0; i < s->count; i++) {
        const struct intent *in = s->staged[i];
        if (in->durable && in->create && in->request != request && in->volume.index > last)
            last = in->volume.index;
    }
    return journal_set_last(s->journal, last, err);
}

static void close_group(struct sets *s)
{
    if (s->open)
        journal_rollback(s->journal);
    s->open = false;
}

static int open_group(struct sets *s, uint32_t request, struct dv_err *err)
{
    if (s->open && s->open_request != request) // of a request that was given up half way
        close_group(s);
    if (!s->open && journal_begin(s->journal, err) != 0)
        return -1;
    s->open = true;
    s->open_request = request;
    return 0;
}

static int commit_group(struct sets *s, struct dv_err *err)
{
    s->open = false;
    return journal_commit(s->journal, err);
}

static int apply(struct sets *s, struct intent *intent, struct dv_err *err)
{
    if (open_group(s, intent->request, err) != 0 || write_intent(s, intent, err) != 0)
        return -1;
    intent->written = true;
    for (size_t i = 0; i < s->count; i++)
        if (s->staged[i]->request == intent->request && !s->staged[i]->written)
            return 0; // more is to come
    if (commit_group(s, err) != 0)
        return -1;
    for (size_t i = 0; i < s->count; i++)
        if (s->staged[i]->request == intent->request)
            s->staged[i]->durable = true;
    return 0;
}

// What cannot be recorded is told by a pass, which looks why.
int sets_apply(struct sets *s, struct intent *intent, struct dv_err *err)
{
    int rc = apply(s, intent, err);
    if (rc != 0)
        s->work(s->arg, intent->volume.index);
    return rc;
}

int sets_undo(struct sets *s, struct intent *intent, struct dv_err *err)
{
    if (!intent->durable) {
        close_group(s);
        return 0;
    }
    if (open_group(s, intent->request, err) != 0 || write_back(s, intent, err) != 0)
        return -1;
    intent->unwritten = true;
    for (size_t i = 0; i < s->count; i++)
        if (s->staged[i]->request == intent->request && !s->staged[i]->unwritten)
            return 0;
    if (write_back_last(s, intent->request, err) != 0)
        return -1;
    return commit_group(s, err);
}

// ---- Making it true ---------------------------------------------------------------------------

static void commit_volume(struct sets *s, const struct intent *in)
{
    if (in->create) {
        state_add_volume(s->state, &in->volume);
        state_count_free(s->state, in->volume.medium);
        return;
    }
    struct unit_volume *v = meant(s, in);
    if (!v || (!in->resize && kind_same(&kind_shown, KIND_CHANGEABLE, &v->v, &in->volume)))
        return;
    state_rename_volume(s->state, v, in->volume.name);
    merge_volume(in, &v->v);
    state_volume_changed(s->state, v);
    if (!in->resize)
        return;
    v->v.progress = 0;
    state_set_resize_error(s->state, v, "");
    state_count_free(s->state, v->v.medium);
}

static void commit_secret(struct sets *s, const char *chap_user, const char *secret, uint32_t mark)
{
    struct unit_rule *r = state_rule_next(s->state, 0, 0);
    for (; r; r = state_rule_next(s->state, r->r.volume, r->r.index)) {
        bool same = strcmp(r->r.chap_user, chap_user) != 0 || secret_equal(r->secret, secret);
        bool previous_same =
            strcmp(r->r.previous_user, chap_user) != 0 || secret_equal(r->previous_secret, secret);
        if (same && previous_same)
            continue;
        if (r->r.state != ACCESS_REVOKING)
            state_set_rule(s->state, r, ACCESS_PENDING, "");
        s->work(s->arg, r->r.volume);
    }
    state_set_secret(s->state, chap_user, secret, mark);
}

static void commit_users(struct sets *s, struct unit_rule *r, const struct access_rule *now)
{
    if (strcmp(r->r.chap_user, now->chap_user) == 0 &&
        strcmp(r->r.previous_user, now->previous_user) == 0)
        return;
    state_set_users(s->state, r, now);
    state_set_rule(s->state, r, ACCESS_PENDING, "");
    s->work(s->arg, r->r.volume);
}

static void commit_rule(struct sets *s, const struct intent *in)
{
    struct unit_rule *r = state_rule(s->state, in->rule.volume, in->rule.index);
    if (r)
        commit_users(s, r, &in->rule);
    commit_secret(s, in->rule.chap_user, in->secret, in->rule.secret_mark);
    if (in->rule.previous_user[0])
        commit_secret(s, in->rule.previous_user, in->previous_secret, in->previous_mark);
    if (!r)
        state_add_rule(s->state, &in->rule, in->secret);
}

// What is to go may be gone, when the request took its time.
static void commit_delete_volume(struct sets *s, const struct intent *in)
{
    struct unit_volume *v = meant(s, in);
    if (v)
        state_set_volume(s->state, v, VOLUME_DELETING, 0, "");
}

static void commit_forget_volume(struct sets *s, const struct intent *in)
{
    const uint32_t index = in->volume.index;
    const struct unit_volume *v = meant(s, in);
    const struct unit_rule *r;
    if (!v)
        return;
    const uint32_t medium = v->v.medium;
    const struct unit_medium *m = state_medium(s->state, medium);
    log_warning("unit", "volume %s is forgotten; what its medium holds of it is left alone",
                v->v.name);
    while ((r = state_rule_next(s->state, index, 0)) && r->r.volume == index)
        state_remove_rule(s->state, index, r->r.index);
    state_remove_volume(s->state, index);
    state_count_free(s->state, medium);
    if (m && m->gone && !state_medium_has_volumes(s->state, medium))
        state_remove_medium(s->state, medium);
}

static void commit_delete_rule(struct sets *s, uint32_t volume, uint32_t index)
{
    struct unit_rule *r = state_rule(s->state, volume, index);
    if (r)
        state_set_rule(s->state, r, ACCESS_REVOKING, "");
}

void sets_commit(struct sets *s, struct intent *intent)
{
    uint32_t volume = intent->volume.index;
    switch (intent->kind) {
    case INTENT_NOTHING:
    case INTENT_LEAD:
        return;
    case INTENT_PUT_VOLUME:
        commit_volume(s, intent);
        break;
    case INTENT_DELETE_VOLUME:
        commit_delete_volume(s, intent);
        break;
    case INTENT_FORGET_VOLUME:
        commit_forget_volume(s, intent);
        break;
    case INTENT_PUT_RULE:
        commit_rule(s, intent);
        volume = intent->rule.volume;
        break;
    case INTENT_DELETE_RULE:
        volume = intent->rule.volume;
        commit_delete_rule(s, volume, intent->rule.index);
        break;
    }
    s->work(s->arg, volume);
}

void sets_release(struct sets *s, struct intent *intent)
{
    size_t i = 0;
    if (!intent)
        return;
    while (s->staged[i] != intent)
        i++;
    if (s->open && s->open_request == intent->request) // neither committed nor undone
        close_group(s);
    s->count--;
    memmove(s->staged + i, s->staged + i + 1, (s->count - i) * sizeof(struct intent *));
    secret_wipe(intent, sizeof(*intent));
    free(intent);
}

// ---- What is there or staged ------------------------------------------------------------------

bool sets_under_way(const struct sets *s)
{
    return s->count > 0;
}

static const struct intent *staged_volume(const struct sets *s, size_t i)
{
    return s->staged[i]->kind == INTENT_PUT_VOLUME ? s->staged[i] : NULL;
}

bool sets_volume_uuid_taken(const struct sets *s, const struct dv_uuid *uuid, uint32_t except)
{
    const struct unit_volume *v = state_volume_uuid(s->state, uuid);
    if (v && v->v.index != except)
        return true;
    for (size_t i = 0; i < s->count; i++) {
        const struct intent *in = staged_volume(s, i);
        if (in && in->volume.index != except && uuid_equal(&in->volume.uuid, uuid))
            return true;
    }
    return false;
}

bool sets_volume_name_taken(const struct sets *s, const char *name, uint32_t except)
{
    const struct unit_volume *v = state_volume_named(s->state, name);
    if (v && v->v.index != except)
        return true;
    for (size_t i = 0; i < s->count; i++) {
        const struct intent *in = staged_volume(s, i);
        if (in && in->volume.index != except && strcmp(in->volume.name, name) == 0)
            return true;
    }
    return false;
}

bool sets_volume_takes_rules(const struct sets *s, uint32_t volume)
{
    const struct unit_volume *v = state_volume(s->state, volume);
    bool takes = v && v->v.state != VOLUME_DELETING;
    for (size_t i = 0; i < s->count; i++) {
        if (s->staged[i]->volume.index != volume)
            continue;
        if (s->staged[i]->kind == INTENT_DELETE_VOLUME ||
            s->staged[i]->kind == INTENT_FORGET_VOLUME)
            return false;
        takes = takes || (s->staged[i]->kind == INTENT_PUT_VOLUME && !v);
    }
    return takes;
}

bool sets_volume_has_rules(const struct sets *s, uint32_t volume)
{
    if (state_volume_has_rules(s->state, volume))
        return true;
    for (size_t i = 0; i < s->count; i++)
        if (s->staged[i]->kind == INTENT_PUT_RULE && s->staged[i]->rule.volume == volume)
            return true;
    return false;
}

bool sets_initiator_taken(const struct sets *s, uint32_t volume, const char *initiator,
                          uint32_t except)
{
    const struct unit_rule *r = state_rule_next(s->state, volume, 0);
    for (; r && r->r.volume == volume; r = state_rule_next(s->state, volume, r->r.index))
        if (r->r.index != except && iqn_equal(r->r.initiator, initiator))
            return true;
    for (size_t i = 0; i < s->count; i++) {
        const struct intent *in = s->staged[i];
        if (in->kind == INTENT_PUT_RULE && in->rule.volume == volume && in->rule.index != except &&
            iqn_equal(in->rule.initiator, initiator))
            return true;
    }
    return false;
}

bool sets_secret_conflicts(const struct sets *s, const char *chap_user, const char *secret,
                           uint32_t mark)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct intent *in = s->staged[i];
        if (in->kind != INTENT_PUT_RULE)
            continue;
        if (strcmp(in->rule.chap_user, chap_user) == 0 &&
            (!secret_equal(in->secret, secret) || in->rule.secret_mark != mark))
            return true;
        if (strcmp(in->rule.previous_user, chap_user) == 0 &&
            (!secret_equal(in->previous_secret, secret) || in->previous_mark != mark))
            return true;
    }
    return false;
}

size_t sets_extents(const struct sets *s, uint32_t medium, struct extent **list)
{
    size_t n = state_extents(s->state, medium, list);
    for (size_t i = 0; i < s->count; i++) {
        const struct intent *in = staged_volume(s, i);
        if (!in || in->volume.medium != medium)
            continue;
        if (in->resize) // its present extent is there already
            *DV_APPEND(*list, n) =
                (struct extent){in->volume.target_start_lba, in->volume.target_blocks};
        else if (!state_volume(s->state, in->volume.index))
            *DV_APPEND(*list, n) = (struct extent){in->volume.start_lba, in->volume.blocks};
    }
    if (n > 0)
        extent_sort(*list, n);
    return n;
}
