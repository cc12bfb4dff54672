// The portals and the interfaces they depend on: who has each address, and whether it is up.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/portals.h"
#include "base/log.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct portals {
    const struct unit_config *config;
    struct state *state;
    struct netlink *netlink;
    struct portals_calls calls;
};

static struct unit_portal *next(const struct state *s, const struct unit_portal *row)
{
    return state_portal_next(s, row ? row->p.index : 0, row ? row->p.group : 0);
}

struct netlink_interface portals_link(const struct portals *p, uint32_t interface)
{
    struct netlink_interface i;
    if (!netlink_interface(p->netlink, interface, &i))
        i = (struct netlink_interface){.index = interface}; // it is gone, so it is down
    return i;
}

// Brings one portal up to date; returns whether it came up or went down, and on which interface.
static bool update(struct portals *p, struct unit_portal *row, uint32_t *interface)
{
    struct netlink_interface now = {0};
    uint32_t before = row->p.if_index;
    bool found = netlink_find(p->netlink, row->raw, row->raw_len, &now);
    bool up = found && now.oper_up, was_up = row->p.up;
    if (up == was_up && now.index == before)
        return false;
    row->p.up = up;
    row->p.if_index = now.index;
    state_portal_changed(p->state, row);
    *interface = up ? now.index : before ? before : now.index;
    return up != was_up;
}

static bool contains(const uint32_t *list, size_t count, uint32_t value)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

static struct portal portal_of(const struct portal_config *c, uint32_t group)
{
    return (struct portal){.index = c->index, .group = group, .port = unit_config_port(c, group)};
}

// Gives a portal that follows an interface the address that this has; returns whether that is news.
static bool follow(struct portals *p, const struct portal_config *c, uint32_t group)
{
    struct portal portal = portal_of(c, group);
    struct unit_portal *row = state_portal(p->state, c->index, group);
    char text[PORTAL_TEXT_ROOM];
    uint8_t raw[16];
    if (!netlink_address(p->netlink, c->interface, c->family, row ? row->raw : NULL, raw) ||
        !inet_ntop(c->family, raw, portal.address, sizeof(portal.address)))
        return false;
    if (row && strcmp(row->p.address, portal.address) == 0)
        return false;
    if (row)
        state_move_portal(p->state, row, portal.address);
    else
        state_add_portal(p->state, &portal);
    log_info("net", "portal %u is %s, as %s has it", c->index, portal_format(&portal, text),
             c->interface);
    return true;
}

static bool follow_all(struct portals *p)
{
    bool moved = false;
    for (size_t i = 0; i < p->config->portal_count; i++)
        for (uint32_t group = 1; group <= p->config->tgtd.instances; group++)
            if (p->config->portals[i].interface[0])
                moved = follow(p, &p->config->portals[i], group) || moved;
    return moved;
}

static void on_news(void *arg)
{
    struct portals *p = arg;
    DV_FREE uint32_t *told = NULL;
    size_t told_count = 0;
    char text[PORTAL_TEXT_ROOM];
    bool moved = follow_all(p);
    struct unit_portal *row = NULL;
    while ((row = next(p->state, row))) {
        uint32_t interface;
        if (!update(p, row, &interface))
            continue;
        log_info("net", "portal %s is %s", portal_format(&row->p, text), row->p.up ? "up" : "down");
        if (contains(told, told_count, interface))
            continue;
        *DV_APPEND(told, told_count) = interface;
        p->calls.changed(p->calls.arg, interface, row->p.up);
    }
    if (moved)
        p->calls.moved(p->calls.arg);
}

struct portals *portals_new(struct loop *loop, const struct unit_config *config,
                            struct state *state, const struct portals_calls *calls,
                            struct dv_err *err)
{
    struct portals *p = dv_calloc(1, sizeof(*p));
    *p = (struct portals){.config = config, .state = state, .calls = *calls};
    p->netlink = netlink_new(loop, on_news, p, err);
    if (!p->netlink) {
        portals_free(p);
        return NULL;
    }
    for (size_t i = 0; i < config->portal_count; i++) {
        const struct portal_config *c = &config->portals[i];
        for (uint32_t group = 1; !c->interface[0] && group <= config->tgtd.instances; group++) {
            struct portal portal = portal_of(c, group);
            dv_copy(portal.address, sizeof(portal.address), c->address);
            state_add_portal(state, &portal);
        }
    }
    (void)follow_all(p);
    struct unit_portal *row = NULL;
    uint32_t interface;
    while ((row = next(state, row)))
        (void)update(p, row, &interface);
    return p;
}

void portals_free(struct portals *p)
{
    if (!p)
        return;
    netlink_free(p->netlink);
    free(p);
}

size_t portals_links(const struct portals *p, struct netlink_interface *out, size_t room)
{
    size_t n = 0;
    const struct unit_portal *row = NULL;
    while ((row = next(p->state, row)) && n < room) {
        bool told = row->p.if_index == 0;
        for (size_t i = 0; i < n; i++)
            told = told || out[i].index == row->p.if_index;
        if (!told)
            out[n++] = portals_link(p, row->p.if_index);
    }
    return n;
}

bool portals_address(const struct state *state, const char *pattern, char *out, size_t room)
{
    uint32_t index;
    size_t len;
    const char *word = unit_config_portal_in(pattern, &index, &len);
    if (!word)
        return dv_copy(out, room, pattern);
    const struct unit_portal *row = state_portal(state, index, 1);
    int n = row ? snprintf(out, room, "%.*s%s%s", (int)(word - pattern), pattern, row->p.address,
                           word + len)
                : -1;
    return n >= 0 && (size_t)n < room;
}

static bool is_there(const struct portals *p, const struct portal_config *c)
{
    return state_portal(p->state, c->index, 1) != NULL;
}

void portals_reason(const struct portals *p, char out[LAST_ERROR_ROOM])
{
    const struct unit_portal *row = NULL;
    struct netlink_interface found = {0};
    char text[PORTAL_TEXT_ROOM];
    out[0] = '\0';
    for (size_t i = 0; i < p->config->portal_count; i++) {
        const struct portal_config *c = &p->config->portals[i];
        if (is_there(p, c))
            continue;
        snprintf(out, LAST_ERROR_ROOM,
                 "portal %u is not there: interface %s is not there or has no %s address that "
                 "others could reach",
                 c->index, c->interface, c->family == AF_INET6 ? "IPv6" : "IPv4");
        return;
    }
    while ((row = next(p->state, row)) && row->p.up)
        ;
    if (!row)
        return;
    portal_format(&row->p, text);
    if (!netlink_find(p->netlink, row->raw, row->raw_len, &found))
        snprintf(out, LAST_ERROR_ROOM,
                 "portal %u at %s is down: no interface of this machine has its address, or it is "
                 "still checked for duplicates",
                 row->p.index, text);
    else
        snprintf(out, LAST_ERROR_ROOM, "portal %u at %s is down: %s", row->p.index, text,
                 found.admin_up ? "its interface has no carrier" : "its interface is down");
}
