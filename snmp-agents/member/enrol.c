// Enrolling a member: who it is, the talk with the station, and what is kept of that.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/enrol.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "enrol/client.h"
#include "snmp-agents/member/act_as.h"
#include "snmp-agents/member/identity.h"
#include "snmp-agents/member/old_users.h"
#include "snmp-agents/member/snmpd_users.h"
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct enrolling {
    const struct enrol_member *member;
    const struct engine_id *engine;
    bool leave; // the pool that it is in, for another one
};

// ---- Who it is ------------------------------------------------------------------------------

static int own_uuid(const struct enrol_member *m, struct dv_uuid *out, struct dv_err *err)
{
    const char *folder = m->config->state_dir;
    struct own_groups own;
    if (file_make_dirs(folder, 0700, err) < 0 || act_as_owner(folder, &own, err) < 0)
        return -1;
    int rc = m->uuid(m, out, err);
    act_as_oneself(&own);
    return rc;
}

static int snmpd_is_down(const struct member_config *config, struct dv_err *err)
{
    const char *path = config->agentx;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strncmp(path, "unix:", 5) == 0)
        path += 5;
    if (*path != '/' || strlen(path) >= sizeof(at.sun_path))
        return 0;
    memcpy(at.sun_path, path, strlen(path));
    DV_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "snmpd is running (it answers at %s), and would overwrite its users when it "
                   "ends: stop it first, as by systemctl stop snmpd",
                   path);
}

static int ask_for(const struct enrol_member *m, struct enrol_request *out, struct dv_err *err)
{
    const struct member_config *config = m->config;
    *out = (struct enrol_request){.kind = m->kind, .engine.len = (uint8_t)config->engine_id_len};
    memcpy(out->engine.b, config->engine_id, config->engine_id_len);
    if (config->engine_id_len == 0 && !old_users_engine(config, &out->engine))
        return dv_fail(err, DV_INVALID,
                       "snmpd's engine ID is not known: the configuration does not say it, and %s "
                       "is not there with exactEngineID and the agentXSocket of this %s. Write "
                       "it as engine-id of <snmp>, or where the file is as snmpd-conf",
                       config->snmpd_conf, member_kind_name(m->kind));
    dv_copy(out->name, sizeof(out->name), config->name);
    dv_copy(out->software, sizeof(out->software), DVSAN_VERSION);
    dv_copy(out->address, sizeof(out->address), m->address);
    return own_uuid(m, &out->uuid, err);
}

// udp:HOST:PORT without its first word.
static const char *station_of(const struct member_config *config, struct dv_err *err)
{
    if (!config || config->cms_count == 0) {
        (void)dv_fail(err, DV_INVALID,
                      "the configuration names no station: say which, with --station");
        return NULL;
    }
    const char *colon = strchr(config->cms[0], ':');
    return colon && strncmp(config->cms[0], "udp", 3) == 0 ? colon + 1 : config->cms[0];
}

// ---- What is kept ---------------------------------------------------------------------------

static int put_users(const struct enrolling *e, const struct grant *grant, struct dv_err *err)
{
    const char *path = e->member->config->snmpd_state;
    DV_FREE char *copy = dv_strdup(path);
    struct own_groups own;
    if (act_as_owner(dirname(copy), &own, err) < 0)
        return -1;
    int rc = snmpd_users_put(path, e->engine, grant, err);
    act_as_oneself(&own);
    return rc;
}

static int put_identity(const struct enrolling *e, const struct grant *grant, struct dv_err *err)
{
    struct own_groups own;
    if (act_as_owner(e->member->config->state_dir, &own, err) < 0)
        return -1;
    int rc = identity_keep(e->member->config->state_dir, grant, err);
    act_as_oneself(&own);
    return rc;
}

// A line that was meant for another machine: the station of this unit would lose it, with its
// volumes, and hear nothing of that. A station that was set up anew with its key has its engine.
static int may_leave(const struct enrolling *e, const struct grant *to, struct dv_err *err)
{
    struct grant now;
    struct own_groups own;
    struct dv_err why;
    if (e->leave || act_as_owner(e->member->config->state_dir, &own, err) < 0)
        return e->leave ? 0 : -1;
    bool is_member = identity_load(e->member->config->state_dir, &now, &why) == 1;
    act_as_oneself(&own);
    if (!is_member)
        return 0;
    const char *kind = member_kind_name(e->member->kind);
    bool same = now.station.engine.len == to->station.engine.len &&
                memcmp(now.station.engine.b, to->station.engine.b, now.station.engine.len) == 0;
    if (!same)
        (void)dv_fail(err, DV_CONFLICT,
                      "this %s is in the pool of the station %.120s, which would lose it and its "
                      "volumes to that of %.120s: nothing was changed here. To move it, say the "
                      "same with --yes; else take it out of the list there (dvsan %s forget %s)",
                      kind, now.station.name, to->station.name, kind, to->name);
    grant_wipe(&now);
    return same ? 0 : -1;
}

