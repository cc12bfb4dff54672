// Tells the station that the member is there, again and again until it gives a lease.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/announcer.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"
#include "snmp/manager.h"
#include "snmp/std_oids.h"
#include <stdio.h>
#include <string.h>

#define REPEAT_FIRST_MS 200
#define REPEAT_MAX_MS   30000
#define FAREWELL_MS     2000 // how long a stop may take

// No snmpd knows this user, and says so: a report tells its engine ID as well as an answer does.
static const struct sn_user NOBODY = {"dvsan-nobody", "no pass-phrase", "no pass-phrase", NULL};

static const struct sn_timing INFORM_TIMING = {.timeout_ms = 1000, .retries = 0};
static const struct sn_timing NEWS_TIMING = {.timeout_ms = 1000, .retries = 3};
static const struct sn_timing FAREWELL_TIMING = {.timeout_ms = 600, .retries = 2};
static const struct sn_timing ENGINE_TIMING = {.timeout_ms = 500, .retries = 1};

struct station {
    struct announcer *owner;
    const char *address;
    struct sn_peer *peer;
    bool silent; // its last inform was not acknowledged; so that it is logged once
    char trouble[ANNOUNCER_TROUBLE_ROOM]; // why, for as long as it lasts
};

struct announcer {
    struct loop *loop;
    struct sn_env *env;
    const struct member_config *config;
    const struct grant *identity; // NULL: not enrolled
    const struct member *member;
    struct sn_agent *agent; // NULL until started
    struct station *stations;
    size_t station_count;
    char alone[ANNOUNCER_TROUBLE_ROOM]; // what is said while there are none

    struct sn_engine_id engine; // of the local snmpd
    struct sn_peer *engine_peer;
    bool engine_asked; // and not answered yet

    uint32_t lost; // notifications that did not go out
    bool cold_started;
    uint32_t repeat_ms;
    struct loop_timer *repeat; // the next repetition, or the end of the lease

    bool stopping;
    size_t under_way; // informs not answered yet
    struct loop_timer *farewell;
    loop_fn *stopped;
    void *stopped_arg;
};

static const char *kind_of(const struct announcer *a)
{
    return member_kind_name(a->member->kind);
}

static bool leased(const struct announcer *a)
{
    return a->member->lease_end > loop_now_ms();
}

// A quarter more or less, so that members that started together do not speak together for ever.
static uint32_t jitter(uint32_t ms)
{
    uint32_t any;
    random_fill(&any, sizeof(any));
    return ms - ms / 4 + any % (ms / 2 + 1);
}

// ---- Sending ----------------------------------------------------------------------------------

struct notify_user {
    struct sn_user user;
    char name[KEYS_USER_ROOM];
    struct sn_local_keys keys;
};

// The member's own user at the station's engine; or the one that several units share.
static const struct sn_user *notify_user(const struct announcer *a, struct notify_user *out)
{
    const struct user_config *u = &a->config->notify;
    const struct grant *id = a->identity;
    out->user =
        (struct sn_user){.name = u->name, .auth_pass = u->auth_pass, .priv_pass = u->priv_pass};
    if (!id)
        return &out->user;
    keys_user(KEYS_OF_MEMBER, &id->uuid, id->number, out->name);
    out->keys.engine.len = id->station.engine.len;
    memcpy(out->keys.engine.b, id->station.engine.b, id->station.engine.len);
    memcpy(out->keys.auth, id->notify.auth, KEYS_AUTH);
    memcpy(out->keys.priv, id->notify.priv, KEYS_PRIV);
    out->user = (struct sn_user){.name = out->name, .local = &out->keys};
    return &out->user;
}

static void not_told(struct station *s, const char *what, const char *why)
{
    snprintf(s->trouble, sizeof(s->trouble), "the station at %.80s %s: %.120s", s->address, what,
             why);
    text_make_printable(s->trouble);
    if (!s->silent)
        log_warning("announce", "%s", s->trouble);
    s->silent = true;
}

static bool station_open(struct station *s)
{
    struct announcer *a = s->owner;
    struct notify_user user;
    struct dv_err err;
    if (s->peer)
        return true;
    s->peer = sn_peer_new(a->env, s->address, notify_user(a, &user), NULL, &err);
    secret_wipe(&user, sizeof(user));
    if (!s->peer)
        not_told(s, "cannot be told", err.text);
    return s->peer != NULL;
}

static void farewell_over(void *arg)
{
    struct announcer *a = arg;
    loop_fn *stopped = a->stopped;
    a->stopped = NULL;
    loop_timer_cancel(a->farewell);
    if (stopped)
        stopped(a->stopped_arg);
}

