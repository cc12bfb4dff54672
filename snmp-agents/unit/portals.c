// The portals and the interfaces they depend on: who has each address, and whether it is up.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/portals.h"
#include "base/log.h"
#include "base/mem.h"
#include "snmp-agents/unit/netlink.h"
#include <string.h>

struct portals {
    struct state *state;
    struct netlink *netlink;
    portals_fn *changed;
    void *arg;
};

struct announcement_link portals_link(const struct portals *p, uint32_t interface)
{
    struct netlink_interface i;
    if (!netlink_interface(p->netlink, interface, &i))
        i = (struct netlink_interface){.index = interface}; // it is gone, so it is down
    return (struct announcement_link){i.index, i.admin_up, i.oper_up};
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

static void on_news(void *arg)
{
    struct portals *p = arg;
    DV_FREE uint32_t *told = NULL;
    size_t told_count = 0;
    struct unit_portal *row = NULL;
    while ((row = state_portal_next(p->state, row ? row->p.index : 0))) {
        uint32_t interface;
        if (!update(p, row, &interface))
            continue;
        log_info("net", "portal %s port %u is %s", row->p.address, row->p.port,
                 row->p.up ? "up" : "down");
        if (contains(told, told_count, interface))
            continue;
        *DV_APPEND(told, told_count) = interface;
        p->changed(p->arg, interface, row->p.up);
    }
}

struct portals *portals_new(struct loop *loop, const struct unit_config *config,
                            struct state *state, portals_fn *changed, void *arg, struct dv_err *err)
{
    struct portals *p = dv_calloc(1, sizeof(*p));
    *p = (struct portals){.state = state, .changed = changed, .arg = arg};
    p->netlink = netlink_new(loop, on_news, p, err);
    if (!p->netlink) {
        portals_free(p);
        return NULL;
    }
    for (size_t i = 0; i < config->portal_count; i++) {
        const struct portal_config *c = &config->portals[i];
        struct portal portal = {.index = c->index, .port = c->port};
        uint32_t interface;
        dv_copy(portal.address, sizeof(portal.address), c->address);
        (void)update(p, state_add_portal(state, &portal), &interface);
    }
    return p;
}

void portals_free(struct portals *p)
{
    if (!p)
        return;
    netlink_free(p->netlink);
    free(p);
}

size_t portals_links(const struct portals *p, struct announcement_link *out, size_t room)
{
    size_t n = 0;
    const struct unit_portal *row = NULL;
    while ((row = state_portal_next(p->state, row ? row->p.index : 0)) && n < room) {
        bool told = row->p.if_index == 0;
        for (size_t i = 0; i < n; i++)
            told = told || out[i].if_index == row->p.if_index;
        if (!told)
            out[n++] = portals_link(p, row->p.if_index);
    }
    return n;
}
