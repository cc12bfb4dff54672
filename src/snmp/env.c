// Net-SNMP's start, its engine, its log, and its global sessions and alarms in our loop.
// SPDX-License-Identifier: BSD-2-Clause
//
// Peers and listeners keep their sessions to themselves (session.c). What is left in Net-SNMP's
// global list is a handful: the AgentX session with its internal pipe, and accepted streams.
#include "snmp/env.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/engine.h"
#include "snmp/env_private.h"
#include <assert.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <net-snmp/library/large_fd_set.h>
#include <signal.h>
#include <string.h>

// Warnings of Net-SNMP's that anyone can cause by sending a datagram must not fill the log.
#define WARNINGS_A_MINUTE 10
#define SETTLE_TURNS      64 // more than one message of the master sets off

struct fd_watch {
    int fd;
    bool wanted;
    struct loop_fd *loop_fd;
};

struct sn_env {
    struct loop *loop;
    char *app;
    struct sn_engine_id engine;
    struct sn_usm *usm;
    struct sn_vars vars;
    netsnmp_large_fd_set only, all;
    int only_fd; // the one that is set in only, -1 for none
    struct fd_watch *watches;
    size_t watch_count;
    struct loop_timer *timer; // to the next alarm or timeout, or at once to look again
    uint64_t minute;          // when the present minute of warnings began
    unsigned warnings;
};

struct loop *sn_env_loop(struct sn_env *env)
{
    return env->loop;
}

const char *sn_env_app(const struct sn_env *env)
{
    return env->app;
}

struct sn_usm *sn_env_usm(struct sn_env *env)
{
    return env->usm;
}

struct sn_vars *sn_env_vars(struct sn_env *env)
{
    return &env->vars;
}

void sn_env_engine_id(const struct sn_env *env, struct sn_engine_id *out)
{
    *out = env->engine;
}

netsnmp_large_fd_set *sn_env_only(struct sn_env *env, int fd)
{
    if (env->only_fd >= 0)
        NETSNMP_LARGE_FD_CLR(env->only_fd, &env->only);
    NETSNMP_LARGE_FD_SET(fd, &env->only); // grows the set when it must
    env->only_fd = fd;
    return &env->only;
}

// ---- The global list ------------------------------------------------------------------------

// A read of the AgentX session sets off others: requests and answers in Net-SNMP's internal pipes.
// They are done before the next message of the master is read; see pace.h.
static void settle(struct sn_env *env, int fd)
{
    for (int turn = 0; turn < SETTLE_TURNS; turn++) {
        int fds = 0, block = 1;
        struct timeval tv = {0}, none = {0};
        NETSNMP_LARGE_FD_ZERO(&env->all);
        snmp_select_info2(&fds, &env->all, &tv, &block);
        if (fd < fds)
            NETSNMP_LARGE_FD_CLR(fd, &env->all);
        if (netsnmp_large_fd_set_select(fds, &env->all, NULL, NULL, &none) <= 0)
            return;
        snmp_read2(&env->all);
    }
}

static void on_readable(void *arg, int fd, unsigned events)
{
    (void)events;
    struct sn_env *env = arg;
    snmp_read2(sn_env_only(env, fd));
    settle(env, fd);
    netsnmp_check_outstanding_agent_requests();
    sn_env_refresh(env);
}

static void watch_fd(struct sn_env *env, int fd)
{
    for (size_t i = 0; i < env->watch_count; i++) {
        if (env->watches[i].fd == fd) {
            env->watches[i].wanted = true;
            return;
        }
    }
    struct fd_watch *w = DV_APPEND(env->watches, env->watch_count);
    w->fd = fd;
    w->wanted = true;
    w->loop_fd = loop_fd_new(env->loop, fd, LOOP_READ, on_readable, env);
}

static void drop_watch(struct sn_env *env, size_t i)
{
    loop_fd_free(env->watches[i].loop_fd);
    env->watches[i] = env->watches[--env->watch_count];
}

void sn_env_forget_fd(struct sn_env *env, int fd)
{
    for (size_t i = env->watch_count; i-- > 0;) {
        if (env->watches[i].fd == fd)
            drop_watch(env, i);
    }
    sn_env_refresh(env);
}

// Compares what Net-SNMP wants watched with what is, and sets the timer to its next time.
static void look_again(struct sn_env *env)
{
    for (size_t i = 0; i < env->watch_count; i++)
        env->watches[i].wanted = false;
    int fds = 0, block = 1;
    struct timeval tv = {0};
    NETSNMP_LARGE_FD_ZERO(&env->all);
    snmp_select_info2(&fds, &env->all, &tv, &block);
    for (int fd = 0; fd < fds; fd++) {
        if (NETSNMP_LARGE_FD_ISSET(fd, &env->all))
            watch_fd(env, fd);
    }
    for (size_t i = env->watch_count; i-- > 0;) {
        if (!env->watches[i].wanted)
            drop_watch(env, i);
    }
    if (block)
        loop_timer_cancel(env->timer);
    else
        loop_timer_set(env->timer, (uint32_t)(tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1));
}

static void on_timer(void *arg)
{
    struct sn_env *env = arg;
    snmp_timeout();
    run_alarms();
    netsnmp_check_outstanding_agent_requests();
    look_again(env);
}

void sn_env_refresh(struct sn_env *env)
{
    loop_timer_set(env->timer, 0);
}

// ---- Start and end --------------------------------------------------------------------------

