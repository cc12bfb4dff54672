// From what a tgtd counts for live sessions to sums that never go back.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/traffic.h"
#include "base/mem.h"
#include "base/search.h"
#include <string.h>

struct traffic {
    uint32_t tgtd;
    struct sighting *last;            // NULL: nothing was seen yet
    bool lost;                        // and tgtd is gone since
    bool resumed;                     // last has rows alone, of a former run of the agent
    struct traffic_session *sessions; // ascending by tid, sid
    size_t session_count;
};

struct traffic *traffic_new(uint32_t tgtd)
{
    struct traffic *t = dv_calloc(1, sizeof(*t));
    t->tgtd = tgtd;
    return t;
}

void traffic_free(struct traffic *t)
{
    if (!t)
        return;
    sighting_free(t->last);
    free(t->sessions);
    free(t);
}

// ---- Finding ------------------------------------------------------------------------------------

static const struct tgt_statistics *row_before(const struct traffic *t,
                                               const struct tgt_statistics *now)
{
    if (!t->last || t->last->row_count == 0)
        return NULL;
    return bsearch(now, t->last->rows, t->last->row_count, sizeof(*now), sighting_compare_rows);
}

static size_t lower(const struct traffic *t, uint32_t tid, uint64_t sid)
{
    const struct traffic_session *s = t->sessions;
    size_t i;
    DV_SEARCH(i, t->session_count, s[i].of.tid < tid || (s[i].of.tid == tid && s[i].of.sid < sid));
    return i;
}

static const struct traffic_session *session_at(const struct traffic *t, uint32_t tid, uint64_t sid)
{
    size_t i = lower(t, tid, sid);
    bool found =
        i < t->session_count && t->sessions[i].of.tid == tid && t->sessions[i].of.sid == sid;
    return found ? &t->sessions[i] : NULL;
}

static struct unit_rule *rule_of(const struct state *state, const struct observed_session *s)
{
    struct unit_rule *r = state_rule_next(state, s->tid, 0);
    for (; r && r->r.volume == s->tid; r = state_rule_next(state, s->tid, r->r.index))
        if (iqn_equal(r->r.initiator, s->initiator))
            return r;
    return NULL;
}

// ---- Counting -----------------------------------------------------------------------------------

// The differences of the 32-bit counts are right also when these wrapped. A session whose bytes
// went back is another one with the same number, and began at zero.
static struct volume_counters grown(const struct tgt_statistics *now,
                                    const struct tgt_statistics *before)
{
    static const struct tgt_statistics zero;
    if (!before || now->read_bytes < before->read_bytes || now->write_bytes < before->write_bytes)
        before = &zero;
    return (struct volume_counters){
        .read_ops = (uint32_t)(now->read_commands - before->read_commands),
        .write_ops = (uint32_t)(now->write_commands - before->write_commands),
        .read_bytes = now->read_bytes - before->read_bytes,
        .written_bytes = now->write_bytes - before->write_bytes};
}

static void add(struct volume_counters *sum, struct counting *counting,
                const struct volume_counters *g)
{
    if (g->read_ops == 0 && g->write_ops == 0 && g->read_bytes == 0 && g->written_bytes == 0)
        return;
    sum->read_ops += g->read_ops;
    sum->write_ops += g->write_ops;
    sum->read_bytes += g->read_bytes;
    sum->written_bytes += g->written_bytes;
    counting->changed = true;
}

static void log_in(struct counting *counting)
{
    counting->logins++;
    counting->changed = true;
}

// The rows of one session, from row on. Returns how many there are.
static size_t take_rows(const struct traffic *t, const struct sighting *o, size_t first,
                        struct traffic_session *s, struct unit_volume *v, struct unit_rule *r)
{
    size_t i = first;
    for (; i < o->row_count && o->rows[i].tid == o->rows[first].tid &&
           o->rows[i].sid == o->rows[first].sid;
         i++) {
        const struct tgt_statistics *now = &o->rows[i];
        struct volume_counters g = grown(now, row_before(t, now));
        if (v)
            add(&v->counters, &v->counting, &g);
        if (r)
            add(&r->counters, &r->counting, &g);
        s->read_bytes += now->read_bytes;
        s->write_bytes += now->write_bytes;
        s->commands += now->read_commands + now->write_commands;
    }
    return i - first;
}

// A session is new when the last look at this tgtd had no row of it, and also when its bytes went
// back, since then its number was taken by another one.
static bool is_new(const struct traffic *t, const struct sighting *o, size_t first)
{
    const struct tgt_statistics *now = &o->rows[first], *before = row_before(t, now);
    return !before || now->read_bytes < before->read_bytes ||
           now->write_bytes < before->write_bytes;
}

// Both lists have the same order; *who goes along.
static const struct observed_session *named(const struct sighting *o, size_t *who,
                                            const struct tgt_statistics *row)
{
    const struct observed_session *s = o->sessions;
    while (*who < o->session_count &&
           (s[*who].tid < row->tid || (s[*who].tid == row->tid && s[*who].sid < row->sid)))
        ++*who;
    bool found = *who < o->session_count && s[*who].tid == row->tid && s[*who].sid == row->sid;
    return found ? &s[*who] : NULL;
}

