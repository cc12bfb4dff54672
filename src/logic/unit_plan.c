// The unit's planner: orders the steps from what a target daemon serves to what it should serve.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/unit_plan.h"
#include "base/mem.h"
#include "logic/unit_plan_parts.h"
#include <stdlib.h>
#include <string.h>

static void emit(struct planner *p, enum plan_op op, const struct view *v, const char *name)
{
    *DV_APPEND(p->out->steps, p->out->step_count) = (struct plan_step){
        .op = op,
        .target = v ? v->index : PLAN_NONE,
        .account = PLAN_NONE,
        .tid = v ? v->want->tid : 0,
        .name = dv_strdup(name),
    };
}

static struct plan_step *last_step(struct planner *p)
{
    return &p->out->steps[p->out->step_count - 1];
}

static void emit_lun_delete(struct planner *p, const struct view *v, uint64_t lun)
{
    emit(p, PLAN_DELETE_LUN, v, NULL);
    last_step(p)->lun = lun;
}

static void bind_account(struct planner *p, struct view *v, const char *user)
{
    emit(p, PLAN_BIND_ACCOUNT, v, user);
    *DV_APPEND(v->bound, v->bound_count) = user;
}

// Unbinds every account that does not stay, from the end of the daemon's list so that it never
// has a hole, and binds those again that stood behind the first of them and stay.
static void drop_accounts(struct planner *p, struct view *v)
{
    size_t first = 0, count = v->bound_count;
    while (first < count && planner_stays_bound(p, v, v->bound[first]))
        first++;
    for (size_t i = count; i > first; i--)
        emit(p, PLAN_UNBIND_ACCOUNT, v, v->bound[i - 1]);
    v->bound_count = first;
    for (size_t i = first; i < count; i++) {
        if (!planner_stays_bound(p, v, v->bound[i]))
            continue;
        emit(p, PLAN_BIND_ACCOUNT, v, v->bound[i]);
        v->bound[v->bound_count++] = v->bound[i];
    }
}

// None is ours, as volumes prove themselves to nobody.
static void drop_outgoing(struct planner *p, const struct view *v)
{
    if (v->seen->outgoing)
        emit(p, PLAN_UNBIND_OUTGOING, v, v->seen->outgoing);
}

// The daemon lists names and addresses as one, and takes any text for either: what is no iSCSI name
// may have been bound as both.
static void drop_names(struct planner *p, const struct view *v)
{
    for (size_t i = 0; i < v->seen->acl_count; i++) {
        const char *acl = v->seen->acl[i];
        if (planner_among(acl, v->names, v->name_count))
            continue;
        if (iqn_check(acl, NULL) != 0)
            emit(p, PLAN_UNBIND_ADDRESS, v, acl);
        emit(p, PLAN_UNBIND_NAME, v, acl);
    }
}

static void end_sessions(struct planner *p, const struct view *v, bool all)
{
    if (all) {
        if (v->seen->session_count > 0)
            emit(p, PLAN_END_SESSIONS, v, NULL);
        return;
    }
    const char **done = NULL; // an initiator may have several sessions
    size_t done_count = 0;
    for (size_t i = 0; i < v->seen->session_count; i++) {
        const char *initiator = v->seen->sessions[i].initiator;
        if (planner_among(initiator, done, done_count) || planner_session_may_stay(p, v, initiator))
            continue;
        *DV_APPEND(done, done_count) = initiator;
        emit(p, PLAN_END_SESSIONS, v, initiator);
    }
    free(done);
}

// Everything that takes something away from a target that stays.
static void revoke(struct planner *p, struct view *v)
{
    bool close =
        !v->want->online || (planner_has_disk(v->seen) && !planner_lun_is_right(v->seen, v->want));
    bool clear = close || planner_sessions_are_suspect(p, v);
    if (clear && v->ready) {
        emit(p, PLAN_SET_OFFLINE, v, NULL);
        v->ready = false;
    }
    drop_names(p, v);
    drop_accounts(p, v);
    drop_outgoing(p, v);
    // An offline target drops commands without an answer, so sessions that saw it end, too.
    end_sessions(p, v, clear || !v->seen->ready);
    for (size_t i = 0; i < v->seen->lun_count; i++)
        if (close && v->seen->luns[i].lun != 0)
            emit_lun_delete(p, v, v->seen->luns[i].lun);
    if (clear && !close) { // at once: the others wait
        emit(p, PLAN_SET_READY, v, NULL);
        v->ready = true;
    }
}

// Takes away a target of ours that nobody wants, or that has a wanted one's tid or name.
static void remove_target(struct planner *p, const struct seen_target *t)
{
    struct plan_target want = {.tid = t->tid};
    struct view v = {.want = &want, .index = PLAN_NONE};
    planner_view_sees(&v, t);
    drop_names(p, &v);
    drop_accounts(p, &v); // so that accounts can be deleted even if the target cannot
    drop_outgoing(p, &v);
    if (t->ready)
        emit(p, PLAN_SET_OFFLINE, &v, NULL);
    if (t->ready || t->session_count > 0) // also one that began since the listing
        emit(p, PLAN_END_SESSIONS, &v, NULL);
    for (size_t i = 0; i < t->lun_count; i++) // so that its file is closed, whatever comes next
        if (t->luns[i].lun != 0)
            emit_lun_delete(p, &v, t->luns[i].lun);
    if (t->ghost_count == 0)
        emit(p, PLAN_DELETE_TARGET, &v, NULL);
    free(v.bound);
}

