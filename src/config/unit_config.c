// Reading a unit's configuration.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/unit_config.h"

#include "base/mem.h"
#include "config/xml_get.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define DEFAULT_IQN_PREFIX "iqn.2026-11.local.dvsan"
#define ISCSI_PORT         3260
#define MIB                (UINT64_C(1) << 20)
#define CONTROL_PORT_MAX   32767u // tgtd keeps it in a short

static int get_index(const struct xml_node *node, uint32_t *out, struct dv_err *err)
{
    uint64_t index = 0;
    if (xml_get_number(node, "index", 1, INT32_MAX, &index, err) < 0)
        return -1;
    *out = (uint32_t)index;
    return 0;
}

static int get_port(const struct xml_node *node, const char *name, uint64_t min, uint16_t *out,
                    struct dv_err *err)
{
    uint64_t port = *out;
    if (xml_get_number(node, name, min, UINT16_MAX, &port, err) < 0)
        return -1;
    *out = (uint16_t)port;
    return 0;
}

static int get_iqn_prefix(const struct xml_node *node, char out[IQN_MAX_LEN + 1],
                          struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, "iqn-prefix");
    const char *prefix = text ? text : DEFAULT_IQN_PREFIX;
    struct dv_err reason;
    if (iqn_check(prefix, &reason) < 0)
        return xml_fail(node, err, "iqn-prefix: %s", reason.text);
    // Behind it come ":" and a UUID, which leaves no room in names of the other forms.
    if (strncasecmp(prefix, "iqn.", 4) != 0 || strlen(prefix) + UUID_TEXT_LEN > IQN_MAX_LEN)
        return xml_fail(node, err,
                        "iqn-prefix \"%.64s\" must start with iqn. and have %d characters at most",
                        prefix, IQN_MAX_LEN - UUID_TEXT_LEN);
    iqn_canonical(prefix, out);
    return 0;
}

static int check_medium(const struct xml_node *node, const struct unit_config *config,
                        const struct medium_config *m, struct dv_err *err)
{
    for (const struct medium_config *other = config->media; other < m; other++) {
        if (other->index == m->index)
            return xml_fail(node, err, "index %u is taken by medium \"%s\"", m->index, other->name);
        if (strcmp(other->name, m->name) == 0)
            return xml_fail(node, err, "the name is taken by the medium with index %u",
                            other->index);
        if (strcmp(other->path, m->path) == 0)
            return xml_fail(node, err, "path %s is taken by medium \"%s\"", m->path, other->name);
    }
    return 0;
}

// The schema knows no others.
static void get_kind(const struct xml_node *node, enum medium_kind *out)
{
    DV_FREE char *text = xml_attribute(node, "kind");
    *out = MEDIUM_DIR;
    for (enum medium_kind kind = MEDIUM_DIR; kind <= MEDIUM_RBD; kind++)
        if (strcmp(text, medium_kind_name(kind)) == 0)
            *out = kind;
}

static bool has(const struct xml_node *node, const char *name)
{
    DV_FREE char *text = xml_attribute(node, name);
    return text != NULL;
}

// Which attributes go with which kinds; those not named here go with all.
static const struct {
    const char *name;
    unsigned may, must; // bits of 1 << kind
} of_kinds[] = {
    {"path", 1 << MEDIUM_DIR | 1 << MEDIUM_DISK | 1 << MEDIUM_DEVICE,
     1 << MEDIUM_DIR | 1 << MEDIUM_DISK | 1 << MEDIUM_DEVICE},
    {"size", 1 << MEDIUM_DIR | 1 << MEDIUM_RBD, 1 << MEDIUM_DIR | 1 << MEDIUM_RBD},
    {"thin", 1 << MEDIUM_DIR | 1 << MEDIUM_DISK, 0},
    {"initialise", 1 << MEDIUM_DISK, 0},
    {"pool", 1 << MEDIUM_RBD, 1 << MEDIUM_RBD},
    {"ceph-conf", 1 << MEDIUM_RBD, 0},
    {"ceph-user", 1 << MEDIUM_RBD, 0},
};

