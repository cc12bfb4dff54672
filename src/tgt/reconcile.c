// The target daemon: looks, plans, carries out, and looks again until nothing is left to do.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "tgt/engine.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS    4  // plans; the second is nearly always empty
#define SALT_TEXT 32 // hex digits

// A step for the sake of a rule, which failed.
struct bad_bind {
    uint32_t tid;
    enum plan_op op;
    char *name;
};

// One reconciliation. What failed, a tid, an account, what a rule takes, is left alone until the
// next one.
struct run {
    struct tgt_engine *e;
    struct plan_wanted wanted;
    struct plan_target *targets;
    struct plan_account *accounts; // with tags
    char guard[sizeof(PLAN_GUARD) + SALT_TEXT];
    struct seen seen;
    struct tgt_result *result;
    uint32_t *bad_tids;
    size_t bad_tid_count;
    char **bad_users;
    size_t bad_user_count;
    struct bad_bind *bad_binds;
    size_t bad_bind_count;
};

// ---- Marks --------------------------------------------------------------------------------

// The salt is in the guard's name: it lives as long as the accounts that were marked with it.
static void choose_guard(struct run *r)
{
    const char *guard = NULL;
    for (size_t i = 0; i < r->seen.account_count; i++) {
        const char *name = r->seen.accounts[i];
        if (strncmp(name, PLAN_GUARD, strlen(PLAN_GUARD)) == 0 && strlen(name) < sizeof(r->guard) &&
            (!guard || strcmp(name, guard) < 0))
            guard = name;
    }
    if (guard) {
        dv_copy(r->guard, sizeof(r->guard), guard);
    } else if (r->guard[0] == '\0') {
        unsigned char salt[SALT_TEXT / 2];
        char hex[SALT_TEXT + 1];
        random_fill(salt, sizeof(salt));
        sodium_bin2hex(hex, sizeof(hex), salt, sizeof(salt));
        snprintf(r->guard, sizeof(r->guard), PLAN_GUARD "%s", hex);
    }
}

// A digest that tells a changed secret and nothing more: keyed with the salt and cut short.
static void tag_account(const struct run *r, struct plan_account *a)
{
    unsigned char digest[PLAN_TAG_LEN / 2 > 16 ? PLAN_TAG_LEN / 2 : 16];
    crypto_generichash_state state;
    crypto_generichash_init(&state, (const unsigned char *)r->guard, strlen(r->guard),
                            sizeof(digest));
    crypto_generichash_update(&state, (const unsigned char *)a->user, strlen(a->user) + 1);
    crypto_generichash_update(&state, (const unsigned char *)a->secret, strlen(a->secret));
    crypto_generichash_final(&state, digest, sizeof(digest));
    sodium_bin2hex(a->tag, sizeof(a->tag), digest, PLAN_TAG_LEN / 2);
    secret_wipe(&state, sizeof(state));
}

// ---- Failures -----------------------------------------------------------------------------

static bool is_bad_tid(const struct run *r, uint32_t tid)
{
    for (size_t i = 0; i < r->bad_tid_count; i++)
        if (r->bad_tids[i] == tid)
            return true;
    return false;
}

static const char *user_of(const struct plan_step *step)
{
    if (step->op != PLAN_ADD_ACCOUNT && step->op != PLAN_DELETE_ACCOUNT)
        return NULL;
    const char *user = plan_marked_user(step->name);
    return user ? user : step->name;
}

static bool is_bad_user(const struct run *r, const char *user)
{
    for (size_t i = 0; i < r->bad_user_count; i++)
        if (strcmp(r->bad_users[i], user) == 0)
            return true;
    return false;
}

// An account may be deleted only when it was unbound everywhere. It may not have been from a
// target that failed.
static bool is_held(const struct run *r, const char *user)
{
    for (size_t i = 0; i < r->seen.target_count; i++) {
        const struct seen_target *t = &r->seen.targets[i];
        for (size_t k = 0; is_bad_tid(r, t->tid) && k < t->account_count; k++)
            if (strcmp(t->accounts[k], user) == 0)
                return true;
    }
    return false;
}

