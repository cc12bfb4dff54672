// Counters of volumes and rules: kept up to date by looks at each tgtd, and recorded.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

// They are recorded when sessions begin or end, or a tgtd does, since what was counted before
// cannot be read from tgtd again, and this often besides.
#define SAVE_INTERVAL_MS 60000

struct watcher { // of one tgtd
    struct counters *counters;
    uint32_t tgtd;
    bool seen;       // in this run of the agent
    bool complained; // that it cannot be looked at
    struct observer *observer;
};

struct counters {
    struct state *state;
    struct journal *journal;
    void (*found)(void *arg, uint32_t tgtd);
    void *arg;
    struct watcher *watchers; // of tgtd 1, 2..
    struct traffic **traffic; // of the same
    uint32_t count;
    // What a former run had counted of tgtds that were not seen yet.
    struct journal_counted *resumed;
    size_t resumed_count;
    uint64_t saved_ms;
    bool complained;
    bool refused; // some login, which is not recorded yet
};

static int save_rows(struct counters *c, struct dv_err *err)
{
    const struct unit_volume *v = NULL;
    size_t count;
    while ((v = state_volume_next(c->state, v ? v->v.index : 0)))
        if (v->counting.changed && journal_put_counters(c->journal, v, err) != 0)
            return -1;
    const struct unit_rule *r = state_rule_next(c->state, 0, 0);
    for (; r; r = state_rule_next(c->state, r->r.volume, r->r.index))
        if (r->counting.changed && journal_put_rule_counters(c->journal, r, err) != 0)
            return -1;
    if (journal_clear_counted(c->journal, err) != 0)
        return -1;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct tgt_statistics *rows = traffic_rows(c->traffic[i], &count);
        if (journal_put_counted(c->journal, traffic_tgtd(c->traffic[i]), rows, count, err) != 0)
            return -1;
    }
    for (size_t i = 0; i < c->resumed_count; i++) {
        const struct journal_counted *before = &c->resumed[i];
        if (journal_put_counted(c->journal, before->tgtd, before->rows, before->count, err) != 0)
            return -1;
    }
    return 0;
}

static int save_all(struct counters *c, struct dv_err *err)
{
    if (journal_begin(c->journal, err) != 0)
        return -1;
    if (save_rows(c, err) != 0) {
        journal_rollback(c->journal);
        return -1;
    }
    return journal_commit(c->journal, err);
}

static void save(struct counters *c)
{
    struct dv_err err;
    struct unit_volume *v = NULL;
    c->saved_ms = loop_now_ms();
    c->refused = false;
    if (save_all(c, &err) != 0) {
        if (!c->complained)
            log_error("unit", "the counters cannot be recorded: %s", err.text);
        c->complained = true;
        return;
    }
    c->complained = false;
    while ((v = state_volume_next(c->state, v ? v->v.index : 0)))
        v->counting.changed = false;
    struct unit_rule *r = state_rule_next(c->state, 0, 0);
    for (; r; r = state_rule_next(c->state, r->r.volume, r->r.index))
        r->counting.changed = false;
}

static int compare_tids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t *targets(void *arg, size_t *count)
{
    const struct watcher *w = arg;
    const struct unit_volume *v = NULL;
    uint32_t *list = NULL;
    *count = 0;
    while ((v = state_volume_next(w->counters->state, v ? v->v.index : 0)))
        if (v->made && v->v.group == w->tgtd)
            *DV_APPEND(list, *count) = v->tid;
    if (*count > 1)
        qsort(list, *count, sizeof(*list), compare_tids);
    return list;
}

// From here on targets go by the indexes of their volumes.
static uint32_t index_of(void *arg, uint32_t tid)
{
    const struct unit_volume *v = state_volume_tid(arg, tid);
    return v ? v->v.index : 0;
}

