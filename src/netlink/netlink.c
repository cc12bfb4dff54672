// The machine's interfaces and addresses, as the kernel tells them by rtnetlink.
// SPDX-License-Identifier: BSD-2-Clause
#include "netlink/netlink.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define BUFFER_ROOM 32768 // what the kernel sends at once, at most (linux/netlink.h)

struct interface {
    struct netlink_interface shown;
    char name[IFNAMSIZ];
    bool loopback;
};

struct address {
    uint32_t interface;
    uint8_t bytes[16];
    size_t len;     // 4 or 16
    uint8_t prefix; // bits
    bool usable;    // it can be bound to
    bool lasting;   // and others can reach it, also later
};

struct netlink {
    struct mnl_socket *socket;
    struct loop_fd *fd;
    loop_fn *changed;
    void *arg;
    struct interface *interfaces;
    size_t interface_count;
    struct address *addresses;
    size_t address_count;
};

static struct interface *find_interface(const struct netlink *n, uint32_t index)
{
    for (size_t i = 0; i < n->interface_count; i++)
        if (n->interfaces[i].shown.index == index)
            return &n->interfaces[i];
    return NULL;
}

static void forget_addresses(struct netlink *n, uint32_t interface)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->address_count; i++)
        if (n->addresses[i].interface != interface)
            n->addresses[kept++] = n->addresses[i];
    n->address_count = kept;
}

static void take_link(struct netlink *n, const struct nlmsghdr *h)
{
    const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    uint32_t index = (uint32_t)m->ifi_index;
    struct interface *i = find_interface(n, index);
    if (h->nlmsg_type == RTM_DELLINK) {
        forget_addresses(n, index);
        if (i)
            *i = n->interfaces[--n->interface_count];
        return;
    }
    if (!i)
        i = DV_APPEND(n->interfaces, n->interface_count);
    bool up = (m->ifi_flags & IFF_UP) != 0;
    i->shown = (struct netlink_interface){
        .index = index, .admin_up = up, .oper_up = up && (m->ifi_flags & IFF_LOWER_UP) != 0};
    const struct nlattr *attr;
    mnl_attr_for_each(attr, h, sizeof(*m))
    {
        if (mnl_attr_get_type(attr) == IFLA_IFNAME)
            dv_copy(i->name, sizeof(i->name), mnl_attr_get_str(attr));
    }
    i->loopback = (m->ifi_flags & IFF_LOOPBACK) != 0;
}

static bool same_address(const struct address *a, const struct address *b)
{
    return a->interface == b->interface && a->len == b->len &&
           memcmp(a->bytes, b->bytes, a->len) == 0;
}

// The address itself: on a point-to-point link IFA_ADDRESS is the other end's.
static bool read_address(const struct nlmsghdr *h, struct address *a)
{
    const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *attr, *local = NULL, *other = NULL;
    *a = (struct address){.interface = m->ifa_index, .prefix = m->ifa_prefixlen};
    a->usable = (m->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
    a->lasting = a->usable && m->ifa_scope == RT_SCOPE_UNIVERSE &&
                 (m->ifa_flags & (IFA_F_SECONDARY | IFA_F_DEPRECATED)) == 0;
    a->len = m->ifa_family == AF_INET ? 4 : m->ifa_family == AF_INET6 ? 16 : 0;
    mnl_attr_for_each(attr, h, sizeof(*m))
    {
        if (mnl_attr_get_type(attr) == IFA_LOCAL)
            local = attr;
        else if (mnl_attr_get_type(attr) == IFA_ADDRESS)
            other = attr;
    }
    if (!local)
        local = other;
    if (!local || a->len == 0 || mnl_attr_get_payload_len(local) != a->len)
        return false;
    memcpy(a->bytes, mnl_attr_get_payload(local), a->len);
    return true;
}

static void take_address(struct netlink *n, const struct nlmsghdr *h)
{
    struct address a;
    size_t i = 0;
    if (!read_address(h, &a))
        return;
    while (i < n->address_count && !same_address(&n->addresses[i], &a))
        i++;
    bool known = i < n->address_count;
    if (h->nlmsg_type == RTM_NEWADDR && known)
        n->addresses[i] = a;
    else if (h->nlmsg_type == RTM_NEWADDR)
        *DV_APPEND(n->addresses, n->address_count) = a;
    else if (h->nlmsg_type == RTM_DELADDR && known)
        n->addresses[i] = n->addresses[--n->address_count];
}

static int take(const struct nlmsghdr *h, void *data)
{
    if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
        take_link(data, h);
    else if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR)
        take_address(data, h);
    return MNL_CB_OK;
}

