// What came of an order: first into the journal, then into the state.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "unit/adopt.h"
#include "unit/order.h"
#include "unit/refusal.h"
#include <stdlib.h>
#include <string.h>

#define RESIZED_PERCENT 99 // its backing has its size, and tgtd does not offer it yet

static struct log_limit shortages;

// The volume that was meant, unless it is gone.
static struct unit_volume *meant(const struct state *state, const struct order_volume *ov)
{
    struct unit_volume *v = state_volume(state, ov->v.index);
    return v && uuid_equal(&v->v.uuid, &ov->v.uuid) ? v : NULL;
}

// What becomes of a volume's place: its target when its backing has that size, none when it could
// not be had. False when there is nothing to record.
static bool settle_place(const struct order_volume *ov, struct volume *v)
{
    if (v->target_blocks == 0 || v->target_blocks != ov->v.target_blocks ||
        (!ov->resized && ov->resize_err.code == DV_OK))
        return false;
    if (ov->resized) {
        v->start_lba = v->target_start_lba;
        v->blocks = v->target_blocks;
    } else if (ov->kept_blocks > 0) {
        v->start_lba = v->target_start_lba;
        v->blocks = ov->kept_blocks;
    }
    v->target_start_lba = v->target_blocks = 0;
    return true;
}

static int journal_made(const struct order_volume *ov, const struct state *state,
                        struct journal *journal, struct dv_err *err)
{
    const struct unit_volume *row = meant(state, ov);
    if (!row)
        return 0;
    struct volume v = row->v;
    bool resized = settle_place(ov, &v);
    if ((ov->made || resized) && journal_put_volume(journal, &v, row->made || ov->made, err) != 0)
        return -1;
    return ov->moved ? journal_put_tgtd(journal, v.index, state_tgtd(state, ov->tgtd), err) : 0;
}

static void apply_made(struct order_volume *ov, struct state *state)
{
    struct unit_volume *row = meant(state, ov);
    if (!row)
        return;
    row->made = row->made || ov->made;
    if (ov->moved)
        row->tgtd = ov->tgtd;
    if (!settle_place(ov, &row->v))
        return;
    DV_FREE char *text =
        ov->resized ? dv_strdup("") : dv_printf("it could not be resized: %s", ov->resize_err.text);
    log_at(ov->resized ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "unit", "volume %s %s", row->v.name,
           ov->resized ? "is resized" : text);
    ov->v.start_lba = row->v.start_lba;
    ov->v.blocks = row->v.blocks;
    ov->v.target_start_lba = ov->v.target_blocks = 0;
    row->v.progress = ov->resized ? RESIZED_PERCENT : 100;
    state_volume_changed(state, row);
    state_set_resize_error(state, row, text);
    state_reserve(state, row->v.medium, &ov->left);
    state_count_free(state, row->v.medium);
}

int order_record_made(struct order *o, struct state *state, struct journal *journal,
                      struct dv_err *err)
{
    if (journal_begin(journal, err) != 0)
        return -1;
    for (size_t i = 0; i < o->volume_count; i++) {
        if (journal_made(&o->volumes[i], state, journal, err) != 0) {
            journal_rollback(journal);
            return -1;
        }
    }
    if (journal_commit(journal, err) != 0)
        return -1;
    for (size_t i = 0; i < o->volume_count; i++)
        apply_made(&o->volumes[i], state);
    return 0;
}

bool order_progress(const struct order_volume *ov, struct state *state, uint32_t percent)
{
    struct unit_volume *v = meant(state, ov);
    if (!v || (v->v.state == VOLUME_DELETING) != (ov->task == ORDER_DELETE))
        return false;
    v->v.progress = percent;
    return true;
}

// Whether nobody uses it by a rule that was to end.
static bool is_revoked(const struct order_volume *ov)
{
    return ov->done || ov->closed || ov->let_go;
}

static int journal_volume(const struct order_volume *ov, struct journal *journal,
                          struct dv_err *err)
{
    if (!is_revoked(ov))
        return 0;
    for (size_t i = 0; i < ov->revoked_count; i++)
        if (journal_drop_rule(journal, ov->v.index, ov->revoked[i], err) != 0)
            return -1;
    return ov->task == ORDER_DELETE && ov->done ? journal_drop_volume(journal, ov->v.index, err)
                                                : 0;
}

