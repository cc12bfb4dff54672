// Tests of what is told when: each case is a list of what happens, and what is told of it.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/telling.h"

#include "base/mem.h"
#include "base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ONLINE = 2, OFFLINE = 3, FAILED = 4 };
enum { END, SEE, FORGET, TELL, LINK };

struct event {
    int what; // TELL: all that can be told at the time
    uint64_t at_ms;
    unsigned kind;
    uint32_t index;
    int state;
};

#define V(state, index)                                                                            \
    {                                                                                              \
        SEE, 0, TELLING_VOLUME, index, state                                                       \
    }
#define M(state, index)                                                                            \
    {                                                                                              \
        SEE, 0, TELLING_MEDIUM, index, state                                                       \
    }
#define L(up, index)                                                                               \
    {                                                                                              \
        LINK, 0, TELLING_LINK, index, up                                                           \
    }
#define GONE(index)                                                                                \
    {                                                                                              \
        FORGET, 0, TELLING_VOLUME, index, 0                                                        \
    }
#define TELL_AT(at)                                                                                \
    {                                                                                              \
        TELL, at, TELLING_MEDIUM, 0, 0                                                             \
    }

struct news_case {
    const char *name;
    struct event events[16];
    const char *told; // "<time>: <kind> <index> <state>" for each
    uint32_t suppressed;
};

// With the names of enum telling_kind as M, L and V.
static const struct news_case cases[] = {
    {"nothing happens", {V(ONLINE, 1), M(ONLINE, 1), TELL_AT(0)}, "", 0},
    {"a volume fails and is well again",
     {V(FAILED, 1), TELL_AT(0), V(ONLINE, 1), TELL_AT(5)},
     "0: V 1 4\n5: V 1 2\n",
     0},
    {"the same state again is no news",
     {V(FAILED, 1), TELL_AT(0), V(FAILED, 1), TELL_AT(5)},
     "0: V 1 4\n",
     0},
    {"the latest state wins", {V(FAILED, 1), V(OFFLINE, 1), TELL_AT(0)}, "0: V 1 3\n", 1},
    {"what is over before it could be told", {V(FAILED, 1), V(ONLINE, 1), TELL_AT(0)}, "", 2},
    {"over and there again",
     {V(FAILED, 1), V(ONLINE, 1), V(FAILED, 1), TELL_AT(0)},
     "0: V 1 4\n",
     2},
    {"who came first is told first",
     {V(FAILED, 9), V(FAILED, 3), V(OFFLINE, 9), TELL_AT(0)},
     "0: V 9 3\n0: V 3 4\n",
     1},
    {"media before links before volumes",
     {V(FAILED, 1), L(0, 2), M(3, 5), TELL_AT(0)},
     "0: M 5 3\n0: L 2 0\n0: V 1 4\n",
     0},
    {"kinds have indexes of their own",
     {V(FAILED, 1), M(3, 1), V(ONLINE, 1), TELL_AT(0)},
     "0: M 1 3\n",
     2},
    {"a volume that is gone is not told", {V(FAILED, 1), GONE(1), TELL_AT(0)}, "", 1},
    {"its successor starts anew",
     {V(FAILED, 1), TELL_AT(0), GONE(1), V(ONLINE, 1), TELL_AT(1), V(FAILED, 1), TELL_AT(2)},
     "0: V 1 4\n2: V 1 4\n",
     0},
    {"whatever a link does first is told",
     {L(1, 2), TELL_AT(0), L(0, 2), TELL_AT(1), L(1, 2), TELL_AT(2)},
     "0: L 2 1\n1: L 2 0\n2: L 2 1\n",
     0},
    {"a link that flaps", {L(0, 2), L(1, 2), TELL_AT(0), L(0, 2), TELL_AT(1)}, "1: L 2 0\n", 2},
};

static void tell(struct news *n, uint64_t now, struct strbuf *out)
{
    unsigned kind;
    uint32_t index;
    int state;
    while (news_next(n, now, &kind, &index, &state))
        strbuf_add(out, "%d: %c %u %d\n", (int)now, "MLVF"[kind], index, state);
}

