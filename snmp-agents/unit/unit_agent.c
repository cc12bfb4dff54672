// The unit's agent: the engine, and what every member's agent does.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/unit_agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "snmp-agents/member/member_agent.h"
#include "snmp-agents/unit/std/std.h"
#include "snmp-agents/unit/tables.h"
#include "snmp-agents/unit/telling.h"
#include "unit/unit.h"
#include <limits.h>

// The master is connected to when the first pass is over, so that the first reader sees what is
// served; but a tgtd that hangs shall not keep the unit out of the pool's sight.
#define FIRST_PASS_MS 250

struct unit_agent {
    struct loop *loop;
    const struct unit_config *config;
    struct unit *engine;
    struct unit_parts parts; // of it
    struct member member;
    struct member_agent *face;
    struct tables tables;
    struct std *std;
    bool stopping;
    int exit_code;
    struct loop_timer *first_pass;
};

static void connect_master(struct unit_agent *u)
{
    struct dv_err err;
    loop_timer_cancel(u->first_pass);
    struct sn_agent *agent = member_agent_connect(u->face, &err);
    if (agent &&
        (u->std = std_new(agent, u->config, u->parts.state, unit_traffic(u->engine), &err)))
        return;
    log_error("unit", "the unit's tables cannot be offered: %s", err.text);
    u->exit_code = dv_code_exit(err.code);
    loop_stop(u->loop);
}

static void connect_once(void *arg)
{
    struct unit_agent *u = arg;
    if (!member_agent_is_offered(u->face) && !u->stopping)
        connect_master(u);
}

// ---- What the engine tells --------------------------------------------------------------------

static void on_passed(void *arg)
{
    struct unit_agent *u = arg;
    connect_once(u);
    if (unit_is_known(u->engine))
        member_agent_known(u->face);
}

static void on_settled(void *arg)
{
    struct unit_agent *u = arg;
    u->member.state = unit_health(u->engine, &u->tables.last_error);
}

static void on_changed(void *arg)
{
    struct unit_agent *u = arg;
    notifier_changed(member_agent_parts(u->face).notifier);
}

static void on_link(void *arg, uint32_t interface, bool up)
{
    struct unit_agent *u = arg;
    notifier_see(member_agent_parts(u->face).notifier, TELLING_LINK, interface, up, !up);
}

// An address that is not known is empty: then nobody is told to look for the unit there.
static void on_moved(void *arg)
{
    struct unit_agent *u = arg;
    char now[MEMBER_ADDRESS_MAX + 1];
    if (!portals_address(u->parts.state, u->config->member.management_address, now, sizeof(now)))
        now[0] = '\0';
    member_agent_reached_at(u->face, now);
}

static void on_refused(void *arg, const struct unit_volume *volume)
{
    struct unit_agent *u = arg;
    int count = (int)(volume->refused.count & INT_MAX);
    notifier_see(member_agent_parts(u->face).notifier, TELLING_LOGIN, volume->v.index, count,
                 count - 1);
}

// ---- Life -------------------------------------------------------------------------------------

static int open_face(struct unit_agent *u, struct dv_err *err)
{
    u->parts = unit_parts(u->engine);
    const struct journal_identity *id = journal_identity(u->parts.journal);
    u->member = (struct member){.kind = MEMBER_UNIT,
                                .owner = tables_owner(&u->tables),
                                .uuid = id->uuid,
                                .epoch = id->epoch};
    if (journal_load_lead(u->parts.journal, &u->member.lead, err) != 0 ||
        !(u->face = member_agent_new(u->loop, &u->config->member, &u->member, err)))
        return -1;
    struct member_agent_parts face = member_agent_parts(u->face);
    u->tables = (struct tables){.state = u->parts.state,
                                .sets = u->parts.sets,
                                .portals = u->parts.portals,
                                .scalars = face.scalars,
                                .notifier = face.notifier,
                                .announcer = face.announcer,
                                .started_ms = loop_now_ms(),
                                .iqn_prefix = u->config->iqn_prefix};
    on_settled(u);
    on_moved(u);
    state_watch(u->parts.state, on_changed, u);
    return 0;
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
    u->first_pass = loop_timer_new(loop, connect_once, u);
    if ((u->engine = unit_new(loop, config, &calls, err)) && open_face(u, err) == 0) {
        loop_timer_set(u->first_pass, FIRST_PASS_MS);
        if (unit_start(u->engine, member_agent_has_own_keys(u->face), err) == 0)
            return u;
    }
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
    size_t n = portals_links(u->parts.portals, links, DV_COUNT(links));
    member_agent_stop(u->face, links, n, on_told, u);
}

int unit_agent_exit_code(const struct unit_agent *u)
{
    return u->exit_code;
}

bool unit_agent_free(struct unit_agent *u)
{
    if (!u)
        return true;
    loop_timer_free(u->first_pass);
    member_agent_free(u->face);
    std_free(u->std);
    if (u->parts.state)
        state_watch(u->parts.state, NULL, NULL);
    bool all = unit_free(u->engine);
    free(u);
    return all;
}
