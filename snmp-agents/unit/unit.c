// The unit's agent: its parts put together.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/unit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "snmp-agents/unit/accounts.h"
#include "snmp-agents/unit/announcer.h"
#include "snmp-agents/unit/counters.h"
#include "snmp-agents/unit/journal.h"
#include "snmp-agents/unit/notifier.h"
#include "snmp-agents/unit/portals.h"
#include "snmp-agents/unit/reason.h"
#include "snmp-agents/unit/rebuild.h"
#include "snmp-agents/unit/refusal.h"
#include "snmp-agents/unit/std/std.h"
#include "snmp-agents/unit/tables.h"
#include "snmp-agents/unit/take.h"
#include "snmp-agents/unit/tgtd.h"
#include "snmp-agents/unit/worker.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// The master is connected to when the first pass is over, so that the first reader sees what is
// served; but a tgtd that hangs shall not keep the unit out of the pool's sight.
#define FIRST_PASS_MS 250
// How long the master may be away before somebody should look.
#define MASTER_MS 2000
// A pass runs now and then without a cause: see tgt_reconcile. It also takes the counters along.
#define PASS_INTERVAL_MS 5000
// After a failed pass, doubling. A tgtd that comes back is noticed before: see the observer.
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   5000
// So many generations are reserved at once, and so many for each volume, all of which may change
// at once; a restart skips those left over.
#define GENERATIONS            4096
#define GENERATIONS_PER_VOLUME 16

struct unit {
    struct loop *loop;
    const struct unit_config *config;
    struct member member;
    struct media_owner owner; // as media are told
    struct journal *journal;
    struct state *state;
    struct sets *sets;
    struct tables tables;
    struct sn_env *env;
    struct sn_agent *agent; // NULL until the first pass is over
    struct announcer *announcer;
    struct portals *portals;
    struct notifier *notifier;
    struct worker *worker;
    struct tgtd **tgtds; // those that are kept running from here, of number 1, 2..
    uint32_t tgtd_count;
    struct counters *counters;
    struct std *std;

    bool unfinished;                     // the last pass left something to go on with
    bool work_wanted;                    // something changed since the last order was made
    bool *tgtds_answer;                  // they were seen to since the last order was made
    bool *tgtds_there;                   // of number 1, 2..
    bool *tgtds_foreign;                 // which of them have targets that are not ours
    struct dv_err *tgtd_errors;          // why they are not there
    char unrecorded[LAST_ERROR_ROOM];    // why changes cannot be recorded, or ""
    char portals_error[LAST_ERROR_ROOM]; // what is wrong about where tgtds listen, or ""
    uint32_t retry_ms;
    uint32_t reserved; // generations up to this one may be used
    bool had_pass, was_connected, stopping;
    int exit_code;
    struct loop_timer *next_pass, *first_pass, *no_master;
};

// ---- The member's state -----------------------------------------------------------------------

static bool all_there(const struct unit *u)
{
    for (uint32_t i = 0; i < state_groups(u->state); i++)
        if (!u->tgtds_there[i])
            return false;
    return true;
}

static bool all_served(const struct unit *u)
{
    const struct unit_volume *v = NULL;
    const struct unit_medium *m = NULL;
    const struct unit_portal *p = NULL;
    while ((v = state_volume_next(u->state, v ? v->v.index : 0)))
        if (v->v.state == VOLUME_FAILED)
            return false;
    while ((m = state_medium_next(u->state, m ? m->m.index : 0)))
        if (m->m.state == MEDIUM_FAILED)
            return false;
    size_t portals = 0;
    while ((p = state_portal_next(u->state, p ? p->p.index : 0, p ? p->p.group : 0))) {
        if (!p->p.up)
            return false;
        portals++;
    }
    return all_there(u) && portals == u->config->portal_count * state_groups(u->state) &&
           !u->member.last_error[0];
}

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

static void settle(struct unit *u)
{
    enum member_state before = u->member.state;
    if (u->had_pass) {
        char down[LAST_ERROR_ROOM];
        portals_reason(u->portals, down);
        reason_of_unit(u->unrecorded, u->tgtds_there, u->tgtd_errors, state_groups(u->state),
                       down[0] ? down : u->portals_error, u->member.last_error);
    }
    if (u->stopping)
        u->member.state = MEMBER_SHUTTING_DOWN;
    else if (u->agent)
        u->member.state = all_served(u) ? MEMBER_RUNNING : MEMBER_DEGRADED;
    if (u->member.state != before)
        log_info("unit", "the unit is %s", member_state_name(u->member.state));
}

// Whatever changed has taken generations; those of the next start must lie behind them.
static void reserve(struct unit *u)
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

// ---- Passes -----------------------------------------------------------------------------------