// A medium is remembered when it was first there, or a person said that it is the right one.
static bool is_new_medium(const struct state *state, const struct order_medium *om)
{
    const struct unit_medium *m = state_medium(state, om->index);
    return m && ((!uuid_is_zero(&om->uuid) && !uuid_equal(&m->uuid, &om->uuid)) ||
                 strcmp(m->identity, om->identity) != 0);
}

static int journal_results(const struct order *o, struct state *state, struct journal *journal,
                           struct dv_err *err)
{
    for (size_t i = 0; i < o->medium_count; i++)
        if (is_new_medium(state, &o->media[i]) &&
            journal_put_medium(journal, &state_medium(state, o->media[i].index)->m,
                               &o->media[i].uuid, o->media[i].identity, err) != 0)
            return -1;
    for (size_t i = 0; i < o->medium_count; i++)
        if (adopt_record(o, &o->media[i], state, journal, err) != 0)
            return -1;
    for (size_t i = 0; i < o->volume_count; i++)
        if (meant(state, &o->volumes[i]) && journal_volume(&o->volumes[i], journal, err) != 0)
            return -1;
    return 0;
}

// The journal is written only when something ended, or a medium is new; what became of the rest
// is found again.
static bool is_to_be_recorded(const struct order *o, const struct state *state)
{
    for (size_t i = 0; i < o->medium_count; i++)
        if (is_new_medium(state, &o->media[i]) || adopt_is_due(o, &o->media[i], state))
            return true;
    for (size_t i = 0; i < o->volume_count; i++) {
        const struct order_volume *ov = &o->volumes[i];
        if ((ov->done && ov->task == ORDER_DELETE) || (is_revoked(ov) && ov->revoked_count > 0))
            return true;
    }
    return false;
}

// A rule goes on ending until tgtd has let go.
static void set_revoking(struct state *state, struct unit_rule *r, const struct order_volume *ov)
{
    struct dv_err err = ov->err;
    if (ov->held.code != DV_OK)
        dv_fail(&err, DV_BUSY, "it ends when tgtd has let go of the volume: %s", ov->held.text);
    state_set_rule(state, r, ACCESS_REVOKING, err.text);
}

// A tgtd that has ended or hangs will be back: what waits for it has not failed.
static bool is_waiting(const struct order *o, const struct order_volume *ov)
{
    return !ov->done && !o->tgtds[ov->v.group - 1].there && (ov->task != ORDER_MAKE || ov->made);
}

static void apply_done(struct state *state, const struct order_volume *ov,
                       const struct order_rule *rule, struct unit_rule *r)
{
    DV_FREE char *refusal = refusal_text(r);
    if (rule->error && r->r.state != ACCESS_FAILED)
        log_warning("unit", "volume %s: the access rule for %s is not in force: %s", ov->v.name,
                    rule->initiator, rule->error);
    state_set_rule(state, r, rule->error ? ACCESS_FAILED : ACCESS_ACTIVE,
                   rule->error ? rule->error : refusal);
}

// Whether the order has the previous account that the rule has, or neither has one.
static bool has_previous(const struct order_volume *ov, size_t place, const struct unit_rule *r)
{
    const struct order_rule *next = place + 1 < ov->rule_count ? &ov->rules[place + 1] : NULL;
    return strcmp(r->r.previous_user, next && next->previous ? next->user : "") == 0;
}

static void apply_revoked(const struct order_volume *ov, struct state *state)
{
    for (size_t i = 0; i < ov->revoked_count; i++) {
        struct unit_rule *r = state_rule(state, ov->v.index, ov->revoked[i]);
        if (r && is_revoked(ov))
            state_remove_rule(state, ov->v.index, ov->revoked[i]);
        else if (r && !ov->waits)
            set_revoking(state, r, ov);
    }
}

