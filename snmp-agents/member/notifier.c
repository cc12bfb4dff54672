// Tells changes of state by notifications, no more often than news.h has it.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/notifier.h"
#include "base/log.h"
#include "base/mem.h"

#define COMPLAIN_MS 60000 // how often suppressed notifications are logged

struct notifier {
    const struct member_owner *owner;
    struct news *news;
    struct loop_timer *timer;    // looks at what changed, and tells
    struct loop_timer *complain; // logs what was suppressed
    uint32_t complained;         // how many suppressed ones were logged
    bool ready;
};

static void on_timer(void *arg)
{
    struct notifier *n = arg;
    const struct member_owner *o = n->owner;
    unsigned kind;
    uint32_t index;
    int state;
    o->look(o->arg, n->news);
    while (n->ready && news_next(n->news, loop_now_ms(), &kind, &index, &state))
        o->tell(o->arg, kind, index, state);
    uint32_t wait = news_wait(n->news, loop_now_ms());
    if (n->ready && wait != NEWS_NEVER)
        loop_timer_set(n->timer, wait);
    if (news_suppressed(n->news) != n->complained && !loop_timer_pending(n->complain))
        loop_timer_set(n->complain, COMPLAIN_MS);
}

static void on_complain(void *arg)
{
    struct notifier *n = arg;
    uint32_t now = news_suppressed(n->news);
    log_warning("notify",
                "%u changes of state were not told by notifications, because later ones took "
                "their place; something flaps",
                now - n->complained);
    n->complained = now;
}

void notifier_changed(struct notifier *n)
{
    loop_timer_set(n->timer, 0);
}

void notifier_ready(struct notifier *n, bool ready)
{
    n->ready = ready;
    notifier_changed(n);
}

void notifier_see(struct notifier *n, unsigned kind, uint32_t index, int state, int untold)
{
    news_see(n->news, kind, index, state, untold);
    notifier_changed(n);
}

uint32_t notifier_suppressed(const struct notifier *n)
{
    return news_suppressed(n->news);
}

struct notifier *notifier_new(struct loop *loop, const struct member_owner *owner)
{
    struct notifier *n = dv_calloc(1, sizeof(*n));
    n->owner = owner;
    n->news = news_new(loop_now_ms(), owner->kinds, owner->kind_count);
    n->timer = loop_timer_new(loop, on_timer, n);
    n->complain = loop_timer_new(loop, on_complain, n);
    notifier_changed(n);
    return n;
}

void notifier_free(struct notifier *n)
{
    if (!n)
        return;
    loop_timer_free(n->timer);
    loop_timer_free(n->complain);
    news_free(n->news);
    free(n);
}
