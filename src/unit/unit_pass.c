// The unit's passes: when the next one is due, and what becomes of what it found.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "unit/adopt.h"
#include "unit/forget.h"
#include "unit/reason.h"
#include "unit/take.h"
#include "unit/unit_internal.h"
#include <string.h>

// A pass runs now and then without a cause: see tgt_reconcile. It also takes the counters along.
#define PASS_INTERVAL_MS 5000
// After a failed pass, doubling. A tgtd that comes back is noticed before: see the observer.
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   5000
// While a medium may answer what it was asked.
#define WAITING_MS 200
// So many generations are reserved at once, and so many for each volume, all of which may change
// at once; a restart skips those left over.
#define GENERATIONS            4096
#define GENERATIONS_PER_VOLUME 16

// What is served goes on being served.
static void check_journal(struct unit *u)
{
    const char *trouble = journal_trouble(u->journal);
    bool had = u->unrecorded[0] != '\0';
    dv_copy(u->unrecorded, sizeof(u->unrecorded), trouble);
    if (trouble[0] && !had)
        log_error("unit", "changes cannot be recorded and are refused: %s", trouble);
    else if (!trouble[0] && had)
        log_info("unit", "changes can be recorded again");
}

// Whatever changed has taken generations; those of the next start must lie behind them.
void unit_reserve(struct unit *u)
{
    struct dv_err err;
    uint32_t now = state_generation(u->state);
    uint32_t ahead = GENERATIONS + GENERATIONS_PER_VOLUME * (uint32_t)state_volume_count(u->state);
    if (u->reserved > now && u->reserved - now > ahead / 2)
        return;
    if (journal_reserve(u->journal, now + ahead, &err) == 0)
        u->reserved = now + ahead;
    else
        log_error("unit", "the count of changes cannot be recorded: %s", err.text);
}

void unit_start_pass(struct unit *u)
{
    if (!worker_is_idle(u->worker)) {
        u->work_wanted = true;
        return;
    }
    struct dv_err err;
    u->work_wanted = false;
    loop_timer_cancel(u->next_pass);
    if (order_record_listeners(u->state, u->journal, &err) != 0)
        log_error("unit", "portals cannot be recorded and are not opened: %s", err.text);
    struct order *o = order_new(u->state);
    o->first = !u->had_pass;
    o->owner = u->owner;
    o->proves = u->proves;
    for (uint32_t i = 0; i < o->tgtd_count; i++) {
        o->tgtds[i].answers = u->tgtds_answer[i];
        u->tgtds_answer[i] = false;
    }
    worker_start(u->worker, o);
}

static void on_next_pass(void *arg)
{
    unit_start_pass(arg);
}

void unit_work_wanted(void *arg, uint32_t volume)
{
    struct unit *u = arg;
    (void)volume;
    u->work_wanted = true;
    u->retry_ms = RETRY_FIRST_MS;
    if (worker_is_idle(u->worker)) // after the request, whose other rows may belong together
        loop_timer_set(u->next_pass, 0);
}

static int on_made(void *arg, struct order *o, struct dv_err *err)
{
    struct unit *u = arg;
    return order_record_made(o, u->state, u->journal, err);
}

static bool on_progress(void *arg, const struct order_volume *ov, uint32_t percent)
{
    struct unit *u = arg;
    return !u->stopping && order_progress(ov, u->state, percent);
}

static void plan_next_pass(struct unit *u, bool failed)
{
    uint32_t wait = PASS_INTERVAL_MS;
    if (u->work_wanted || u->unfinished) {
        wait = 0;
    } else if (u->waiting) {
        wait = WAITING_MS;
    } else if (failed) {
        wait = u->retry_ms;
        u->retry_ms = 2 * wait < RETRY_MAX_MS ? 2 * wait : RETRY_MAX_MS;
    } else {
        u->retry_ms = RETRY_FIRST_MS;
    }
    loop_timer_set(u->next_pass, wait);
}

static void note_tgtds(struct unit *u, const struct order *o)
{
    for (uint32_t i = 0; i < o->groups; i++) {
        const struct order_tgtd *t = &o->tgtds[i];
        if (!t->there && (u->tgtds_there[i] || !u->passed))
            log_warning("unit", "nothing of portal group %u is served: %s", i + 1, t->err.text);
        u->tgtds_there[i] = t->there;
        u->tgtd_errors[i] = t->err;
        u->tgtds_foreign[i] = t->foreign;
        if (i < u->tgtd_count)
            tgtd_answered(u->tgtds[i], t->there);
    }
}

static void note_intruders(struct unit *u, const struct order *o)
{
    char before[LAST_ERROR_ROOM];
    dv_copy(before, sizeof(before), u->intruder);
    reason_of_intruders(o, u->intruder);
    if (u->intruder[0] && strcmp(u->intruder, before) != 0)
        log_warning("unit", "%s", u->intruder);
}

// What is in them is of the rules that the state has now.
static void read_logs(struct unit *u)
{
    for (uint32_t i = 0; i < u->tgtd_count; i++)
        tgtd_read_log(u->tgtds[i]);
}

// What they said is on the media, and recorded.
static void forget_words(const struct unit *u, const struct order *o)
{
    for (size_t i = 0; i < o->medium_count; i++)
        if (o->media[i].taken)
            take_done(u->config, o->media[i].index);
}