static void blame_rule(struct run *r, size_t target, size_t rule, const struct dv_err *err)
{
    *DV_APPEND(r->result->rules, r->result->rule_count) =
        (struct tgt_rule_error){target, rule, *err};
}

// Whether a step only admits somebody: who has no need of it loses nothing when it fails.
static bool serves_rule(const struct plan_step *step, const struct plan_rule *rule)
{
    return (step->op == PLAN_BIND_NAME && iqn_equal(rule->initiator, step->name)) ||
           (step->op == PLAN_BIND_ACCOUNT && strcmp(rule->user, step->name) == 0);
}

static bool blame_rules(struct run *r, const struct plan_step *step, const struct dv_err *err)
{
    bool any = false;
    if (step->target == PLAN_NONE)
        return false;
    const struct plan_target *t = &r->targets[step->target];
    for (size_t i = 0; i < t->rule_count; i++) {
        if (!serves_rule(step, &t->rules[i]))
            continue;
        blame_rule(r, step->target, i, err);
        any = true;
    }
    return any;
}

static bool is_bad_bind(const struct run *r, const struct plan_step *step)
{
    for (size_t i = 0; i < r->bad_bind_count; i++)
        if (r->bad_binds[i].tid == step->tid && r->bad_binds[i].op == step->op &&
            strcmp(r->bad_binds[i].name, step->name) == 0)
            return true;
    return false;
}

static void blame(struct run *r, size_t target, const struct dv_err *err)
{
    struct dv_err *place = target == PLAN_NONE ? &r->result->other : &r->result->targets[target];
    if (place->code == DV_OK)
        *place = *err;
}

static void set_aside(struct run *r, const struct plan_step *step, const struct dv_err *err)
{
    const char *user = user_of(step);
    if (blame_rules(r, step, err)) {
        *DV_APPEND(r->bad_binds, r->bad_bind_count) =
            (struct bad_bind){step->tid, step->op, dv_strdup(step->name)};
        return;
    }
    blame(r, step->target, err);
    if (user)
        *DV_APPEND(r->bad_users, r->bad_user_count) = dv_strdup(user);
    else
        *DV_APPEND(r->bad_tids, r->bad_tid_count) = step->tid;
}

static bool is_set_aside(struct run *r, const struct plan_step *step)
{
    const char *user = user_of(step);
    if (!user)
        return is_bad_tid(r, step->tid) || is_bad_bind(r, step);
    if (is_bad_user(r, user))
        return true;
    if (step->op != PLAN_DELETE_ACCOUNT || !is_held(r, user))
        return false;
    struct dv_err err;
    dv_fail(&err, DV_CONFLICT,
            "account %s must wait until a target that holds it can be changed again", user);
    set_aside(r, step, &err);
    return true;
}

// ---- Rounds -------------------------------------------------------------------------------

// What was opened just now is what is at the path.
static void note_opened(struct run *r, const struct plan_step *step)
{
    if (step->target == PLAN_NONE || (step->op != PLAN_RELOAD_LUN && step->op != PLAN_NEW_LUN))
        return;
    r->targets[step->target].replaced = false;
    r->targets[step->target].writable &= step->op != PLAN_NEW_LUN;
    r->result->reloaded[step->target] = step->op == PLAN_RELOAD_LUN;
}