static void start_pass(struct unit *u)
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
    for (uint32_t i = 0; i < o->tgtd_count; i++) {
        o->tgtds[i].answers = u->tgtds_answer[i];
        u->tgtds_answer[i] = false;
    }
    worker_start(u->worker, o);
}

static void on_next_pass(void *arg)
{
    start_pass(arg);
}

static void on_work(void *arg, uint32_t volume)
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

static void connect_master(struct unit *u);

static void plan_next_pass(struct unit *u, bool failed)
{
    uint32_t wait = PASS_INTERVAL_MS;
    if (u->work_wanted || u->unfinished) {
        wait = 0;
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
        if (!t->there && (u->tgtds_there[i] || !u->agent))
            log_warning("unit", "nothing of portal group %u is served: %s", i + 1, t->err.text);
        u->tgtds_there[i] = t->there;
        u->tgtd_errors[i] = t->err;
        u->tgtds_foreign[i] = t->foreign;
        if (i < u->tgtd_count)
            tgtd_answered(u->tgtds[i], t->there);
    }
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

static void on_done(void *arg, struct order *o)
{
    struct unit *u = arg;
    struct dv_err err;
    o->set_under_way = sets_under_way(u->sets);
    bool strangers_wait = o->set_under_way && order_has_strangers(o);
    bool failed = order_has_failures(o) || strangers_wait;
    bool postponed = o->postponed, brings = order_brings_volumes(o, u->state);
    u->had_pass = !postponed || !strangers_wait;
    if (!postponed) {
        read_logs(u);
        note_tgtds(u, o);
        order_apply_listeners(o, u->state, u->journal);
        reason_of_portals(o, u->portals_error);
    }
    if (order_apply(o, u->state, u->journal, &err) != 0) {
        log_error("unit", "what was done cannot be recorded and will be done again: %s", err.text);
        failed = true;
        brings = false;
    } else {
        forget_words(u, o);
    }
    u->unfinished = (order_is_unfinished(o) || brings || postponed) && !strangers_wait;
    order_free(o);
    if (postponed && !strangers_wait) {
        start_pass(u);
        return;
    }
    reserve(u);
    check_journal(u);
    if (!u->agent && !u->stopping)
        connect_master(u);
    settle(u);
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
        start_pass(u);
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
    settle(u);
    start_pass(u);
}

// ---- SNMP -------------------------------------------------------------------------------------

static void on_leased(void *arg)
{
    struct unit *u = arg;
    announcer_leased(u->announcer);
}

static void on_master(void *arg, bool connected)
{
    struct unit *u = arg;
    if (!connected) {
        log_warning("unit", "the SNMP master agent is lost");
        notifier_ready(u->notifier, false);
        loop_timer_set(u->no_master, MASTER_MS);
        return;
    }
    loop_timer_cancel(u->no_master);
    log_info("unit", "registered with the SNMP master agent");
    if (u->was_connected) // the station could not read meanwhile: its last word is doubtful
        u->member.lease_end = 0;
    u->was_connected = true;
    announcer_start(u->announcer, u->agent);
    notifier_ready(u->notifier, true);
}

static void on_no_master(void *arg)
{
    struct unit *u = arg;
    const char *socket = u->config->snmp.agentx;
    const char *path = strncmp(socket, "unix:", 5) == 0 ? socket + 5 : socket;
    if (access(path, W_OK) != 0 && errno == EACCES)
        log_warning("unit",
                    "the SNMP master agent's socket %s is closed to this user, so nobody can see "
                    "the unit; agentXPerms in snmpd.conf opens it",
                    socket);
    else
        log_warning("unit",
                    "there is no SNMP master agent at %s, so nobody can see the unit; is snmpd "
                    "running, with this agentXSocket?",
                    socket);
}

static void connect_master(struct unit *u)
{
    struct dv_err err;
    loop_timer_cancel(u->first_pass);
    loop_timer_set(u->no_master, MASTER_MS);
    u->agent = sn_agent_new(u->env, u->config->snmp.agentx, NULL, on_master, u, &err);
    if (u->agent && tables_register(u->agent, &u->tables, &err) == 0 &&
        (u->std = std_new(u->agent, u->config, u->state, counters_traffic(u->counters), &err)))
        return;
    log_error("unit", "the unit's tables cannot be offered: %s", err.text);
    u->exit_code = dv_code_exit(err.code);
    loop_stop(u->loop);
}

static void on_first_pass_slow(void *arg)
{
    struct unit *u = arg;
    if (u->agent || u->stopping)
        return;
    connect_master(u);
    settle(u);
}

static void on_link(void *arg, uint32_t interface, bool up)
{
    struct unit *u = arg;
    settle(u);
    notifier_link(u->notifier, interface, up);
    start_pass(u); // a portal's address may be there now
}

// An address that is not known is empty: then nobody is told to look for the unit there.
static bool find_address(struct unit *u)
{
    char now[sizeof(u->member.address)];
    if (!portals_address(u->state, u->config->snmp.management_address, now, sizeof(now)))
        now[0] = '\0';
    if (strcmp(now, u->member.address) == 0)
        return false;
    dv_copy(u->member.address, sizeof(u->member.address), now);
    if (now[0])
        log_info("unit", "the station reaches this unit at %s", now);
    else
        log_warning("unit", "the unit has no address yet, as %s is to be",
                    u->config->snmp.management_address);
    return true;
}

static void on_moved(void *arg)
{
    struct unit *u = arg;
    (void)find_address(u);
    u->member.lease_end = 0; // the station's last word was about other portals
    settle(u);
    announcer_moved(u->announcer);
    start_pass(u);
}

// ---- Life -------------------------------------------------------------------------------------

static void add_media(struct unit *u)
{
    for (size_t i = 0; i < u->config->media_count; i++) {
        const struct medium_config *c = &u->config->media[i];
        struct medium m = {.index = c->index,
                           .kind = c->kind,
                           .state = MEDIUM_ONLINE,
                           .blocks = c->bytes / BLOCK_SIZE,
                           .reserves = true};
        dv_copy(m.name, sizeof(m.name), c->name);
        state_add_medium(u->state, &m, c->thin);
    }
}

// As they are configured now, for a start that finds them so no more.
static int record_media(struct unit *u, struct dv_err *err)
{
    const struct unit_medium *m = NULL;
    if (journal_begin(u->journal, err) != 0)
        return -1;
    while ((m = state_medium_next(u->state, m ? m->m.index : 0)))
        if (!m->gone && journal_put_medium(u->journal, &m->m, &m->uuid, m->identity, err) != 0) {
            journal_rollback(u->journal);
            return -1;
        }
    return journal_commit(u->journal, err);
}

static int open_journal(struct unit *u, struct dv_err *err)
{
    if (!journal_exists(u->config->state_dir) && rebuild_check_lost(u->config, err) != 0)
        return -1;
    u->journal = journal_open(u->config->state_dir, err);
    if (!u->journal ||
        (journal_identity(u->journal)->epoch == 0 && rebuild_check_lost(u->config, err) != 0))
        return -1;
    const struct journal_identity *id = journal_identity(u->journal);
    dv_copy(u->member.name, sizeof(u->member.name), u->config->name);
    u->state = state_new(id->generation, u->config->tgtd.instances);
    u->reserved = id->generation;
    for (uint32_t group = 1; group <= u->config->tgtd.instances; group++) {
        DV_FREE char *socket = unit_config_tgtd_socket(u->config, group);
        state_add_tgtd(u->state, socket);
    }
    add_media(u);
    if (journal_load(u->journal, u->state, err) != 0 ||
        accounts_mend(u->state, u->journal, err) != 0 || record_media(u, err) != 0 ||
        journal_count_start(u->journal, err) != 0)
        return -1;
    u->tgtds_there = dv_calloc(state_tgtd_count(u->state), sizeof(*u->tgtds_there));
    u->tgtds_answer = dv_calloc(state_tgtd_count(u->state), sizeof(*u->tgtds_answer));
    u->tgtds_foreign = dv_calloc(state_tgtd_count(u->state), sizeof(*u->tgtds_foreign));
    u->tgtd_errors = dv_calloc(state_tgtd_count(u->state), sizeof(*u->tgtd_errors));
    if (journal_load_lead(u->journal, &u->member.lead, err) != 0)
        return -1;
    random_fill(&u->member.spin_lock, sizeof(u->member.spin_lock));
    u->member.spin_lock &= INT32_MAX;
    // Whoever led it when it was stopped has not given it up by that.
    u->member.held_until = loop_now_ms() + u->member.lead.seconds * (uint64_t)1000;
    u->member.uuid = id->uuid;
    u->member.epoch = id->epoch;
    u->member.state = MEMBER_STARTING;
    u->owner = (struct media_owner){id->uuid, rebuild_place(u->config)};
    u->sets = sets_new(u->state, u->journal, on_work, u);
    u->tables = (struct tables){.state = u->state,
                                .sets = u->sets,
                                .member = &u->member,
                                .iqn_prefix = u->config->iqn_prefix,
                                .leased = on_leased,
                                .arg = u};
    return 0;
}

static int open_snmp(struct unit *u, struct dv_err *err)
{
    DV_FREE char *dir = dv_printf("%s/snmp", u->config->state_dir);
    u->env = sn_env_new(u->loop, "dvsan-unit", dir, NULL, err);
    if (!u->env)
        return -1;
    u->announcer = announcer_new(u->loop, u->env, u->config, &u->member, u->state, err);
    return u->announcer ? 0 : -1;
}

// tgtd does not say at which target.
static void on_refused(void *arg, uint32_t tgtd, const char *initiator)
{
    struct unit *u = arg;
    if (!u->tgtds_foreign[tgtd - 1])
        refusal_note(u->state, tgtd, initiator, (int64_t)time(NULL));
    struct unit_volume *v =
        u->tgtds_foreign[tgtd - 1] ? NULL : refusal_volume(u->state, tgtd, initiator);
    if (!v)
        return;
    v->refused.count++;
    v->refused.at_ms = loop_now_ms();
    dv_copy(v->refused.initiator, sizeof(v->refused.initiator), initiator);
    v->counting.changed = true;
    counters_refused(u->counters);
    notifier_login(u->notifier, v);
}

static int start_tgtds(struct unit *u, struct dv_err *err)
{
    const struct tgtd_calls calls = {.refused = on_refused, .arg = u};
    uint32_t count = u->config->tgtd.supervise ? u->config->tgtd.instances : 0;
    u->tgtds = dv_calloc(count + 1, sizeof(struct tgtd *));
    for (uint32_t i = 1; i <= count; i++) {
        struct tgtd *t = tgtd_new(u->loop, u->config, i, &calls, err);
        if (!t)
            return -1;
        u->tgtds[u->tgtd_count++] = t;
    }
    return 0;
}

struct unit *unit_new(struct loop *loop, const struct unit_config *config, struct dv_err *err)
{
    struct unit *u = dv_calloc(1, sizeof(*u));
    const struct worker_calls calls = {.made = on_made,
                                       .progress = on_progress,
                                       .done = on_done,
                                       .look = on_look,
                                       .lost = on_lost,
                                       .arg = u};
    const struct portals_calls portals_calls = {.changed = on_link, .moved = on_moved, .arg = u};
    u->loop = loop;
    u->config = config;
    u->retry_ms = RETRY_FIRST_MS;
    if (open_journal(u, err) != 0 ||
        !(u->portals = portals_new(loop, config, u->state, &portals_calls, err)) ||
        open_snmp(u, err) != 0 || start_tgtds(u, err) != 0 ||
        !(u->worker = worker_new(loop, config, u->state, &calls, err)) ||
        !(u->counters = counters_new(loop, config, u->state, u->journal, on_found, u, err))) {
        unit_free(u);
        return NULL;
    }
    (void)find_address(u);
    u->notifier = notifier_new(loop, u->state, u->portals, u->announcer);
    u->tables.notifier = u->notifier;
    u->tables.announcer = u->announcer;
    u->tables.started_ms = loop_now_ms();
    reserve(u);
    u->next_pass = loop_timer_new(loop, on_next_pass, u);
    u->first_pass = loop_timer_new(loop, on_first_pass_slow, u);
    u->no_master = loop_timer_new(loop, on_no_master, u);
    loop_timer_set(u->first_pass, FIRST_PASS_MS);
    start_pass(u);
    return u;
}

static void on_told(void *arg)
{
    struct unit *u = arg;
    loop_stop(u->loop);
}

void unit_stop(struct unit *u)
{
    if (u->stopping) {
        loop_stop(u->loop);
        return;
    }
    u->stopping = true;
    settle(u);
    struct announcement_link links[8];
    size_t n = portals_links(u->portals, links, DV_COUNT(links));
    announcer_stop(u->announcer, links, n, on_told, u);
}

int unit_exit_code(const struct unit *u)
{
    return u->exit_code;
}

// What would be lost without harm, but need not be.
static void save(struct unit *u)
{
    struct dv_err err;
    if (journal_reserve(u->journal, state_generation(u->state), &err) != 0)
        log_error("unit", "the count of changes cannot be recorded: %s", err.text);
}

void unit_free(struct unit *u)
{
    if (!u)
        return;
    sn_agent_free(u->agent); // it may still make a SET true, which needs all the others
    u->agent = NULL;
    std_free(u->std);
    worker_free(u->worker);
    for (uint32_t i = 0; i < u->tgtd_count; i++)
        tgtd_free(u->tgtds[i]);
    free(u->tgtds);
    loop_timer_free(u->next_pass);
    loop_timer_free(u->first_pass);
    loop_timer_free(u->no_master);
    notifier_free(u->notifier);
    announcer_free(u->announcer);
    counters_free(u->counters);
    sn_env_free(u->env);
    portals_free(u->portals);
    if (u->sets)
        save(u);
    sets_free(u->sets);
    state_free(u->state);
    journal_close(u->journal);
    free(u->tgtds_there);
    free(u->tgtds_answer);
    free(u->tgtds_foreign);
    free(u->tgtd_errors);
    free(u);
}
