// Requests of the AgentX master to our tables; for this folder only.
// SPDX-License-Identifier: BSD-2-Clause
//
// Tables that share the first seven sub-identifiers (an enterprise's, or one module's under mib-2)
// are one region, registered as one. That is less to do, and it is needed, too: for a SET that
// touches two registrations of one subagent, Net-SNMP's master sends two transactions with one
// number, which its subagent side then confuses.
#ifndef DVSAN_SNMP_TABLE_H
#define DVSAN_SNMP_TABLE_H

#include "snmp/agent.h"
#include "snmp/convert.h"
#include <net-snmp/agent/net-snmp-agent-includes.h>

struct sn_bound_table {
    const struct sn_table *table;
    void *ctx;
};

struct sn_set; // a SET between its first and last phase

struct sn_region {
    struct sn_oid root;            // what all entries of its tables have in common
    struct sn_bound_table *tables; // ascending by entry
    size_t count;
    struct sn_set *sets;
    uintptr_t last_serial;                      // of a SET
    netsnmp_handler_registration *registration; // once it was handed to Net-SNMP
};

// Puts a table into its region, which is made when there is none. False when its objects would
// overlap another's.
bool sn_regions_add(struct sn_region ***regions, size_t *count, const struct sn_bound_table *table);
void sn_region_free(struct sn_region *region);

// The Net-SNMP handler of a region; handler->myvoid is the region.
int sn_region_handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                     netsnmp_agent_request_info *info, netsnmp_request_info *requests);

// Ends SETs that the master began and, being gone, will not end.
void sn_region_abandon_sets(struct sn_region *region);

#endif
