// A unit's configuration: what dvsan-unit.xml says.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CONFIG_UNIT_CONFIG_H
#define DVSAN_CONFIG_UNIT_CONFIG_H

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "config/member_config.h"
#include "model/session.h"
#include "model/unit.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct medium_config {
    uint32_t index; // 1..2^31-1; it never changes for a medium, since volumes name it
    char name[NAME_MAX_LEN + 1];
    enum medium_kind kind;
    char *path;      // of a Ceph pool: its name
    char *ceph_conf; // NULL, as the next: Ceph's own default
    char *ceph_user;
    uint64_t bytes;  // of a folder or pool: a multiple of 1 MiB; else 0: the medium knows
    bool initialise; // a disk that holds nothing gets a partition table
    bool thin;       // what its volumes are when a request does not say
};

#define INTERFACE_ROOM 16 // bytes of an interface's name, with the NUL

struct portal_config {
    uint32_t index;                 // 1..2^31-1
    char address[INET6_ADDRSTRLEN]; // "": what the interface has
    char interface[INTERFACE_ROOM]; // "": whichever has the address
    int family;                     // of the interface's address: AF_INET or AF_INET6
    uint16_t port;                  // of portal group 1; the ports of the others follow
};

// Paths that the file gives relative are relative to the file's folder.
struct unit_config {
    struct member_config member;
    char iqn_prefix[IQN_MAX_LEN + 1]; // a volume's target name is this, ":" and its UUID
    enum log_level log_level;

    struct medium_config *media; // one or more; indexes, names and paths differ
    size_t media_count;
    struct portal_config *portals; // one or more; indexes and places with ports differ
    size_t portal_count;

    struct {
        char *socket; // TGT_IPC_SOCKET of each tgtd; the socket itself is "<this>.<control port>"
        uint16_t control_port; // -C of the first tgtd; those of the others follow
        uint32_t instances;    // tgtds, each of which is a portal group; 1..UNIT_GROUPS_MAX
        uint32_t threads;      // for each volume, 2..16
        bool supervise;        // dvsan-unit starts them; else somebody else does
        struct session_parameters session;
    } tgtd;
};

// Reads, validates and checks the file, and reads the pass-phrase files that it names. NULL with
// a sentence that gives file, line, and what is wrong.
struct unit_config *unit_config_load(const char *path, struct dv_err *err);
// Of the tgtd that is portal group 1..instances: its -C, its socket (the caller frees it), and the
// port at which it listens for a portal.
uint16_t unit_config_control_port(const struct unit_config *config, uint32_t group);
char *unit_config_tgtd_socket(const struct unit_config *config, uint32_t group);
uint16_t unit_config_port(const struct portal_config *portal, uint32_t group);
// Where "%portalN" is in a management address, its N, and how long it is; NULL when there is none.
const char *unit_config_portal_in(const char *address, uint32_t *index, size_t *len);
void unit_config_free(struct unit_config *config); // NULL is fine; wipes the pass-phrases

#endif