static void answered(struct station *s, const struct sn_result *result, bool news)
{
    struct announcer *a = s->owner;
    a->under_way--;
    if (result->code == DV_CANCELLED)
        return;
    if (result->code != DV_OK) {
        if (a->identity && result->code == DV_DENIED && !s->silent)
            log_warning("announce",
                        "the station at %s does not take this %s's keys; if that lasts, give it "
                        "others: on the station dvsan %s add %s, with --again if it is in the "
                        "list there, and here the line that this prints",
                        s->address, kind_of(a), kind_of(a), a->config->name);
        not_told(s, "does not answer notifications", result->text);
        if (news && leased(a))
            a->lost++;
    } else {
        if (s->silent)
            log_info("announce", "the station at %s answers", s->address);
        s->silent = false;
        s->trouble[0] = '\0';
    }
    if (result->code == DV_DENIED) { // it may be another engine than last time
        sn_peer_free(s->peer);
        s->peer = NULL;
    }
    if (a->stopping && a->under_way == 0)
        farewell_over(a);
}

static void inform_done(void *arg, const struct sn_result *result)
{
    answered(arg, result, true);
}

static void probe_done(void *arg, const struct sn_result *result)
{
    answered(arg, result, false);
}

static void tell_stations(struct announcer *a, const struct announcement *message,
                          struct sn_timing timing)
{
    for (size_t i = 0; i < a->station_count; i++) {
        struct station *s = &a->stations[i];
        if (!station_open(s))
            continue;
        a->under_way++;
        sn_inform(s->peer, &message->trap, message->vars, message->count, timing, inform_done, s);
    }
}

static void tell_others(struct announcer *a, struct announcement *message)
{
    announcement_narrow(message);
    if (!a->agent || !sn_agent_notify(a->agent, &message->trap, message->vars, message->count))
        a->lost++;
    announcement_clear(message);
}

static void tell(struct announcer *a, enum announcement_kind kind,
                 const struct netlink_interface *link, struct sn_timing timing)
{
    struct announcement message;
    announcement_make(&message, kind, link, a->member, &a->engine);
    tell_stations(a, &message, timing);
    tell_others(a, &message);
}

// ---- The local engine's ID --------------------------------------------------------------------

static void announce(struct announcer *a);

// Any answer tells the engine's ID, also one that says that it does not know us.
static void engine_done(void *arg, const struct sn_result *result)
{
    struct announcer *a = arg;
    if (result->code == DV_CANCELLED)
        return;
    a->engine_asked = false;
    sn_peer_engine_id(a->engine_peer, &a->engine);
    sn_peer_free(a->engine_peer);
    a->engine_peer = NULL;
    if (a->engine.len == 0)
        log_warning("announce",
                    "the snmpd at %s did not tell its engine ID (%s), so the %s is announced "
                    "without it; check management-address in the configuration",
                    a->member->address, result->text, kind_of(a));
    announce(a);
}

// Returns true when the answer has to be waited for.
static bool ask_engine(struct announcer *a)
{
    static const struct sn_oid engine_id = OID_snmpEngineID;
    struct dv_err err;
    if (a->engine.len > 0 || !a->member->address[0])
        return false;
    a->engine_peer = sn_peer_new(a->env, a->member->address, &NOBODY, NULL, &err);
    if (!a->engine_peer) {
        log_warning("announce", "the local snmpd cannot be asked for its engine ID: %s", err.text);
        return false;
    }
    struct sn_oid instance = sn_scalar_oid(&engine_id);
    a->engine_asked = true;
    sn_get(a->engine_peer, &instance, 1, ENGINE_TIMING, engine_done, a);
    return true;
}

// ---- When -------------------------------------------------------------------------------------

static void announce(struct announcer *a)
{
    if (a->stopping || !a->member->address[0]) // nobody could ask
        return;
    tell(a, a->cold_started ? ANNOUNCE_AGAIN : ANNOUNCE_COLD_START, NULL, INFORM_TIMING);
    a->cold_started = true;
    loop_timer_set(a->repeat, jitter(a->repeat_ms));
    a->repeat_ms = 2 * a->repeat_ms < REPEAT_MAX_MS ? 2 * a->repeat_ms : REPEAT_MAX_MS;
}

static void on_repeat(void *arg)
{
    struct announcer *a = arg;
    if (a->stopping || a->engine_asked)
        return;
    if (leased(a))
        announcer_leased(a);
    else if (!ask_engine(a))
        announce(a);
}

void announcer_start(struct announcer *a, struct sn_agent *agent)
{
    a->agent = agent;
    if (a->engine_asked || a->stopping)
        return;
    if (a->config->engine_id_len == 0)
        a->engine.len = 0; // it may be another snmpd than last time
    a->repeat_ms = REPEAT_FIRST_MS;
    if (!ask_engine(a))
        announce(a);
}

// A station that did not take a notification and has the member in its care may take one again:
// with nothing to tell that would never be known.
static void probe(struct announcer *a)
{
    for (size_t i = 0; i < a->station_count; i++) {
        struct station *s = &a->stations[i];
        struct announcement message;
        if (!s->silent || !station_open(s))
            continue;
        announcement_make(&message, ANNOUNCE_AGAIN, NULL, a->member, &a->engine);
        a->under_way++;
        sn_inform(s->peer, &message.trap, message.vars, message.count, INFORM_TIMING, probe_done,
                  s);
        announcement_clear(&message);
    }
}