static int on_log(int major, int minor, void *server_arg, void *client_arg)
{
    (void)major, (void)minor;
    const struct snmp_log_message *message = server_arg;
    struct sn_env *env = client_arg;
    size_t len = strcspn(message->msg, "\n");
    if (len == 0)
        return 0;
    enum log_level level = LOG_LEVEL_DEBUG;
    if (message->priority <= LOG_WARNING) {
        uint64_t now = loop_now_ms();
        if (now - env->minute >= 60000) {
            env->minute = now;
            env->warnings = 0;
        }
        if (env->warnings++ < WARNINGS_A_MINUTE)
            level = LOG_LEVEL_WARNING;
    }
    if (log_enabled(level))
        log_at(level, "snmp", "Net-SNMP: %.*s", (int)len, message->msg);
    return 0;
}

static void remember(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void remember(const char *fmt, ...)
{
    char line[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    netsnmp_config_remember(line);
}

// Gives Net-SNMP our engine ID and boots, as if they came from its own configuration.
static void set_engine(const struct sn_engine *engine)
{
    char hex[2 * SN_ENGINE_ID_MAX + 1] = "";
    for (size_t i = 0; i < engine->id.len; i++)
        snprintf(hex + 2 * i, 3, "%02x", engine->id.b[i]);
    remember("exactEngineID 0x%s", hex);
    remember("oldEngineID 0x%s", hex);             // else boots would begin again at 1
    remember("engineBoots %u", engine->boots - 1); // which Net-SNMP increments
}

static const int settings[] = {
    NETSNMP_DS_LIB_DONT_READ_CONFIGS,    NETSNMP_DS_LIB_DONT_PERSIST_STATE,
    NETSNMP_DS_LIB_DONT_LOAD_HOST_FILES, NETSNMP_DS_LIB_ALARM_DONT_USE_SIG,
    NETSNMP_DS_LIB_NO_DISCOVERY, // of RFC 5343, answered to anyone
};

static void init_library(struct sn_env *env, const char *state_dir, const struct sn_engine *engine)
{
    // Net-SNMP looks for files along these even where it is told to read none.
    setenv("MIBS", "", 1);
    setenv("MIBDIRS", "/dev/null", 1); // it would read all files in a folder
    setenv("SNMPCONFPATH", state_dir, 1);
    setenv("SNMP_PERSISTENT_DIR", state_dir, 1);
    for (size_t i = 0; i < DV_COUNT(settings); i++)
        netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, settings[i], 1);

    snmp_disable_log();
    snmp_enable_calllog();
    snmp_register_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log, env);
    set_engine(engine);
    init_snmp(env->app);
}

// Its start has to go by them, so they are set before; and it may set some back.
static bool kept_settings(struct dv_err *err)
{
    for (size_t i = 0; i < DV_COUNT(settings); i++)
        if (!netsnmp_ds_get_boolean(NETSNMP_DS_LIBRARY_ID, settings[i])) {
            dv_fail(err, DV_INTERNAL, "Net-SNMP did not keep its setting %d", settings[i]);
            return false;
        }
    return true;
}

// Compares what Net-SNMP has with what it was given, and takes its count of boots over: for the
// second environment of a process it counts another one, as its time seems to have gone back.
static bool took_engine(struct sn_engine *engine, struct dv_err *err)
{
    u_char id[SN_ENGINE_ID_MAX];
    size_t len = snmpv3_get_engineID(id, sizeof(id));
    snmpv3_local_snmpEngineTime(); // looks at its clock
    uint32_t boots = snmpv3_local_snmpEngineBoots();
    if (len != engine->id.len || memcmp(id, engine->id.b, len) != 0 || boots < engine->boots) {
        dv_fail(err, DV_INTERNAL, "Net-SNMP did not take the engine ID and boots it was given");
        return false;
    }
    engine->boots = boots;
    return true;
}

struct sn_env *sn_env_new(struct loop *loop, const char *app, const char *state_dir,
                          const struct sn_engine_id *engine_id, struct dv_err *err)
{
    struct sn_engine engine;
    if (file_make_dirs(state_dir, 0700, err) != 0 ||
        sn_engine_start(state_dir, engine_id, &engine, err) != 0)
        return NULL;

    struct sn_env *env = dv_calloc(1, sizeof(*env));
    env->loop = loop;
    env->app = dv_strdup(app);
    env->engine = engine.id;
    env->usm = sn_usm_new();
    env->only_fd = -1;
    netsnmp_large_fd_set_init(&env->only, FD_SETSIZE);
    netsnmp_large_fd_set_init(&env->all, FD_SETSIZE);
    env->timer = loop_timer_new(loop, on_timer, env);
    uint32_t boots = engine.boots;
    // A master closes the session of an agent that stalled, and Net-SNMP then writes to it.
    signal(SIGPIPE, SIG_IGN);
    init_library(env, state_dir, &engine);

    if (!kept_settings(err) || !took_engine(&engine, err) ||
        (engine.boots > boots && sn_engine_save(state_dir, &engine, err) != 0)) {
        sn_env_free(env);
        return NULL;
    }
    return env;
}

void sn_env_free(struct sn_env *env)
{
    if (!env)
        return;
    while (env->watch_count > 0)
        drop_watch(env, env->watch_count - 1);
    loop_timer_free(env->timer);
    snmp_unregister_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log, env, 1);
    snmp_shutdown(env->app);
    sn_usm_free(env->usm);
    sn_vars_free(&env->vars);
    netsnmp_large_fd_set_cleanup(&env->only);
    netsnmp_large_fd_set_cleanup(&env->all);
    free(env->watches);
    free(env->app);
    free(env);
}
