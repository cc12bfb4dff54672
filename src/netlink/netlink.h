// The machine's interfaces and addresses, as the kernel tells them by rtnetlink.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NETLINK_NETLINK_H
#define DVSAN_NETLINK_NETLINK_H

#include "base/err.h"
#include "loop/loop.h"
#include <stddef.h>

struct netlink;

struct netlink_interface {
    uint32_t index; // as IF-MIB's ifIndex
    bool admin_up;
    bool oper_up; // with a carrier, or of a kind that has none
};

// Knows all interfaces and addresses when it returns; from then on changed(arg) runs after each
// batch of the kernel's news.
struct netlink *netlink_new(struct loop *loop, loop_fn *changed, void *arg, struct dv_err *err);
void netlink_free(struct netlink *n); // NULL is fine

// The interface that has the address (4 or 16 bytes). An address inside a loopback interface's
// prefix counts as that interface's: the kernel answers for it. An address that the kernel still
// checks for duplicates is not there yet. False when there is none.
bool netlink_find(const struct netlink *n, const void *address, size_t len,
                  struct netlink_interface *out);
// The address (4 or 16 bytes, by family) at which others reach an interface: keep, while it still
// has that (NULL: there is none to keep), else the first that is global and will last. False when
// it has none.
bool netlink_address(const struct netlink *n, const char *interface, int family,
                     const uint8_t *keep, uint8_t out[16]);
bool netlink_interface(const struct netlink *n, uint32_t index, struct netlink_interface *out);

#endif
