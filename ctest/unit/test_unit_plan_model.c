// Tests of the unit's planner: states, random and chosen, run through a model of tgtd.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/plan_states.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

// ---- A model of tgtd ----------------------------------------------------------------------
// A seen state to which steps are done, checking what must hold at every moment.

struct model {
    struct seen s;
    const struct plan_wanted *w;
    char **stale; // accounts whose secret is not the wanted one
    size_t stale_count;
};

static size_t find(char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0)
            return i;
    return count;
}

static void drop(char **list, size_t *count, size_t at)
{
    free(list[at]);
    memmove(&list[at], &list[at + 1], (--*count - at) * sizeof(*list));
}

static struct seen_target *target_of(struct model *m, uint32_t tid)
{
    for (size_t i = 0; i < m->s.target_count; i++)
        if (m->s.targets[i].tid == tid)
            return &m->s.targets[i];
    return NULL;
}

static const struct plan_target *wanted_of_tid(const struct model *m, const struct seen_target *t)
{
    for (size_t i = 0; i < m->w->target_count; i++)
        if (m->w->targets[i].tid == t->tid && strcmp(m->w->targets[i].iqn, t->name) == 0)
            return &m->w->targets[i];
    return NULL;
}

static bool allows(const struct plan_target *w, const char *initiator, const char *user)
{
    for (size_t i = 0; w && w->online && i < w->rule_count; i++)
        if ((!initiator || strcmp(w->rules[i].initiator, initiator) == 0) &&
            (!user || strcmp(w->rules[i].user, user) == 0))
            return true;
    return false;
}

static void remove_model_target(struct model *m, struct seen_target *t)
{
    struct seen one = {.targets = dv_calloc(1, sizeof(*t)), .target_count = 1};
    one.targets[0] = *t;
    memmove(t, t + 1, (size_t)(&m->s.targets[--m->s.target_count] - t) * sizeof(*t));
    seen_clear(&one);
}

static void do_account(struct model *m, const struct plan_step *step)
{
    size_t at = find(m->s.accounts, m->s.account_count, step->name);
    size_t old = find(m->stale, m->stale_count, step->name);
    if (step->op == PLAN_ADD_ACCOUNT) {
        assert_int_equal(at, m->s.account_count);
        see_account(&m->s, step->name);
        return;
    }
    for (size_t i = 0; i < m->s.target_count; i++) // or tgtd would leave holes
        assert_int_equal(find(m->s.targets[i].accounts, m->s.targets[i].account_count, step->name),
                         m->s.targets[i].account_count);
    if (at < m->s.account_count)
        drop(m->s.accounts, &m->s.account_count, at);
    if (old < m->stale_count)
        drop(m->stale, &m->stale_count, old);
}

static void do_bind_account(struct model *m, struct seen_target *t, const char *user)
{
    assert_true(find(m->s.accounts, m->s.account_count, user) < m->s.account_count);
    assert_int_equal(find(t->accounts, t->account_count, user), t->account_count);
    if (strcmp(user, GUARD) != 0) {
        const struct plan_target *w = wanted_of_tid(m, t);
        assert_true(allows(w, NULL, user));
        assert_int_equal(find(m->stale, m->stale_count, user), m->stale_count);
        for (size_t i = 0; i < t->acl_count; i++)
            assert_true(allows(w, t->acl[i], NULL));
    }
    SEE_TEXT(t->accounts, t->account_count, user);
}

static void do_bind_name(struct model *m, struct seen_target *t, const char *name)
{
    const struct plan_target *w = wanted_of_tid(m, t);
    assert_true(allows(w, name, NULL));
    for (size_t i = 0; i < t->account_count; i++)
        assert_true(strcmp(t->accounts[i], GUARD) == 0 || allows(w, NULL, t->accounts[i]));
    SEE_TEXT(t->acl, t->acl_count, name);
}

static void do_end_sessions(struct seen_target *t, const char *initiator)
{
    for (size_t i = t->session_count; i > 0; i--) {
        struct seen_session *s = &t->sessions[i - 1];
        if (initiator && strcmp(s->initiator, initiator) != 0)
            continue;
        free(s->initiator);
        free(s->address);
        memmove(s, s + 1, (t->session_count-- - i) * sizeof(*s));
    }
}