// Takes over the session whose rows begin at *at, which moves behind them. Returns whether it is
// a new one.
static bool take_session(struct traffic *t, const struct sighting *o, size_t *at,
                         const struct observed_session *of, struct traffic_session *s,
                         struct state *state)
{
    const struct tgt_statistics *row = &o->rows[*at];
    const struct traffic_session *before = session_at(t, row->tid, row->sid);
    bool begun = is_new(t, o, *at);
    struct unit_volume *v = state_volume(state, row->tid);
    struct unit_rule *r = of ? rule_of(state, of) : NULL;
    *s = (struct traffic_session){.since_ms = !begun && before ? before->since_ms : o->at_ms};
    if (of)
        s->of = *of;
    if (begun && v)
        log_in(&v->counting);
    if (begun && r)
        log_in(&r->counting);
    *at += take_rows(t, o, *at, s, v, r);
    return begun;
}

// Rows of its group that appear after the first look are younger than the agent.
static void notice_rows(const struct traffic *t, const struct sighting *o, struct state *state)
{
    uint64_t since = t->last && !t->resumed ? o->at_ms : 1;
    struct unit_volume *v = NULL;
    while ((v = state_volume_next(state, v ? v->v.index : 0)))
        if (v->counting.since_ms == 0 && v->v.group == t->tgtd)
            v->counting.since_ms = since;
    struct unit_rule *r = state_rule_next(state, 0, 0);
    for (; r; r = state_rule_next(state, r->r.volume, r->r.index))
        if (r->counting.since_ms == 0 && volume_group(r->r.volume, state_groups(state)) == t->tgtd)
            r->counting.since_ms = since;
}

bool traffic_take(struct traffic *t, struct sighting *o, struct state *state)
{
    struct traffic_session *list = NULL;
    size_t count = 0, rows = t->last ? t->last->row_count : 0;
    bool changed = false;
    notice_rows(t, o, state);
    if (t->last && strcmp(t->last->tgtd, o->tgtd) != 0) {
        // Another tgtd counts from zero.
        t->last->row_count = 0;
        t->session_count = 0;
        changed = true;
    }
    for (size_t i = 0, who = 0; i < o->row_count;) {
        const struct observed_session *of = named(o, &who, &o->rows[i]);
        struct traffic_session s;
        changed = take_session(t, o, &i, of, &s, state) || changed;
        if (of)
            *DV_APPEND(list, count) = s;
    }
    changed = changed || o->row_count < rows;
    sighting_free(t->last);
    free(t->sessions);
    t->last = o;
    t->sessions = list;
    t->session_count = count;
    t->lost = t->resumed = false;
    return changed;
}

void traffic_lost(struct traffic *t)
{
    t->lost = true;
}

// ---- Looking ------------------------------------------------------------------------------------

static bool fresh(const struct traffic *t, uint64_t now_ms)
{
    return t->last && !t->lost && !t->resumed && now_ms - t->last->at_ms <= TRAFFIC_FRESH_MS;
}

const struct traffic_session *traffic_session(const struct traffic *t, uint64_t now_ms,
                                              uint32_t tid, uint64_t sid)
{
    size_t i = lower(t, tid, sid);
    return fresh(t, now_ms) && i < t->session_count ? &t->sessions[i] : NULL;
}

size_t traffic_sessions(const struct traffic *t, uint64_t now_ms)
{
    return fresh(t, now_ms) ? t->session_count : 0;
}

const struct tgt_parameters *traffic_parameters(const struct traffic *t, uint64_t now_ms,
                                                uint32_t tid)
{
    size_t i, count = fresh(t, now_ms) ? t->last->target_count : 0;
    DV_SEARCH(i, count, t->last->targets[i].tid < tid);
    return i < count && t->last->targets[i].tid == tid ? &t->last->targets[i].parameters : NULL;
}

// ---- Over a restart -----------------------------------------------------------------------------

const char *traffic_tgtd(const struct traffic *t)
{
    return t->last ? t->last->tgtd : "";
}

const struct tgt_statistics *traffic_rows(const struct traffic *t, size_t *count)
{
    *count = t->last ? t->last->row_count : 0;
    return t->last ? t->last->rows : NULL;
}

void traffic_resume(struct traffic *t, const char *tgtd, const struct tgt_statistics *rows,
                    size_t count)
{
    t->last = dv_calloc(1, sizeof(*t->last));
    t->resumed = true;
    dv_copy(t->last->tgtd, sizeof(t->last->tgtd), tgtd);
    t->last->rows = dv_calloc(count + 1, sizeof(*rows));
    t->last->row_count = count;
    if (count == 0)
        return;
    memcpy(t->last->rows, rows, count * sizeof(*rows));
    qsort(t->last->rows, count, sizeof(*rows), sighting_compare_rows);
}
