// Setting up a unit's snmpd.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/init_parts.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SNMPD_CONF     "/etc/snmp/snmpd.conf"
#define SNMPD_CONF_MAX (1 << 20) // bytes
#define MONITOR_AUTH   "/etc/dvsan/monitor.auth"
#define MONITOR_PRIV   "/etc/dvsan/monitor.priv"

// Of IPv6 addresses snmpd listens at the same text; one that is a portal's may change.
static const char *listen_at(const struct unit_config *config)
{
    uint32_t index;
    size_t len;
    return unit_config_portal_in(config->member.management_address, &index, &len)
               ? "udp:161"
               : config->member.management_address;
}

// As it stands in the index of a row: how many bytes, and each (RFC 3414, usmUserTable).
static char *engine_oid(const struct unit_config *config)
{
    struct strbuf out = {0};
    strbuf_add(&out, "%zu", config->member.engine_id_len);
    for (size_t i = 0; i < config->member.engine_id_len; i++)
        strbuf_add(&out, ".%u", config->member.engine_id[i]);
    return out.text;
}

static char *snmpd_text(const struct unit_config *config, const char *auth, const char *priv)
{
    char engine[2 + 2 * CONFIG_ENGINE_ID_MAX + 1] = "0x";
    DV_FREE char *oid = engine_oid(config);
    for (size_t i = 0; i < config->member.engine_id_len; i++)
        snprintf(engine + 2 + 2 * i, 3, "%02x", config->member.engine_id[i]);
    const struct setup_word words[] = {
        {"ADDRESS", listen_at(config)},
        {"ENGINE_ID", engine},
        {"ENGINE_OID", oid},
        {"AGENTX", config->member.agentx},
        {"AGENTX_PERMS", "0660 0755 " INIT_SNMP_USER " " INIT_USER},
        {"MONITOR_USER", "dvsan-monitor"},
        {"MONITOR_AUTH", auth},
        {"MONITOR_PRIV", priv},
    };
    return setup_fill((const char *)setup_text_snmpd_conf.text, words, DV_COUNT(words));
}

// Debian's own file is no configuration of ours, and stays beside it, as do others that come later.
static int put_aside(const struct setup *s, struct dv_err *err)
{
    DV_FREE char *at = setup_path(s, SNMPD_CONF);
    DV_FREE char *aside = dv_printf("%s.before-dvsan", at);
    char line[512];
    bool ours = false;
    FILE *file = fopen(at, "re");
    if (!file)
        return 0;
    while (!ours && fgets(line, sizeof(line), file))
        ours = strncmp(line, "exactEngineID ", 14) == 0;
    fclose(file);
    if (ours)
        return 0;
    for (unsigned n = 2; access(aside, F_OK) == 0; n++) {
        free(aside);
        aside = dv_printf("%s.before-dvsan.%u", at, n);
    }
    if (rename(at, aside) != 0)
        return dv_fail(err, DV_IO, "cannot put %s aside", at);
    printf("kept what was in %s as %s\n", at, aside);
    return 0;
}

static bool is_for_keys(const char *line)
{
    return strncmp(line, "view ", 5) == 0 && (strstr(line, " .1.3.6.1.6.3.15.1.2.2.1.") ||
                                              strstr(line, " .1.3.6.1.4.1.2021.100.13.0"));
}

// One that was made before the station could change the unit's keys has not the views for that.
static int add_views(const struct setup *s, const struct unit_config *config, struct dv_err *err)
{
    DV_FREE char *at = setup_path(s, SNMPD_CONF);
    DV_FREE char *oid = engine_oid(config);
    DV_FREE char *old = NULL;
    const struct setup_word words[] = {{"ENGINE_OID", oid}};
    DV_FREE char *text =
        setup_fill((const char *)setup_text_snmpd_conf.text, words, DV_COUNT(words));
    struct strbuf more = {0};
    size_t len;
    if (config->member.engine_id_len == 0)
        return 0;
    if (file_read(at, SNMPD_CONF_MAX, &old, &len, err) < 0)
        return -1;
    for (char *rest = text, *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        if (is_for_keys(line) && !strstr(old, line))
            strbuf_add(&more, "\n%s", line);
    if (more.len == 0)
        return 0;
    strbuf_add(&more, "\n");
    FILE *file = fopen(at, "ae");
    bool good = file && fputs(more.text, file) >= 0;
    if (file)
        good = fclose(file) == 0 && good;
    strbuf_free(&more);
    if (!good)
        return dv_fail_errno(err, errno, "cannot add to %s what lets the station change keys", at);
    printf("added to %s what lets the station change this unit's keys: restart snmpd\n", at);
    return 0;
}

int init_make_snmpd(const struct setup *s, const struct unit_config *config, struct dv_err *err)
{
    char *auth = NULL, *priv = NULL, *text = NULL;
    int rc = put_aside(s, err);
    if (rc == 0 && setup_has(s, SNMPD_CONF))
        rc = setup_make(s, SNMPD_CONF, "", 0640, NULL, INIT_SNMP_USER, err) < 0
                 ? -1
                 : add_views(s, config, err);
    else if (rc == 0 && config->member.engine_id_len == 0)
        rc = dv_fail(err, DV_INVALID,
                     "the configuration does not say snmpd's engine ID, which " SNMPD_CONF
                     " is to have: write one as engine-id of <snmp>, such as 80001f8805 and 24 hex "
                     "digits that are nobody else's");
    else if (rc == 0) {
        rc = setup_secret(s, MONITOR_AUTH, &auth, err) < 0 ||
                     setup_secret(s, MONITOR_PRIV, &priv, err) < 0
                 ? -1
                 : 0;
        if (rc == 0) {
            text = snmpd_text(config, auth, priv);
            rc = setup_make(s, SNMPD_CONF, text, 0640, NULL, INIT_SNMP_USER, err);
        }
    }
    secret_free(auth);
    secret_free(priv);
    secret_free(text);
    return rc < 0 ? -1 : 0;
}
