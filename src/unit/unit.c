// The engine of a unit: its parts put together.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "unit/accounts.h"
#include "unit/rebuild.h"
#include "unit/refusal.h"
#include "unit/unit_internal.h"
#include <time.h>

static void on_link(void *arg, uint32_t interface, bool up)
{
    struct unit *u = arg;
    unit_settle(u);
    u->calls.link(u->calls.arg, interface, up);
    unit_start_pass(u); // a portal's address may be there now
}

static void on_moved(void *arg)
{
    struct unit *u = arg;
    unit_settle(u);
    u->calls.moved(u->calls.arg);
    unit_start_pass(u);
}

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
    u->owner = (struct media_owner){.unit = id->uuid, .place = rebuild_place(u->config)};
    u->sets = sets_new(u->state, u->journal, unit_work_wanted, u);
    return 0;
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
    u->calls.refused(u->calls.arg, v);
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

struct unit *unit_new(struct loop *loop, const struct unit_config *config,
                      const struct unit_calls *calls, struct dv_err *err)
{
    struct unit *u = dv_calloc(1, sizeof(*u));
    const struct portals_calls portals_calls = {.changed = on_link, .moved = on_moved, .arg = u};
    *u = (struct unit){.loop = loop, .config = config, .calls = *calls, .health = MEMBER_STARTING};
    if (open_journal(u, err) == 0 &&
        (u->portals = portals_new(loop, config, u->state, &portals_calls, err)))
        return u;
    (void)unit_free(u);
    return NULL;
}

int unit_start(struct unit *u, bool proves, struct dv_err *err)
{
    u->proves = proves;
    if (start_tgtds(u, err) != 0 || unit_open_passes(u, err) != 0)
        return -1;
    unit_reserve(u);
    unit_start_pass(u);
    return 0;
}

void unit_stop(struct unit *u)
{
    u->stopping = true;
    unit_settle(u);
}

enum member_state unit_health(const struct unit *u, const char **why)
{
    *why = u->last_error;
    return u->health;
}

bool unit_is_known(const struct unit *u)
{
    return u->had_pass;
}

struct unit_parts unit_parts(const struct unit *u)
{
    return (struct unit_parts){u->journal, u->state, u->sets, u->portals};
}

const struct traffic *const *unit_traffic(const struct unit *u)
{
    return counters_traffic(u->counters);
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
    bool all = worker_free(u->worker);
    for (uint32_t i = 0; i < u->tgtd_count; i++)
        tgtd_free(u->tgtds[i]);
    free(u->tgtds);
    loop_timer_free(u->next_pass);
    counters_free(u->counters);
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
    return all;
}
