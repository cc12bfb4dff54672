// Counters of volumes and rules: kept up to date by looks at tgtd, and recorded.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/counters.h"
#include "base/log.h"
#include "base/mem.h"

// They are recorded when sessions begin or end, since what was counted before cannot be read from
// tgtd again, and this often besides.
#define SAVE_INTERVAL_MS 60000

struct counters {
    struct state *state;
    struct journal *journal;
    struct traffic *traffic;
    struct observer *observer;
    uint64_t saved_ms;
    bool complained;
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
    const struct tgt_statistics *rows = traffic_rows(c->traffic, &count);
    return journal_put_counted(c->journal, traffic_tgtd(c->traffic), rows, count, err);
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

static uint32_t *targets(void *arg, size_t *count)
{
    const struct counters *c = arg;
    const struct unit_volume *v = NULL;
    uint32_t *list = NULL;
    *count = 0;
    while ((v = state_volume_next(c->state, v ? v->v.index : 0)))
        if (v->made)
            *DV_APPEND(list, *count) = v->v.index;
    return list;
}

static void seen(void *arg, struct observation *o, const struct dv_err *err)
{
    struct counters *c = arg;
    if (!o) {
        log_debug("unit", "tgtd could not be looked at: %s", err->text);
        return;
    }
    if (traffic_take(c->traffic, o, c->state) || loop_now_ms() - c->saved_ms >= SAVE_INTERVAL_MS)
        save(c);
}

void counters_look(struct counters *c)
{
    observer_look(c->observer);
}

void counters_lost(struct counters *c)
{
    traffic_lost(c->traffic);
}

const struct traffic *counters_traffic(const struct counters *c)
{
    return c->traffic;
}

static int resume(struct counters *c, struct dv_err *err)
{
    DV_FREE char *tgtd = NULL;
    DV_FREE struct tgt_statistics *rows = NULL;
    size_t count;
    if (journal_load_counted(c->journal, &tgtd, &rows, &count, err) != 0)
        return -1;
    if (tgtd)
        traffic_resume(c->traffic, tgtd, rows, count);
    return 0;
}

struct counters *counters_new(struct loop *loop, const struct unit_config *config,
                              struct state *state, struct journal *journal, struct dv_err *err)
{
    struct counters *c = dv_calloc(1, sizeof(*c));
    const struct observer_calls calls = {.targets = targets, .seen = seen, .arg = c};
    c->state = state;
    c->journal = journal;
    c->traffic = traffic_new();
    c->saved_ms = loop_now_ms();
    if (resume(c, err) == 0)
        c->observer = observer_new(loop, config, &calls, err);
    if (c->observer)
        return c;
    traffic_free(c->traffic);
    free(c);
    return NULL;
}

void counters_free(struct counters *c)
{
    if (!c)
        return;
    observer_free(c->observer);
    save(c);
    traffic_free(c->traffic);
    free(c);
}
