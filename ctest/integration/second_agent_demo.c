// An agent of another kind of member than a unit: a host's, which has services and no volumes.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: second_agent_demo CONFIG STATE_DIR UUID NAME
// What every agent does comes from snmp-agents/member, and it is linked with nothing of a unit.
// CONFIG is a unit's file, of which the part is read that all members have: it stands beside that
// unit's snmpd. Its own are a table of two services, a notification when one changes, and a line
// in its announcements. SIGUSR1 stops the first service, or starts it; SIGTERM ends the agent,
// which says good-bye. `second_agent_demo CONFIG STATE_DIR UUID NAME CODE` enrols it.
#include "base/log.h"
#include "base/mem.h"
#include "config/unit_config.h"
#include "snmp-agents/member/enrol.h"
#include "snmp-agents/member/member_agent.h"
#include "snmp-agents/member/table.h"
#include <signal.h>
#include <stdio.h>

enum { SERVICE_RUNS = 1, SERVICE_STANDS = 2 };
enum { COLUMN_NAME = 2, COLUMN_STATE = 3 };

// Below the root of dvsan and of no module of it.
static const struct sn_oid ROOT = {.len = 12,
                                   .id = {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 21137, 9, 1}};

struct service {
    const char *name;
    int32_t state;
};

struct demo {
    struct loop *loop;
    struct member_config config;
    struct member member;
    struct member_agent *agent;
    struct service services[2];
    uint32_t generation;
};

// ---- The table --------------------------------------------------------------------------------

TABLE_GET(get_name, struct service, s, sn_text(s->name))
TABLE_GET(get_state, struct service, s, sn_int(s->state))

static const struct sn_column COLUMNS[] = {
    {COLUMN_NAME, SN_OCTETS, SN_READ_ONLY, 0, 0, get_name},
    {COLUMN_STATE, SN_INT, SN_READ_ONLY, 0, 0, get_state},
};

static const void *find(void *ctx, const uint32_t *index, size_t len)
{
    const struct demo *d = ctx;
    bool there = len == 1 && index[0] >= 1 && index[0] <= DV_COUNT(d->services);
    return there ? &d->services[index[0] - 1] : NULL;
}

static const void *next(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                        size_t *out_len)
{
    uint32_t after = len > 0 ? index[0] : 0;
    out[0] = after + 1;
    *out_len = 1;
    return after < UINT32_MAX ? find(ctx, out, 1) : NULL;
}

static struct sn_table services_table = {.name = "services",
                                         .columns = COLUMNS,
                                         .column_count = DV_COUNT(COLUMNS),
                                         .find = find,
                                         .next = next};

// ---- What the agent brings --------------------------------------------------------------------

static uint32_t generation(void *arg)
{
    return ((struct demo *)arg)->generation;
}

static struct sn_oid under_root(uint32_t column, uint32_t index)
{
    return sn_oid_join(&services_table.entry, (uint32_t[]){column, index}, 2);
}

static void announce(void *arg, struct announcement *a)
{
    const struct demo *d = arg;
    for (uint32_t i = 0; i < DV_COUNT(d->services); i++)
        announcement_add(a, under_root(COLUMN_STATE, i + 1), sn_int(d->services[i].state));
}

static int offer(void *arg, struct sn_agent *agent, struct dv_err *err)
{
    return sn_agent_table(agent, &services_table, arg, err);
}

static void look(void *arg, struct news *n)
{
    const struct demo *d = arg;
    for (uint32_t i = 0; i < DV_COUNT(d->services); i++)
        news_see(n, 0, i + 1, d->services[i].state, SERVICE_RUNS);
}

static void tell(void *arg, unsigned kind, uint32_t index, int state)
{
    struct demo *d = arg;
    struct sn_oid trap = sn_oid_append(&ROOT, 2);
    struct announcement a;
    (void)kind;
    announcement_begin(&a, &trap);
    announcement_add(&a, under_root(COLUMN_STATE, index), sn_int(state));
    announcer_tell_others(member_agent_parts(d->agent).announcer, &a);
}

