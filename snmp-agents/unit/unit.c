// The unit's agent: its parts put together.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/unit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "snmp-agents/unit/identity.h"
#include "snmp-agents/unit/unit_internal.h"
#include "snmp/smi.h"
#include "unit/accounts.h"
#include "unit/rebuild.h"
#include "unit/refusal.h"
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// The master is connected to when the first pass is over, so that the first reader sees what is
// served; but a tgtd that hangs shall not keep the unit out of the pool's sight.
#define FIRST_PASS_MS 250
// How long the master may be away before somebody should look.
#define MASTER_MS 2000

// ---- SNMP -------------------------------------------------------------------------------------

static void on_leased(void *arg)
{
    struct unit *u = arg;
    announcer_leased(u->announcer);
}

static void on_rekeyed(void *arg)
{
    struct unit *u = arg;
    announcer_rekeyed(u->announcer);
}

static void on_master(void *arg, bool connected)
{
    struct unit *u = arg;
    u->connected = connected;
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
    notifier_ready(u->notifier, u->had_pass);
}

static void on_no_master(void *arg)
{
    struct unit *u = arg;
    const char *socket = u->config->member.agentx;
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

void unit_connect_master(struct unit *u)
{
    struct dv_err err;
    loop_timer_cancel(u->first_pass);
    loop_timer_set(u->no_master, MASTER_MS);
    u->agent = sn_agent_new(u->env, u->config->member.agentx, NULL, on_master, u, &err);
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
    unit_connect_master(u);
    unit_settle(u);
}

static void on_link(void *arg, uint32_t interface, bool up)
{
    struct unit *u = arg;
    unit_settle(u);
    notifier_link(u->notifier, interface, up);
    unit_start_pass(u); // a portal's address may be there now
}

// An address that is not known is empty: then nobody is told to look for the unit there.
static bool find_address(struct unit *u)
{
    char now[sizeof(u->member.address)];
    if (!portals_address(u->state, u->config->member.management_address, now, sizeof(now)))
        now[0] = '\0';
    if (strcmp(now, u->member.address) == 0)
        return false;
    dv_copy(u->member.address, sizeof(u->member.address), now);
    if (now[0])
        log_info("unit", "the station reaches this unit at %s", now);
    else
        log_warning("unit", "the unit has no address yet, as %s is to be",
                    u->config->member.management_address);
    return true;
}

static void on_moved(void *arg)
{
    struct unit *u = arg;
    (void)find_address(u);
    u->member.lease_end = 0; // the station's last word was about other portals
    unit_settle(u);
    announcer_moved(u->announcer);
    unit_start_pass(u);
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
    if (!journal_exists(u->config->member.state_dir) && rebuild_check_lost(u->config, err) != 0)
        return -1;
    u->journal = journal_open(u->config->member.state_dir, err);
    if (!u->journal ||
        (journal_identity(u->journal)->epoch == 0 && rebuild_check_lost(u->config, err) != 0))
        return -1;
    const struct journal_identity *id = journal_identity(u->journal);
    dv_copy(u->member.name, sizeof(u->member.name), u->config->member.name);
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
    u->member.spin_lock &= SMI_TEST_AND_INCR_MAX;
    // Whoever led it when it was stopped has not given it up by that.
    u->member.held_until = loop_now_ms() + u->member.lead.seconds * (uint64_t)1000;
    u->member.uuid = id->uuid;
    u->member.epoch = id->epoch;
    u->member.state = MEMBER_STARTING;
    u->owner = (struct media_owner){.unit = id->uuid, .place = rebuild_place(u->config)};
    u->sets = sets_new(u->state, u->journal, unit_work_wanted, u);
    u->tables = (struct tables){.state = u->state,
                                .sets = u->sets,
                                .member = &u->member,
                                .iqn_prefix = u->config->iqn_prefix,
                                .leased = on_leased,
                                .state_dir = u->config->member.state_dir,
                                .rekeyed = on_rekeyed,
                                .arg = u};
    return 0;
}

static int open_snmp(struct unit *u, struct dv_err *err)
{
    DV_FREE char *dir = dv_printf("%s/snmp", u->config->member.state_dir);
    u->env = sn_env_new(u->loop, "dvsan-unit", dir, NULL, err);
    if (!u->env)
        return -1;
    int enrolled = identity_load(u->config->member.state_dir, &u->identity, err);
    if (enrolled < 0)
        return -1;
    u->tables.identity = enrolled ? &u->identity : NULL;
    u->announcer =
        announcer_new(u->loop, u->env, u->config, u->tables.identity, &u->member, u->state, err);
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
    const struct portals_calls portals_calls = {.changed = on_link, .moved = on_moved, .arg = u};
    u->loop = loop;
    u->config = config;
    if (open_journal(u, err) != 0 ||
        !(u->portals = portals_new(loop, config, u->state, &portals_calls, err)) ||
        open_snmp(u, err) != 0 || start_tgtds(u, err) != 0 || unit_open_passes(u, err) != 0) {
        (void)unit_free(u);
        return NULL;
    }
    (void)find_address(u);
    u->notifier = notifier_new(loop, u->state, u->portals, u->announcer);
    u->tables.notifier = u->notifier;
    u->tables.announcer = u->announcer;
    u->tables.started_ms = loop_now_ms();
    unit_reserve(u);
    u->first_pass = loop_timer_new(loop, on_first_pass_slow, u);
    u->no_master = loop_timer_new(loop, on_no_master, u);
    loop_timer_set(u->first_pass, FIRST_PASS_MS);
    unit_start_pass(u);
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
    unit_settle(u);
    struct netlink_interface links[8];
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

bool unit_free(struct unit *u)
{
    if (!u)
        return true;
    sn_agent_free(u->agent); // it may still make a SET true, which needs all the others
    u->agent = NULL;
    std_free(u->std);
    bool all = worker_free(u->worker);
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
    grant_wipe(&u->identity);
    free(u);
    return all;
}
