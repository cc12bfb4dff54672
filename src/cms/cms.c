// The station's context: opening and closing it, and what it is asked.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cms/core/auth.h"
#include "cms/core/codes.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/seal.h"
#include "cms/core/station.h"
#include "cms/follow.h"
#include "cms/join/enrol.h"
#include "cms/join/enrol_door.h"
#include "cms/join/join.h"
#include "cms/member/lead.h"
#include "cms/member/link.h"
#include "cms/member/link_run.h"
#include "cms/pool/pool.h"
#include "cms/request/request.h"
#include "cms/unit/unit_facet.h"
#include "store/store.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// By enum member_kind.
static const struct facet *const facets[] = {[MEMBER_UNIT] = &unit_facet};

#define ENGINE_KEY "engine"  // the setting that holds the station's snmpEngineID
#define UUID_KEY   "station" // the setting that holds the station's UUID

// ---- Changing ------------------------------------------------------------------------------

// On the ledger's thread.
static int write_changes(void *arg, const struct changes *c, enum ledger_weight weight,
                         struct dv_err *err)
{
    const struct cms *cms = arg;
    return store_apply(cms->store, c, weight == LEDGER_KEPT, err);
}

// ---- Opening -------------------------------------------------------------------------------

static int open_state(struct cms *cms, struct dv_err *err)
{
    const char *dir = cms->config->state_dir;
    DV_FREE char *store = dv_printf("%s/pool.db", dir);
    DV_FREE char *key = dv_printf("%s/key", dir);
    if (file_make_dirs(dir, 0700, err) < 0)
        return -1;
    cms->store = store_open(store, err); // which locks it
    if (!cms->store)
        return err->code == DV_BUSY
                   ? dv_fail(err, DV_BUSY,
                             "another dvsan-cms uses %s: stop it, or give this one another "
                             "state folder",
                             dir)
                   : -1;
    cms->seal = seal_new(key, cms->store, err);
    return cms->seal ? codes_load(&cms->codes, cms->store, cms->seal, err) : -1;
}

static void apply_part(void *pool, struct changes *part)
{
    pool_apply(pool, part);
}

static int load(struct cms *cms, struct dv_err *err)
{
    int rc = store_load(cms->store, apply_part, cms->pool, err);
    if (rc == 0)
        rc = store_last_ids(cms->store, &cms->last, err);
    if (rc == 0)
        rc = events_load(cms, err);
    return rc;
}

// Made with the store, so that whoever starts with an empty one is another station.
static int identify(struct cms *cms, struct dv_err *err)
{
    DV_FREE void *kept = NULL;
    size_t len;
    char host[64] = "?";
    if (store_get(cms->store, UUID_KEY, &kept, &len, err) < 0)
        return -1;
    cms->uuid = uuid_random();
    if (kept && len == sizeof(cms->uuid.b))
        memcpy(cms->uuid.b, kept, sizeof(cms->uuid.b));
    if (kept && (len != sizeof(cms->uuid.b) || uuid_is_zero(&cms->uuid)))
        return dv_fail(err, DV_DAMAGED,
                       "the store is damaged: the station's UUID in it is not one; put a backup of "
                       "pool.db in its place");
    if (!kept && store_set(cms->store, UUID_KEY, cms->uuid.b, sizeof(cms->uuid.b), err) < 0)
        return -1;
    (void)gethostname(host, sizeof(host) - 1);
    snprintf(cms->name, sizeof(cms->name), "%.32s at %.46s:%u on %.32s", cms->config->name,
             cms->config->http.address, cms->config->http.port, host);
    text_make_printable(cms->name);
    if (store_begin_run(cms->store, err) < 0)
        return -1;
    const struct lead_run *runs = store_runs(cms->store, &cms->run_count);
    cms->runs = dv_calloc(cms->run_count, sizeof(*runs));
    memcpy(cms->runs, runs, cms->run_count * sizeof(*runs));
    return 0;
}