// Who leads it is known as long as it runs: it keeps nothing on disk.
static void *stage(void *arg, uint32_t request, const struct lead *next, const struct lead *now)
{
    (void)arg, (void)request, (void)next, (void)now;
    return NULL;
}

// ---- Life -------------------------------------------------------------------------------------

static void on_user(void *arg)
{
    struct demo *d = arg;
    struct service *s = &d->services[0];
    s->state = s->state == SERVICE_RUNS ? SERVICE_STANDS : SERVICE_RUNS;
    d->generation++;
    notifier_changed(member_agent_parts(d->agent).notifier);
}

static void on_told(void *arg)
{
    loop_stop(arg);
}

static void on_term(void *arg)
{
    struct demo *d = arg;
    d->member.state = MEMBER_SHUTTING_DOWN;
    member_agent_stop(d->agent, NULL, 0, on_told, d->loop);
}

static int run(struct demo *d, struct dv_err *err)
{
    static const struct news_kind kinds[] = {{.most = 0}};
    d->member.owner = (struct member_owner){.generation = generation,
                                            .announce = announce,
                                            .offer = offer,
                                            .kinds = kinds,
                                            .kind_count = DV_COUNT(kinds),
                                            .look = look,
                                            .tell = tell,
                                            .stage = stage,
                                            .arg = d};
    d->agent = member_agent_new(d->loop, &d->config, &d->member, err);
    if (!d->agent)
        return -1;
    member_agent_reached_at(d->agent, d->config.management_address);
    if (!member_agent_connect(d->agent, err))
        return -1;
    d->member.state = MEMBER_RUNNING;
    member_agent_known(d->agent);
    struct loop_signal *term = loop_signal_new(d->loop, SIGTERM, on_term, d);
    struct loop_signal *user = loop_signal_new(d->loop, SIGUSR1, on_user, d);
    loop_run(d->loop);
    loop_signal_free(term);
    loop_signal_free(user);
    return 0;
}

static int own_uuid(const struct enrol_member *m, struct dv_uuid *out, struct dv_err *err)
{
    (void)err;
    *out = *(const struct dv_uuid *)m->arg;
    return 0;
}

static int enrol(const struct demo *d, const char *path, const char *code, struct dv_err *err)
{
    const struct enrol_member m = {.config = &d->config,
                                   .config_path = path,
                                   .kind = d->member.kind,
                                   .address = d->config.management_address,
                                   .uuid = own_uuid,
                                   .arg = &d->member.uuid};
    return enrol_by_code(&m, code, NULL, false, err);
}

int main(int argc, char **argv)
{
    struct dv_err err = {0};
    struct demo d = {.member = {.kind = MEMBER_HOST, .epoch = 1},
                     .services = {{"web", SERVICE_RUNS}, {"mail", SERVICE_RUNS}},
                     .generation = 1};
    log_init("second_agent_demo", LOG_LEVEL_INFO);
    struct unit_config *file = argc >= 5 ? unit_config_load(argv[1], &err) : NULL;
    if (!file || !uuid_parse(argv[3], &d.member.uuid)) {
        fprintf(stderr, "second_agent_demo: CONFIG STATE_DIR UUID NAME [CODE]: %s\n", err.text);
        return 2;
    }
    services_table.entry = sn_oid_append(&ROOT, 1);
    d.config = file->member;
    d.config.state_dir = argv[2];
    dv_copy(d.config.name, sizeof(d.config.name), argv[4]);
    d.loop = loop_new();
    int rc = argc > 5 ? enrol(&d, argv[1], argv[5], &err) : run(&d, &err);
    if (rc != 0)
        log_error("host", "%s", err.text);
    member_agent_free(d.agent);
    loop_free(d.loop);
    unit_config_free(file);
    return rc == 0 ? 0 : dv_code_exit(err.code);
}
