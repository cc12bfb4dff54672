// Golden tests of the planner: ctest/golden/orders/*.txt describe scenes and what follows.
// SPDX-License-Identifier: BSD-2-Clause
//
// A file has scenes, each beginning with "scene TEXT". Its lines, up to "gives", build volumes:
//   volume INDEX [unwanted] [forced] [new] [held] [size N] [name NAME] [resize] [rename]
//   shown STATE [size N] [target N] [name NAME] [at PERCENT]    at 100 unless said
//   rule INDEX INITIATOR USER STATE [beside USER]
//   right INDEX HOST USER [unwanted] [held] [secretless] [stale] [beside USER] [was HOST]
// HOST is the initiator, too; beside comes the previous user, whose secret units have; was, the
// previous IQN.
// Behind "gives" come the orders, one a line, and "settled" or "unsettled".
#include "base/mem.h"
#include "logic/orders.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MAX 8

struct scene {
    char name[128];
    struct volume_record wants[MAX];
    struct volume shown[MAX];
    struct access_rule rules[MAX][MAX];
    struct assignment_record assignments[MAX][MAX];
    struct host_record hosts[MAX][MAX];
    struct orders_right rights[MAX][MAX];
    struct orders_volume volumes[MAX];
    size_t count;
    struct strbuf expected;
};

static bool has(const char *line, const char *word)
{
    return strstr(line, word) != NULL;
}

