// A subagent with a static table by Net-SNMP's own tdata helper: the yardstick for our tables.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: bench_tdata SOCKET TABLE < VALUES
// TABLE is the table's OID. VALUES are lines INDEX COLUMN TYPE VALUE, ascending by INDEX. TYPE i, u
// or c has a decimal number (INTEGER, Gauge32, Counter64), x has octets as hexadecimal digits
// behind a full stop.
#include <net-snmp/net-snmp-config.h>
// The one above comes first, the one below before the agent's.
#include <net-snmp/net-snmp-includes.h>
// The rest.
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_MAX 63
#define OCTETS_MAX 255

struct value {
    u_char type; // 0: the row has no such column
    size_t len;
    union {
        long number;
        struct counter64 counter;
        u_char octets[1];
    } * data;
};

struct row {
    unsigned index;
    struct value values[COLUMN_MAX + 1]; // by column
};

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
        const struct row *row = netsnmp_tdata_extract_entry(r);
        netsnmp_table_request_info *table = netsnmp_extract_table_info(r);
        const struct value *v = row ? &row->values[table->colnum] : NULL;
        if (!v || v->type == 0)
            netsnmp_set_request_error(info, r, SNMP_NOSUCHINSTANCE);
        else
            snmp_set_var_typed_value(r->requestvb, v->type, v->data, v->len);
    }
    return SNMP_ERR_NOERROR;
}

static void die(const char *why, const char *what)
{
    fprintf(stderr, "bench_tdata: %s: %s\n", why, what);
    exit(2);
}

static struct value parse_value(char type, const char *text)
{
    struct value v = {.data = calloc(1, sizeof(*v.data) + OCTETS_MAX)};
    unsigned long long number = strtoull(text, NULL, 10);
    switch (type) {
    case 'i':
    case 'u':
        v.type = type == 'i' ? ASN_INTEGER : ASN_UNSIGNED;
        v.len = sizeof(v.data->number);
        v.data->number = (long)number;
        return v;
    case 'c':
        v.type = ASN_COUNTER64;
        v.len = sizeof(v.data->counter);
        v.data->counter.high = number >> 32;
        v.data->counter.low = number & 0xffffffff;
        return v;
    case 'x':
        v.type = ASN_OCTET_STR;
        for (text++; v.len < OCTETS_MAX && sscanf(text, "%2hhx", &v.data->octets[v.len]) == 1;
             text += 2)
            v.len++;
        return v;
    default:
        die("no such type of value", text);
        exit(2);
    }
}

static void add_row(netsnmp_tdata *table, struct row *values)
{
    netsnmp_tdata_row *row = netsnmp_tdata_create_row();
    row->data = values;
    netsnmp_tdata_row_add_index(row, ASN_UNSIGNED, &values->index, sizeof(values->index));
    netsnmp_tdata_add_row(table, row);
}

static netsnmp_table_registration_info *read_values(netsnmp_tdata *table)
{
    netsnmp_table_registration_info *columns = SNMP_MALLOC_TYPEDEF(netsnmp_table_registration_info);
    netsnmp_table_helper_add_indexes(columns, ASN_UNSIGNED, 0);
    columns->min_column = COLUMN_MAX;
    struct row *row = NULL;
    char line[3 * OCTETS_MAX], value[2 * OCTETS_MAX + 2], type;
    unsigned index, column;
    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "%u %u %c %511s", &index, &column, &type, value) != 4 || column < 1 ||
            column > COLUMN_MAX)
            die("not a line of VALUES", line);
        if (!row || row->index != index) {
            row = calloc(1, sizeof(*row));
            row->index = index;
            add_row(table, row);
        }
        row->values[column] = parse_value(type, value);
        columns->min_column = column < columns->min_column ? column : columns->min_column;
        columns->max_column = column > columns->max_column ? column : columns->max_column;
    }
    return columns;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_tdata SOCKET TABLE < VALUES\n");
        return 2;
    }
    setenv("MIBS", "", 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_enable_subagent();
    netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, argv[1]);
    init_agent("bench_tdata");

    oid name[MAX_OID_LEN];
    size_t len = MAX_OID_LEN;
    if (!read_objid(argv[2], name, &len))
        die("not an OID", argv[2]);
    netsnmp_tdata *table = netsnmp_tdata_create_table("bench", 0);
    netsnmp_table_registration_info *columns = read_values(table);
    netsnmp_tdata_register(
        netsnmp_create_handler_registration("bench", handle, name, len, HANDLER_CAN_RONLY), table,
        columns);
    signal(SIGTERM, on_term);
    init_snmp("bench_tdata");
    while (!ending)
        agent_check_and_process(1);
    snmp_shutdown("bench_tdata");
    return 0;
}