// Everything that a target is given: it can be reached only by the last of these steps.
static void grant(struct planner *p, struct view *v)
{
    const struct plan_target *want = v->want;
    bool has_lun = v->seen && want->online && planner_lun_is_right(v->seen, want);
    if (!v->seen) {
        emit(p, PLAN_NEW_TARGET, v, want->iqn);
        v->ready = true;
        bind_account(p, v, p->want->guard);
    }
    if (want->online && !has_lun) {
        // In this order: so a LUN tells that the parameters, which no listing shows, were set.
        emit(p, PLAN_SET_PARAMETERS, v, NULL);
        emit(p, PLAN_NEW_LUN, v, want->path);
    }
    if (has_lun && v->seen->parameters_differ)
        emit(p, PLAN_SET_PARAMETERS, v, NULL);
    if (has_lun && planner_lun_is_stale(v->seen, want))
        emit(p, PLAN_RELOAD_LUN, v, want->path);
    if (want->online && !(has_lun && planner_lun_is_identified(v->seen, want)))
        emit(p, PLAN_IDENTIFY_LUN, v, NULL);
    if (want->online != v->ready)
        emit(p, want->online ? PLAN_SET_READY : PLAN_SET_OFFLINE, v, NULL);
    for (size_t i = 0; i < v->user_count; i++)
        if (!planner_among(v->users[i], v->bound, v->bound_count))
            bind_account(p, v, v->users[i]);
    for (size_t i = 0; i < v->name_count; i++)
        if (!v->seen ||
            !planner_among(v->names[i], (const char *const *)v->seen->acl, v->seen->acl_count))
            emit(p, PLAN_BIND_NAME, v, v->names[i]);
}

// ---- Accounts -----------------------------------------------------------------------------

// Unmarks every user whose mark is not the wanted one, and deletes the accounts of users that
// nobody wants. All bindings to targets of ours are gone by now.
static void drop_marked(struct planner *p)
{
    for (size_t i = 0; i < p->account_count; i++) {
        const char *user = plan_marked_user(*p->accounts[i]);
        if (!user)
            continue;
        size_t a = planner_wanted_account(p, user);
        bool wanted = a != PLAN_NONE && p->states[a] != ACCOUNT_BLOCKED;
        if (wanted && p->states[a] == ACCOUNT_FINE &&
            planner_is_mark_of(*p->accounts[i], &p->want->accounts[a]))
            continue;
        if (a == PLAN_NONE && planner_has_account(p, user) && !planner_foreign_holds(p, user))
            emit(p, PLAN_DELETE_ACCOUNT, NULL, user);
        emit(p, PLAN_DELETE_ACCOUNT, NULL, *p->accounts[i]);
    }
}

static void make_accounts(struct planner *p)
{
    for (size_t i = 0; i < p->want->account_count; i++) {
        const struct plan_account *a = &p->want->accounts[i];
        if (p->states[i] != ACCOUNT_NEW && p->states[i] != ACCOUNT_REPLACE)
            continue;
        if (p->states[i] == ACCOUNT_REPLACE)
            emit(p, PLAN_DELETE_ACCOUNT, NULL, a->user);
        emit(p, PLAN_ADD_ACCOUNT, NULL, a->user);
        last_step(p)->account = i;
        char mark[MARK_ROOM];
        emit(p, PLAN_ADD_ACCOUNT, NULL, planner_mark_of(a, mark));
    }
}

void unit_plan(const struct plan_wanted *wanted, const struct seen *seen, struct plan *out)
{
    *out = (struct plan){0};
    struct planner p;
    planner_init(&p, wanted, seen, out);

    if (!planner_has_account(&p, wanted->guard))
        emit(&p, PLAN_ADD_ACCOUNT, NULL, wanted->guard);
    for (size_t i = 0; i < p.view_count; i++)
        if (p.views[i].seen &&
            !planner_among(wanted->guard, p.views[i].bound, p.views[i].bound_count))
            bind_account(&p, &p.views[i], wanted->guard);
    for (size_t i = 0; i < seen->target_count; i++)
        if (plan_is_ours(wanted, seen->targets[i].name) && !p.kept[i])
            remove_target(&p, &seen->targets[i]);
    for (size_t i = 0; i < p.view_count; i++)
        if (p.views[i].seen)
            revoke(&p, &p.views[i]);
    drop_marked(&p);
    make_accounts(&p);
    for (size_t i = 0; i < p.view_count; i++)
        if (!p.views[i].blocked)
            grant(&p, &p.views[i]);

    planner_done(&p);
}

void plan_clear(struct plan *p)
{
    for (size_t i = 0; i < p->step_count; i++)
        free(p->steps[i].name);
    free(p->steps);
    free(p->problems);
    *p = (struct plan){0};
}