// The first look at a tgtd goes on where a former run of the agent had counted it.
static void resume(struct watcher *w, const struct sighting *o)
{
    struct counters *c = w->counters;
    w->seen = true;
    for (size_t i = 0; i < c->resumed_count; i++) {
        struct journal_counted *r = &c->resumed[i];
        if (strcmp(r->tgtd, o->tgtd) != 0)
            continue;
        traffic_resume(c->traffic[w->tgtd - 1], r->tgtd, r->rows, r->count);
        journal_counted_clear(r);
        *r = c->resumed[--c->resumed_count];
        return;
    }
}

static void forget_resumed(struct counters *c)
{
    for (size_t i = 0; i < c->resumed_count; i++)
        journal_counted_clear(&c->resumed[i]);
    free(c->resumed);
    c->resumed = NULL;
    c->resumed_count = 0;
}

static bool all_seen(const struct counters *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (!c->watchers[i].seen)
            return false;
    return true;
}

static void seen(void *arg, struct sighting *o, const struct dv_err *err)
{
    struct watcher *w = arg;
    struct counters *c = w->counters;
    if (!o) {
        if (!w->complained)
            log_debug("unit", "tgtd %u cannot be looked at: %s", w->tgtd, err->text);
        w->complained = true;
        return;
    }
    w->complained = false;
    sighting_rename(o, index_of, c->state);
    if (!w->seen)
        resume(w, o);
    if (c->resumed_count > 0 && all_seen(c)) // of runs that have ended
        forget_resumed(c);
    if (traffic_take(c->traffic[w->tgtd - 1], o, c->state) || c->refused ||
        loop_now_ms() - c->saved_ms >= SAVE_INTERVAL_MS)
        save(c);
    c->found(c->arg, w->tgtd);
}

void counters_look(struct counters *c, uint32_t tgtd)
{
    observer_look(c->watchers[tgtd - 1].observer);
}

void counters_refused(struct counters *c)
{
    c->refused = true;
}

void counters_lost(struct counters *c, uint32_t tgtd)
{
    traffic_lost(c->traffic[tgtd - 1]);
    save(c);
}

const struct traffic *const *counters_traffic(const struct counters *c)
{
    return (const struct traffic *const *)c->traffic;
}

static int watch(struct counters *c, struct loop *loop, const struct unit_config *config,
                 struct dv_err *err)
{
    DV_FREE char *prefix = dv_printf("%s:", config->iqn_prefix);
    for (uint32_t i = 0; i < c->count; i++) {
        struct watcher *w = &c->watchers[i];
        const struct observer_calls calls = {.targets = targets, .seen = seen, .arg = w};
        *w = (struct watcher){.counters = c, .tgtd = i + 1};
        c->traffic[i] = traffic_new(w->tgtd);
        w->observer = observer_new(loop, state_tgtd(c->state, w->tgtd), prefix, &calls, err);
        if (!w->observer)
            return -1;
    }
    return 0;
}

static void end(struct counters *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        traffic_free(c->traffic[i]);
    free(c->traffic);
    free(c->watchers);
    forget_resumed(c);
    free(c);
}

static void end_watching(struct counters *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        observer_free(c->watchers[i].observer);
}

struct counters *counters_new(struct loop *loop, const struct unit_config *config,
                              struct state *state, struct journal *journal,
                              void (*found)(void *arg, uint32_t tgtd), void *arg,
                              struct dv_err *err)
{
    struct counters *c = dv_calloc(1, sizeof(*c));
    *c = (struct counters){
        .state = state,
        .journal = journal,
        .found = found,
        .arg = arg,
        .count = state_tgtd_count(state),
        .saved_ms = loop_now_ms(),
    };
    c->watchers = dv_calloc(c->count + 1, sizeof(struct watcher));
    c->traffic = dv_calloc(c->count + 1, sizeof(struct traffic *));
    if (journal_load_counted(journal, &c->resumed, &c->resumed_count, err) == 0 &&
        watch(c, loop, config, err) == 0)
        return c;
    end_watching(c);
    end(c);
    return NULL;
}

void counters_free(struct counters *c)
{
    if (!c)
        return;
    end_watching(c);
    save(c);
    end(c);
}
