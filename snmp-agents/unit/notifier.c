// Tells changes of state by notifications: those of media, links and volumes.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/notifier.h"
#include "base/log.h"
#include "base/mem.h"
#include "snmp-agents/unit/news.h"
#include <limits.h>

#define COMPLAIN_MS 60000 // how often suppressed notifications are logged

struct notifier {
    struct state *state;
    const struct portals *portals;
    struct announcer *announcer;
    struct news *news;
    struct loop_timer *timer;    // looks at what changed, and tells
    struct loop_timer *complain; // logs what was suppressed
    uint32_t seen;               // the generation up to which changes were looked at
    uint32_t complained;         // how many suppressed ones were logged
    bool ready;
};

static void forget_volume(struct notifier *n, uint32_t index)
{
    news_forget(n->news, NEWS_VOLUME, index);
    news_forget(n->news, NEWS_LOGIN, index);
}

// Creating and deleting is work that somebody asked for and follows: only how the volume is
// served is told.
static void see_volume(struct notifier *n, uint32_t index)
{
    const struct unit_volume *v = state_volume(n->state, index);
    if (v && v->v.state == VOLUME_DELETING)
        forget_volume(n, index);
    else if (v && v->v.state != VOLUME_CREATING)
        news_see(n->news, NEWS_VOLUME, index, (int)v->v.state, VOLUME_ONLINE);
}

static void see_medium(struct notifier *n, uint32_t index)
{
    const struct unit_medium *m = state_medium(n->state, index);
    if (m)
        news_see(n->news, NEWS_MEDIUM, index, (int)m->m.state, MEDIUM_ONLINE);
    else
        news_forget(n->news, NEWS_MEDIUM, index);
}

static void look(struct notifier *n)
{
    const struct state_change *c = NULL;
    while ((c = state_change_next(n->state, n->seen))) {
        n->seen = c->generation;
        if (c->kind == STATE_CHANGE_VOLUME)
            see_volume(n, c->index);
        else if (c->kind == STATE_CHANGE_MEDIUM)
            see_medium(n, c->index);
        else if (c->kind == STATE_CHANGE_VOLUME_DELETED)
            forget_volume(n, c->index);
    }
}

static void tell(struct notifier *n, enum news_kind kind, uint32_t index, int state)
{
    struct netlink_interface link;
    switch (kind) {
    case NEWS_MEDIUM:
        announcer_medium(n->announcer, state_medium(n->state, index));
        break;
    case NEWS_LINK:
        link = portals_link(n->portals, index);
        announcer_link(n->announcer, state != 0, &link);
        break;
    case NEWS_VOLUME:
        announcer_volume(n->announcer, state_volume(n->state, index));
        break;
    case NEWS_LOGIN:
        announcer_login(n->announcer, state_volume(n->state, index));
        break;
    }
}

static void on_timer(void *arg)
{
    struct notifier *n = arg;
    enum news_kind kind;
    uint32_t index;
    int state;
    look(n);
    while (n->ready && news_next(n->news, loop_now_ms(), &kind, &index, &state))
        tell(n, kind, index, state);
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

// At the next turn, when all that belongs to the change is done.
static void on_change(void *arg)
{
    struct notifier *n = arg;
    loop_timer_set(n->timer, 0);
}

void notifier_ready(struct notifier *n, bool ready)
{
    n->ready = ready;
    on_change(n);
}

void notifier_link(struct notifier *n, uint32_t interface, bool up)
{
    news_see(n->news, NEWS_LINK, interface, up, !up);
    on_change(n);
}

void notifier_login(struct notifier *n, const struct unit_volume *volume)
{
    int count = (int)(volume->refused.count & INT_MAX);
    news_see(n->news, NEWS_LOGIN, volume->v.index, count, count - 1);
    on_change(n);
}

uint32_t notifier_suppressed(const struct notifier *n)
{
    return news_suppressed(n->news);
}

struct notifier *notifier_new(struct loop *loop, struct state *state, const struct portals *portals,
                              struct announcer *announcer)
{
    struct notifier *n = dv_calloc(1, sizeof(*n));
    *n = (struct notifier){.state = state, .portals = portals, .announcer = announcer};
    n->news = news_new(loop_now_ms());
    n->timer = loop_timer_new(loop, on_timer, n);
    n->complain = loop_timer_new(loop, on_complain, n);
    state_watch(state, on_change, n);
    on_change(n);
    return n;
}

void notifier_free(struct notifier *n)
{
    if (!n)
        return;
    state_watch(n->state, NULL, NULL);
    loop_timer_free(n->timer);
    loop_timer_free(n->complain);
    news_free(n->news);
    free(n);
}
