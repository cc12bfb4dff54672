// The unit's agent: the engine and its face.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/unit_agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "snmp-agents/unit/identity.h"
#include "snmp-agents/unit/std/std.h"
#include "snmp-agents/unit/tables.h"
#include "snmp/smi.h"
#include "unit/unit.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

// The master is connected to when the first pass is over, so that the first reader sees what is
// served; but a tgtd that hangs shall not keep the unit out of the pool's sight.
#define FIRST_PASS_MS 250
// How long the master may be away before somebody should look.
#define MASTER_MS 2000

struct unit_agent {
    struct loop *loop;
    const struct unit_config *config;
    struct unit *engine;
    struct member member;
    struct grant identity; // of an enrolled unit
    struct tables tables;
    struct sn_env *env;
    struct sn_agent *agent; // NULL until the first pass is over
    struct announcer *announcer;
    struct notifier *notifier;
    struct std *std;
    bool connected, was_connected, stopping;
    int exit_code;
    struct loop_timer *first_pass, *no_master;
};

// ---- SNMP -------------------------------------------------------------------------------------

static void on_leased(void *arg)
{
    struct unit_agent *u = arg;
    announcer_leased(u->announcer);
}

static void on_rekeyed(void *arg)
{
    struct unit_agent *u = arg;
    announcer_rekeyed(u->announcer);
}

static void on_master(void *arg, bool connected)
{
    struct unit_agent *u = arg;
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
    notifier_ready(u->notifier, unit_is_known(u->engine));
}

