// Tests of the unit's planner: golden files.
// SPDX-License-Identifier: BSD-2-Clause
//
// A golden file has three parts, "wanted", "actual" and "steps". DVSAN_GOLDEN_UPDATE=1 rewrites
// the last part of each.
#include "base/file.h"
#include "ctest/support/plan_states.h"
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

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
    };
    return cmocka_run_group_tests_name("unit_plan", tests, NULL, NULL);
}
