// What every member's agent does: its parts put together.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/member_agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "snmp-agents/member/identity.h"
#include "snmp/smi.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

// How long the master may be away before somebody should look.
#define MASTER_MS 2000

struct member_agent {
    struct loop *loop;
    const struct member_config *config;
    struct member *member;
    const char *kind;      // of the member, in words
    struct grant identity; // of an enrolled member
    struct scalars scalars;
    struct sn_env *env;
    struct sn_agent *agent; // NULL until the tables were offered
    struct announcer *announcer;
    struct notifier *notifier;
    struct loop_timer *no_master;
    bool connected, was_connected, known;
};

// ---- The master -------------------------------------------------------------------------------

static void on_leased(void *arg)
{
    struct member_agent *a = arg;
    announcer_leased(a->announcer);
}

static void on_rekeyed(void *arg)
{
    struct member_agent *a = arg;
    announcer_rekeyed(a->announcer);
}

static void on_master(void *arg, bool connected)
{
    struct member_agent *a = arg;
    a->connected = connected;
    notifier_ready(a->notifier, connected && a->known);
    if (!connected) {
        log_warning(a->kind, "the SNMP master agent is lost");
        loop_timer_set(a->no_master, MASTER_MS);
        return;
    }
    loop_timer_cancel(a->no_master);
    log_info(a->kind, "registered with the SNMP master agent");
    if (a->was_connected) // the station could not read meanwhile: its last word is doubtful
        a->member->lease_end = 0;
    a->was_connected = true;
    announcer_start(a->announcer, a->agent);
}

static void on_no_master(void *arg)
{
    struct member_agent *a = arg;
    const char *socket = a->config->agentx;
    const char *path = strncmp(socket, "unix:", 5) == 0 ? socket + 5 : socket;
    if (access(path, W_OK) != 0 && errno == EACCES)
        log_warning(a->kind,
                    "the SNMP master agent's socket %s is closed to this user, so nobody can see "
                    "the %s; agentXPerms in snmpd.conf opens it",
                    socket, a->kind);
    else
        log_warning(a->kind,
                    "there is no SNMP master agent at %s, so nobody can see the %s; is snmpd "
                    "running, with this agentXSocket?",
                    socket, a->kind);
}

struct sn_agent *member_agent_connect(struct member_agent *a, struct dv_err *err)
{
    const struct member_owner *o = &a->member->owner;
    loop_timer_set(a->no_master, MASTER_MS);
    a->agent = sn_agent_new(a->env, a->config->agentx, NULL, on_master, a, err);
    bool good = a->agent && sn_agent_table(a->agent, &scalars_table, &a->scalars, err) == 0 &&
                o->offer(o->arg, a->agent, err) == 0;
    return good ? a->agent : NULL;
}

bool member_agent_is_offered(const struct member_agent *a)
{
    return a->agent != NULL;
}

void member_agent_known(struct member_agent *a)
{
    a->known = true;
    notifier_ready(a->notifier, a->connected);
}

void member_agent_reached_at(struct member_agent *a, const char *address)
{
    struct member *m = a->member;
    if (strcmp(address, m->address) != 0) {
        dv_copy(m->address, sizeof(m->address), address);
        if (*address)
            log_info(a->kind, "the station reaches this %s at %s", a->kind, address);
        else
            log_warning(a->kind, "the %s has no address yet, as %s is to be", a->kind,
                        a->config->management_address);
    }
    m->lease_end = 0;
    announcer_moved(a->announcer);
}

// ---- Life -------------------------------------------------------------------------------------

static void open_member(struct member_agent *a)
{
    struct member *m = a->member;
    random_fill(&m->spin_lock, sizeof(m->spin_lock));
    m->spin_lock &= SMI_TEST_AND_INCR_MAX;
    // Whoever led it when it was stopped has not given it up by that.
    m->held_until = loop_now_ms() + m->lead.seconds * (uint64_t)1000;
    dv_copy(m->name, sizeof(m->name), a->config->name);
    m->state = MEMBER_STARTING;
}

static int open_snmp(struct member_agent *a, struct dv_err *err)
{
    DV_FREE char *dir = dv_printf("%s/snmp", a->config->state_dir);
    DV_FREE char *app = dv_printf("dvsan-%s", a->kind);
    a->env = sn_env_new(a->loop, app, dir, NULL, err);
    if (!a->env)
        return -1;
    int enrolled = identity_load(a->config->state_dir, &a->identity, err);
    if (enrolled < 0)
        return -1;
    a->scalars = (struct scalars){.member = a->member,
                                  .identity = enrolled ? &a->identity : NULL,
                                  .state_dir = a->config->state_dir,
                                  .leased = on_leased,
                                  .rekeyed = on_rekeyed,
                                  .arg = a};
    a->announcer = announcer_new(a->loop, a->env, a->config, a->scalars.identity, a->member, err);
    return a->announcer ? 0 : -1;
}

struct member_agent *member_agent_new(struct loop *loop, const struct member_config *config,
                                      struct member *member, struct dv_err *err)
{
    struct member_agent *a = dv_calloc(1, sizeof(*a));
    *a = (struct member_agent){
        .loop = loop, .config = config, .member = member, .kind = member_kind_name(member->kind)};
    open_member(a);
    if (open_snmp(a, err) != 0) {
        member_agent_free(a);
        return NULL;
    }
    a->notifier = notifier_new(loop, &member->owner);
    a->no_master = loop_timer_new(loop, on_no_master, a);
    return a;
}

void member_agent_free(struct member_agent *a)
{
    if (!a)
        return;
    sn_agent_free(a->agent);
    loop_timer_free(a->no_master);
    notifier_free(a->notifier);
    announcer_free(a->announcer);
    sn_env_free(a->env);
    grant_wipe(&a->identity);
    free(a);
}

void member_agent_stop(struct member_agent *a, const struct netlink_interface *links, size_t count,
                       loop_fn *done, void *arg)
{
    announcer_stop(a->announcer, links, count, done, arg);
}

struct member_agent_parts member_agent_parts(struct member_agent *a)
{
    return (struct member_agent_parts){&a->scalars, a->announcer, a->notifier};
}

bool member_agent_has_own_keys(const struct member_agent *a)
{
    return a->identity.number > 0;
}