// What somebody else did in tgtd, or what is not wanted any more, ends without a trace there: each
// kind of ending is told, the first few of a minute.
static void tell_end(const struct run *r, const struct plan_step *step)
{
    static struct log_limit told[PLAN_END_SESSIONS + 1];
    bool ends = step->op == PLAN_DELETE_TARGET || step->op == PLAN_DELETE_LUN ||
                step->op == PLAN_UNBIND_ACCOUNT || step->op == PLAN_UNBIND_OUTGOING ||
                step->op == PLAN_UNBIND_NAME || step->op == PLAN_UNBIND_ADDRESS ||
                step->op == PLAN_END_SESSIONS;
    struct strbuf line = {0};
    if (!ends)
        return;
    if (step->op == PLAN_END_SESSIONS && !step->name && step->target != PLAN_NONE &&
        r->targets[step->target].online) {
        log_info("tgt",
                 "an access rule ended at %s for %s: tgtd does not tell which sessions were its, "
                 "so all ended; those of other hosts log in again",
                 r->e->socket, r->targets[step->target].iqn);
        return;
    }
    plan_print_step(step, &line);
    log_limited(&told[step->op], LOG_LEVEL_INFO, "tgt", "not wanted at %s%s%s, so ended: %s",
                r->e->socket, step->target == PLAN_NONE ? "" : " for ",
                step->target == PLAN_NONE ? "" : r->targets[step->target].iqn, line.text);
    strbuf_free(&line);
}

static int carry_out(struct run *r, const struct plan *plan, struct dv_err *err)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        struct dv_err why;
        if (is_set_aside(r, step))
            continue;
        DV_FAULT_OF("tgt.step", plan_op_text(step->op));
        int done = tgt_do_step(r->e, &r->wanted, step, &why);
        DV_FAULT_OF("tgt.done", plan_op_text(step->op));
        if (done < 0) {
            *err = why;
            return -1;
        }
        if (done == TGT_REFUSED)
            set_aside(r, step, &why);
        else {
            note_opened(r, step);
            tell_end(r, step);
        }
        r->result->steps++;
    }
    return 0;
}

static void log_steps(const struct plan *plan)
{
    for (size_t i = 0; log_enabled(LOG_LEVEL_DEBUG) && i < plan->step_count; i++) {
        struct strbuf line = {0};
        plan_print_step(&plan->steps[i], &line);
        log_debug("tgt", "%s", line.text);
        strbuf_free(&line);
    }
}

// After the last plan: what it still wanted did not take.
static void blame_left_over(struct run *r, const struct plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        struct strbuf line = {0};
        struct dv_err err;
        if (is_set_aside(r, &plan->steps[i]))
            continue;
        plan_print_step(&plan->steps[i], &line);
        dv_fail(&err, DV_CONFLICT, "tgtd took this step and does not show it: %s", line.text);
        strbuf_free(&line);
        if (!blame_rules(r, &plan->steps[i], &err))
            blame(r, plan->steps[i].target, &err);
    }
}

static size_t left_to_do(struct run *r, const struct plan *plan)
{
    size_t left = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        left += !is_set_aside(r, &plan->steps[i]);
    return left;
}

// Looks, plans, carries out. *more tells whether another round is due.
static int do_round(struct run *r, int round, bool *more, struct dv_err *err)
{
    seen_clear(&r->seen);
    if (tgt_look(r->e, &r->seen, err) != 0)
        return -1;
    choose_guard(r);
    for (size_t i = 0; i < r->wanted.account_count; i++)
        tag_account(r, &r->accounts[i]);
    struct plan plan;
    unit_plan(&r->wanted, &r->seen, &plan);
    *more = left_to_do(r, &plan) > 0;
    int result = 0;
    if (*more && round == ROUNDS - 1)
        blame_left_over(r, &plan);
    else if (*more) {
        log_steps(&plan);
        result = carry_out(r, &plan, err);
    }
    for (size_t i = 0; result == 0 && !*more && i < plan.problem_count; i++) {
        const struct plan_problem *p = &plan.problems[i];
        if (p->rule != PLAN_NONE)
            blame_rule(r, p->target, p->rule, &p->err);
        else
            blame(r, p->target, &p->err);
    }
    plan_clear(&plan);
    return result;
}

