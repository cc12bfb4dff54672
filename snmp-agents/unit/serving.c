// The unit's tgtds, each by itself: meeting them, making them serve what is wanted, portals.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/serving.h"
#include "base/log.h"
#include "base/mem.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// How long a tgtd that did not answer in time is waited for from then on, until it does, or was
// seen to answer somebody else.
#define BRIEF_MS 250

struct instance {
    struct serving *serving;
    uint32_t number;
    const char *socket;
    struct tgt_engine *tgt, *brief;
    bool hung;              // it did not answer in time when it was asked last
    struct portal *portals; // those that it was asked for last
    size_t portal_count;
    bool portals_there; // in the tgtd that is there
    bool complained;    // about portals, so that it is logged once

    // Of one pass.
    bool asked;     // it takes part
    bool gone;      // its process has ended, so it serves nothing
    bool told;      // it told what it serves:
    char **holding; // names of targets that have their file open
    size_t holding_count;
    struct order *order;
    const struct serving_want *wants;
    size_t want_count;
    void (*met)(void *arg, uint32_t number);
    void *arg;
    pthread_t thread;
    bool threaded;
};

struct serving {
    const struct unit_config *config;
    struct instance *instances; // number 1 is the first
    uint32_t count;
};

struct serving *serving_new(const struct unit_config *config, const struct state *state)
{
    struct serving *s = dv_calloc(1, sizeof(*s));
    DV_FREE char *prefix = dv_printf("%s:", config->iqn_prefix);
    s->config = config;
    s->count = state_tgtd_count(state);
    s->instances = dv_calloc(s->count + 1, sizeof(*s->instances));
    for (uint32_t i = 0; i < s->count; i++) {
        const char *socket = state_tgtd(state, i + 1);
        s->instances[i] = (struct instance){
            .serving = s,
            .number = i + 1,
            .socket = socket,
            .tgt = tgt_engine_new(socket, prefix, TGT_TIMEOUT_MS),
            .brief = tgt_engine_new(socket, prefix, BRIEF_MS),
        };
        tgt_engine_session(s->instances[i].tgt, &config->tgtd.session);
    }
    return s;
}

static void forget_told(struct instance *i)
{
    for (size_t n = 0; n < i->holding_count; n++)
        free(i->holding[n]);
    free(i->holding);
    i->holding = NULL;
    i->holding_count = 0;
    i->told = false;
}

void serving_free(struct serving *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->count; i++) {
        tgt_engine_free(s->instances[i].tgt);
        tgt_engine_free(s->instances[i].brief);
        forget_told(&s->instances[i]);
        free(s->instances[i].portals);
    }
    free(s->instances);
    free(s);
}

// ---- All at once ------------------------------------------------------------------------------

// Runs work for each tgtd that takes part; the last one needs no thread.
static void for_each(struct serving *s, void *(*work)(void *instance))
{
    struct instance *last = NULL;
    for (uint32_t n = 0; n < s->count; n++) {
        struct instance *i = &s->instances[n];
        i->threaded = false;
        if (!i->asked)
            continue;
        if (last) {
            last->threaded = pthread_create(&last->thread, NULL, work, last) == 0;
            if (!last->threaded)
                work(last);
        }
        last = i;
    }
    if (last)
        work(last);
    for (uint32_t n = 0; n < s->count; n++)
        if (s->instances[n].threaded)
            pthread_join(s->instances[n].thread, NULL);
}

// ---- Meeting ----------------------------------------------------------------------------------

static struct order_tgtd *result_of(const struct instance *i)
{
    return &i->order->tgtds[i->number - 1];
}

static void lose(struct instance *i)
{
    struct order_tgtd *t = result_of(i);
    t->there = false;
    i->hung = t->err.code == DV_TIMEOUT;
    i->gone = tgt_is_gone(i->tgt);
}

// One that is watched is known to run; whether it answers is seen when it is asked something. A
// tgtd that was not seen before has no portals of ours.
static void *meet(void *arg)
{
    struct instance *i = arg;
    struct order_tgtd *t = result_of(i);
    pid_t pid;
    int fd;
    t->there = t->watched && !i->hung;
    if (!t->there) {
        struct tgt_engine *e = i->hung && !t->answers ? i->brief : i->tgt;
        if (tgt_watch(e, &pid, &fd, &t->err) != 0) {
            lose(i);
            return NULL;
        }
        i->hung = false;
        t->there = true;
        if (t->watched) {
            close(fd);
        } else {
            t->watch_fd = fd;
            i->portals_there = false;
            log_info("unit", "found tgtd, process %d, at %s", (int)pid, i->socket);
        }
    }
    i->met(i->arg, i->number);
    return NULL;
}

void serving_meet(struct serving *s, struct order *o, void (*met)(void *arg, uint32_t number),
                  void *arg)
{
    for (uint32_t n = 0; n < s->count; n++) {
        struct instance *i = &s->instances[n];
        i->order = o;
        i->met = met;
        i->arg = arg;
        i->gone = false;
        forget_told(i);
        i->asked = i->number <= o->groups;
    }
    for (size_t n = 0; n < o->volume_count; n++)
        if (o->volumes[n].tgtd > 0)
            s->instances[o->volumes[n].tgtd - 1].asked = true;
    for_each(s, meet);
}

// ---- Serving ----------------------------------------------------------------------------------

static int compare_users(const void *user, const void *account)
{
    return strcmp(user, ((const struct order_account *)account)->user);
}