static void run_case(const struct news_case *c)
{
    struct news *n = news_new(0, telling_kinds, TELLING_KINDS);
    struct strbuf out = {0};
    strbuf_add(&out, "%s", "");
    for (const struct event *e = c->events; e->what != END; e++) {
        if (e->what == SEE)
            news_see(n, e->kind, e->index, e->state, ONLINE);
        else if (e->what == LINK)
            news_see(n, e->kind, e->index, e->state, !e->state);
        else if (e->what == FORGET)
            news_forget(n, e->kind, e->index);
        else
            tell(n, e->at_ms, &out);
    }
    if (news_suppressed(n) != c->suppressed)
        fail_msg("%s: %u suppressed, not %u", c->name, news_suppressed(n), c->suppressed);
    if (strcmp(out.text, c->told) != 0)
        fail_msg("%s: told was:\n%s", c->name, out.text);
    strbuf_free(&out);
    news_free(n);
}

static void all_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        run_case(&cases[i]);
}

static unsigned count_told(struct news *n, uint64_t now)
{
    unsigned kind;
    uint32_t index;
    int state;
    unsigned told = 0;
    while (news_next(n, now, &kind, &index, &state))
        told++;
    return told;
}

static void a_burst_and_then_one_an_interval(void **state)
{
    (void)state;
    struct news *n = news_new(1000, telling_kinds, TELLING_KINDS);
    assert_int_equal(news_wait(n, 1000), NEWS_NEVER);
    for (uint32_t i = 1; i <= 100; i++)
        news_see(n, TELLING_VOLUME, i, FAILED, ONLINE);
    assert_int_equal(news_wait(n, 1000), 0);
    assert_int_equal(count_told(n, 1000), NEWS_BURST);
    assert_int_equal(news_wait(n, 1000), NEWS_INTERVAL_MS);
    assert_int_equal(count_told(n, 1000 + NEWS_INTERVAL_MS - 1), 0);
    assert_int_equal(news_wait(n, 1000 + NEWS_INTERVAL_MS - 1), 1);
    assert_int_equal(count_told(n, 1000 + NEWS_INTERVAL_MS), 1);
    assert_int_equal(count_told(n, 1000 + 11 * NEWS_INTERVAL_MS), 10);
    // However long nothing was told, the bucket holds no more.
    assert_int_equal(count_told(n, 1000 + 1000 * NEWS_INTERVAL_MS), NEWS_BURST);
    assert_int_equal(news_suppressed(n), 0);
    for (uint32_t i = 1; i <= 100; i++) // all are well before the rest was told
        news_see(n, TELLING_VOLUME, i, ONLINE, ONLINE);
    assert_int_equal(news_suppressed(n), 2 * (100 - 2 * NEWS_BURST - 11));
    assert_int_equal(count_told(n, 1000 + 9000 * NEWS_INTERVAL_MS), NEWS_BURST);
    news_free(n);
}

static void two_hundred_flaps_are_few_notifications(void **state)
{
    (void)state;
    struct news *n = news_new(0, telling_kinds, TELLING_KINDS);
    unsigned told = 0;
    for (uint32_t i = 1; i <= 200; i++) { // in two seconds
        news_see(n, TELLING_VOLUME, 1, i % 2 ? FAILED : ONLINE, ONLINE);
        told += count_told(n, UINT64_C(10) * i);
    }
    assert_in_range(told, NEWS_BURST, NEWS_BURST + 2);
    told += count_told(n, 1000000);
    assert_int_equal(told + news_suppressed(n), 200);
    news_free(n);
}

// Three in ten seconds, whichever volume they are of, while other news go on.
static void refused_logins(void **state)
{
    (void)state;
    struct news *n = news_new(0, telling_kinds, TELLING_KINDS);
    struct strbuf out = {0};
    for (int i = 1; i <= 5; i++) {
        news_see(n, TELLING_LOGIN, 7, i, i - 1);
        tell(n, 1000, &out);
    }
    news_see(n, TELLING_LOGIN, 8, 41, 40);
    news_see(n, TELLING_VOLUME, 7, FAILED, ONLINE);
    tell(n, 1000, &out);
    assert_int_equal(news_wait(n, 4000), 7000);
    tell(n, 10999, &out);
    tell(n, 11000, &out);
    assert_int_equal(news_wait(n, 11000), NEWS_NEVER);
    assert_string_equal(out.text, "1000: F 7 1\n1000: F 7 2\n1000: F 7 3\n1000: V 7 4\n"
                                  "11000: F 7 5\n11000: F 8 41\n");
    assert_int_equal(news_suppressed(n), 0);
    strbuf_free(&out);
    news_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_cases),
        cmocka_unit_test(refused_logins),
        cmocka_unit_test(a_burst_and_then_one_an_interval),
        cmocka_unit_test(two_hundred_flaps_are_few_notifications),
    };
    return cmocka_run_group_tests_name("unit news", tests, NULL, NULL);
}