static void apply_rules(const struct order *o, const struct order_volume *ov, struct state *state)
{
    for (size_t i = 0; i < ov->rule_count; i++) {
        const struct order_rule *rule = &ov->rules[i];
        struct unit_rule *r = state_rule(state, ov->v.index, rule->index);
        if (!r || rule->previous || r->r.state == ACCESS_REVOKING ||
            strcmp(r->r.initiator, rule->initiator) != 0 ||
            strcmp(r->r.chap_user, rule->user) != 0 || !has_previous(ov, i, r) ||
            !secret_equal(r->secret, order_secret(o, rule->user)))
            continue;
        if (ov->unfinished && !ov->closed && !ov->done)
            continue;
        if (ov->closed)
            state_set_rule(state, r, ACCESS_PENDING, "");
        else if (ov->done)
            apply_done(state, ov, rule, r);
        else
            state_set_rule(state, r, is_waiting(o, ov) ? ACCESS_PENDING : ACCESS_FAILED,
                           ov->err.text);
    }
}

// Rules without a secret are in no order: they admit nobody.
static void apply_secretless(const struct order_volume *ov, struct state *state)
{
    struct unit_rule *r = state_rule_next(state, ov->v.index, 0);
    for (; r && r->r.volume == ov->v.index; r = state_rule_next(state, ov->v.index, r->r.index))
        if (!r->r.secret_is_set && r->r.state != ACCESS_REVOKING)
            state_set_rule(state, r, ACCESS_FAILED,
                           "it has no CHAP secret, so nobody can log in by it");
}

// What is told of one that is as wanted. tgtd serves on what it has open, whose reads and writes
// hang where the medium does.
static const char *done_error(const struct order *o, const struct order_volume *ov,
                              const struct unit_volume *v)
{
    const struct order_medium *om = order_medium(o, ov->v.medium);
    return om && om->hung ? om->error : v->resize_error;
}

static void apply_volume(const struct order *o, const struct order_volume *ov, struct state *state)
{
    struct unit_volume *v = meant(state, ov);
    if (!v)
        return;
    if (!ov->done && dv_is_shortage(&ov->err)) { // that tells nothing of the volume
        log_limited(&shortages, LOG_LEVEL_WARNING, "unit", "volume %s was not looked at: %s",
                    v->v.name, ov->err.text);
        return;
    }
    apply_revoked(ov, state);
    if (ov->waits)
        return;
    apply_rules(o, ov, state);
    apply_secretless(ov, state);
    if (ov->unfinished && !ov->done) {
        if (v->v.state == VOLUME_CREATING || v->v.state == VOLUME_DELETING)
            state_set_volume(state, v, v->v.state, ov->percent, "");
        else if (ov->closed)
            state_set_volume(state, v, VOLUME_OFFLINE, ov->percent,
                             "it is being copied to where it can grow, and is served again then");
        return;
    }
    if (ov->task == ORDER_DELETE) {
        if (!ov->done) {
            state_set_volume(state, v, VOLUME_DELETING, v->v.progress, ov->err.text);
            return;
        }
        log_info("unit", "volume %s is deleted", v->v.name);
        state_remove_volume(state, ov->v.index);
        return;
    }
    if (v->v.state == VOLUME_DELETING || v->v.admin_online != ov->v.admin_online)
        return;
    enum volume_state was = v->v.state;
    uint32_t resized = ov->unfinished ? ov->percent : v->v.progress;
    if (ov->done)
        state_set_volume(state, v, ov->v.admin_online ? VOLUME_ONLINE : VOLUME_OFFLINE,
                         v->v.target_blocks ? resized : 100, done_error(o, ov, v));
    else
        state_set_volume(
            state, v, was == VOLUME_CREATING && is_waiting(o, ov) ? VOLUME_CREATING : VOLUME_FAILED,
            v->made ? 100 : 0, ov->err.text);
    if (v->v.state != was)
        log_at(ov->done ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "unit", "volume %s is %s%s%s",
               v->v.name, volume_state_name(v->v.state), ov->done ? "" : ": ",
               ov->done ? "" : v->v.last_error);
}

// Volumes for which it has no room, as when the configuration gives it less than before.
static void tell_left_out(const struct order *o, const struct order_medium *om,
                          struct unit_medium *m, const struct state *state)
{
    size_t n = 0;
    for (size_t i = 0; i < om->layout.found_count; i++)
        n += om->layout.found[i].start_lba == MEDIA_ANYWHERE &&
             adopt_is_stranger(o, state, &om->layout.found[i]);
    if (n > m->left_out)
        log_warning("unit",
                    "medium %s holds %zu volumes that are not known and for which it has no room: "
                    "give it a larger size in the configuration",
                    m->m.name, n);
    m->left_out = n;
}