static void do_lun(struct model *m, struct seen_target *t, const struct plan_step *step)
{
    const struct plan_target *w = wanted_of_tid(m, t);
    size_t at = 0;
    uint64_t lun = step->op == PLAN_DELETE_LUN ? step->lun : PLAN_LUN;
    while (at < t->lun_count && t->luns[at].lun != lun)
        at++;
    if (step->op == PLAN_NEW_LUN) {
        assert_int_equal(at, t->lun_count);
        see_lun(t, PLAN_LUN, step->name);
        return;
    }
    assert_true(at < t->lun_count);
    if (step->op == PLAN_IDENTIFY_LUN) {
        identify(&t->luns[at], &w->uuid);
        t->luns[at].unmaps = w->unmaps;
        return;
    }
    if (step->op == PLAN_RELOAD_LUN) {
        do_end_sessions(t, NULL);
        t->ready = true;
        assert_string_equal(step->name, t->luns[at].path);
        t->luns[at].online = true;
        t->luns[at].removable = false;
        return;
    }
    assert_int_equal(t->session_count, 0);
    free(t->luns[at].path);
    free(t->luns[at].store);
    free(t->luns[at].scsi_id);
    free(t->luns[at].serial);
    memmove(&t->luns[at], &t->luns[at + 1], (--t->lun_count - at) * sizeof(t->luns[0]));
}

static void do_unbind(char **list, size_t *count, const char *name, bool last_only)
{
    size_t at = find(list, *count, name);
    assert_true(at < *count);
    if (last_only)
        assert_int_equal(at, *count - 1);
    drop(list, count, at);
}

static void do_step(struct model *m, const struct plan_step *step)
{
    if (step->op == PLAN_ADD_ACCOUNT || step->op == PLAN_DELETE_ACCOUNT) {
        do_account(m, step);
        return;
    }
    struct seen_target *t = target_of(m, step->tid);
    if (step->op == PLAN_NEW_TARGET) {
        assert_null(t);
        for (size_t i = 0; i < m->s.target_count; i++)
            assert_string_not_equal(m->s.targets[i].name, step->name);
        see_lun(see_target(&m->s, step->tid, step->name), 0, "");
        return;
    }
    assert_non_null(t);
    assert_true(plan_is_ours(m->w, t->name));
    if (step->op == PLAN_SET_READY)
        assert_int_equal(t->session_count, 0); // they may wait for answers that never come
    if (step->op == PLAN_SET_READY || step->op == PLAN_SET_OFFLINE)
        t->ready = step->op == PLAN_SET_READY;
    else if (step->op == PLAN_BIND_ACCOUNT)
        do_bind_account(m, t, step->name);
    else if (step->op == PLAN_UNBIND_ACCOUNT)
        do_unbind(t->accounts, &t->account_count, step->name, true);
    else if (step->op == PLAN_BIND_NAME)
        do_bind_name(m, t, step->name);
    else if (step->op == PLAN_UNBIND_NAME || step->op == PLAN_UNBIND_ADDRESS)
        do_unbind(t->acl, &t->acl_count, step->name, false);
    else if (step->op == PLAN_END_SESSIONS)
        do_end_sessions(t, step->name);
    else if (step->op == PLAN_NEW_LUN || step->op == PLAN_IDENTIFY_LUN ||
             step->op == PLAN_RELOAD_LUN || step->op == PLAN_DELETE_LUN)
        do_lun(m, t, step);
    else if (step->op == PLAN_DELETE_TARGET) {
        assert_int_equal(t->session_count, 0);
        remove_model_target(m, t);
    }
}

// CHAP is demanded wherever anybody is let in.
static void check_guarded(const struct model *m)
{
    for (size_t i = 0; i < m->s.target_count; i++) {
        const struct seen_target *t = &m->s.targets[i];
        if (plan_is_ours(m->w, t->name) && t->acl_count > 0)
            assert_true(find(t->accounts, t->account_count, GUARD) < t->account_count);
    }
}

static void check_reached(const struct model *m)
{
    for (size_t i = 0; i < m->s.target_count; i++) {
        const struct seen_target *t = &m->s.targets[i];
        const struct plan_target *w = wanted_of_tid(m, t);
        if (!plan_is_ours(m->w, t->name))
            continue;
        assert_non_null(w);
        assert_int_equal(t->ready, w->online);
        for (size_t k = 0; k < t->session_count; k++)
            assert_true(allows(w, t->sessions[k].initiator, NULL));
        for (size_t k = 0; k < t->acl_count; k++)
            assert_true(allows(w, t->acl[k], NULL));
        for (size_t k = 0; w->online && k < w->rule_count; k++) {
            assert_true(find(t->acl, t->acl_count, w->rules[k].initiator) < t->acl_count);
            assert_true(find(t->accounts, t->account_count, w->rules[k].user) < t->account_count);
        }
    }
}

// ---- Random states ------------------------------------------------------------------------

static unsigned seed;

static unsigned dice(unsigned sides)
{
    return (unsigned)rand_r(&seed) % sides;
}

static const char *const users[] = {"alice", "bob", "carol", "dora"};

static void name_of(char out[64], unsigned volume)
{
    snprintf(out, 64, PREFIX "v%u", volume);
}