static int check_kind(const struct xml_node *node, enum medium_kind kind, struct dv_err *err)
{
    for (size_t i = 0; i < DV_COUNT(of_kinds); i++) {
        bool given = has(node, of_kinds[i].name);
        if (given && !(of_kinds[i].may & 1u << kind))
            return xml_fail(node, err, "%s is not for media of kind %s", of_kinds[i].name,
                            medium_kind_name(kind));
        if (!given && (of_kinds[i].must & 1u << kind))
            return xml_fail(node, err, "attribute \"%s\" is missing", of_kinds[i].name);
    }
    return 0;
}

static int get_pool(const struct xml_node *node, struct medium_config *m, struct dv_err *err)
{
    DV_FREE char *pool = xml_attribute(node, "pool");
    if (m->kind != MEDIUM_RBD)
        return 0;
    if (name_check("pool", pool, NULL) != 0)
        return xml_fail(node, err, "pool \"%.64s\" is not the name of one", pool);
    m->path = dv_strdup(pool);
    m->ceph_user = xml_attribute(node, "ceph-user");
    if (m->ceph_user && name_check("user", m->ceph_user, NULL) != 0)
        return xml_fail(node, err, "ceph-user \"%.64s\" is not a name", m->ceph_user);
    return xml_get_absolute_path(node, "ceph-conf", &m->ceph_conf, err);
}

static int get_medium(const struct xml_node *node, struct unit_config *config, struct dv_err *err)
{
    struct medium_config *m = DV_APPEND(config->media, config->media_count);
    m->thin = true;
    get_kind(node, &m->kind);
    if (check_kind(node, m->kind, err) < 0 || get_index(node, &m->index, err) < 0 ||
        xml_get_name(node, "name", m->name, err) < 0 ||
        xml_get_absolute_path(node, "path", &m->path, err) < 0 || get_pool(node, m, err) < 0 ||
        xml_get_size(node, "size", &m->bytes, err) < 0 ||
        xml_get_bool(node, "thin", &m->thin, err) < 0 ||
        xml_get_bool(node, "initialise", &m->initialise, err) < 0)
        return -1;
    m->bytes -= m->bytes % MIB;
    if (m->bytes == 0 && has(node, "size"))
        return xml_fail(node, err, "size is less than 1M; no volume would fit");
    return check_medium(node, config, m, err);
}

static int get_interface(const struct xml_node *node, struct portal_config *p, struct dv_err *err)
{
    DV_FREE char *name = xml_attribute(node, "interface");
    DV_FREE char *family = xml_attribute(node, "family");
    if (p->address[0] ? name != NULL : name == NULL)
        return xml_fail(node, err, "give it either an address or an interface");
    if (!name && family)
        return xml_fail(node, err, "family goes with interface; an address has its own");
    p->family = family && strcmp(family, "ipv6") == 0 ? AF_INET6 : AF_INET;
    if (!name)
        return 0;
    bool good = name[0] && name[0] != '.';
    for (const char *c = name; *c && good; c++)
        good = *c > ' ' && *c < 0x7f && *c != '/';
    if (!good || !dv_copy(p->interface, sizeof(p->interface), name))
        return xml_fail(node, err, "interface \"%.64s\" is not the name of a network interface",
                        name);
    return 0;
}

static bool same_address(const struct portal_config *a, const struct portal_config *b)
{
    return strcmp(a->address, b->address) == 0 && strcmp(a->interface, b->interface) == 0 &&
           (!a->interface[0] || a->family == b->family);
}

// A portal takes a port for each tgtd.
static int check_ports(const struct xml_node *node, const struct unit_config *config,
                       const struct portal_config *p, struct dv_err *err)
{
    const char *address = p->address[0] ? p->address : p->interface;
    uint32_t more = config->tgtd.instances - 1;
    if (p->port + more > UINT16_MAX)
        return xml_fail(node, err,
                        "port %u leaves no room for %u instances of tgtd, whose ports follow it; "
                        "make it %u or less",
                        p->port, more + 1, UINT16_MAX - more);
    for (const struct portal_config *other = config->portals; other < p; other++) {
        if (!same_address(other, p))
            continue;
        if (other->port == p->port)
            return xml_fail(node, err, "%s %s with port %u is given twice",
                            p->address[0] ? "address" : "interface", address, p->port);
        if (other->port <= p->port + more && p->port <= other->port + more)
            return xml_fail(node, err,
                            "ports %u to %u of %s, one for each instance of tgtd, overlap with "
                            "those of the portal with index %u",
                            p->port, p->port + more, address, other->index);
    }
    return 0;
}

