// Tests of the unit's planner: golden files, and random states run through a model of tgtd.
// SPDX-License-Identifier: BSD-2-Clause
//
// A golden file has three parts, "wanted", "actual" and "steps". DVSAN_GOLDEN_UPDATE=1 rewrites
// the last part of each.
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "logic/unit_plan.h"
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define GUARD  PLAN_GUARD "salt"
#define PREFIX "iqn.2026-11.org.dvsan:"
#define TAG_A  "aaaaaaaaaaaaaaaa"
#define TAG_B  "bbbbbbbbbbbbbbbb"

// ---- A wanted state that owns its texts ---------------------------------------------------

struct want {
    struct plan_target *targets;
    size_t target_count;
    struct plan_account *accounts;
    size_t account_count;
};

static struct plan_target *want_target(struct want *w, uint32_t tid, const char *iqn,
                                       const char *path)
{
    struct plan_target *t = DV_APPEND(w->targets, w->target_count);
    *t = (struct plan_target){
        .tid = tid, .iqn = dv_strdup(iqn), .path = dv_strdup(path), .online = true};
    t->uuid.b[15] = (uint8_t)tid;
    return t;
}

static void want_rule(struct plan_target *t, const char *initiator, const char *user)
{
    struct plan_rule *rules = (struct plan_rule *)t->rules;
    *DV_APPEND(rules, t->rule_count) =
        (struct plan_rule){.initiator = dv_strdup(initiator), .user = dv_strdup(user)};
    t->rules = rules;
}

static void want_account(struct want *w, const char *user, const char *tag)
{
    struct plan_account *a = DV_APPEND(w->accounts, w->account_count);
    a->user = dv_strdup(user);
    dv_copy(a->tag, sizeof(a->tag), tag);
}

static void want_clear(struct want *w)
{
    for (size_t i = 0; i < w->target_count; i++) {
        struct plan_target *t = &w->targets[i];
        for (size_t r = 0; r < t->rule_count; r++) {
            free((char *)t->rules[r].initiator);
            free((char *)t->rules[r].user);
        }
        free((struct plan_rule *)t->rules);
        free((char *)t->iqn);
        free((char *)t->path);
    }
    for (size_t i = 0; i < w->account_count; i++)
        free((char *)w->accounts[i].user);
    free(w->targets);
    free(w->accounts);
    *w = (struct want){0};
}

static struct plan_wanted wanted_of(const struct want *w)
{
    return (struct plan_wanted){
        .prefix = PREFIX,
        .guard = GUARD,
        .targets = w->targets,
        .target_count = w->target_count,
        .accounts = w->accounts,
        .account_count = w->account_count,
    };
}

// ---- A seen state -------------------------------------------------------------------------

static struct seen_target *see_target(struct seen *s, uint32_t tid, const char *name)
{
    size_t at = s->target_count;
    (void)DV_APPEND(s->targets, s->target_count);
    for (; at > 0 && s->targets[at - 1].tid > tid; at--)
        s->targets[at] = s->targets[at - 1];
    s->targets[at] = (struct seen_target){.tid = tid, .name = dv_strdup(name), .ready = true};
    return &s->targets[at];
}

static struct seen_lun *see_lun(struct seen_target *t, uint64_t lun, const char *path)
{
    struct seen_lun *l = DV_APPEND(t->luns, t->lun_count);
    *l = (struct seen_lun){.lun = lun,
                           .path = dv_strdup(path),
                           .store = dv_strdup(PLAN_STORE),
                           .scsi_id = dv_strdup("IET"),
                           .serial = dv_strdup("beaf"),
                           .online = true};
    return l;
}

static void identify(struct seen_lun *l, const struct dv_uuid *uuid)
{
    char id[PLAN_SCSI_ID_ROOM], serial[UUID_TEXT_LEN];
    plan_scsi_id(uuid, id);
    uuid_format(uuid, serial);
    free(l->scsi_id);
    free(l->serial);
    l->scsi_id = dv_strdup(id);
    l->serial = dv_strdup(serial);
    l->unmaps = false;
}