static void note_foreign(struct run *r, const struct seen_target *t)
{
    struct tgt_foreign *f = DV_APPEND(r->result->foreign, r->result->foreign_count);
    *f = (struct tgt_foreign){.tid = t->tid, .name = dv_strdup(t->name)};
    for (size_t i = 0; i < t->lun_count; i++)
        if (t->luns[i].lun != 0)
            *DV_APPEND(f->paths, f->path_count) = dv_strdup(t->luns[i].path);
}

static void describe(struct run *r)
{
    for (size_t i = 0; i < r->seen.target_count; i++) {
        const struct seen_target *t = &r->seen.targets[i];
        for (size_t k = 0, held = 0; k < t->lun_count && held == 0; k++)
            if ((held = t->luns[k].lun != 0))
                *DV_APPEND(r->result->holding, r->result->holding_count) = dv_strdup(t->name);
        if (!plan_is_ours(&r->wanted, t->name)) {
            note_foreign(r, t);
            continue;
        }
        for (size_t k = 0; k < r->wanted.target_count; k++)
            if (r->wanted.targets[k].tid == t->tid)
                r->result->sessions[k] = (uint32_t)t->session_count;
    }
}

static void fail_all(struct tgt_result *result, const struct dv_err *err)
{
    for (size_t i = 0; i < result->target_count; i++)
        if (result->targets[i].code == DV_OK)
            result->targets[i] = *err;
}

static void run_end(struct run *r)
{
    seen_clear(&r->seen);
    free(r->targets);
    free(r->accounts);
    free(r->bad_tids);
    for (size_t i = 0; i < r->bad_user_count; i++)
        free(r->bad_users[i]);
    free(r->bad_users);
    for (size_t i = 0; i < r->bad_bind_count; i++)
        free(r->bad_binds[i].name);
    free(r->bad_binds);
}

int tgt_reconcile(struct tgt_engine *e, const struct plan_target *targets, size_t target_count,
                  const struct plan_account *accounts, size_t account_count,
                  struct tgt_result *result, struct dv_err *err)
{
    *result = (struct tgt_result){
        .targets = dv_calloc(target_count + 1, sizeof(*result->targets)),
        .sessions = dv_calloc(target_count + 1, sizeof(*result->sessions)),
        .reloaded = dv_calloc(target_count + 1, sizeof(*result->reloaded)),
        .target_count = target_count,
    };
    if (sodium_init() < 0)
        return dv_fail(err, DV_INTERNAL, "libsodium does not start");
    struct run r = {
        .e = e,
        .targets = dv_calloc(target_count + 1, sizeof(*r.targets)),
        .accounts = dv_calloc(account_count + 1, sizeof(*r.accounts)),
        .result = result,
    };
    for (size_t i = 0; i < account_count; i++)
        r.accounts[i] = accounts[i];
    for (size_t i = 0; i < target_count; i++)
        r.targets[i] = targets[i];
    r.wanted = (struct plan_wanted){.prefix = e->prefix,
                                    .guard = r.guard,
                                    .targets = r.targets,
                                    .target_count = target_count,
                                    .accounts = r.accounts,
                                    .account_count = account_count};
    struct dv_err why;
    bool more = true;
    int failed = 0;
    for (int round = 0; more && round < ROUNDS && failed == 0; round++)
        failed = do_round(&r, round, &more, &why);
    if (failed == 0) {
        describe(&r);
        e->session_compared = !more;
    } else
        fail_all(result, &why);
    if (failed != 0 && err)
        *err = why;
    run_end(&r);
    return failed;
}

void tgt_result_clear(struct tgt_result *r)
{
    for (size_t i = 0; i < r->foreign_count; i++) {
        for (size_t k = 0; k < r->foreign[i].path_count; k++)
            free(r->foreign[i].paths[k]);
        free(r->foreign[i].paths);
        free(r->foreign[i].name);
    }
    free(r->foreign);
    for (size_t i = 0; i < r->holding_count; i++)
        free(r->holding[i]);
    free(r->holding);
    free(r->targets);
    free(r->rules);
    free(r->sessions);
    free(r->reloaded);
    *r = (struct tgt_result){0};
}