// snmpd's users first: with them alone nothing has changed yet for the member.
static int keep(void *arg, const struct grant *grant, struct dv_err *err)
{
    const struct enrolling *e = arg;
    if (!grant->has_station_keys)
        return dv_fail(err, DV_INVALID, "the station grants no keys for snmpd");
    int rc = may_leave(e, grant, err);
    if (rc == 0)
        rc = put_users(e, grant, err);
    DV_FAULT("enrol.between");
    if (rc == 0)
        rc = put_identity(e, grant, err);
    DV_FAULT("enrol.kept");
    // Nothing needs these any more; and once the station hears that all is done, the code is used
    // up, so what breaks off here can still be done again.
    if (rc == 0)
        rc = old_users_remove(e->member->config, e->member->config_path, err);
    if (rc == 0)
        log_info("enrol", "the %s is enrolled as %s at the station %s",
                 member_kind_name(e->member->kind), grant->name, grant->station.name);
    return rc;
}

int enrol_by_code(const struct enrol_member *m, const char *text, const char *station, bool leave,
                  struct dv_err *err)
{
    struct enrol_request request;
    struct code code;
    if (code_parse(text, &code, err) < 0)
        return -1;
    int rc = -1;
    if (!station)
        station = station_of(m->config, err);
    if (station && enrol_check_station(station, err) == 0 && snmpd_is_down(m->config, err) == 0 &&
        ask_for(m, &request, err) == 0) {
        struct enrolling e = {m, &request.engine, leave};
        rc = enrol_ask(station, &code, &request, keep, &e, err);
    }
    code_wipe(&code);
    return rc;
}

int enrol_check(const struct member_config *config, const char *text, const char *station,
                struct dv_err *err)
{
    struct code code;
    if (code_parse(text, &code, err) < 0)
        return -1;
    code_wipe(&code);
    if (!station)
        station = station_of(config, err);
    return station ? enrol_check_station(station, err) : -1;
}

int enrol_ready(const struct member_config *config, const char *text, const char *station,
                struct dv_err *err)
{
    if (enrol_check(config, text, station, err) != 0)
        return -1;
    return enrol_reach(station ? station : station_of(config, err), err);
}

// ---- By files -------------------------------------------------------------------------------

#define IDENTITY_MAX 8192 // bytes

int enrol_print_request(const struct enrol_member *m, struct dv_err *err)
{
    struct enrol_request request;
    if (ask_for(m, &request, err) < 0)
        return -1;
    DV_FREE char *text = enrol_request_write(&request);
    puts(text);
    return 0;
}

static int check_mode(const char *path, struct dv_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return dv_fail_errno(err, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return dv_fail(err, DV_DENIED,
                       "%s holds keys, and others can read it: give it to its owner alone (chmod "
                       "600)",
                       path);
    return 0;
}

static int read_identity(const char *path, const struct dv_uuid *own, struct grant *out,
                         struct dv_err *err)
{
    char *text = NULL, uuid[UUID_TEXT_LEN];
    struct dv_err why;
    size_t len;
    if (check_mode(path, err) < 0 || file_read(path, IDENTITY_MAX, &text, &len, err) < 0)
        return -1;
    int rc = grant_read(text, len, out, &why);
    secret_wipe(text, len);
    free(text);
    if (rc < 0)
        return dv_fail(err, DV_INVALID,
                       "%s is not an identity (%s): make one with dvsan unit import", path,
                       why.text);
    if (!uuid_equal(&out->uuid, own))
        return dv_fail(err, DV_CONFLICT, "%s is the identity of another member, %s", path,
                       uuid_format(&out->uuid, uuid));
    return 0;
}

int enrol_by_file(const struct enrol_member *m, const char *path, bool leave, struct dv_err *err)
{
    struct enrol_request request;
    struct grant grant = {.number = 0};
    int rc = -1;
    if (snmpd_is_down(m->config, err) == 0 && ask_for(m, &request, err) == 0 &&
        read_identity(path, &request.uuid, &grant, err) == 0) {
        struct enrolling e = {m, &request.engine, leave};
        rc = keep(&e, &grant, err);
    }
    grant_wipe(&grant);
    return rc;
}