static void see_session(struct seen_target *t, uint64_t sid, const char *initiator)
{
    *DV_APPEND(t->sessions, t->session_count) = (struct seen_session){
        .sid = sid, .initiator = dv_strdup(initiator), .address = dv_strdup("127.0.0.1")};
}

#define SEE_TEXT(list, count, text) (*DV_APPEND(list, count) = dv_strdup(text))

// tgtd lists the youngest first.
static void see_account(struct seen *s, const char *name)
{
    (void)DV_APPEND(s->accounts, s->account_count);
    memmove(&s->accounts[1], &s->accounts[0], (s->account_count - 1) * sizeof(*s->accounts));
    s->accounts[0] = dv_strdup(name);
}

// ---- Golden files -------------------------------------------------------------------------

#define WORDS 8

static size_t split(char *line, char *words[WORDS])
{
    size_t n = 0;
    for (char *rest = line, *word; n < WORDS && (word = strsep(&rest, " "));)
        if (*word)
            words[n++] = word;
    for (size_t i = n; i < WORDS; i++)
        words[i] = line + strlen(line); // empty
    return n;
}

static bool has_word(char *const words[WORDS], const char *word)
{
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static uint32_t number(const char *word)
{
    return (uint32_t)strtoul(word, NULL, 10);
}

// The number behind a word; 0 without it.
static uint32_t number_after(char *const words[WORDS], const char *word)
{
    for (size_t i = 0; i + 1 < WORDS; i++)
        if (strcmp(words[i], word) == 0)
            return number(words[i + 1]);
    return 0;
}

// The UUID of volume n; "none" leaves a LUN as tgtd makes it.
static struct dv_uuid uuid_of(uint32_t n)
{
    struct dv_uuid u = {{0}};
    u.b[15] = (uint8_t)n;
    return u;
}

static void read_wanted(struct want *w, char *words[WORDS])
{
    struct plan_target *last = w->target_count ? &w->targets[w->target_count - 1] : NULL;
    if (strcmp(words[0], "target") == 0) {
        struct plan_target *t = want_target(w, number(words[1]), words[2],
                                            strcmp(words[3], "unknown") == 0 ? NULL : words[3]);
        t->online = !has_word(words, "offline");
        t->blocks = number_after(words, "blocks");
        t->replaced = has_word(words, "replaced");
        t->writable = has_word(words, "writable");
        t->most_blocks = number_after(words, "most");
        t->unmaps = has_word(words, "unmaps");
    } else if (strcmp(words[0], "rule") == 0 && last) {
        want_rule(last, words[1], words[2]);
    } else if (strcmp(words[0], "account") == 0) {
        want_account(w, words[1], words[2]);
    } else {
        fail_msg("wanted: what is \"%s\"?", words[0]);
    }
}

static void read_actual(struct seen *s, char *words[WORDS])
{
    struct seen_target *last = s->target_count ? &s->targets[s->target_count - 1] : NULL;
    if (strcmp(words[0], "target") == 0) {
        struct seen_target *t = see_target(s, number(words[1]), words[2]);
        t->ready = !has_word(words, "offline");
        t->parameters_differ = has_word(words, "parameters");
        t->ghost_count = has_word(words, "ghost");
    } else if (strcmp(words[0], "account") == 0) {
        SEE_TEXT(s->accounts, s->account_count, words[1]);
    } else if (strcmp(words[0], "lun") == 0 && last) {
        struct seen_lun *l = see_lun(last, number(words[1]), words[2]);
        free(l->store);
        l->store = dv_strdup(words[3]);
        if (strcmp(words[4], "none") != 0) {
            struct dv_uuid u = uuid_of(number(words[4]));
            identify(l, &u);
        }
        l->unmaps = has_word(words, "unmaps");
        l->online = !has_word(words, "offline");
        l->read_only = has_word(words, "readonly");
        l->removable = has_word(words, "removable");
        l->megabytes = number_after(words, "mb");
    } else if (strcmp(words[0], "session") == 0 && last) {
        see_session(last, number(words[1]), words[2]);
    } else if (strcmp(words[0], "bound") == 0 && last) {
        SEE_TEXT(last->accounts, last->account_count, words[1]);
    } else if (strcmp(words[0], "outgoing") == 0 && last) {
        last->outgoing = dv_strdup(words[1]);
    } else if (strcmp(words[0], "acl") == 0 && last) {
        SEE_TEXT(last->acl, last->acl_count, words[1]);
    } else {
        fail_msg("actual: what is \"%s\"?", words[0]);
    }
}

static void print_plan(const struct plan *plan, const struct plan_wanted *wanted,
                       struct strbuf *out)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        plan_print_step(&plan->steps[i], out);
        strbuf_add(out, "\n");
    }
    for (size_t i = 0; i < plan->problem_count; i++) {
        const struct plan_problem *p = &plan->problems[i];
        if (p->rule != PLAN_NONE)
            strbuf_add(out, "problem of %u, rule %zu: ", wanted->targets[p->target].tid,
                       p->rule + 1);
        else if (p->target != PLAN_NONE)
            strbuf_add(out, "problem of %u: ", wanted->targets[p->target].tid);
        else
            strbuf_add(out, "problem: ");
        strbuf_add(out, "%s (%s)\n", p->err.text, dv_code_name(p->err.code));
    }
}