void announcer_leased(struct announcer *a)
{
    uint64_t now = loop_now_ms();
    if (a->stopping || !a->cold_started)
        return;
    if (leased(a))
        probe(a);
    a->repeat_ms = REPEAT_FIRST_MS;
    // A lease that ran out, or was taken back, is announced soon; one that holds, when it ends.
    loop_timer_set(a->repeat, leased(a) ? (uint32_t)(a->member->lease_end - now) + 1
                                        : jitter(REPEAT_FIRST_MS));
}

void announcer_rekeyed(struct announcer *a)
{
    for (size_t i = 0; i < a->station_count; i++) {
        sn_peer_free(a->stations[i].peer); // the next notification opens another
        a->stations[i].peer = NULL;
    }
}

void announcer_moved(struct announcer *a)
{
    if (a->stopping || !a->agent)
        return;
    a->repeat_ms = REPEAT_FIRST_MS;
    if (!a->engine_asked)
        loop_timer_set(a->repeat, 0);
}

void announcer_link(struct announcer *a, bool up, const struct netlink_interface *link)
{
    if (a->stopping || !a->cold_started)
        return;
    tell(a, up ? ANNOUNCE_LINK_UP : ANNOUNCE_LINK_DOWN, link, NEWS_TIMING);
}

void announcer_tell(struct announcer *a, struct announcement *message)
{
    announcement_sign(message, a->member, &a->engine);
    if (leased(a) && !a->stopping)
        tell_stations(a, message, NEWS_TIMING);
    tell_others(a, message);
}

void announcer_tell_others(struct announcer *a, struct announcement *message)
{
    announcement_sign(message, a->member, &a->engine);
    tell_others(a, message);
}

void announcer_stop(struct announcer *a, const struct netlink_interface *links, size_t count,
                    loop_fn *done, void *arg)
{
    a->stopping = true;
    a->stopped = done;
    a->stopped_arg = arg;
    loop_timer_cancel(a->repeat);
    loop_timer_set(a->farewell, FAREWELL_MS);
    for (size_t i = 0; i < count; i++)
        tell(a, ANNOUNCE_LINK_DOWN, &links[i], FAREWELL_TIMING);
    if (count == 0)
        tell(a, ANNOUNCE_AGAIN, NULL, FAREWELL_TIMING);
    if (a->under_way == 0)
        loop_timer_set(a->farewell, 0);
}

uint32_t announcer_lost(const struct announcer *a)
{
    return a->lost;
}

const char *announcer_trouble(const struct announcer *a)
{
    if (a->station_count == 0)
        return a->alone;
    for (size_t i = 0; i < a->station_count && leased(a); i++)
        if (a->stations[i].silent)
            return a->stations[i].trouble;
    return "";
}

static void add_stations(struct announcer *a)
{
    const struct member_config *config = a->config;
    a->station_count = config->cms_count ? config->cms_count : a->identity ? 1 : 0;
    a->stations = dv_calloc(a->station_count, sizeof(*a->stations));
    for (size_t i = 0; i < a->station_count; i++)
        a->stations[i] = (struct station){
            .owner = a,
            .address = config->cms_count ? config->cms[i] : a->identity->station.address};
}

struct announcer *announcer_new(struct loop *loop, struct sn_env *env,
                                const struct member_config *config, const struct grant *identity,
                                const struct member *member, struct dv_err *err)
{
    if (config->engine_id_len > SN_ENGINE_ID_MAX) {
        (void)dv_fail(err, DV_INVALID, "an engine ID has at most %d bytes", SN_ENGINE_ID_MAX);
        return NULL;
    }
    struct announcer *a = dv_calloc(1, sizeof(*a));
    *a = (struct announcer){.loop = loop,
                            .env = env,
                            .config = config,
                            .identity = identity,
                            .member = member,
                            .repeat_ms = REPEAT_FIRST_MS};
    a->engine.len = (uint8_t)config->engine_id_len;
    memcpy(a->engine.b, config->engine_id, config->engine_id_len);
    const char *kind = kind_of(a);
    snprintf(a->alone, sizeof(a->alone),
             "the %s belongs to no station: make a code there with dvsan %s add, stop dvsan-%s and "
             "snmpd, and run dvsan-%s --enrol=CODE",
             kind, kind, kind, kind);
    if (identity || *config->notify.name)
        add_stations(a);
    else
        log_warning("announce", "%s", announcer_trouble(a));
    a->repeat = loop_timer_new(loop, on_repeat, a);
    a->farewell = loop_timer_new(loop, farewell_over, a);
    return a;
}

void announcer_free(struct announcer *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->station_count; i++)
        sn_peer_free(a->stations[i].peer);
    sn_peer_free(a->engine_peer);
    loop_timer_free(a->repeat);
    loop_timer_free(a->farewell);
    free(a->stations);
    free(a);
}
