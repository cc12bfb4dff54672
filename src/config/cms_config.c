// Reading the station's configuration.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/cms_config.h"

#include "base/mem.h"
#include "config/xml_get.h"

static int get_http(const struct xml_node *node, struct cms_config *config, struct dv_err *err)
{
    uint64_t port = 0;
    if (xml_get_ip(node, "address", ADDRESS_TO_LISTEN, config->http.address, err) < 0 ||
        xml_get_number(node, "port", 1, UINT16_MAX, &port, err) < 0)
        return -1;
    config->http.port = (uint16_t)port;
    return 0;
}

static int get_snmp(const struct xml_node *node, struct cms_config *config, struct dv_err *err)
{
    const struct xml_node *notify = xml_child(node, "notify");
    const struct xml_node *provision = xml_child(node, "provision");
    if (xml_get_transport(node, "listen", ADDRESS_TO_LISTEN, &config->snmp.listen, err) < 0 ||
        (notify && xml_get_user(notify, &config->snmp.notify, err) < 0))
        return -1;
    if (!provision)
        return 0;
    if (xml_get_user(provision, &config->snmp.provision, err) < 0)
        return -1;
    return xml_get_bool(provision, "accept", &config->snmp.accept_shared, err);
}

// poll and lease may be missing.
static int get_times(const struct xml_node *root, struct cms_config *config, struct dv_err *err)
{
    const struct xml_node *poll = xml_child(root, "poll"), *lease = xml_child(root, "lease");
    uint32_t lease_ms = 60000;
    config->poll_interval_ms = 5000;
    config->poll_timeout_ms = 1000;
    if (poll &&
        (xml_get_duration(poll, "interval", 100, 3600000, &config->poll_interval_ms, err) < 0 ||
         xml_get_duration(poll, "timeout", 50, 60000, &config->poll_timeout_ms, err) < 0))
        return -1;
    if (lease && xml_get_duration(lease, "time", 1000, 86400000, &lease_ms, err) < 0)
        return -1;
    // Polls renew leases, so a lease must outlast one.
    if (lease_ms <= config->poll_interval_ms)
        return xml_fail(lease ? lease : poll, err,
                        "the lease (%us) must be longer than the poll interval (%ums)",
                        lease_ms / 1000, config->poll_interval_ms);
    config->lease_s = lease_ms / 1000;
    return 0;
}

static int get_all(const struct xml_node *root, struct cms_config *config, struct dv_err *err)
{
    config->log_level = LOG_LEVEL_INFO;
    if (xml_get_name(root, "name", config->name, err) < 0 ||
        xml_get_absolute_path(root, "state-dir", &config->state_dir, err) < 0 ||
        xml_get_log_level(root, "log", &config->log_level, err) < 0 ||
        get_http(xml_child(root, "http"), config, err) < 0 || get_times(root, config, err) < 0)
        return -1;
    return get_snmp(xml_child(root, "snmp"), config, err);
}

struct cms_config *cms_config_load(const char *path, struct dv_err *err)
{
    struct xml_doc *doc = xml_load(path, &xml_schema_cms, err);
    if (!doc)
        return NULL;
    struct cms_config *config = dv_calloc(1, sizeof(*config));
    if (get_all(xml_root(doc), config, err) < 0) {
        cms_config_free(config);
        config = NULL;
    }
    xml_free(doc);
    return config;
}

void cms_config_free(struct cms_config *config)
{
    if (!config)
        return;
    user_config_wipe(&config->snmp.notify);
    user_config_wipe(&config->snmp.provision);
    free(config->snmp.listen);
    free(config->state_dir);
    free(config);
}