static void initiator_of(char out[64], unsigned n)
{
    snprintf(out, 64, "iqn.2026-11.org.example:h%u", n);
}

static void random_want(struct want *w)
{
    char iqn[64], path[64];
    for (unsigned i = 0; i < DV_COUNT(users); i++)
        want_account(w, users[i], dice(2) ? TAG_A : TAG_B);
    for (uint32_t tid = 1; tid <= 6; tid++) {
        if (dice(4) == 0)
            continue;
        name_of(iqn, dice(8) ? tid : tid + 10);
        snprintf(path, sizeof(path), "/m/%u.img", dice(8));
        struct plan_target *t = want_target(w, tid, iqn, path);
        t->online = dice(5) != 0;
        for (unsigned r = dice(4); r > 0; r--) {
            initiator_of(iqn, dice(4));
            want_rule(t, iqn, users[dice(DV_COUNT(users))]);
        }
    }
}

static void random_target(struct model *m, uint32_t tid)
{
    char text[64];
    bool foreign = tid > 6;
    name_of(text, dice(8) ? tid : tid + 20);
    struct seen_target *t = see_target(&m->s, tid, foreign ? "iqn.2000-01.com.other:x" : text);
    t->ready = dice(4) != 0;
    see_lun(t, 0, "");
    if (dice(3)) {
        snprintf(text, sizeof(text), "/m/%u.img", dice(8));
        see_lun(t, dice(8) ? 1 : 2, text);
    }
    if (dice(3))
        SEE_TEXT(t->accounts, t->account_count, GUARD);
    for (unsigned i = 0; i < DV_COUNT(users); i++)
        if (!foreign && dice(2))
            SEE_TEXT(t->accounts, t->account_count, users[i]);
    for (unsigned i = 0; i < 4; i++) {
        initiator_of(text, i);
        // What an administrator did by hand may lack a guard; only ours is checked to have one.
        if (dice(2) && find(t->accounts, t->account_count, GUARD) < t->account_count)
            SEE_TEXT(t->acl, t->acl_count, text);
        if (dice(4) == 0)
            see_session(t, 10 * tid + i, text);
    }
}

static void random_seen(struct model *m)
{
    char mark[128];
    if (dice(3) == 0)
        return; // an empty tgtd
    see_account(&m->s, GUARD);
    for (unsigned i = 0; i < DV_COUNT(users); i++) {
        const char *tag = dice(2) ? TAG_A : TAG_B;
        bool exchanged = dice(4) == 0; // deleted and made anew by hand
        snprintf(mark, sizeof(mark), PLAN_MARK "%s:%s", tag, users[i]);
        if (exchanged)
            see_account(&m->s, mark);
        see_account(&m->s, users[i]);
        if (exchanged || strcmp(tag, m->w->accounts[i].tag) != 0)
            SEE_TEXT(m->stale, m->stale_count, users[i]);
        if (!exchanged && dice(4))
            see_account(&m->s, mark);
    }
    for (uint32_t tid = 1; tid <= 7; tid++)
        if (dice(4))
            random_target(m, tid);
}

// Any state is brought to any other; also when every run is broken off after a few steps.
static void run_random(bool broken_off)
{
    struct want want = {0};
    random_want(&want);
    struct plan_wanted wanted = wanted_of(&want);
    struct model m = {.w = &wanted};
    random_seen(&m);
    check_guarded(&m);
    for (int round = 0;; round++) {
        struct plan plan;
        unit_plan(&wanted, &m.s, &plan);
        assert_int_equal(plan.problem_count, 0);
        size_t steps = plan.step_count;
        if (broken_off && steps > 0 && round < 50)
            steps = 1 + dice((unsigned)steps);
        for (size_t i = 0; i < steps; i++) {
            do_step(&m, &plan.steps[i]);
            check_guarded(&m);
        }
        size_t planned = plan.step_count;
        plan_clear(&plan);
        if (planned == 0)
            break;
        assert_true(broken_off ? round < 60 : round == 0);
    }
    check_reached(&m);
    seen_clear(&m.s);
    for (size_t i = 0; i < m.stale_count; i++)
        free(m.stale[i]);
    free(m.stale);
    want_clear(&want);
}

static void test_random(void **state)
{
    (void)state;
    const char *given = getenv("DVSAN_SEED");
    seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    print_message("seed %u (repeat with DVSAN_SEED=%u)\n", seed, seed);
    for (int i = 0; i < 3000; i++)
        run_random(i % 2 == 1);
}

// ---- Accounts that end ----------------------------------------------------------------------

#define HOST_A "iqn.2026-11.org.example:a"
#define HOST_B "iqn.2026-11.org.example:b"

