// A SET in its phases, grouped by row; for this folder only.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_TABLE_SET_H
#define DVSAN_SNMP_TABLE_SET_H

#include "snmp/table.h"

// Finds the table and the column that a name belongs to; NULL when there is none.
const struct sn_bound_table *sn_region_find(const struct sn_region *region,
                                            const struct sn_oid *name,
                                            const struct sn_column **column, const uint32_t **index,
                                            size_t *index_len);

// One phase of a SET, for all variables in the region. Blames a request when it fails.
void sn_set_phase(struct sn_region *region, netsnmp_agent_request_info *info,
                  netsnmp_request_info *requests);

#endif