static void run_golden(const char *path)
{
    char *text;
    size_t len;
    struct dv_err err;
    if (file_read(path, 1 << 20, &text, &len, &err) != 0)
        fail_msg("%s", err.text);
    char *steps = strstr(text, "\nsteps\n");
    if (!steps)
        fail_msg("%s has no steps", path);
    steps += strlen("\nsteps\n");
    char *expected = dv_strdup(steps);
    struct strbuf whole = {0};
    strbuf_addn(&whole, text, (size_t)(steps - text));
    *steps = '\0';

    struct want want = {0};
    struct seen seen = {0};
    char part = ' ', *words[WORDS];
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        if (*line == '#' || split(line, words) == 0)
            continue;
        if (strcmp(words[0], "wanted") == 0 || strcmp(words[0], "actual") == 0 ||
            strcmp(words[0], "steps") == 0)
            part = *words[0];
        else if (part == 'w')
            read_wanted(&want, words);
        else
            read_actual(&seen, words);
    }
    struct plan_wanted wanted = wanted_of(&want);
    struct plan plan;
    unit_plan(&wanted, &seen, &plan);
    struct strbuf got = {0};
    strbuf_add(&got, "%s", "");
    print_plan(&plan, &wanted, &got);
    bool same = strcmp(got.text, expected) == 0;
    if (!same && getenv("DVSAN_GOLDEN_UPDATE")) {
        strbuf_add(&whole, "%s", got.text);
        assert_int_equal(file_write_atomic(path, whole.text, whole.len, 0644, NULL), 0);
        same = true;
    }
    if (!same)
        fail_msg("%s: expected\n%sgot\n%s", path, expected, got.text);
    strbuf_free(&got);
    strbuf_free(&whole);
    plan_clear(&plan);
    seen_clear(&seen);
    want_clear(&want);
    free(expected);
    free(text);
}

static void test_golden(void **state)
{
    (void)state;
    glob_t files;
    assert_int_equal(glob(DVSAN_SOURCE_DIR "/ctest/golden/unit_plan/*.txt", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++)
        run_golden(files.gl_pathv[i]);
    globfree(&files);
}

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

// A store of another type takes names that are no paths, and a LUN over the wrong type is made
// anew.
static void test_store(void **state)
{
    (void)state;
    struct want want = {0};
    want_target(&want, 1, PREFIX "a", "pool/image")->store = "rbd";
    want_target(&want, 2, PREFIX "b", "pool/image");
    want_target(&want, 3, PREFIX "c", "pool/a,b")->store = "rbd";
    struct plan_wanted wanted = wanted_of(&want);
    assert_string_equal(plan_store(&want.targets[0]), "rbd");
    assert_string_equal(plan_store(&want.targets[1]), PLAN_STORE);
    struct seen seen = {0};
    struct plan plan;
    unit_plan(&wanted, &seen, &plan);
    assert_int_equal(plan.problem_count, 2);
    assert_int_equal(plan.problems[0].target, 1);
    assert_int_equal(plan.problems[1].target, 2);
    plan_clear(&plan);
    want_clear(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("unit_plan", tests, NULL, NULL);
}