static void bind_host(struct seen_target *t, const char *name, const char *user)
{
    if (find(t->acl, t->acl_count, name) == t->acl_count)
        SEE_TEXT(t->acl, t->acl_count, name);
    SEE_TEXT(t->accounts, t->account_count, user);
}

static void mark_account(struct model *m, const char *user, const char *tag)
{
    char mark[128];
    see_account(&m->s, user);
    snprintf(mark, sizeof(mark), PLAN_MARK "%s:%s", tag, user);
    see_account(&m->s, mark);
}

// A session of host B's name by an account of host A's, which the address tells here.
static void see_thief(struct model *m)
{
    struct seen_target *t = target_of(m, 1);
    if (!t->ready || find(t->acl, t->acl_count, HOST_B) == t->acl_count ||
        find(t->accounts, t->account_count, "alice") == t->account_count ||
        find(m->stale, m->stale_count, "alice") == m->stale_count)
        return;
    see_session(t, 9, HOST_B);
    free(t->sessions[t->session_count - 1].address);
    t->sessions[t->session_count - 1].address = dv_strdup("thief");
}

static size_t count_thieves(struct model *m)
{
    size_t n = 0;
    const struct seen_target *t = target_of(m, 1);
    for (size_t i = 0; i < t->session_count; i++)
        n += strcmp(t->sessions[i].address, "thief") == 0;
    return n;
}

enum ending { UNASSIGN, UNASSIGN_HALF_BOUND, EXCHANGE, OTHER_SECRET, FINISH };

// Host A, as alice, and B share a target; the run is broken off behind so many steps, and a thief
// of A's account logs in whenever he can. Returns false when there are not as many steps.
static bool end_account(enum ending how, size_t steps, size_t *thieves, size_t *sessions)
{
    struct want want = {0};
    struct plan_target *w = want_target(&want, 1, PREFIX "a", "/m/a");
    want_rule(w, HOST_B, "bob");
    want_account(&want, "bob", TAG_A);
    if (how == EXCHANGE || how == FINISH) {
        want_rule(w, HOST_A, "carol");
        want_account(&want, "carol", TAG_A);
    } else if (how == OTHER_SECRET) {
        want_rule(w, HOST_A, "alice");
        want_account(&want, "alice", TAG_B);
    }
    w->revokes = how == UNASSIGN_HALF_BOUND;
    struct plan_wanted wanted = wanted_of(&want);
    struct model m = {.w = &wanted};
    see_account(&m.s, GUARD);
    mark_account(&m, "alice", TAG_A);
    mark_account(&m, "bob", TAG_A);
    SEE_TEXT(m.stale, m.stale_count, "alice"); // it has the secret that the thief knows
    struct seen_target *t = see_target(&m.s, 1, PREFIX "a");
    see_lun(t, 0, "");
    identify(see_lun(t, 1, "/m/a"), &w->uuid);
    SEE_TEXT(t->accounts, t->account_count, GUARD);
    bind_host(t, HOST_A, "alice");
    bind_host(t, HOST_B, "bob");
    if (how == UNASSIGN_HALF_BOUND)
        drop(t->acl, &t->acl_count, find(t->acl, t->acl_count, HOST_A));
    if (how == FINISH) {
        mark_account(&m, "carol", TAG_A);
        bind_host(t, HOST_A, "carol");
    }
    see_session(t, 1, HOST_A);
    see_session(t, 2, HOST_B);
    see_thief(&m);
    bool enough = true;
    for (int run = 0; run < 2; run++) {
        struct plan plan;
        unit_plan(&wanted, &m.s, &plan);
        size_t count = run == 0 && steps < plan.step_count ? steps : plan.step_count;
        enough = enough && (run > 0 || plan.step_count >= steps);
        for (size_t i = 0; i < count; i++) {
            do_step(&m, &plan.steps[i]);
            if (how != FINISH)
                see_thief(&m);
        }
        plan_clear(&plan);
    }
    check_reached(&m);
    *thieves = count_thieves(&m);
    *sessions = target_of(&m, 1)->session_count;
    seen_clear(&m.s);
    for (size_t i = 0; i < m.stale_count; i++)
        free(m.stale[i]);
    free(m.stale);
    want_clear(&want);
    return enough;
}

static void test_accounts_end(void **state)
{
    (void)state;
    size_t thieves, sessions;
    for (int how = 0; how < FINISH; how++) {
        size_t steps = 0;
        for (; end_account(how, steps, &thieves, &sessions); steps++) {
            assert_int_equal(thieves, 0);
            assert_int_equal(sessions, 0);
        }
        assert_true(steps > 6);
    }
    assert_true(end_account(FINISH, 0, &thieves, &sessions));
    assert_int_equal(sessions, 3); // which account a session used is not told
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_accounts_end),
    };
    return cmocka_run_group_tests_name("unit_plan_model", tests, NULL, NULL);
}