// Members have pinned the engine: it is the one in the store; of a store that has none yet the one
// on disk, and of a new station the one that its key gives.
static int own_engine(struct cms *cms, const char *dir, struct sn_engine_id *out,
                      struct dv_err *err)
{
    DV_FREE void *kept = NULL;
    DV_FREE char *file = dv_printf("%s/engine", dir);
    struct engine_id id;
    size_t len;
    *out = (struct sn_engine_id){.len = 0};
    if (store_get(cms->store, ENGINE_KEY, &kept, &len, err) < 0)
        return -1;
    if (kept && (len < 5 || len > sizeof(out->b)))
        return dv_fail(err, DV_DAMAGED,
                       "the store is damaged: the station's engine ID in it is not one; put a "
                       "backup of pool.db in its place");
    if (kept) {
        out->len = (uint8_t)len;
        memcpy(out->b, kept, len);
    } else if (access(file, F_OK) != 0) {
        seal_engine_id(cms->seal, &id);
        out->len = id.len;
        memcpy(out->b, id.b, id.len);
    }
    return 0;
}

static int keep_engine(struct cms *cms, struct dv_err *err)
{
    struct sn_engine_id own;
    DV_FREE void *kept = NULL;
    size_t len;
    sn_env_engine_id(cms->env, &own);
    if (store_get(cms->store, ENGINE_KEY, &kept, &len, err) < 0)
        return -1;
    return kept ? 0 : store_set(cms->store, ENGINE_KEY, own.b, own.len, err);
}

static int open_network(struct cms *cms, struct dv_err *err)
{
    const struct user_config *notify = &cms->config->snmp.notify;
    const struct sn_user user = {
        .name = notify->name, .auth_pass = notify->auth_pass, .priv_pass = notify->priv_pass};
    DV_FREE char *dir = dv_printf("%s/snmp", cms->config->state_dir);
    struct sn_engine_id engine;
    if (own_engine(cms, dir, &engine, err) < 0)
        return -1;
    cms->env = sn_env_new(cms->loop, "dvsan-cms", dir, engine.len ? &engine : NULL, err);
    if (!cms->env || keep_engine(cms, err) < 0)
        return -1;
    cms->listener =
        sn_listener_new(cms->env, cms->config->snmp.listen, join_notification, cms, err);
    if (!cms->listener || (*user.name && sn_listener_add_user(cms->listener, &user, err) < 0))
        return -1;
    enrol_open(cms);
    return enrol_resume(cms, err);
}

// Nothing is known of a unit's state until it has answered, whatever it was before.
static void resume(struct cms *cms)
{
    for (struct pool_unit *u = cms->pool->units; u; u = u->hh.next) {
        if (!trust_is_taken(u->rec.trust))
            continue;
        struct sn_engine_id engine = {.len = u->rec.engine_id_len};
        struct dv_err err;
        memcpy(engine.b, u->rec.engine_id, sizeof(u->rec.engine_id));
        struct unit_link *link = link_new(cms, MEMBER_UNIT, &u->rec.uuid, u->rec.name,
                                          u->rec.address, &engine, "", &err);
        if (link)
            link->state_before = u->rec.state;
        else
            log_error("join", "%s cannot be asked until it announces itself: %s", u->rec.name,
                      err.text);
        if (u->rec.state == UNIT_UP || u->rec.state == UNIT_DEGRADED)
            u->rec.state = UNIT_JOINING;
    }
    lead_orders_of_last_run(cms);
}

// --init may have left the admin's first password, which has no other use than this.
static int authenticate(struct cms *cms, char **password, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/" AUTH_FIRST_PASSWORD, cms->config->state_dir);
    char *first = NULL;
    if (!file_is_missing(path) && secret_read_file(path, &first, err) < 0)
        return -1;
    cms->auth = auth_new(cms->store, cms->last.token, first, password, err);
    secret_free(first);
    if (cms->auth)
        unlink(path);
    return cms->auth ? 0 : -1;
}

