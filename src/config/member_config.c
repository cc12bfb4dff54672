// Reading what the configurations of all members have.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/member_config.h"

#include "base/mem.h"
#include "config/xml_get.h"
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SNMPD_STATE     "/var/lib/snmp/snmpd.conf" // Debian's
#define SNMPD_CONF      "/etc/snmp/snmpd.conf"
#define ENGINE_ID_MIN   5 // bytes, RFC 3411 section 5
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

// snmpd's agentXSocket: a path, or an address by which Net-SNMP reaches it.
static int get_agentx(const struct xml_node *node, char **out, struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, "agentx");
    if (!text)
        return 0;
    const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
    bool good = *path == '/' || (strncmp(text, "tcp", 3) == 0 &&
                                 transport_check(text, ADDRESS_TO_LISTEN, NULL) == 0);
    for (const char *p = text; *p && good; p++)
        good = *p > ' ' && *p < 0x7f;
    if (!good || strlen(text) > TRANSPORT_MAX_LEN)
        return xml_fail(
            node, err,
            "agentx \"%.64s\" is not where snmpd's agentXSocket can be; write its path, "
            "such as /run/agentx/master",
            text);
    if (*path == '/' && strlen(path) > SOCKET_PATH_MAX)
        return xml_fail(node, err,
                        "agentx \"%.24s...\" has %zu bytes; the path of a socket has %zu at most, "
                        "such as /run/agentx/master",
                        path, strlen(path), SOCKET_PATH_MAX);
    *out = dv_strdup(text);
    return 0;
}

static int get_snmp(const struct xml_node *node, struct member_config *config, struct dv_err *err)
{
    if (get_agentx(node, &config->agentx, err) < 0 ||
        xml_get_hex(node, "engine-id", ENGINE_ID_MIN, CONFIG_ENGINE_ID_MAX, config->engine_id,
                    &config->engine_id_len, err) < 0)
        return -1;
    if (xml_get_absolute_path(node, "snmpd-state", &config->snmpd_state, err) < 0)
        return -1;
    if (!config->snmpd_state)
        config->snmpd_state = dv_strdup(SNMPD_STATE);
    if (xml_get_absolute_path(node, "snmpd-conf", &config->snmpd_conf, err) < 0)
        return -1;
    if (!config->snmpd_conf)
        config->snmpd_conf = dv_strdup(SNMPD_CONF);
    const struct xml_node *notify = xml_child(node, "notify");
    return notify ? xml_get_user(notify, &config->notify, err) : 0;
}

int member_config_get(const struct xml_node *root, struct member_config *config, struct dv_err *err)
{
    const struct xml_node *node;
    if (xml_get_name(root, "name", config->name, err) < 0 ||
        xml_get_absolute_path(root, "state-dir", &config->state_dir, err) < 0)
        return -1;
    for (node = xml_child(root, "cms"); node; node = xml_next(node))
        if (xml_get_transport(node, "address", ADDRESS_OF_HOST,
                              DV_APPEND(config->cms, config->cms_count), err) < 0)
            return -1;
    return get_snmp(xml_child(root, "snmp"), config, err);
}

void member_config_clear(struct member_config *config)
{
    for (size_t i = 0; i < config->cms_count; i++)
        free(config->cms[i]);
    user_config_wipe(&config->notify);
    free(config->cms);
    free(config->agentx);
    free(config->snmpd_state);
    free(config->snmpd_conf);
    free(config->management_address);
    free(config->state_dir);
}