static int get_portal(const struct xml_node *node, struct unit_config *config, struct dv_err *err)
{
    struct portal_config *p = DV_APPEND(config->portals, config->portal_count);
    p->port = ISCSI_PORT;
    if (get_index(node, &p->index, err) < 0 ||
        xml_get_ip(node, "address", ADDRESS_OF_HOST, p->address, err) < 0 ||
        get_interface(node, p, err) < 0 || get_port(node, "port", 1, &p->port, err) < 0)
        return -1;
    for (const struct portal_config *other = config->portals; other < p; other++)
        if (other->index == p->index)
            return xml_fail(node, err, "index %u is taken by the portal %s", p->index,
                            other->address[0] ? other->address : other->interface);
    return check_ports(node, config, p, err);
}

// Yes or No, as the RFC has it; the schema knows no others.
static void get_yes(const struct xml_node *node, const char *name, bool *out)
{
    DV_FREE char *text = xml_attribute(node, name);
    if (text)
        *out = strcmp(text, "Yes") == 0;
}

static int get_u32(const struct xml_node *node, const char *name, uint32_t min, uint32_t max,
                   uint32_t *out, struct dv_err *err)
{
    uint64_t number = *out;
    if (xml_get_number(node, name, min, max, &number, err) < 0)
        return -1;
    *out = (uint32_t)number;
    return 0;
}

static int get_length(const struct xml_node *node, const char *name, uint32_t *out,
                      struct dv_err *err)
{
    return get_u32(node, name, SESSION_LENGTH_MIN, SESSION_LENGTH_MAX, out, err);
}

static int get_session(const struct xml_node *node, struct session_parameters *s,
                       struct dv_err *err)
{
    *s = SESSION_DEFAULTS;
    if (!node)
        return 0;
    get_yes(node, "InitialR2T", &s->initial_r2t);
    get_yes(node, "ImmediateData", &s->immediate_data);
    if (get_length(node, "MaxRecvDataSegmentLength", &s->max_recv, err) < 0 ||
        get_length(node, "FirstBurstLength", &s->first_burst, err) < 0 ||
        get_length(node, "MaxBurstLength", &s->max_burst, err) < 0 ||
        get_u32(node, "MaxOutstandingR2T", 1, SESSION_R2T_MAX, &s->max_outstanding_r2t, err) < 0)
        return -1;
    if (s->first_burst > s->max_burst)
        return xml_fail(node, err,
                        "FirstBurstLength %u is more than MaxBurstLength %u; RFC 7143 forbids that",
                        s->first_burst, s->max_burst);
    return 0;
}

// A unix socket's path has to fit into a sockaddr_un.
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

// tgtd adds a dot and its control port.
static int check_socket(const struct xml_node *node, const struct unit_config *config,
                        struct dv_err *err)
{
    DV_FREE char *longest = unit_config_tgtd_socket(config, config->tgtd.instances);
    if (strlen(longest) <= SOCKET_PATH_MAX)
        return 0;
    size_t added = strlen(longest) - strlen(config->tgtd.socket);
    return xml_fail(node, err,
                    "socket \"%.24s...\" has %zu bytes; with the control port that tgtd adds, the "
                    "path of a socket has %zu at most, so choose one of %zu or less, such as "
                    "/run/dvsan/tgtd",
                    config->tgtd.socket, strlen(config->tgtd.socket), SOCKET_PATH_MAX,
                    SOCKET_PATH_MAX - added);
}

static int get_tgtd(const struct xml_node *node, struct unit_config *config, struct dv_err *err)
{
    uint64_t instances = 1, threads = 4;
    if (xml_get_absolute_path(node, "socket", &config->tgtd.socket, err) < 0 ||
        get_port(node, "control-port", 0, &config->tgtd.control_port, err) < 0 ||
        xml_get_number(node, "instances", 1, UNIT_GROUPS_MAX, &instances, err) < 0 ||
        xml_get_number(node, "threads", 2, 16, &threads, err) < 0 ||
        xml_get_bool(node, "supervise", &config->tgtd.supervise, err) < 0 ||
        get_session(xml_child(node, "session"), &config->tgtd.session, err) < 0)
        return -1;
    config->tgtd.instances = (uint32_t)instances;
    config->tgtd.threads = (uint32_t)threads;
    if (config->tgtd.control_port + instances - 1 > CONTROL_PORT_MAX)
        return xml_fail(node, err,
                        "control-port %u is too high: those of all instances of tgtd, which follow "
                        "each other, must be %u or less",
                        config->tgtd.control_port, CONTROL_PORT_MAX);
    return check_socket(node, config, err);
}