// Why what the medium holds is not taken for a volume; NULL: it is one, or may become one. A second
// copy of a volume that is on another medium would be written by nobody.
static char *why_not_taken(const struct order *o, const struct order_medium *om,
                           const struct media_found *f, const struct state *state)
{
    const struct order_volume *ov = order_volume_uuid(o, &f->uuid);
    const struct unit_medium *other =
        ov && ov->v.medium != om->index ? state_medium(state, ov->v.medium) : NULL;
    if (!ov && f->odd)
        return dv_printf("%s.img is not taken in as a volume: %s", f->name, f->odd);
    if (!other || other->gone)
        return NULL;
    return dv_printf("what it holds of volume %s is a copy that is not used: the volume is on "
                     "medium %s",
                     ov->v.name, other->m.name);
}

// What looks like a volume and is not taken for one; it harms nobody, so the medium stays online.
static void tell_odd(const struct order *o, const struct order_medium *om, struct unit_medium *m,
                     const struct state *state, char error[LAST_ERROR_ROOM])
{
    DV_FREE char *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < om->layout.found_count; i++) {
        char *why = why_not_taken(o, om, &om->layout.found[i], state);
        n += why != NULL;
        if (first)
            free(why);
        else
            first = why;
    }
    if (first && n > m->odd)
        log_warning("unit", "medium %s: %s (one of %zu such volumes)", m->m.name, first, n);
    if (first && !error[0])
        dv_copy(error, LAST_ERROR_ROOM, first);
    m->odd = n;
}

// What is promised beyond what the storage has left.
static uint64_t overcommitted(const struct order_medium *om)
{
    uint64_t promised = om->layout.unwritten_blocks;
    return om->storage_blocks && promised > om->storage_free_blocks
               ? promised - om->storage_free_blocks
               : 0;
}

static void apply_medium(const struct order *o, const struct order_medium *om, struct state *state)
{
    struct unit_medium *m = state_medium(state, om->index);
    if (!m)
        return;
    if (om->unjudged) {
        log_limited(&shortages, LOG_LEVEL_WARNING, "unit", "medium %s was not looked at: %s",
                    m->m.name, om->error);
        return;
    }
    if (om->waits && !om->has_layout)
        return;
    if (m->m.state != om->state)
        log_at(om->state == MEDIUM_ONLINE ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "unit",
               "medium %s is %s%s%s", m->m.name, medium_state_name(om->state),
               om->error[0] ? ": " : "", om->error);
    m->uuid = om->uuid;
    dv_copy(m->identity, sizeof(m->identity), om->identity);
    tell_left_out(o, om, m, state);
    if (om->has_layout)
        state_set_layout(state, m, om->layout.blocks, om->layout.reserved,
                         om->layout.reserved_count);
    state_count_free(state, om->index);
    if (om->has_layout && o->proves && memcmp(&m->m.proof, &om->proof, sizeof(om->proof)) != 0) {
        m->m.proof = om->proof;
        state_medium_changed(state, m);
    }
    if (om->has_layout)
        state_set_storage(state, m, om->storage_blocks, om->storage_free_blocks, overcommitted(om),
                          om->reserves);
    char error[LAST_ERROR_ROOM];
    dv_copy(error, sizeof(error), om->waits ? m->m.last_error : om->error);
    tell_odd(o, om, m, state, error);
    state_set_medium(state, m, om->state, error);
}

int order_apply(const struct order *o, struct state *state, struct journal *journal,
                struct dv_err *err)
{
    if (is_to_be_recorded(o, state)) {
        if (journal_begin(journal, err) != 0)
            return -1;
        int rc = journal_results(o, state, journal, err);
        if (rc != 0)
            journal_rollback(journal);
        else
            rc = journal_commit(journal, err);
        if (rc != 0) {
            adopt_take_back(o, state);
            return -1;
        }
    }
    for (size_t i = 0; i < o->volume_count && !o->postponed; i++)
        apply_volume(o, &o->volumes[i], state);
    for (size_t i = 0; i < o->medium_count; i++)
        apply_medium(o, &o->media[i], state);
    return 0;
}