struct cms *cms_new(struct loop *loop, const struct cms_config *config, char **password,
                    struct dv_err *err)
{
    struct cms *cms = dv_calloc(1, sizeof(*cms));
    pthread_condattr_t monotonic;
    *password = NULL;
    cms->loop = loop;
    cms->config = config;
    cms->provision = (struct sn_user){.name = config->snmp.provision.name,
                                      .auth_pass = config->snmp.provision.auth_pass,
                                      .priv_pass = config->snmp.provision.priv_pass};
    cms->pool = pool_new();
    cms->task_ways = task_ways;
    cms->facets = facets;
    pthread_mutex_init(&cms->tasks_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&cms->tasks_changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    // The password comes last: it is shown once, so nothing may fail after it was made.
    if (open_state(cms, err) < 0 || load(cms, err) < 0 || identify(cms, err) < 0 ||
        open_network(cms, err) < 0 || authenticate(cms, password, err) < 0) {
        cms_free(cms);
        return NULL;
    }
    const struct ledger_owner owner = {write_changes, follow_changes, cms};
    cms->ledger = ledger_new(loop, &owner); // the store is its own from here on
    resume(cms);
    return cms;
}

void cms_free(struct cms *cms)
{
    if (!cms)
        return;
    enrol_door_free(cms->door);
    codes_free(&cms->codes);
    sn_listener_free(cms->listener);
    while (cms->links)
        link_free(cms->links);
    sn_env_free(cms->env);
    ledger_free(cms->ledger);
    auth_free(cms->auth);
    seal_free(cms->seal);
    store_free(cms->store);
    free(cms->runs);
    free(cms->events);
    pool_free(cms->pool);
    pthread_cond_destroy(&cms->tasks_changed);
    pthread_mutex_destroy(&cms->tasks_lock);
    free(cms);
}

// ---- Asking --------------------------------------------------------------------------------

struct pool *cms_pool(struct cms *cms)
{
    return cms->pool;
}

const struct cms_config *cms_config(const struct cms *cms)
{
    return cms->config;
}

void cms_notification_stats(const struct cms *cms, struct sn_listener_stats *out)
{
    sn_listener_stats(cms->listener, out);
    out->dropped_malformed += cms->bad_announcements;
}

enum auth_answer cms_look_login(struct cms *cms, const char *user, const char *secret)
{
    return auth_look(cms->auth, user, secret);
}

bool cms_check_password(struct cms *cms, const char *password)
{
    return auth_check_password(cms->auth, password);
}

struct ledger *cms_ledger(struct cms *cms)
{
    return cms->ledger;
}

int cms_create_token(struct cms *cms, const char *name, char token[65], uint64_t *id,
                     struct dv_err *err)
{
    struct changes c = {0};
    if (auth_create_token(cms->auth, name, &c, token, id, err) < 0)
        return -1;
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

int cms_delete_token(struct cms *cms, uint64_t id, struct dv_err *err)
{
    struct changes c = {0};
    if (auth_delete_token(cms->auth, id, &c, err) < 0)
        return -1;
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

const struct token_record *cms_tokens(const struct cms *cms, size_t *count)
{
    return auth_tokens(cms->auth, count);
}

// ---- Waiting -------------------------------------------------------------------------------

static struct timespec deadline_after(uint32_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

int cms_no_task(const struct cms *cms, uint64_t task, struct dv_err *err)
{
    if (task > 0 && task <= cms->last.task)
        return dv_fail(err, DV_NOT_FOUND,
                       "task %llu is over, and was dropped since many others ended after it; "
                       "`dvsan event list` may tell how it ended",
                       (unsigned long long)task);
    return dv_fail(err, DV_NOT_FOUND, "there is no task %llu", (unsigned long long)task);
}

int cms_wait_task(struct cms *cms, uint64_t task, uint64_t seen, uint32_t timeout_ms,
                  struct task_record *out, struct dv_err *err)
{
    struct timespec deadline = deadline_after(timeout_ms);
    int rc = 0;
    pthread_mutex_lock(&cms->tasks_lock);
    for (;;) {
        const struct pool_task *t = pool_find_task(cms->pool, task);
        if (!t) {
            rc = cms_no_task(cms, task, err);
            break;
        }
        *out = t->rec;
        if (t->rec.version > seen || task_is_over(&t->rec) ||
            pthread_cond_timedwait(&cms->tasks_changed, &cms->tasks_lock, &deadline) == ETIMEDOUT)
            break;
    }
    pthread_mutex_unlock(&cms->tasks_lock);
    return rc;
}