uint16_t unit_config_control_port(const struct unit_config *config, uint32_t group)
{
    return (uint16_t)(config->tgtd.control_port + group - 1);
}

char *unit_config_tgtd_socket(const struct unit_config *config, uint32_t group)
{
    return dv_printf("%s.%u", config->tgtd.socket, unit_config_control_port(config, group));
}

uint16_t unit_config_port(const struct portal_config *portal, uint32_t group)
{
    return (uint16_t)(portal->port + group - 1);
}

const char *unit_config_portal_in(const char *address, uint32_t *index, size_t *len)
{
    static const char word[] = "%portal";
    const char *found = strstr(address, word);
    if (!found)
        return NULL;
    char *end;
    unsigned long number = strtoul(found + strlen(word), &end, 10);
    *index = number <= INT32_MAX ? (uint32_t)number : 0;
    *len = (size_t)(end - found);
    return found;
}

// %portal3 stands for the address of the portal with that index.
static int get_management(const struct xml_node *node, struct unit_config *config,
                          struct dv_err *err)
{
    static const char name[] = "management-address";
    DV_FREE char *text = xml_attribute(node, name);
    const struct portal_config *portal = NULL;
    struct dv_err reason;
    uint32_t index;
    size_t len;
    const char *found = text ? unit_config_portal_in(text, &index, &len) : NULL;
    if (!found)
        return xml_get_transport(node, name, ADDRESS_OF_HOST, &config->member.management_address,
                                 err);
    for (size_t i = 0; i < config->portal_count; i++)
        if (config->portals[i].index == index)
            portal = &config->portals[i];
    if (!portal)
        return xml_fail(node, err, "%s: \"%.*s\" is not %%portal and a portal's index", name,
                        (int)len, found);
    bool six =
        portal->address[0] ? strchr(portal->address, ':') != NULL : portal->family == AF_INET6;
    DV_FREE char *example = dv_printf("%.*s%s%s", (int)(found - text), text,
                                      six ? "2001:db8::7" : "192.0.2.7", found + len);
    if (transport_check(example, ADDRESS_OF_HOST, &reason) < 0)
        return xml_fail(node, err, "%s \"%.64s\" does not become an address: %s", name, text,
                        reason.text);
    config->member.management_address = dv_strdup(text);
    return 0;
}

static int get_all(const struct xml_node *root, struct unit_config *config, struct dv_err *err)
{
    const struct xml_node *node;
    config->log_level = LOG_LEVEL_INFO;
    if (member_config_get(root, &config->member, err) < 0 ||
        get_iqn_prefix(root, config->iqn_prefix, err) < 0 ||
        xml_get_log_level(root, "log", &config->log_level, err) < 0)
        return -1;
    for (node = xml_child(xml_child(root, "media"), "medium"); node; node = xml_next(node))
        if (get_medium(node, config, err) < 0)
            return -1;
    if (get_tgtd(xml_child(root, "tgtd"), config, err) < 0)
        return -1;
    for (node = xml_child(xml_child(root, "portals"), "portal"); node; node = xml_next(node))
        if (get_portal(node, config, err) < 0)
            return -1;
    return get_management(xml_child(root, "snmp"), config, err);
}

struct unit_config *unit_config_load(const char *path, struct dv_err *err)
{
    struct xml_doc *doc = xml_load(path, &xml_schema_unit, err);
    if (!doc)
        return NULL;
    struct unit_config *config = dv_calloc(1, sizeof(*config));
    if (get_all(xml_root(doc), config, err) < 0) {
        unit_config_free(config);
        config = NULL;
    }
    xml_free(doc);
    return config;
}

void unit_config_free(struct unit_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->media_count; i++) {
        free(config->media[i].path);
        free(config->media[i].ceph_conf);
        free(config->media[i].ceph_user);
    }
    free(config->media);
    free(config->portals);
    free(config->tgtd.socket);
    member_config_clear(&config->member);
    free(config);
}