static bool forget(struct unit *u, const struct unit_volume *v, const char *why)
{
    struct dv_err err;
    const struct intent forget = {.kind = INTENT_FORGET_VOLUME, .volume = v->v};
    struct intent *in = sets_stage(u->sets, &forget);
    bool good = sets_apply(u->sets, in, &err) == 0;
    if (good)
        log_warning("unit", "volume %s %s", forget.volume.name, why);
    else
        log_error("unit", "volume %s cannot be forgotten: %s", forget.volume.name, err.text);
    if (good)
        sets_commit(u->sets, in);
    sets_release(u->sets, in);
    return good;
}

// As a person forgets one; the next pass takes it in where it was found. False when there is none,
// or it must wait.
static bool forget_left_over(struct unit *u, const struct order *o)
{
    const struct unit_volume *v = o->set_under_way ? NULL : adopt_left_over(o, u->state);
    return v && forget(u, v,
                       "is on another medium now: it is forgotten on the one that is not in the "
                       "configuration any more");
}

// Only when all is known of the media.
static void forget_as_said(struct unit *u, const struct order *o)
{
    struct forget_words *w =
        o->set_under_way || order_waits(o) ? NULL : forget_words_read(u->config);
    const struct unit_volume *v;
    while ((v = forget_words_next(w, u->state)))
        (void)forget(u, v, "is forgotten, as was said by --forget");
    forget_words_done(w, u->config);
}

// What was shown of them before the first pass was not known, and a station that read it did not
// believe it.
static void tell_media_anew(struct unit *u)
{
    struct unit_medium *m = NULL;
    while ((m = state_medium_next(u->state, m ? m->m.index : 0)))
        state_medium_changed(u->state, m);
}

static void on_done(void *arg, struct order *o)
{
    struct unit *u = arg;
    struct dv_err err;
    o->set_under_way = sets_under_way(u->sets);
    bool strangers_wait = o->set_under_way && adopt_has_strangers(o);
    bool failed = order_has_failures(o) || strangers_wait;
    bool postponed = o->postponed, brings = adopt_brings_volumes(o, u->state);
    bool had_pass = u->had_pass;
    u->had_pass = !postponed || !strangers_wait;
    if (!postponed) {
        read_logs(u);
        note_tgtds(u, o);
        order_apply_listeners(o, u->state, u->journal);
        note_intruders(u, o);
        reason_of_portals(o, u->portals_error);
    }
    if (order_apply(o, u->state, u->journal, &err) != 0) {
        log_error("unit", "what was done cannot be recorded and will be done again: %s", err.text);
        failed = true;
        brings = false;
    } else {
        forget_words(u, o);
        brings = forget_left_over(u, o) || brings;
        if (!postponed)
            forget_as_said(u, o);
    }
    if (!had_pass && u->had_pass)
        tell_media_anew(u);
    u->unfinished = (order_is_unfinished(o) || brings || postponed) && !strangers_wait;
    u->waiting = order_waits(o);
    order_free(o);
    if (postponed && !strangers_wait) {
        unit_start_pass(u);
        return;
    }
    unit_reserve(u);
    check_journal(u);
    u->passed = true;
    u->calls.passed(u->calls.arg);
    unit_settle(u);
    plan_next_pass(u, failed || u->unrecorded[0]);
}

static void on_look(void *arg, uint32_t tgtd)
{
    struct unit *u = arg;
    counters_look(u->counters, tgtd);
}

// A tgtd that is there. It was not when the last pass ended, or that met another one of its number.
static void on_found(void *arg, uint32_t tgtd)
{
    struct unit *u = arg;
    u->tgtds_answer[tgtd - 1] = true;
    if (tgtd <= state_groups(u->state) && !u->tgtds_there[tgtd - 1] && !u->stopping)
        unit_start_pass(u);
}

static void fail_rules(struct unit *u, const struct unit_volume *v)
{
    struct unit_rule *r = state_rule_next(u->state, v->v.index, 0);
    for (; r && r->r.volume == v->v.index; r = state_rule_next(u->state, v->v.index, r->r.index))
        if (r->r.state == ACCESS_ACTIVE)
            state_set_rule(u->state, r, ACCESS_PENDING, "");
}

static void on_lost(void *arg, uint32_t tgtd)
{
    struct unit *u = arg;
    static const char *const why = "tgtd has ended; it is served again when tgtd is back";
    log_warning("unit", "tgtd has ended, at %s", state_tgtd(u->state, tgtd));
    read_logs(u);
    u->tgtds_there[tgtd - 1] = false;
    dv_fail(&u->tgtd_errors[tgtd - 1], DV_UNREACHABLE, "the tgtd at %s has ended",
            state_tgtd(u->state, tgtd));
    counters_lost(u->counters, tgtd);
    struct unit_volume *v = NULL;
    while ((v = state_volume_next(u->state, v ? v->v.index : 0))) {
        if (v->tgtd != tgtd)
            continue;
        fail_rules(u, v);
        if (v->v.state == VOLUME_ONLINE)
            state_set_volume(u->state, v, VOLUME_FAILED, 100, why);
    }
    unit_settle(u);
    unit_start_pass(u);
}

int unit_open_passes(struct unit *u, struct dv_err *err)
{
    const struct worker_calls calls = {.made = on_made,
                                       .progress = on_progress,
                                       .done = on_done,
                                       .look = on_look,
                                       .lost = on_lost,
                                       .arg = u};
    u->retry_ms = RETRY_FIRST_MS;
    u->next_pass = loop_timer_new(u->loop, on_next_pass, u);
    u->worker = worker_new(u->loop, u->config, u->state, &calls, err);
    if (!u->worker)
        return -1;
    u->counters = counters_new(u->loop, u->config, u->state, u->journal, on_found, u, err);
    return u->counters ? 0 : -1;
}