// Asks for everything of a kind and waits for the answer, which the kernel has ready.
static int dump(struct netlink *n, struct mnl_socket *socket, uint16_t type, struct dv_err *err)
{
    char buffer[BUFFER_ROOM];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    struct rtgenmsg *family = mnl_nlmsg_put_extra_header(h, sizeof(*family));
    family->rtgen_family = AF_UNSPEC;
    ssize_t got = mnl_socket_sendto(socket, h, h->nlmsg_len);
    int rc = got < 0 ? MNL_CB_ERROR : MNL_CB_OK;
    while (rc > MNL_CB_STOP) {
        got = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
        rc = got < 0 ? MNL_CB_ERROR : mnl_cb_run(buffer, (size_t)got, 0, 0, take, n);
    }
    if (rc == MNL_CB_STOP)
        return 0;
    return dv_fail_errno(err, errno, "the kernel does not tell its interfaces");
}

static int dump_all(struct netlink *n, struct dv_err *err)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) {
        if (socket)
            mnl_socket_close(socket);
        return dv_fail_errno(err, errno, "a netlink socket cannot be had");
    }
    n->interface_count = n->address_count = 0;
    int rc = dump(n, socket, RTM_GETLINK, err);
    if (rc == 0)
        rc = dump(n, socket, RTM_GETADDR, err);
    mnl_socket_close(socket);
    return rc;
}

// The kernel dropped news because we were slow: everything is asked for again.
static void resync(struct netlink *n)
{
    struct dv_err err;
    if (dump_all(n, &err) != 0)
        log_error("net", "%s", err.text);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    struct netlink *n = arg;
    char buffer[BUFFER_ROOM];
    ssize_t got;
    (void)fd;
    (void)events;
    while ((got = mnl_socket_recvfrom(n->socket, buffer, sizeof(buffer))) > 0 ||
           (got < 0 && errno == ENOBUFS)) {
        if (got < 0)
            resync(n);
        else
            (void)mnl_cb_run(buffer, (size_t)got, 0, 0, take, n);
    }
    n->changed(n->arg);
}

struct netlink *netlink_new(struct loop *loop, loop_fn *changed, void *arg, struct dv_err *err)
{
    struct netlink *n = dv_calloc(1, sizeof(*n));
    n->changed = changed;
    n->arg = arg;
    n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!n->socket ||
        mnl_socket_bind(n->socket, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                        MNL_SOCKET_AUTOPID) != 0) {
        (void)dv_fail_errno(err, errno, "a netlink socket cannot be had");
        netlink_free(n);
        return NULL;
    }
    if (dump_all(n, err) != 0) { // after joining the groups, so that nothing falls in between
        netlink_free(n);
        return NULL;
    }
    n->fd = loop_fd_new(loop, mnl_socket_get_fd(n->socket), LOOP_READ, on_readable, n);
    return n;
}

void netlink_free(struct netlink *n)
{
    if (!n)
        return;
    loop_fd_free(n->fd);
    if (n->socket)
        mnl_socket_close(n->socket);
    free(n->interfaces);
    free(n->addresses);
    free(n);
}

static bool covers(const struct address *a, const uint8_t *bytes)
{
    size_t whole = a->prefix / 8, rest = a->prefix % 8;
    if (memcmp(a->bytes, bytes, whole) != 0)
        return false;
    return rest == 0 || ((a->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

bool netlink_find(const struct netlink *n, const void *address, size_t len,
                  struct netlink_interface *out)
{
    const struct interface *found = NULL;
    for (size_t i = 0; i < n->address_count; i++) {
        const struct address *a = &n->addresses[i];
        const struct interface *owner = find_interface(n, a->interface);
        if (a->len != len || !owner || !a->usable)
            continue;
        bool exact = memcmp(a->bytes, address, len) == 0;
        if (exact || (owner->loopback && !found && covers(a, address)))
            found = owner;
        if (exact)
            break;
    }
    if (found)
        *out = found->shown;
    return found != NULL;
}

bool netlink_address(const struct netlink *n, const char *interface, int family,
                     const uint8_t *keep, uint8_t out[16])
{
    const struct address *found = NULL;
    size_t len = family == AF_INET6 ? 16 : 4;
    for (size_t i = 0; i < n->address_count; i++) {
        const struct address *a = &n->addresses[i];
        const struct interface *owner = find_interface(n, a->interface);
        if (a->len != len || !owner || strcmp(owner->name, interface) != 0)
            continue;
        bool kept = keep && a->usable && memcmp(a->bytes, keep, len) == 0;
        if (kept || (a->lasting && !found))
            found = a;
        if (kept)
            break;
    }
    if (found)
        memcpy(out, found->bytes, len);
    return found != NULL;
}

bool netlink_interface(const struct netlink *n, uint32_t index, struct netlink_interface *out)
{
    const struct interface *i = find_interface(n, index);
    if (i)
        *out = i->shown;
    return i != NULL;
}