static uint64_t size_of(const char *line, const char *word)
{
    const char *at = strstr(line, word);
    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

static void name_of(const char *line, char name[NAME_MAX_LEN + 1])
{
    const char *at = strstr(line, " name ");
    if (at)
        assert_int_equal(sscanf(at, " name %63s", name), 1);
}

static void add_volume(struct scene *s, const char *line)
{
    size_t n = s->count++;
    struct volume_record *want = &s->wants[n];
    assert_int_equal(sscanf(line, "volume %u", &want->index), 1);
    want->uuid.b[0] = (uint8_t)want->index;
    want->wanted = !has(line, " unwanted");
    want->seen = !has(line, " new");
    want->forced = has(line, " forced");
    s->volumes[n] = (struct orders_volume){
        .want = want,
        .rules = s->rules[n],
        .rights = s->rights[n],
        .held = has(line, " held"),
        .resize = has(line, " resize"),
        .rename = has(line, " rename"),
    };
    want->blocks = size_of(line, " size ");
    name_of(line, want->name);
}

static unsigned number_of(const char *word, const char *(*name)(unsigned))
{
    for (unsigned i = 1; i < 6; i++) {
        if (!strcmp(name(i), word))
            return i;
    }
    fail_msg("%s is not a state", word);
    return 0;
}

static const char *volume_state(unsigned i)
{
    return volume_state_name((enum volume_state)i);
}

static const char *access_state(unsigned i)
{
    return access_state_name((enum access_state)i);
}

static void add_shown(struct scene *s, const char *line)
{
    size_t n = s->count - 1;
    char state[32];
    assert_int_equal(sscanf(line, "shown %31s", state), 1);
    s->shown[n].index = s->wants[n].index;
    s->shown[n].state = (enum volume_state)number_of(state, volume_state);
    s->shown[n].blocks = size_of(line, " size ");
    s->shown[n].target_blocks = size_of(line, " target ");
    s->shown[n].progress = has(line, " at ") ? (uint32_t)size_of(line, " at ") : 100;
    s->shown[n].admin_online = !has(line, " set-offline");
    name_of(line, s->shown[n].name);
    s->volumes[n].shown = &s->shown[n];
}

#define RULES_MARK 2 // of the secret that units have; a stale right's host has another

static void beside(const char *line, char user[CHAP_USER_MAX + 1])
{
    const char *at = strstr(line, " beside ");
    if (at)
        assert_int_equal(sscanf(at, " beside %63s", user), 1);
}

static void add_rule(struct scene *s, const char *line)
{
    size_t n = s->count - 1;
    struct access_rule *r = &s->rules[n][s->volumes[n].rule_count++];
    char state[32];
    assert_int_equal(
        sscanf(line, "rule %u %223s %63s %31s", &r->index, r->initiator, r->chap_user, state), 4);
    r->state = (enum access_state)number_of(state, access_state);
    r->secret_mark = RULES_MARK;
    beside(line, r->previous_user);
}

static void add_right(struct scene *s, const char *line)
{
    size_t n = s->count - 1, i = s->volumes[n].right_count++;
    struct host_record *h = &s->hosts[n][i];
    struct assignment_record *a = &s->assignments[n][i];
    assert_int_equal(sscanf(line, "right %u %223s %63s", &a->index, h->iqn, h->chap_user), 3);
    a->host.b[0] = (uint8_t)(100 + i);
    a->wanted = !has(line, " unwanted");
    a->found = has(line, " found");
    h->sealed_len = has(line, " secretless") ? 0 : 50;
    h->secret_mark = has(line, " secretless") ? 0 : has(line, " stale") ? 3 : RULES_MARK;
    beside(line, h->previous.user);
    h->previous.mark = h->previous.user[0] ? RULES_MARK : 0;
    s->rights[n][i] = (struct orders_right){a, h, has(line, " held"), ORDERS_NO_RULE, false};
    const char *was = strstr(line, " was ");
    if (!was)
        return;
    assert_int_equal(sscanf(was, " was %223s", h->previous_iqn), 1);
    s->rights[n][s->volumes[n].right_count] = s->rights[n][i];
    s->rights[n][s->volumes[n].right_count++].former = true;
}

// Names are the same in any case.
static void link_rules(struct scene *s)
{
    for (size_t n = 0; n < s->count; n++)
        for (size_t i = 0; i < s->volumes[n].right_count; i++)
            for (size_t r = s->volumes[n].rule_count; r-- > 0;)
                if (iqn_equal(s->rules[n][r].initiator,
                              orders_iqn(s->rights[n][i].host, s->rights[n][i].former)))
                    s->rights[n][i].rule = r;
}

static void print(const struct orders *orders, struct strbuf *out)
{
    for (size_t i = 0; i < orders->count; i++) {
        const struct orders_item *o = &orders->items[i];
        if (o->rule_index)
            strbuf_add(out, "%s %u.%u%s%s\n", order_kind_name(o->kind), o->volume_index,
                       o->rule_index, o->previous ? " previous" : "", o->alone ? " alone" : "");
        else
            strbuf_add(out, "%s %u\n", order_kind_name(o->kind), o->volume_index);
    }
    strbuf_add(out, orders->unsettled ? "unsettled\n" : "settled\n");
}

static void end_scene(struct scene *s, const char *file)
{
    if (!s->name[0])
        return;
    struct orders orders;
    struct strbuf got = {0};
    link_rules(s);
    orders_plan(s->volumes, s->count, &orders);
    print(&orders, &got);
    bool settled = true;
    for (size_t i = 0; i < s->count; i++)
        settled &= s->volumes[i].settled;
    assert_int_equal(settled, !orders.unsettled);
    if (!s->expected.text || strcmp(got.text, s->expected.text) != 0)
        fail_msg("%s: %s: got\n%swant\n%s", file, s->name, got.text,
                 s->expected.text ? s->expected.text : "");
    free(orders.items);
    strbuf_free(&got);
    strbuf_free(&s->expected);
    memset(s, 0, sizeof(*s));
}

static void run_file(const char *path)
{
    static struct scene s;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char line[512];
    bool gives = false;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        if (!line[0] || line[0] == '#')
            continue;
        if (!strncmp(line, "scene ", 6)) {
            end_scene(&s, path);
            dv_copy(s.name, sizeof(s.name), line + 6);
            gives = false;
        } else if (!strcmp(line, "gives")) {
            gives = true;
        } else if (gives) {
            strbuf_add(&s.expected, "%s\n", line);
        } else if (!strncmp(line, "volume ", 7)) {
            add_volume(&s, line);
        } else if (!strncmp(line, "shown ", 6)) {
            add_shown(&s, line);
        } else if (!strncmp(line, "rule ", 5)) {
            add_rule(&s, line);
        } else if (!strncmp(line, "right ", 6)) {
            add_right(&s, line);
        } else {
            fail_msg("%s: cannot read \"%s\"", path, line);
        }
    }
    end_scene(&s, path);
    fclose(f);
}

static void test_golden(void **state)
{
    (void)state;
    const char *dir = DVSAN_SOURCE_DIR "/ctest/golden/orders";
    struct dirent **entries;
    int n = scandir(dir, &entries, NULL, alphasort), files = 0;
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        char path[1024];
        const char *dot = strrchr(entries[i]->d_name, '.');
        snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        if (dot && !strcmp(dot, ".txt")) {
            run_file(path);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_true(files > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