// The accounts that rules of the volumes of this tgtd's group name.
static struct plan_account *accounts_of(const struct instance *i, size_t *count)
{
    const struct order *o = i->order;
    struct plan_account *list = dv_calloc(o->account_count + 1, sizeof(*list));
    DV_FREE bool *used = dv_calloc(o->account_count + 1, sizeof(*used));
    for (size_t n = 0; n < o->volume_count; n++) {
        const struct order_volume *ov = &o->volumes[n];
        for (size_t k = 0; ov->v.group == i->number && k < ov->rule_count; k++) {
            const struct order_account *a = bsearch(ov->rules[k].user, o->accounts,
                                                    o->account_count, sizeof(*a), compare_users);
            used[a - o->accounts] = true;
        }
    }
    *count = 0;
    for (size_t n = 0; n < o->account_count; n++)
        if (used[n])
            list[(*count)++] =
                (struct plan_account){.user = o->accounts[n].user, .secret = o->accounts[n].secret};
    return list;
}

static bool is_own(const struct instance *i, const struct serving_want *w)
{
    const struct order_volume *ov = &i->order->volumes[w->volume];
    return ov->tgtd == i->number && ov->v.group == i->number;
}

// Only what concerns this tgtd's own volumes is written to, so others may do the same.
static void *reconcile(void *arg)
{
    struct instance *i = arg;
    struct order_tgtd *t = result_of(i);
    struct tgt_result result;
    size_t count = 0, own = 0, account_count;
    if (!t->there)
        return NULL;
    DV_FREE struct plan_target *targets = dv_calloc(i->want_count + 1, sizeof(*targets));
    DV_FREE struct plan_account *accounts = accounts_of(i, &account_count);
    for (size_t n = 0; n < i->want_count; n++)
        if (is_own(i, &i->wants[n]))
            targets[count++] = i->wants[n].target;
    t->there =
        tgt_reconcile(i->tgt, targets, count, accounts, account_count, &result, &t->err) == 0;
    for (size_t n = 0; n < i->want_count; n++) {
        if (!is_own(i, &i->wants[n]))
            continue;
        struct order_volume *ov = &i->order->volumes[i->wants[n].volume];
        ov->err = result.targets[own++];
        ov->done = t->there && ov->err.code == DV_OK;
    }
    t->foreign = result.foreign_count > 0;
    forget_told(i);
    i->told = t->there;
    i->holding = result.holding;
    i->holding_count = result.holding_count;
    result.holding = NULL;
    result.holding_count = 0;
    if (!t->there)
        lose(i);
    else
        t->err = result.other;
    tgt_result_clear(&result);
    return NULL;
}

void serving_reconcile(struct serving *s, struct order *o, const struct serving_want *wants,
                       size_t count)
{
    for (uint32_t n = 0; n < s->count; n++) {
        s->instances[n].wants = wants;
        s->instances[n].want_count = count;
    }
    for_each(s, reconcile);
    for (size_t n = 0; n < o->volume_count; n++) {
        struct order_volume *ov = &o->volumes[n];
        const struct order_tgtd *t = &o->tgtds[ov->v.group - 1];
        if (ov->task != ORDER_DELETE && !t->there && ov->err.code == DV_OK)
            ov->err = t->err;
    }
}

static bool holds(const struct instance *i, const char *iqn)
{
    for (size_t n = 0; n < i->holding_count; n++)
        if (strcmp(i->holding[n], iqn) == 0)
            return true;
    return false;
}

bool serving_has_let_go(const struct serving *s, const struct order *o,
                        const struct order_volume *ov, struct dv_err *err)
{
    uint32_t first = ov->unrecorded ? 1 : ov->tgtd, last = ov->unrecorded ? o->groups : ov->tgtd;
    for (uint32_t n = first; n <= last && n > 0; n++) {
        const struct instance *i = &s->instances[n - 1];
        if (i->gone || (i->told && !holds(i, ov->v.iqn)))
            continue;
        *err = o->tgtds[n - 1].err;
        if (err->code == DV_OK)
            (void)dv_fail(err, DV_BUSY, "tgtd still has it open");
        return false;
    }
    return true;
}

// ---- Portals ----------------------------------------------------------------------------------

// Whether other portals are wanted than last time; those of the order are taken over.
static bool take_portals(struct instance *i)
{
    struct portal *wanted = NULL;
    size_t count = 0;
    for (size_t n = 0; n < i->order->portal_count; n++)
        if (i->order->portals[n].group == i->number)
            *DV_APPEND(wanted, count) = i->order->portals[n];
    bool same = i->portal_count == count;
    for (size_t n = 0; same && n < count; n++)
        same = i->portals[n].port == wanted[n].port &&
               strcmp(i->portals[n].address, wanted[n].address) == 0;
    free(i->portals);
    i->portals = wanted;
    i->portal_count = count;
    return !same;
}

// What portals that follow an interface left behind.
static int drop_portals(struct instance *i, struct dv_err *err)
{
    const struct unit_config *config = i->serving->config;
    for (size_t n = 0; n < config->portal_count; n++) {
        const struct portal_config *c = &config->portals[n];
        if (c->interface[0] && tgt_drop_gone_portals(i->tgt, unit_config_port(c, i->number),
                                                     i->portals, i->portal_count, err) != 0)
            return -1;
    }
    return 0;
}

static void *listen_at(void *arg)
{
    struct instance *i = arg;
    struct dv_err err;
    if (i->number > i->order->groups || !result_of(i)->there)
        return NULL;
    if (take_portals(i))
        i->portals_there = false;
    if (!i->portals_there) {
        i->portals_there = tgt_add_portals(i->tgt, i->portals, i->portal_count, &err) == 0 &&
                           drop_portals(i, &err) == 0;
        if (!i->portals_there && !i->complained)
            log_warning("unit", "tgtd does not serve all portals of group %u yet: %s", i->number,
                        err.text);
        i->complained = !i->portals_there;
    }
    result_of(i)->portals_there = i->portals_there;
    return NULL;
}

void serving_listen(struct serving *s)
{
    for_each(s, listen_at);
}
