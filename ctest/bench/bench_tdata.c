// A subagent with Net-SNMP's own static table of two columns: the yardstick for our tables.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: bench_tdata SOCKET ROWS
// The table is the large one of ctest/integration/sn_agent_demo.c, at the same place.
#include <net-snmp/net-snmp-config.h>
// The one above comes first, the one below before the agent's.
#include <net-snmp/net-snmp-includes.h>
// The rest.
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_COLUMN 1
#define LAST_COLUMN  2

static volatile sig_atomic_t ending;

static void on_term(int signo)
{
    (void)signo;
    ending = 1;
}

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    (void)handler, (void)registration, (void)info;
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        const unsigned *number = netsnmp_tdata_extract_entry(r);
        netsnmp_table_request_info *table = netsnmp_extract_table_info(r);
        if (!number)
            netsnmp_set_request_error(info, r, SNMP_NOSUCHINSTANCE);
        else if (table->colnum == FIRST_COLUMN)
            snmp_set_var_typed_integer(r->requestvb, ASN_UNSIGNED, (long)*number);
        else
            snmp_set_var_typed_value(r->requestvb, ASN_OCTET_STR, "one row of many", 15);
    }
    return SNMP_ERR_NOERROR;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_tdata SOCKET ROWS\n");
        return 2;
    }
    static const oid entry[] = {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 4711, 3};
    setenv("MIBS", "", 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_enable_subagent();
    netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, argv[1]);
    init_agent("bench_tdata");

    netsnmp_tdata *table = netsnmp_tdata_create_table("bench", 0);
    for (unsigned i = 1, rows = (unsigned)atoi(argv[2]); i <= rows; i++) {
        unsigned *number = malloc(sizeof(*number));
        *number = 2 * i;
        netsnmp_tdata_row *row = netsnmp_tdata_create_row();
        row->data = number;
        netsnmp_tdata_row_add_index(row, ASN_UNSIGNED, number, sizeof(*number));
        netsnmp_tdata_add_row(table, row);
    }
    netsnmp_table_registration_info *columns = SNMP_MALLOC_TYPEDEF(netsnmp_table_registration_info);
    netsnmp_table_helper_add_indexes(columns, ASN_UNSIGNED, 0);
    columns->min_column = FIRST_COLUMN;
    columns->max_column = LAST_COLUMN;
    netsnmp_tdata_register(netsnmp_create_handler_registration(
                               "bench", handle, entry, OID_LENGTH(entry), HANDLER_CAN_RONLY),
                           table, columns);
    signal(SIGTERM, on_term);
    init_snmp("bench_tdata");
    while (!ending)
        agent_check_and_process(1);
    snmp_shutdown("bench_tdata");
    return 0;
}