static void on_no_master(void *arg)
{
    struct unit_agent *u = arg;
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

static void connect_master(struct unit_agent *u)
{
    struct dv_err err;
    loop_timer_cancel(u->first_pass);
    loop_timer_set(u->no_master, MASTER_MS);
    u->agent = sn_agent_new(u->env, u->config->member.agentx, NULL, on_master, u, &err);
    if (u->agent && tables_register(u->agent, &u->tables, &err) == 0 &&
        (u->std =
             std_new(u->agent, u->config, unit_state(u->engine), unit_traffic(u->engine), &err)))
        return;
    log_error("unit", "the unit's tables cannot be offered: %s", err.text);
    u->exit_code = dv_code_exit(err.code);
    loop_stop(u->loop);
}

static void on_first_pass_slow(void *arg)
{
    struct unit_agent *u = arg;
    if (u->agent || u->stopping)
        return;
    connect_master(u);
}

// ---- What the engine tells --------------------------------------------------------------------

static void on_passed(void *arg)
{
    struct unit_agent *u = arg;
    if (!u->agent && !u->stopping)
        connect_master(u);
    notifier_ready(u->notifier, u->connected && unit_is_known(u->engine));
}

static void on_settled(void *arg)
{
    struct unit_agent *u = arg;
    const char *why;
    u->member.state = unit_health(u->engine, &why);
    dv_copy(u->member.last_error, sizeof(u->member.last_error), why);
}

static void on_link(void *arg, uint32_t interface, bool up)
{
    struct unit_agent *u = arg;
    notifier_link(u->notifier, interface, up);
}

// An address that is not known is empty: then nobody is told to look for the unit there.
static bool find_address(struct unit_agent *u)
{
    char now[sizeof(u->member.address)];
    if (!portals_address(unit_state(u->engine), u->config->member.management_address, now,
                         sizeof(now)))
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
    struct unit_agent *u = arg;
    (void)find_address(u);
    u->member.lease_end = 0; // the station's last word was about other portals
    announcer_moved(u->announcer);
}

static void on_refused(void *arg, const struct unit_volume *volume)
{
    struct unit_agent *u = arg;
    notifier_login(u->notifier, volume);
}

// ---- Life -------------------------------------------------------------------------------------

static int open_member(struct unit_agent *u, struct dv_err *err)
{
    const struct journal_identity *id = journal_identity(unit_journal(u->engine));
    struct member *m = &u->member;
    if (journal_load_lead(unit_journal(u->engine), &m->lead, err) != 0)
        return -1;
    random_fill(&m->spin_lock, sizeof(m->spin_lock));
    m->spin_lock &= SMI_TEST_AND_INCR_MAX;
    // Whoever led it when it was stopped has not given it up by that.
    m->held_until = loop_now_ms() + m->lead.seconds * (uint64_t)1000;
    dv_copy(m->name, sizeof(m->name), u->config->member.name);
    m->uuid = id->uuid;
    m->epoch = id->epoch;
    m->state = MEMBER_STARTING;
    u->tables = (struct tables){.state = unit_state(u->engine),
                                .sets = unit_sets(u->engine),
                                .member = m,
                                .iqn_prefix = u->config->iqn_prefix,
                                .leased = on_leased,
                                .state_dir = u->config->member.state_dir,
                                .rekeyed = on_rekeyed,
                                .arg = u};
    return 0;
}

static int open_snmp(struct unit_agent *u, struct dv_err *err)
{
    DV_FREE char *dir = dv_printf("%s/snmp", u->config->member.state_dir);
    u->env = sn_env_new(u->loop, "dvsan-unit", dir, NULL, err);
    if (!u->env)
        return -1;
    int enrolled = identity_load(u->config->member.state_dir, &u->identity, err);
    if (enrolled < 0)
        return -1;
    u->tables.identity = enrolled ? &u->identity : NULL;
    u->announcer = announcer_new(u->loop, u->env, u->config, u->tables.identity, &u->member,
                                 unit_state(u->engine), err);
    return u->announcer ? 0 : -1;
}

struct unit_agent *unit_agent_new(struct loop *loop, const struct unit_config *config,
                                  struct dv_err *err)
{
    struct unit_agent *u = dv_calloc(1, sizeof(*u));
    const struct unit_calls calls = {.passed = on_passed,
                                     .settled = on_settled,
                                     .link = on_link,
                                     .moved = on_moved,
                                     .refused = on_refused,
                                     .arg = u};
    u->loop = loop;
    u->config = config;
    if (!(u->engine = unit_new(loop, config, &calls, err)) || open_member(u, err) != 0 ||
        open_snmp(u, err) != 0) {
        (void)unit_agent_free(u);
        return NULL;
    }
    (void)find_address(u);
    u->notifier = notifier_new(loop, unit_state(u->engine), unit_portals(u->engine), u->announcer);
    u->tables.notifier = u->notifier;
    u->tables.announcer = u->announcer;
    u->tables.started_ms = loop_now_ms();
    u->first_pass = loop_timer_new(loop, on_first_pass_slow, u);
    u->no_master = loop_timer_new(loop, on_no_master, u);
    loop_timer_set(u->first_pass, FIRST_PASS_MS);
    if (unit_start(u->engine, u->identity.number > 0, err) == 0)
        return u;
    (void)unit_agent_free(u);
    return NULL;
}

static void on_told(void *arg)
{
    struct unit_agent *u = arg;
    loop_stop(u->loop);
}

void unit_agent_stop(struct unit_agent *u)
{
    if (u->stopping) {
        loop_stop(u->loop);
        return;
    }
    u->stopping = true;
    unit_stop(u->engine);
    struct netlink_interface links[8];
    size_t n = portals_links(unit_portals(u->engine), links, DV_COUNT(links));
    announcer_stop(u->announcer, links, n, on_told, u);
}

int unit_agent_exit_code(const struct unit_agent *u)
{
    return u->exit_code;
}

bool unit_agent_free(struct unit_agent *u)
{
    if (!u)
        return true;
    sn_agent_free(u->agent); // it may still make a SET true, which needs all the others
    u->agent = NULL;
    std_free(u->std);
    loop_timer_free(u->first_pass);
    loop_timer_free(u->no_master);
    notifier_free(u->notifier);
    announcer_free(u->announcer);
    sn_env_free(u->env);
    bool all = unit_free(u->engine);
    grant_wipe(&u->identity);
    free(u);
    return all;
}
